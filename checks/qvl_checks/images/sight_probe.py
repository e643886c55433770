"""Shows generated pictures to the installed image processor and to vision towers.

The processor's patches are compared with the doctor's own, the towers' visual tokens with each
other and with a reference. At the deep level the tower of the user's checkpoint is among them.
"""

import importlib
import json
import math
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from qvl_checks.attention.reference.comparison import rounded
from qvl_checks.attention.reference.subject import Subject, normalised
from qvl_checks.attention.reference.vision import VisionReference
from qvl_checks.host.guarded import reason_of
from qvl_checks.images import measuring
from qvl_checks.images.pictures import MISTAKES, cut, make_pictures
from qvl_checks.images.styles import STYLES, floor_of, style_of

EXACT = 1e-2
"""Of normalised values, which lie between -2 and 3; a value of another pixel differs by more."""
MOST_ROWS = 24
"""Of merged blocks; a processor that enlarges even such pictures is not compared."""
LARGEST_TOWER = 4_000_000_000
"""Bytes of a checkpoint's vision tensors that are read."""


def run(request: Dict[str, Any]) -> Dict[str, Any]:
    """See `SightFacts` for the fields."""
    import torch
    import transformers

    facts = request.get("model") or {}
    if not facts.get("tiny_config"):
        return {"reason": "the model is not of a family whose architecture is known here"}
    torch.set_num_threads(1)
    result: Dict[str, Any] = {"transformers": str(transformers.__version__)}
    with tempfile.TemporaryDirectory(prefix="qvl-doctor-") as scratch, torch.no_grad():
        processor, result["processor_reason"] = processor_of(facts, Path(scratch))
        result["processor"] = type(processor).__name__ if processor is not None else ""
        vision = facts["config"].get("vision_config") or {}
        try:
            view = View(vision, processor, STYLES[style_of(facts["model_type"])])
        except (TypeError, ValueError, KeyError) as error:
            return {**result, "reason": f"the settings are not usable: {reason_of(error)}"}
        if processor is not None:
            result["patches"] = view.patches()
        subject = Subject(facts["tiny_config"])
        towers = [{"weights": "random", **view.eyes(subject.tower, subject.vision)}]
        if request.get("level") == "deep" and facts.get("source") == "folder":
            towers.append({"weights": "checkpoint", "dtype": "bfloat16", **view.full_size(facts)})
    return {**result, "towers": towers}


def processor_of(facts: Dict[str, Any], scratch: Path) -> Tuple[Any, str]:
    """The image processor as a program would get it, else any that this installation has."""
    if facts.get("path"):
        folder = str(facts["path"])
    else:
        folder = str(scratch)
        settings = STYLES[style_of(facts["model_type"])]
        (scratch / "preprocessor_config.json").write_text(json.dumps(settings))
    reason = ""
    for name in (measuring.DEFAULT, *measuring.class_names()):
        try:
            return measuring.loader(name, folder)(), ""
        except Exception as error:
            reason = reason or reason_of(error)
    return None, reason or "this transformers has no image processor for the family"


