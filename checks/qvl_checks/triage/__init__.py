"""Triage: from a pasted traceback, log or description to the known causes that explain it.

`diagnosing.diagnose` is pure: text in, `model.Triage` out. `examination` is the part that touches
a machine, and only runs when asked to. This package imports neither, so that the command line can
list its commands at no cost.
"""
