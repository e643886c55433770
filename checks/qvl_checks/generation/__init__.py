"""Topic: generation."""
