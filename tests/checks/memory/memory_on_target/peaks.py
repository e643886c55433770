"""The tracer on a model whose modules raise the readings in known places."""

from __future__ import annotations

from typing import Any


class Readings:
    """Cards whose peaks are set by hand."""

    def __init__(self) -> None:
        self.highest = {0: 0, 1: 0}

    def peaks(self) -> dict[int, int]:
        return dict(self.highest)

    def readings(self) -> list[dict[str, Any]]:
        return []


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Peaks by card after one pass in which three modules raise them."""
    import torch

    from qvl_checks.memory.tracer import Tracer

    cards = Readings()

    class Raising(torch.nn.Module):
        def __init__(self, card: int, peak: int) -> None:
            super().__init__()
            self.card, self.peak = card, peak

        def forward(self, x: Any) -> Any:
            cards.highest[self.card] = max(cards.highest[self.card], self.peak)
            return x

    class Layer(torch.nn.Module):
        def __init__(self, peak: int) -> None:
            super().__init__()
            self.mlp = Raising(0, peak)

        def forward(self, x: Any) -> Any:
            return self.mlp(x)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = torch.nn.Module()
            self.visual.blocks = torch.nn.ModuleList([Raising(1, 70)])
            self.layers = torch.nn.ModuleList([Layer(500), Layer(900), Layer(800)])

        def forward(self, x: Any) -> Any:
            x = self.visual.blocks[0](x)
            for layer in self.layers:
                x = layer(x)
            return x

    model = Model()
    tracer = Tracer(torch, cards)
    tracer.stage = "generate"
    tracer.follow(model)
    with tracer.watching():
        model(torch.ones(1))
    return {str(card): peak for card, peak in tracer.peaks.items()}