class View:
    """The pictures, and what the processor makes of them."""

    def __init__(self, vision: Dict[str, Any], processor: Any, settings: Dict[str, Any]) -> None:
        self.processor = processor
        self.patch = int(getattr(processor, "patch_size", None) or vision["patch_size"])
        self.merge = int(vision.get("spatial_merge_size", 2))
        self.frames = int(vision.get("temporal_patch_size", 2))
        self.mean = list(getattr(processor, "image_mean", None) or settings["image_mean"])
        self.deviation = list(getattr(processor, "image_std", None) or settings["image_std"])
        unit = self.patch * self.merge
        rows = 4
        while rows < MOST_ROWS and rows * (rows + 1) * unit**2 < fewest(processor, settings):
            rows += 1
        self.grid = (1, rows * self.merge, (rows + 1) * self.merge)
        self.pictures = make_pictures(rows * unit, (rows + 1) * unit)
        self.seen: Dict[str, Any] = {}

    def own(self, name: str, order: str = "merged") -> Any:
        """The patches as the doctor cuts them."""
        return cut(
            self.pictures[name],
            self.mean,
            self.deviation,
            patch=self.patch,
            merge=self.merge,
            frames=self.frames,
            order=order,
        )

    def patches(self) -> List[Dict[str, Any]]:
        """Each picture through the processor."""
        found = []
        for name, picture in self.pictures.items():
            row: Dict[str, Any] = {"picture": name}
            try:
                made = self.processor(images=[picture.numpy()], return_tensors="pt")
                values = made["pixel_values"].float()
                row["grid"] = [int(number) for number in made["image_grid_thw"][0]]
                row["comparable"] = tuple(row["grid"]) == self.grid
                if row["comparable"]:
                    error = apart(values, self.own(name))
                    row["error"] = rounded(error)
                    if error is None or error > EXACT:
                        row["mistake"] = self.mistake(name, values)
                    if error is not None:
                        self.seen[name] = values
            except Exception as error:
                row["reason"] = reason_of(error)
            found.append(row)
        return found

    def mistake(self, name: str, values: Any) -> str:
        """Which known mistake gives these patches."""
        for order in MISTAKES:
            error = apart(values, self.own(name, order))
            if error is not None and error <= EXACT:
                return order
        return ""

    def eyes(self, tower: Any, reference: Optional[VisionReference]) -> Dict[str, Any]:
        """What a tower makes of the pictures, as the processor cut them where there is one."""
        import torch

        dtype = next(tower.parameters()).dtype
        thw = torch.tensor([list(self.grid)])
        looks: Dict[str, Any] = {}
        worst: Optional[float] = None
        for name in self.pictures:
            values = self.seen.get(name, self.own(name)).to(dtype)
            looks[name] = normalised(tower(values, grid_thw=thw)).embeddings.float()
            if reference is not None:
                wanted = reference.see(self.own(name), [self.grid]).embeddings
                far = distance(looks[name], wanted)
                worst = far if worst is None or not far <= worst else worst
        again = next(iter(self.pictures))
        values = self.seen.get(again, self.own(again)).to(dtype)
        repeated = normalised(tower(values, grid_thw=thw)).embeddings.float()
        twice = spread(repeated, looks[again])
        names = list(looks)
        pairs = [
            (spread(looks[one], looks[two]), (one, two))
            for index, one in enumerate(names)
            for two in names[:index]
        ]
        # A distance that is not a number is smaller than any: nothing can be told apart.
        closest, pair = min(pairs, key=lambda item: (not math.isnan(item[0]), item[0]))
        return {
            "not_finite": sum(int((~look.isfinite()).any(-1).sum()) for look in looks.values()),
            "closest": None if math.isnan(closest) else rounded(closest),
            "closest_pair": list(pair),
            "repeated": None if math.isnan(twice) else rounded(twice),
            "from_reference": None if worst is None or math.isnan(worst) else rounded(worst),
        }

    def full_size(self, facts: Dict[str, Any]) -> Dict[str, Any]:
        """The tower of the user's checkpoint, in bfloat16 on the CPU."""
        try:
            tower, loaded, missing = checkpoint_tower(facts)
            counts = {"tensors_loaded": loaded, "tensors_missing": missing}
            return {**counts, **self.eyes(tower, None)}
        except Exception as error:
            return {"reason": reason_of(error)}


def checkpoint_tower(facts: Dict[str, Any]) -> Tuple[Any, int, int]:
    """The vision tower with the checkpoint's tensors, which keep their names behind ``visual.`` in
    every release; how many were found, and how many the files lack.

    Raises:
        ValueError: quantised, too large, or no vision tensors in safetensors files.
    """
    import torch

    from qvl_checks.checkpoint.shadow import weight_files
    from qvl_checks.models.build import dtype_keyword, make_config, make_model

    if facts["config"].get("quantization_config"):
        raise ValueError("the weights are quantised")
    config = make_config(facts["config"])
    meta = make_model(config, device="meta")
    shape = next(m for m in meta.modules() if hasattr(m, "patch_embed") and hasattr(m, "blocks"))
    size = sum(parameter.numel() * 2 for parameter in shape.parameters())
    if size > LARGEST_TOWER:
        raise ValueError(f"the vision tower has {size} bytes, more than are read here")
    arguments = {dtype_keyword(): torch.bfloat16}
    tower = type(shape)._from_config(shape.config, **arguments).to(torch.bfloat16).eval()
    safetensors = importlib.import_module("safetensors")
    found: Dict[str, Any] = {}
    folder = Path(facts["path"])
    for file in weight_files(folder):
        with safetensors.safe_open(str(folder / file), "pt") as stored:
            for name in stored.keys():  # noqa: SIM118 - not a dict
                if "visual." in name:
                    found[name.partition("visual.")[2]] = stored.get_tensor(name)
    if not found:
        raise ValueError("the files hold no tensors of a vision tower")
    missing = tower.load_state_dict(found, strict=False).missing_keys
    return tower, len(found), len(missing)


def apart(found: Any, wanted: Any) -> Optional[float]:
    """Largest absolute difference; None when the shapes differ."""
    return float((found - wanted).abs().max()) if found.shape == wanted.shape else None


def distance(found: Any, wanted: Any) -> float:
    """Relative L2, the worst token's."""
    return float(((found - wanted).norm(dim=-1) / wanted.norm(dim=-1)).max())


def spread(one: Any, two: Any) -> float:
    """Relative L2 distance of all visual tokens together."""
    return float((one - two).norm() / one.norm().maximum(two.norm()).clamp(min=1e-9))


def fewest(processor: Any, settings: Dict[str, Any]) -> int:
    """Pixels below which the processor enlarges a picture."""
    size = getattr(processor, "size", None)
    read = getattr(size, "get", None)
    shortest = read("shortest_edge") if callable(read) else None
    floors = (getattr(processor, "min_pixels", None), shortest, floor_of(settings))
    return max((floor for floor in floors if isinstance(floor, int)), default=0)
