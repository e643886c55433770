"""Reports for the renderers' tests: a realistic bad day, a good day, and hostile ones."""

from __future__ import annotations

from typing import Any

from qvl_doctor.facts import FACTS_SCHEMA, ProbeRecord, ProbeStatus, Record
from qvl_doctor.findings import (
    Chart,
    Confidence,
    Finding,
    Fix,
    Outcome,
    Safety,
    Series,
    Severity,
    Unchecked,
)
from qvl_doctor.probe import Level
from qvl_doctor.report import REPORT_SCHEMA, Report, Verdict

GIB = 1024**3
PYTHON = "/home/li/项目/qwen-vl/.venv/bin/python"
OFFSETS = (0, 4, 8, 16, 32, 64, 128, 256)


def problems() -> Report:
    """A machine with three causes, a blocked kernel, and much that is in order."""
    findings = (*failures(), *unjudged(), waived(), *passes())
    unchecked = [
        Unchecked(id=one.id, outcome=one.outcome, reason=one.cause)
        for one in findings
        if not one.outcome.judged
    ]
    unchecked += [
        Unchecked(
            id=f"video.{slug}",
            outcome=Outcome.NOT_APPLICABLE,
            reason="left out with --only or --skip",
        )
        for slug in ("video-reader-hang", "video-markers-doubled", "frame-times-dropped")
    ]
    return Report(
        schema=REPORT_SCHEMA,
        doctor="0.1.0",
        verdict=Verdict.PROBLEMS,
        fail_on="slow",
        target=target(),
        causes=(
            "attention.eager-precision-drift",
            "memory.device-0-out-of-memory",
            "versions.framework-model-skew",
        ),
        findings=findings,
        unchecked=tuple(unchecked),
        facts=record(),
    )


def all_well() -> Report:
    """Everything that applies passed."""
    return Report(
        schema=REPORT_SCHEMA,
        doctor="0.1.0",
        verdict=Verdict.OK,
        fail_on="slow",
        target=target(),
        causes=(),
        findings=passes(),
        unchecked=(),
        facts=record(),
    )


def nothing_known() -> Report:
    """Interrupted before anything was found out."""
    facts = Record(
        schema=FACTS_SCHEMA,
        doctor="0.1.0",
        recorded_at="2026-11-21T21:30:00Z",
        level=Level.QUICK,
        interrupted=True,
    )
    return Report(
        schema=REPORT_SCHEMA,
        doctor="0.1.0",
        verdict=Verdict.INCOMPLETE,
        fail_on="slow",
        target={},
        causes=(),
        findings=(),
        unchecked=(),
        facts=facts,
    )


def large(findings: int = 300) -> Report:
    """Far more than fits a GitHub issue."""
    many = tuple(
        Finding(
            id=f"memory.case-{place}",
            outcome=Outcome.FAIL if place % 3 else Outcome.PASS,
            severity=list(Severity)[place % 5],
            confidence=Confidence.MEASURED,
            title=f"内存不足 {place}",
            cause="显存在注意力计算时用尽。" * 40,
            evidence={f"step_{row}_bytes": row * GIB for row in range(40)},
            fixes=(Fix.edit("x = 1\n" * 40, summary="Halve the image"),),
        )
        for place in range(findings)
    )
    return Report(
        schema=REPORT_SCHEMA,
        doctor="0.1.0",
        verdict=Verdict.PROBLEMS,
        fail_on="slow",
        target=target(),
        causes=tuple(one.id for one in many if one.outcome is Outcome.FAIL),
        findings=many,
        unchecked=(),
        facts=record(),
    )


