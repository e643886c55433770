"""A minimal third-party plugin."""
