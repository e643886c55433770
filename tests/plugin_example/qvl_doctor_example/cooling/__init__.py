"""Topic: cooling."""
