"""versions.legacy-chat-environment: is this the environment that Qwen-VL-Chat's code is for?"""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

MODEL_TYPE = "qwen"
WRITTEN_FOR = (Version("4.31"), Version("4.33"))
NEEDS = ("tiktoken", "einops", "transformers-stream-generator")
SETUP = """python3.10 -m venv qwen-vl-chat
qwen-vl-chat/bin/pip install "transformers==4.32.0" "torch<2.3" torchvision "numpy<2" \\
    tiktoken einops transformers_stream_generator accelerate pillow matplotlib
"""


@check("versions.legacy-chat-environment")
def legacy_chat_environment(model: ModelFacts, packages: PackagesFacts) -> Judgement:
    """``model_type`` qwen with code of its own, against transformers 4.31 and 4.32."""
    if model.model_type != MODEL_TYPE or "auto_map" not in model.config:
        return not_applicable("the model is not Qwen-VL-Chat, which brings its own code")
    release = packages.version("transformers")
    if release is None:
        return blocked("transformers is not installed")
    missing = [name for name in NEEDS if name not in packages.installed]
    evidence: dict[str, Any] = {"transformers": str(release), "missing": missing}
    fits = WRITTEN_FOR[0] <= release < WRITTEN_FOR[1]
    if fits and not missing:
        return passed(
            f"transformers {release} and the packages that Qwen-VL-Chat's code imports are there",
            evidence=evidence,
        )
    problems = [] if fits else [f"transformers {release} is not 4.31 or 4.32"]
    problems += [f"{name} is not installed" for name in missing]
    return failed(
        "Qwen-VL-Chat's own code does not run here: " + ", ".join(problems),
        "It was written for transformers 4.31 and 4.32 and is not kept up; later releases changed "
        "the tokenizer base class and generation. The doctor did not run it.",
        confidence=Confidence.REPORTED,
        evidence=evidence,
        fixes=[
            Fix.advise("Give it an environment of its own:\n" + SETUP),
            Fix.advise("Or use Qwen2.5-VL or Qwen3-VL, which need no code of their own."),
        ],
    )
