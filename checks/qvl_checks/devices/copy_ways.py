"""The ways in which a model spread over devices moves tensors. In the target.

Nothing but methods of tensors is used, so the module needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

THROUGH_HOST = "through the host"

Copy = Callable[[Any, Any], Any]
"""(source, poisoned tensor of the same shape on the target device) -> what arrived there."""


def to_device(source: Any, poisoned: Any) -> Any:
    """As the hooks of a device map move activations."""
    return source.to(poisoned.device)


def into_place(source: Any, poisoned: Any) -> Any:
    """Into memory that exists."""
    return poisoned.copy_(source)


def without_waiting(source: Any, poisoned: Any) -> Any:
    """The host does not wait for the copy."""
    return poisoned.copy_(source, non_blocking=True)


def in_flight(source: Any, poisoned: Any) -> Any:
    """Computed just before and used at once, as between two layers; nobody waits."""
    busy = source.new_ones(256, 256)
    for _ in range(8):
        busy = busy + busy.t()
    return source.clone().to(poisoned.device, non_blocking=True).clone()


def without_host(source: Any, poisoned: Any) -> Any:
    """Computed on one device, moved, computed on the next; the host waits for nothing."""
    moved = poisoned.copy_(source.clone(), non_blocking=True)
    return moved.clone()


def there_and_back(source: Any, poisoned: Any) -> Any:
    """Over the border three times, as through layers that lie on the cards in turn."""
    across = source.to(poisoned.device, non_blocking=True).clone()
    home = across.to(source.device, non_blocking=True).clone()
    return home.to(poisoned.device, non_blocking=True).clone()


def strided(source: Any, poisoned: Any) -> Any:
    """Every second element of a larger tensor: a kernel reads it, not the copy engine."""
    wide = source.new_empty(source.numel(), 2)
    wide[:, 0] = source
    return wide[:, 0].to(poisoned.device)


def through_host(source: Any, poisoned: Any) -> Any:
    """The detour that needs no transfer between the devices."""
    return source.cpu().to(poisoned.device)


WAYS: dict[str, Copy] = {
    "to": to_device,
    "into place": into_place,
    "without waiting": without_waiting,
    "in flight": in_flight,
    "there and back": there_and_back,
    "strided": strided,
    THROUGH_HOST: through_host,
}
