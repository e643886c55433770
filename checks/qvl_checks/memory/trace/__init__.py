"""Predicts the memory of a run by tracing the installed transformers' own code on tensors without
data: no GPU, no weights. Everything here runs in the target: standard library at module level."""
