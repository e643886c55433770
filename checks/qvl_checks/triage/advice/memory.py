"""Advice on memory."""

from __future__ import annotations

from .entry import Advice, advice, code, command, setting

_PIXELS = code(
    "AutoProcessor.from_pretrained(path, min_pixels=256*28*28, max_pixels=1280*28*28)",
    (
        "pass both min_pixels and max_pixels in from_pretrained, the only way that works on "
        "every release (32*32 instead of 28*28 for Qwen3-VL); at most 1280 tokens an image"
    ),
    "safe",
)
_FLASH = code(
    'from_pretrained(path, attn_implementation="flash_attention_2", dtype=torch.bfloat16)',
    "variable-length attention, O(S) memory",
)
_UPGRADE = command(
    'python -m pip install -U "transformers>=4.57"',
    "4.51 and newer have 4-D SDPA, 4.54 and newer attend per image without a mask",
)

ADVICE = {
    "memory.vision-attention-memory": Advice(
        "One buffer of the vision tower's attention is too large: without a fused kernel it "
        "holds heads x patches x patches elements (16 heads; 4 bytes in the math backend of "
        "SDPA or in fp32, 2 bytes for bf16 logits). It grows with the square of the patches and "
        "does not depend on the size of the language model. That happens with eager on every "
        "release and with the default sdpa up to transformers 4.50 (3-D SDPA falls back to the "
        "math kernel). It is one allocation on one GPU: more GPUs, device_map or max_memory "
        "cannot help.",
        (
            _FLASH,
            code('attn_implementation="sdpa"', "on transformers 4.54 or newer", "safe"),
            _UPGRADE,
            _PIXELS,
        ),
        (
            (
                "Run the processor on the image and read image_grid_thw: t*h*w is the number of "
                "patches."
            ),
        ),
    ),
    "memory.text-attention-memory": Advice(
        (
            "The language model's eager attention materialises heads x tokens x tokens over the "
            "whole prompt in every layer (bf16 logits 2 bytes, fp32 softmax 4 bytes an "
            "element). output_attentions=True forces eager and keeps every layer's matrix."
        ),
        (
            code('attn_implementation="sdpa"', "or flash_attention_2: O(L) memory", "safe"),
            advice("Shorten the prompt: fewer or smaller images (max_pixels), shorter text."),
            advice("Attention maps: compute them for a few layers or for the last query only."),
        ),
    ),
    "memory.cross-image-attention-memory": Advice(
        (
            "Up to transformers 4.53 the vision tower attends over all images of the call at "
            "once: the buffer (or dense mask) grows with the square of the sum of all patches, "
            "(ΣS)^2 instead of ΣS^2, so several small images cost as much as a huge one. It "
            "lies on one GPU; more GPUs do not help."
        ),
        (_FLASH, _UPGRADE, _PIXELS),
    ),
    "memory.full-prompt-logits": Advice(
        (
            "The language head computed logits for every prompt token, tokens x vocabulary x 2 "
            "bytes (4 in fp32), although generation needs only the last row: 16384 tokens x "
            "152064 are 4.6 GiB in bf16. Qwen2.5-VL computes only the last row from "
            "transformers 4.54 on, Qwen2-VL from 5.0 on; 4.45 also made an fp32 copy of all."
        ),
        (
            command(
                'python -m pip install -U "transformers>=4.57"',
                "Qwen2.5-VL 4.54 or newer, Qwen2-VL 5.0 or newer",
            ),
            code(
                "model(**inputs, logits_to_keep=1)", "in a manual forward, where the class has it"
            ),
            _PIXELS,
        ),
    ),
    "memory.first-gpu-overloaded": Advice(
        (
            "device_map='auto' splits weights, not activations: the vision tower, the "
            "embeddings and the first layers lie on GPU 0 (cuda:0), so the whole spike of the "
            "vision tower falls there while the other GPUs idle. More GPUs do not shrink it."
        ),
        (
            _FLASH,
            _PIXELS,
            code(
                'from_pretrained(path, device_map="auto", max_memory={0: "6GiB", 1: "22GiB"})',
                "keeps weights away from GPU 0, leaves room for the activations",
            ),
            _UPGRADE,
        ),
        ("Print model.hf_device_map and the peak of every GPU.",),
    ),
    "memory.dispatch-undone": Advice(
        (
            "model.to('cuda') (or .cuda()) after device_map='auto' undoes the distribution: all "
            "weights move to the first GPU."
        ),
        (
            code(
                'delete the line model.to("cuda")',
                (
                    "a model loaded with device_map is in place already; only inputs are moved: "
                    "inputs.to(model.device)"
                ),
                "safe",
            ),
        ),
    ),
    "memory.max-memory-ignored": Advice(
        (
            "max_memory is only read with device_map='auto', 'balanced', 'balanced_low_0' or "
            "'sequential'. With device_map='cuda' (or a device, or a dict) it is silently "
            "ignored. It is not obsolete, CPU offload still exists; it limits weights only, not "
            "activations."
        ),
        (
            code(
                'from_pretrained(path, device_map="auto", max_memory={0: "20GiB", "cpu": "28GiB"})',
                "leave GPU 0 at least the largest layer (1 GiB embedding)",
                "safe",
            ),
            _PIXELS,
            advice(
                "What usually makes a Qwen2.5-VL need more than the first Qwen-VL is its native "
                "resolution: cap max_pixels and use flash_attention_2 or a newer transformers."
            ),
        ),
    ),
    "memory.memory-fragmentation": Advice(
        (
            "The allocator's cache is fragmented: images of many sizes leave blocks that fit "
            "nothing else, so reserved memory grows from call to call while allocated memory "
            "stays flat. That is not a proven leak."
        ),
        (
            setting(
                "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True", "before the process starts"
            ),
            advice(
                "Give all images the same size (resized_height/resized_width, or a tight "
                "max_pixels), use torch.inference_mode(), drop references to outputs (del "
                "outputs) between calls."
            ),
        ),
        ("Track memory_allocated and memory_reserved over identical and over varied calls.",),
    ),
    "memory.co-tenant-memory": Advice(
        (
            "Another process holds memory of this GPU: free memory is far below the card's "
            "capacity minus what this process uses. The model alone might fit."
        ),
        (
            command(
                "nvidia-smi --query-compute-apps=pid,used_memory,name --format=csv",
                "names the process",
                "safe",
            ),
            advice(
                "End the other process (a zombie notebook or server), or take another GPU with "
                "CUDA_VISIBLE_DEVICES."
            ),
        ),
    ),
    "memory.weights-in-fp32": Advice(
        (
            "The weights are in fp32 (float32): 4 bytes a parameter, twice what bf16 or float16 "
            "(half precision) needs. transformers before 5.0 loads fp32 when no dtype is given."
        ),
        (
            code(
                "from_pretrained(path, dtype=torch.bfloat16)",
                (
                    "torch_dtype=torch.bfloat16 before 4.56; dtype='auto' takes the "
                    "checkpoint's. On GPUs below compute capability 8.0 use float16 (--dtype "
                    "half in vLLM)"
                ),
                "safe",
            ),
        ),
    ),
    "memory.unbounded-image-size": Advice(
        (
            "No limit on the image size: by default one image may take 12845056 pixels "
            "(Qwen3-VL 16777216), that is 16384 visual tokens and 65536 patches. Large images "
            "then decide the peak, so only some inputs run out of memory. 256-1280 tokens an "
            "image are usual; pixels/784 (28*28) is the number of tokens."
        ),
        (_PIXELS, _FLASH, _UPGRADE),
    ),
    "memory.long-video-memory": Advice(
        (
            "The video makes too many visual tokens: frames x tokens a frame, every two frames "
            "share one grid. Budget: total_pixels up to 24576*32*32, fps and max_frames (768 by "
            "default)."
        ),
        (
            code(
                (
                    '{"type": "video", "video": path, "fps": 1.0, "max_frames": 64, '
                    '"max_pixels": 360*420, "total_pixels": 20480*28*28}'
                ),
                "fewer frames, fewer pixels a frame",
                "safe",
            ),
            _FLASH,
            _UPGRADE,
        ),
    ),
    "memory.device-0-out-of-memory": Advice(
        "GPU 0 ran out of memory while the process was meant to use another device.",
        (setting("CUDA_VISIBLE_DEVICES=1 python script.py", "in the shell"),),
    ),
    "memory.generic-out-of-memory": Advice(
        (
            "A CUDA out of memory without any sign of a Qwen-VL cause. The numbers of the "
            "message say how much was asked for, free and held; training adds gradients and "
            "optimizer states (Adam: 8-12 bytes a parameter more)."
        ),
        (
            advice(
                "Reduce batch size, input size or sequence length; load weights in bf16; look "
                "in nvidia-smi for other processes."
            ),
            setting(
                "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True",
                "if much is reserved but unallocated",
            ),
        ),
        (
            (
                "Which model, which input sizes, which transformers release and attention "
                "implementation? The full traceback shows the frame that asked."
            ),
        ),
        "heuristic",
    ),
}
