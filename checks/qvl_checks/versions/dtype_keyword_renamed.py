"""Which keyword for the dtype this transformers understands; information, not a fault."""

from __future__ import annotations

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_checks.versions.transformers_surface_facts import TransformersSurfaceFacts
from qvl_doctor.check import check
from qvl_doctor.judgement import Judgement, blocked, passed


@check("versions.dtype-keyword-renamed")
def dtype_keyword_renamed(surface: TransformersSurfaceFacts, packages: PackagesFacts) -> Judgement:
    """Read in the source of ``from_pretrained``."""
    if not surface.installed:
        return blocked(f"transformers is not installed: {surface.reason}")
    if surface.accepts_dtype is None or surface.accepts_torch_dtype is None:
        return blocked(f"its source cannot be read: {surface.unread}")
    version = packages.installed.get("transformers", "")
    keyword = "dtype" if surface.accepts_dtype else "torch_dtype"
    also = (
        "; torch_dtype is the old name and still works"
        if surface.accepts_dtype and surface.accepts_torch_dtype
        else ""
    )
    return passed(
        f"transformers {version} takes the weights' type as {keyword}={also}",
        evidence={
            "accepts_dtype": surface.accepts_dtype,
            "accepts_torch_dtype": surface.accepts_torch_dtype,
        },
    )
