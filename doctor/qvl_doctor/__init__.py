"""The engine: targets, probes, checks, policy and the command line. It knows no Qwen fact."""

__version__ = "0.1.0"
