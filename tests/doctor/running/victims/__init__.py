"""Probes that misbehave in every way that the engine must survive."""
