"""Topic: host."""