def hostile(text: str, number: float | None = None) -> Report:
    """``text`` in every field that can hold text, ids included."""
    fixes = (
        Fix.run(text, "a b", summary=text, safety=Safety.RISKY),
        Fix.edit(text, summary=text, verification=text),
        Fix.environment(text, summary=text),
        Fix.advise(text),
    )
    charts = tuple(
        Chart(
            kind=kind,
            title=text,
            x=text,
            y=text,
            log_y=log,
            threshold=number,
            threshold_label=text,
            series=(
                Series(name=text, points=((text, number), (1.0, None)), emphasis="bad"),
                Series(name=text, points=((0.0, 0.0), (2.0, number))),
            ),
        )
        for kind in ("line", "bar", "area")
        for log in (False, True)
    )
    evidence: dict[str, Any] = {
        text: text,
        "nested": {text: {text: [text, {text: text}]}},
        "rows": [{text: text, "n": number}, {text: number}],
        "list": [text, number, None, True],
    }
    findings = tuple(
        Finding(
            id=f"{text}.{outcome.value}",
            outcome=outcome,
            severity=Severity.WRONG_ANSWERS,
            confidence=Confidence.MEASURED,
            title=text,
            cause=text,
            evidence=evidence,
            fixes=fixes,
            explains=(text, f"{text}.pass"),
            charts=charts if outcome in (Outcome.FAIL, Outcome.ERROR) else (),
        )
        for outcome in Outcome
    )
    unchecked = (
        *(
            Unchecked(id=one.id, outcome=one.outcome, reason=one.cause)
            for one in findings
            if not one.outcome.judged
        ),
        Unchecked(id=f"left.{text}", outcome=Outcome.NOT_APPLICABLE, reason=text),
    )
    facts = Record(
        schema=FACTS_SCHEMA,
        doctor=text,
        recorded_at=text,
        level=Level.QUICK,
        only=(text,),
        skip=(text,),
        plugin_failures={text: text},
        probes={
            f"probe.{text}": ProbeRecord(
                status=ProbeStatus.CRASHED,
                data=evidence,
                reason=text,
                signal=text,
                output=text,
                exit_code=1,
                abandoned_pid=7,
            )
        },
    )
    return Report(
        schema=REPORT_SCHEMA,
        doctor=text,
        verdict=Verdict.PROBLEMS,
        fail_on=text,
        target={"python": text, "chosen_because": text, "version": text, text: text},
        causes=(f"{text}.fail", text),
        findings=findings,
        unchecked=unchecked,
        facts=facts,
    )


