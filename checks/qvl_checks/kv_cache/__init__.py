"""Topic: kv cache."""
