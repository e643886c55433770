"""Which files need interpretation, and which of them belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .imports import Project, imported
from .source import Source

MENTIONS = ("qwen", "qvq")
"""Every Qwen-VL program says so somewhere: in a checkpoint, a class or a helper package."""
NAMES_MODEL = re.compile(
    r"qwen.{0,6}vl|qwen.{0,5}omni|qwen[-_]?3[._]5|qwen[-_]?4|qvq", re.IGNORECASE
)
"""What speaks of a model that sees."""
USES = (
    *(
        "from_pretrained",
        "transformers",
        "generate(",
        "batch_decode",
        "processor",
        ".to(",
        ".half(",
    ),
    *(".float(", "cuda", "device_map", "dtype", "float16", "attn", "attention", "eager", "sdpa"),
    *("flash", "pixels", "padding_side", "use_cache", "quantiz", "no_grad", "inference_mode"),
    *("process_vision_info", "image_pad"),
)
"""What a file that only imports such a program must contain to do something wrong with it."""
LOADS = "from_pretrained"
"""What a file contains that others give the name of a model to."""


def mentions(text: str) -> bool:
    """Whether a text says that it is about Qwen-VL."""
    return _holds(text, MENTIONS)


def uses(text: str) -> bool:
    """Whether a text does something with a model."""
    return _holds(text, USES)


def _holds(text: str, words: tuple[str, ...]) -> bool:
    # Ten times as fast as one expression of all words that ignores case.
    low = text.lower()
    return any(word in low for word in words)


def groups(sources: Iterable[Source], project: Project) -> list[list[Source]]:
    """The files that concern Qwen-VL, in groups that see each other through imports: those that
    mention it, those that import such a file (also through others) and use it, and those that bring
    it together with a file that loads, and that file.
    """
    by_path = {source.path: source for source in sources}
    chosen = {path for path, source in by_path.items() if mentions(source.text)}
    if not chosen:
        return []
    imports = {path: _found(source, project) for path, source in by_path.items()}
    importers: dict[str, set[str]] = {}
    for path, targets in imports.items():
        for target in targets:
            importers.setdefault(target, set()).add(path)
    reached, waiting = set(chosen), list(chosen)
    while waiting:
        fresh = importers.get(waiting.pop(), set()) - reached
        reached |= fresh
        waiting.extend(fresh)
    loading = {path for path, source in by_path.items() if LOADS in source.text}
    told = {target for path in reached if imports[path] & chosen for target in imports[path]}
    users = {path for path in reached if uses(by_path[path].text)}
    bringing = {path for path in reached if imports[path] & loading}
    chosen |= users | bringing | told & loading
    reached |= chosen
    linked = {path: imports[path] & reached for path in by_path if path in reached}
    return [[by_path[path] for path in members if path in chosen] for members in _connected(linked)]


def _found(source: Source, project: Project) -> set[str]:
    targets = (project.find(source.path, name, level) for name, level in imported(source.text))
    return {target for target in targets if target is not None}


def _connected(edges: dict[str, set[str]]) -> list[list[str]]:
    """The connected parts of a graph, in the order of its first nodes."""
    leader = {node: node for node in edges}

    def find(node: str) -> str:
        while leader[node] != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    for node, targets in edges.items():
        for target in targets:
            leader[find(target)] = find(node)
    parts: dict[str, list[str]] = {}
    for node in edges:
        parts.setdefault(find(node), []).append(node)
    return list(parts.values())