def failures() -> tuple[Finding, ...]:
    """The failed findings of a bad day, worst first."""
    return (
        Finding(
            id="attention.eager-precision-drift",
            outcome=Outcome.FAIL,
            severity=Severity.WRONG_ANSWERS,
            confidence=Confidence.MEASURED,
            title="Eager attention changes the model's answers from a logit offset of 16 on",
            cause=(
                "Eager attention rounds Q·Kᵀ to bfloat16 before the softmax. Once the logits share "
                "a large offset, the differences that decide the answer fall below one bfloat16 "
                "step and are rounded away. 注意力分数在 softmax 之前被舍入，答案因此改变。"
            ),
            evidence={
                "head_size": 80,
                "dtype": "bfloat16",
                "starts_at_offset": 16,
                "worst_relative_error": 0.4127,
                "argmax_changed": True,
                "per_implementation": [
                    {"implementation": "eager", "max_error": 0.4127, "top1_agreement": 0.62},
                    {
                        "implementation": "eager, QK in fp32",
                        "max_error": 0.0031,
                        "top1_agreement": 1.0,
                    },
                    {
                        "implementation": "sdpa (efficient)",
                        "max_error": 0.0029,
                        "top1_agreement": 1.0,
                    },
                    {
                        "implementation": "flash_attention_2",
                        "max_error": None,
                        "top1_agreement": None,
                    },
                ],
            },
            fixes=(
                Fix.edit(
                    "model = Qwen2_5_VLForConditionalGeneration.from_pretrained(\n"
                    '    path,\n    dtype=torch.bfloat16,\n    attn_implementation="sdpa",\n)',
                    summary="Let PyTorch compute the attention in one kernel that keeps the logits "
                    "in float32.",
                    verification="the same inputs through sdpa agree with float64 in every answer",
                ),
                Fix.edit(
                    "model.float()",
                    summary="Compute everything in float32, at twice the memory.",
                    safety=Safety.REVIEW,
                ),
            ),
            explains=("generation.endless-repetition",),
            charts=(drift_chart(),),
        ),
        Finding(
            id="generation.endless-repetition",
            outcome=Outcome.FAIL,
            severity=Severity.WRONG_ANSWERS,
            confidence=Confidence.MEASURED,
            title="The model repeats one sentence until the token limit",
            cause="Greedy decoding ran into a loop of 14 tokens after 92 tokens.",
            evidence={"loop_tokens": 14, "first_repeated_at": 92, "sample": "的的的的的的"},
            fixes=(Fix.advise("Cure the drift first; the loop is gone with it."),),
        ),
        Finding(
            id="memory.device-0-out-of-memory",
            outcome=Outcome.FAIL,
            severity=Severity.OUT_OF_MEMORY,
            confidence=Confidence.MEASURED,
            title="Device 0 runs out of memory in the vision tower on two 1680×1680 images",
            cause=(
                "Eager attention stores the whole score matrix of each image: 14,400 patches give "
                "16 × 14,400 × 14,400 values, which does not fit beside the weights."
            ),
            evidence={
                "requested_bytes": 6_635_520_000,
                "free_bytes": {"cuda:0": 3_112_042_496, "cuda:1": 22_420_652_032},
                "tensor": {
                    "name": "attn_weights",
                    "shape": [16, 14400, 14400],
                    "dtype": "bfloat16",
                    "module": "model.visual.blocks.0.attn",
                },
                "message": (
                    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 6.18 GiB.\n"
                    "GPU 0 has a total capacity of 24.00 GiB of which 2.90 GiB is free."
                ),
            },
            fixes=(
                Fix.edit(
                    'attn_implementation="sdpa"',
                    summary="Use an attention that never stores the score matrix.",
                    verification="peak 17.9 GiB under the same 24 GiB cap",
                ),
                Fix.edit(
                    "processor = AutoProcessor.from_pretrained(path, max_pixels=1280 * 28 * 28)",
                    summary="Shrink the images before they become patches.",
                    safety=Safety.REVIEW,
                ),
                Fix.environment(
                    "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True",
                    summary="Let the allocator grow its segments, against fragmentation.",
                ),
            ),
            charts=(memory_chart(),),
        ),
        Finding(
            id="versions.framework-model-skew",
            outcome=Outcome.FAIL,
            severity=Severity.HYGIENE,
            confidence=Confidence.DERIVED,
            title="transformers 4.49.0 is older than this checkpoint's configuration",
            cause="The checkpoint was written by transformers 4.53.1; two of its keys are ignored.",
            evidence={
                "installed": "4.49.0",
                "written_by": "4.53.1",
                "ignored_keys": ["rope_scaling", "layer_types"],
            },
            fixes=(
                Fix.run(
                    PYTHON,
                    "-m",
                    "pip",
                    "install",
                    "transformers>=4.53.1,<5",
                    summary="Install the version that knows these keys.",
                ),
            ),
        ),
    )


def unjudged() -> tuple[Finding, ...]:
    """An import that blocks eight checks, a crash, a measurement that does not decide."""
    blocked = [
        "flash-attn-wrong-results", "flash-attn-unsupported-gpu", "flash-attn-too-old",
        "flash-attention-3-slow-vision", "flash-attention-broken-release",
        "flash-attention-needs-half-precision", "flash-attn-build-isolation",
    ]  # fmt: skip
    reason = "flash_attn cannot be imported: undefined symbol: _ZN3c105ErrorC2ENS_14SourceLocationE"
    return (
        _unjudged(
            "kv-cache.cache-broken",
            Outcome.ERROR,
            "kv_cache.trace: it was ended by SIGSEGV after 3.1 s",
        ),
        _unjudged(
            "devices.slow-conv3d",
            Outcome.INCONCLUSIVE,
            "the timings scatter by more than the difference between the two paths",
            evidence={"conv3d_ms": [4.1, 9.8, 5.2], "linear_ms": [3.9, 8.7, 6.0]},
        ),
        *(
            _unjudged(f"attention.{slug}", Outcome.BLOCKED, f"attention.kernels: {reason}")
            for slug in blocked
        ),
        _unjudged(
            "attention.hub-kernel-substituted",
            Outcome.BLOCKED,
            f"attention.selected: needs the facts of attention.kernels, which failed: {reason}",
        ),
        *(
            _unjudged(f"devices.{slug}", Outcome.NOT_APPLICABLE, "there is only one process group")
            for slug in ("nccl-peer-hang", "tensor-parallel-plan-missing")
        ),
        *(
            _unjudged(
                f"checkpoint.{slug}", Outcome.NOT_APPLICABLE, "no checkpoint was named with --model"
            )
            for slug in (
                "checkpoint-damaged",
                "wrong-auto-class",
                "awq-garbled",
                "chat-template-missing",
            )
        ),
    )


