"""Run work that recurses deeply and makes many small objects."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import TypeVar

STACK_BYTES = 256 * 1024 * 1024

T = TypeVar("T")


def with_deep_stack(work: Callable[[], T]) -> T:
    """The result of `work`, run in a thread whose stack is large enough for deeply nested programs.

    Raises whatever `work` raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        collecting = gc.isenabled()
        # Syntax trees are many small objects without cycles: collecting doubles the time.
        gc.disable()
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            if collecting:
                gc.enable()

    previous = threading.stack_size(STACK_BYTES)
    try:
        thread = threading.Thread(target=run, name="qvl-lint")
        thread.start()
    finally:
        threading.stack_size(previous)
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
