"""Topic: devices."""