def _unjudged(
    rule: str, outcome: Outcome, reason: str, evidence: dict[str, Any] | None = None
) -> Finding:
    return Finding(
        id=rule,
        outcome=outcome,
        severity=Severity.WILL_NOT_START,
        confidence=Confidence.DERIVED,
        title=reason,
        cause=reason,
        evidence=evidence or {},
    )


def waived() -> Finding:
    """A failure that somebody accepted."""
    return Finding(
        id="versions.duplicate-packages",
        outcome=Outcome.WAIVED,
        severity=Severity.HYGIENE,
        confidence=Confidence.MEASURED,
        title="Two copies of tokenizers are on the import path",
        cause="The environment sees the system's site-packages too.",
        evidence={
            "waiver": {
                "reason": "the cluster image is rebuilt in December",
                "expires": "2026-12-31",
            }
        },
    )


def passes() -> tuple[Finding, ...]:
    """What is in order."""
    named = {
        "kv-cache.cache-disabled": "The cache is used: one token is fed per step",
        "versions.numpy-abi-mismatch": "NumPy and torch were built for each other",
        "versions.torch-import-failed": "torch 2.13.0 can be imported",
        "devices.driver-too-old": "The driver 575.51 serves CUDA 12.8",
        "images.pixel-limit-ignored": "max_pixels is respected",
        "memory.weights-in-fp32": "The weights are loaded in bfloat16",
    }
    return tuple(
        Finding(
            id=rule,
            outcome=Outcome.PASS,
            severity=Severity.SLOW,
            confidence=Confidence.MEASURED,
            title=title,
            cause="",
            evidence={"bytes_per_token": 57_344, "expected_bytes": 57_344}
            if "cache" in rule
            else {},
        )
        for rule, title in named.items()
    )


def drift_chart() -> Chart:
    """Error against float64 over the logit offset; eager overflows at the end."""
    eager = (0.004, 0.006, 0.013, 0.061, 0.19, 0.41, None, None)
    fp32 = (0.0021, 0.0022, 0.0024, 0.0026, 0.0028, 0.003, 0.0031, 0.0031)
    sdpa = (0.0019, 0.002, 0.0022, 0.0025, 0.0026, 0.0028, 0.0029, 0.003)
    return Chart(
        kind="line",
        title="Error of the attention output against float64",
        x="offset of the logits",
        y="largest relative error",
        series=(
            Series(name="eager", points=tuple(zip(OFFSETS, eager, strict=True)), emphasis="bad"),
            Series(name="eager, QK in fp32", points=tuple(zip(OFFSETS, fp32, strict=True))),
            Series(name="sdpa", points=tuple(zip(OFFSETS, sdpa, strict=True)), emphasis="good"),
        ),
        log_x=True,
        log_y=True,
        threshold=0.02,
        threshold_label="answers change above this",
    )


