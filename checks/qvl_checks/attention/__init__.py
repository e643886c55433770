"""Topic: attention."""
