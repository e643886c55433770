"""Runs on a GPU machine, inside an agent's fork: what the measuring scripts beside it ask for."""
