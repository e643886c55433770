"""Eager attention with float32 logits, for transformers 4.53 and later."""

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask


def eager_fp32_logits(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    key = key.repeat_interleave(module.num_key_value_groups, dim=1)
    value = value.repeat_interleave(module.num_key_value_groups, dim=1)
    with torch.autocast(query.device.type, enabled=False):  # it would round the logits again
        logits = torch.matmul(query.float() * scaling, key.float().transpose(2, 3))
    if attention_mask is not None:
        logits = logits + attention_mask[..., : key.shape[-2]]
    weights = torch.softmax(logits, dim=-1).to(query.dtype)
    weights = torch.nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


AttentionInterface.register("eager_fp32_logits", eager_fp32_logits)
# Without a mask function of the same name the model builds no mask and attends to the future.
AttentionMaskInterface.register("eager_fp32_logits", eager_mask)
