"""The medicine: one folder per topic, each with its probes, facts, checks and pages."""
