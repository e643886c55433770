"""Renderers: pure functions from a report to text. They know no Qwen fact."""
