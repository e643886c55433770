"""Topic: versions."""
