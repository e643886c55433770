"""A small abstract interpreter: what a program would pass to transformers, without running it."""
