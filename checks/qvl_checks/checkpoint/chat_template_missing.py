"""checkpoint.chat-template-missing: does the processor of this release find a usable template?"""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from qvl_checks.checkpoint.files_facts import ChatTemplate, CheckpointFilesFacts
from qvl_checks.checkpoint.folder import setting, without_folder
from qvl_checks.checkpoint.origin import download
from qvl_checks.versions.packages_facts import PackagesFacts
from qvl_doctor.check import check
from qvl_doctor.facts import ModelFacts
from qvl_doctor.findings import Confidence, Fix, Safety
from qvl_doctor.judgement import Judgement, blocked, failed, not_applicable, passed

LEGACY_FILE = "chat_template.json"
FILE = "chat_template.jinja"
MORE = "additional_chat_templates/"
INLINE = "processor_config.json"
TOKENIZER = "tokenizer_config.json"
FILE_SINCE = Version("4.47.0.dev0")
"""Processors read chat_template.jinja from here on; absent in 4.46.3, present in 4.47.1."""
LEGACY_FIRST_SINCE = Version("4.52.0.dev0")
"""From here on the .json wins over the .jinja, and refuses additional templates beside it."""
IMAGE_SLOT = "<|image_pad|>"


@check("checkpoint.chat-template-missing")
def chat_template_missing(
    files: CheckpointFilesFacts, model: ModelFacts, packages: PackagesFacts
) -> Judgement:
    """The file that this release reads, and whether its text has a place for images."""
    absent = without_folder(files)
    if absent is not None:
        return absent
    if not model.class_name:
        return not_applicable(f"{model.model_type or 'its config.json'} is no Qwen-VL family")
    if files.adapter.count and not files.tensors.count:
        return not_applicable("the folder is an adapter; the processor comes from its base model")
    release = packages.version("transformers")
    if release is None:
        return blocked("transformers is not installed, and releases read different files")
    by_place = {template.place: template for template in files.chat_templates}
    evidence: dict[str, Any] = {
        "transformers": str(release),
        "templates": {
            place: {"slots": list(t.slots), "characters": t.characters, "reason": t.reason}
            for place, t in by_place.items()
        },
    }
    chosen = _read_by(release, by_place, files)
    if chosen is None:
        return _missing(release, by_place, files, packages, evidence)
    evidence["read"] = chosen.place
    conflict = [place for place in by_place if place.startswith(MORE)]
    if chosen.place == LEGACY_FILE and conflict and release >= LEGACY_FIRST_SINCE:
        return failed(
            f"{LEGACY_FILE} stands beside {conflict[0]}, and this release refuses the two together",
            "The processor cannot be loaded: the old file holds one template, the folder several.",
            evidence=evidence,
            fixes=[_to_jinja(files.path)],
        )
    if chosen.characters is None or not chosen.characters:
        return failed(
            f"{chosen.place} holds no usable template"
            + (f": {chosen.reason}" if chosen.reason else ""),
            "The processor reads this file and no other, so there is no prompt to be made.",
            confidence=Confidence.MEASURED,
            evidence=evidence,
            fixes=[_from_base(model), download(files, [chosen.place], packages)],
        )
    if IMAGE_SLOT in chosen.slots:
        return passed(
            f"{chosen.place} gives the processor a template with a place for images",
            confidence=Confidence.MEASURED,
            evidence=evidence,
        )
    return failed(
        f"The template in {chosen.place} has no place for images: they are dropped silently",
        f"It does not name {IMAGE_SLOT}, as templates of text models do not. The prompt holds no "
        "image tokens, and the model answers from the text alone or stops with 'tokens: 0'.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=[_from_base(model)],
    )


def _read_by(
    release: Version, by_place: dict[str, ChatTemplate], files: CheckpointFilesFacts
) -> ChatTemplate | None:
    """The template that the processor of this release takes; None: it finds none."""
    order = [LEGACY_FILE, FILE] if release >= LEGACY_FIRST_SINCE else [FILE, LEGACY_FILE]
    for place in order:
        if place in by_place and (place != FILE or release >= FILE_SINCE):
            return by_place[place]
    inline = setting(files, INLINE).get("chat_template")
    if isinstance(inline, str) and inline:
        slots = (IMAGE_SLOT,) if IMAGE_SLOT in inline else ()
        return ChatTemplate(place=INLINE, slots=slots, characters=len(inline))
    return None


def _missing(
    release: Version,
    by_place: dict[str, ChatTemplate],
    files: CheckpointFilesFacts,
    packages: PackagesFacts,
    evidence: dict[str, Any],
) -> Judgement:
    if FILE in by_place:
        cause = f"There is a {FILE}, but processors read that file only from 4.47 on."
        fixes = [_to_json(files.path)]
    elif TOKENIZER in by_place:
        cause = (
            f"The only template stands in {TOKENIZER}; it belongs to the tokenizer, and the "
            "processor does not look there."
        )
        fixes = [_copy(release), download(files, [LEGACY_FILE], packages)]
    else:
        cause = "The folder holds none; training scripts that save no processor leave it behind."
        fixes = [_copy(release), download(files, [LEGACY_FILE], packages)]
    return failed(
        f"The processor of transformers {release} finds no chat template in the folder",
        cause + " apply_chat_template stops with an error.",
        confidence=Confidence.MEASURED,
        evidence=evidence,
        fixes=fixes,
    )


def _copy(release: Version) -> Fix:
    files = f"{LEGACY_FILE} (or {FILE})" if release >= FILE_SINCE else LEGACY_FILE
    return Fix.advise(
        f"Copy {files} from the base model of the same family into the folder, or call "
        "processor.save_pretrained(folder) where the model is saved. If it was trained with "
        "another template, use that one.",
        safety=Safety.REVIEW,
    )


def _from_base(model: ModelFacts) -> Fix:
    return Fix.advise(
        f"Take the template of the {model.family} base model, not that of a text model; if the "
        "model was trained with a template of its own, add the image slot to that one.",
        safety=Safety.REVIEW,
    )


def _to_json(folder: str) -> Fix:
    return Fix.edit(
        "import json\nfrom pathlib import Path\n\n"
        f"folder = Path({folder!r})\n"
        f'text = (folder / "{FILE}").read_text(encoding="utf-8")\n'
        f'(folder / "{LEGACY_FILE}").write_text(\n'
        '    json.dumps({"chat_template": text}, indent=2), encoding="utf-8"\n)\n',
        summary="writes the same template in the form that this release reads",
    )


def _to_jinja(folder: str) -> Fix:
    return Fix.edit(
        "import json\nfrom pathlib import Path\n\n"
        f"folder = Path({folder!r})\n"
        f'old = folder / "{LEGACY_FILE}"\n'
        'text = json.loads(old.read_text(encoding="utf-8"))["chat_template"]\n'
        f'(folder / "{FILE}").write_text(text, encoding="utf-8")\n'
        'old.rename(old.with_suffix(".json.old"))\n',
        summary="moves the template into the file that may stand beside additional ones",
    )