def memory_chart() -> Chart:
    """Memory per device with eager and sdpa, under the cap."""
    return Chart(
        kind="bar",
        title="Peak memory per device",
        x="device",
        y="GiB",
        series=(
            Series(name="weights", points=(("cuda:0", 15.45), ("cuda:1", 0.0))),
            Series(
                name="peak with eager", points=(("cuda:0", 27.3), ("cuda:1", 1.1)), emphasis="bad"
            ),
            Series(
                name="peak with sdpa", points=(("cuda:0", 17.9), ("cuda:1", None)), emphasis="good"
            ),
        ),
        threshold=24.0,
        threshold_label="capacity of one card",
    )


def target() -> dict[str, Any]:
    """The interpreter."""
    return {
        "python": PYTHON,
        "chosen_because": "the active virtual environment ($VIRTUAL_ENV)",
        "runs": True,
        "version": "3.11.7",
        "implementation": "CPython",
        "prefix": "/home/li/项目/qwen-vl/.venv",
        "platform": "linux",
        "machine": "x86_64",
        "has_pip": True,
        "import_path": [
            "/usr/lib/python311.zip",
            "/home/li/项目/qwen-vl/.venv/lib/python3.11/site-packages",
        ],
    }


def record() -> Record:
    """The facts that such a report embeds."""
    ok = ProbeStatus.OK
    gpus = [
        {
            "index": index,
            "name": "NVIDIA GeForce RTX 4090",
            "memory_total_bytes": 24 * GIB,
            "memory_used_bytes": used,
            "compute_capability": "8.9",
            "power_limit_w": None,
        }
        for index, used in enumerate((1_204_813_824, 523_239_424))
    ]
    packages = {
        "torch": {"version": "2.13.0", "location": "site-packages", "editable": False},
        "transformers": {"version": "4.49.0", "location": "site-packages", "editable": False},
        "accelerate": {"version": "1.15.0", "location": "site-packages", "editable": False},
        "flash-attn": {"version": "2.8.3", "location": "site-packages", "editable": False},
    }
    host = {
        "os": "Ubuntu 24.04.1 LTS",
        "kernel": "6.8.0-49-generic",
        "cpu": {"model": "AMD Ryzen 9 7950X", "cores": 16, "threads": 32},
        "memory": {
            "total_bytes": 128 * GIB,
            "available_bytes": 101 * GIB,
            "cgroup_limit_bytes": None,
        },
        "environment": {"CUDA_VISIBLE_DEVICES": "0,1", "HF_HOME": "/数据/hf"},
    }
    crash = (
        "Fatal Python error: Segmentation fault\n\n"
        "Current thread 0x00007f3c (most recent call first):\n"
        '  File "trace.py", line 88 in step'
    )
    return Record(
        schema=FACTS_SCHEMA,
        doctor="0.1.0",
        recorded_at="2026-11-21T21:30:00Z",
        level=Level.STANDARD,
        probes={
            "engine.target": ProbeRecord(status=ok, data=target(), seconds=0.06),
            "host.system": ProbeRecord(status=ok, data=host, seconds=0.2),
            "host.gpus": ProbeRecord(
                status=ok, data={"driver": "575.51.03", "gpus": gpus}, seconds=0.4
            ),
            "versions.packages": ProbeRecord(status=ok, data={"packages": packages}, seconds=0.3),
            "attention.drift": ProbeRecord(
                status=ok,
                data={"offsets": list(OFFSETS), "shape": [1, 16, 1024, 80], "seed": 0},
                seconds=11.4,
            ),
            "attention.kernels": ProbeRecord(
                status=ProbeStatus.BLOCKED, reason="flash_attn cannot be imported"
            ),
            "attention.selected": ProbeRecord(
                status=ProbeStatus.BLOCKED, reason="flash_attn cannot be imported"
            ),
            "kv_cache.trace": ProbeRecord(
                status=ProbeStatus.CRASHED,
                reason="it was ended by SIGSEGV after 3.1 s",
                signal="SIGSEGV",
                seconds=3.1,
                output=crash,
            ),
            "memory.workload": ProbeRecord(
                status=ProbeStatus.NOT_RUN, reason="it belongs to the level deep"
            ),
        },
    )
