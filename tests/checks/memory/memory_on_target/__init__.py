"""Runs in the target: real runs of the memory probes' parts where there is no GPU."""
