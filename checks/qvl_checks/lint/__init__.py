"""Find loading and inference mistakes in Python that uses Qwen-VL, without running it.

`project.lint_source` and `project.lint_paths` are the library. This package imports neither, so
that the command line can list its commands at no cost.
"""
