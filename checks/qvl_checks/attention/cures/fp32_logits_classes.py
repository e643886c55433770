"""Eager attention with float32 logits, for transformers before 4.53 (attention as classes)."""

import torch
from torch.overrides import TorchFunctionMode
from transformers.models.FAMILY import modeling_FAMILY as modeling


class Fp32Logits(TorchFunctionMode):
    """The first matmul of an attention forward is Q·Kᵀ: it gets float32 operands."""

    done = False

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.matmul and not self.done:
            self.done = True
            query, key = args
            with torch.autocast(query.device.type, enabled=False):  # it would round again
                return torch.matmul(query.float(), key.float())
        return function(*args, **(kwargs or {}))


class EagerFp32Logits(modeling.CLASSES["eager"]):
    def forward(self, *args, **kwargs):
        with Fp32Logits():
            return super().forward(*args, **kwargs)


# Run this before the model is built; attn_implementation="eager" then means this class.
modeling.CLASSES["eager"] = EagerFp32Logits
