"""Find loading and inference mistakes in Python that uses Qwen-VL, without running it."""

from .finding import Edit, Fix, LintFinding
from .project import lint_paths, lint_source

__all__ = ["Edit", "Fix", "LintFinding", "lint_paths", "lint_source"]
