"""Probes for the schedule."""
