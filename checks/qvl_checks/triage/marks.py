"""What models and engines are called, in all the ways in which people write them."""

from __future__ import annotations

import re

FAMILIES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("qwen2_5_omni", re.compile(r"qwen[-_ ]?2[-_. ]5[-_ ]?omni", re.ASCII)),
    ("qwen3_omni_moe", re.compile(r"qwen[-_ ]?3[-_ ]?omni", re.ASCII)),
    (
        "qwen2_5_vl",
        re.compile(
            r"qwen[-_ ]?2[-_. p]{0,2}[5s][-_ ]{0,2}v[li1]|qwen2_5_vision|qwen[-_ ]?vl[-_ ]?2[._]?5",
            re.ASCII,
        ),
    ),
    (
        "qwen2_vl",
        re.compile(
            r"qwen[-_ ]?2[-_ ]{0,2}v[li1]|qwen2vision|qwen[-_ ]?vl[-_ ]?2(?![._]?5|\d)", re.ASCII
        ),
    ),
    (
        "qwen3_vl_moe",
        re.compile(
            r"qwen[-_ ]?3[-_ ]{0,2}vl[-_ ]?moe|qwen[-_ ]?3[-_ ]{0,2}vl[-_ ](?:30b|235b)", re.ASCII
        ),
    ),
    ("qwen3_vl", re.compile(r"qwen[-_ ]?3[-_ ]{0,2}v[li1]|qwen[-_ ]?vl[-_ ]?3(?!\d)", re.ASCII)),
    (
        "qwen3_5_moe",
        re.compile(r"qwen[-_ ]?3[-_.]5(?:[-_ ]?moe|[-_ ]\d{2,3}b[-_ ]a\d{1,2}b)", re.ASCII),
    ),
    ("qwen3_5", re.compile(r"qwen[-_ ]?3[-_.]5", re.ASCII)),
    ("qwen4_exp", re.compile(r"qwen[-_ ]?4[-_ ]?exp", re.ASCII)),
)
LEGACY = re.compile(
    (
        r"qwen[-_]vl\b(?!\.py)(?![-_](?:utils|finetune|series))(?:[-_]?(?:chat|plus|max|7b|int4))?|qwen[-_]vl[-_](?:chat|int4)|"
        r"qwentokenizer|qwenlmhead|qwenvl[-_]?chat"
    ),
    re.ASCII,
)
VL_MARKS = re.compile(
    r"qwen[-_ .]?(?:vl|2|2\.5|3)[^\n]{0,20}\bv[lL]\b|qwen2_vl|qwen2_5_vl|qwen3_vl|"
    r"qwen2vl|qwen3vl|qwen_vl_utils|qwen-vl|qwenvl|image_grid_thw"
    r"|<\|image_pad\|>|<\|video_pad\|>|vision_start|smart_resize|visual\.blocks|"
    r"mrope|process_vision_info|web_demo_mm\.py",
    re.ASCII,
)
ANY_QWEN = re.compile(
    r"qwen(?![\d.]{0,4}[-_ ]?(?:image|audio|tts|asr|coder|agent|edit))|qwq|通义", re.ASCII
)
#: A text model of the same house, and what is said only of models that see.
TEXT_QWEN = re.compile(
    r"qwen[-_ ]?(?:1\.5|2|2\.5|3)[-_ ]?\d{1,3}(?:\.\d)?b(?![a-z])|\bqwq\b|"
    r"qwen[23](?:_?moe)?(?:forcausallm|decoderlayer|model\b)|models[/.\\]qwen[23](?:_moe)?[/.\\]",
    re.ASCII,
)
SEEING = re.compile(
    r"\bvl|vision|visual|image|picture|photo|video|multi-?modal|pixel|grounding|\bocr|图|视|画面|多模态"
)
#: Code and files of a Qwen-VL model: a text with these is about it, whatever its title names. Its
#: helpers (qwen_vl_utils) serve other models, too.
OWN_CODE = re.compile(
    r"qwen\w{0,8}(?:forconditional|processor|config|model\b|image)|qwen\w{0,6}_vl\b|qwen/qwen",
    re.ASCII,
)
OTHERS = re.compile(
    r"\bllama\b(?![-_ ]?factory)|\bllama[-_ ]?[1234]|meta-llama|mistral|mixtral|"
    r"gemma|\bphi-?[1234]|deepseek|internvl|\bllava|chatglm|\bglm-|baichuan|\byolo"
    r"|\bbert\b|whisper|\bflux\b|flux\.?1|\bsdxl\b|stable[- ]?diffusion|\bsd "
    r"?(?:1\.5|3)|diffusion|diffusers|\bwan ?2|wan2|wanvideo|\bwan[-_ ](?:lora|"
    r"video)|qwen[-_ ]?image|hunyuan|i2vgen|animatediff|\bclip\b.{0,12}train|resnet"
    r"|\bvit-|segment anything|\bsam2?\b|minicpm|falcon|bloom|\bopt-\d|gpt-?(?:2|j|"
    r"neo)|\bt5\b|pixtral|molmo|janus|cogv|kosmos|blip|idefics|paligemma|nerf|"
    r"gaussian|dinov|ltx|mochi|pyannote|tortoise|xtts|musicgen|yi-\d|internlm|rwkv|"
    r"mamba|nemotron|smolvlm|florence-?2|starcoder|granite-|slowfast|videomae|internvideo|\bovis\d|\bvae\b|nansexception",
    re.ASCII,
)
ENGINES: dict[str, re.Pattern[str]] = {
    # Huawei's processors have kernels, compilers and error codes of their own.
    "ascend": re.compile(
        r"\baclnn|\bcann\d|\bnpu\b|torch_npu|ascend|昇腾|\bhccl\b|\b910[bc]\b|\bez\d{4}\b", re.ASCII
    ),
    "vllm": re.compile(
        r"\bvllm\b|\bvllm[/._-]|enginecore|gpu_model_runner|pagedattention", re.ASCII
    ),
    "sglang": re.compile(r"sglang|sgl_kernel|sgl-kernel|\btp\d\] |memory pool end", re.ASCII),
    "llama.cpp": re.compile(
        r"\bggml|llama\.cpp|llama-server|llama_model_load|gguf|\bollama\b|llama-mtmd|mmproj",
        re.ASCII,
    ),
    "lmdeploy": re.compile(r"lmdeploy|turbomind", re.ASCII),
    "mlx": re.compile(r"\bm[l1]x[-_ ]?(?:v[l1]m|[l1]m)?\b|metal::malloc", re.ASCII),
    "tensorrt": re.compile(r"tensorrt|trtllm|trt-llm", re.ASCII),
    "tt-metal": re.compile(r"\btt-metal|tenstorrent", re.ASCII),
    "mnn": re.compile(r"\bmnn\b|mnn_", re.ASCII),
    "lm studio": re.compile(r"\blm ?studio\b", re.ASCII),
    "exllama": re.compile(r"exllama", re.ASCII),
    "onnx": re.compile(r"onnxruntime|\bonnx\b", re.ASCII),
}
#: Engines with kernels of their own: wrong numbers there have other causes, the rest can be the
#: same.
OWN_KERNELS = frozenset({"vllm", "sglang", "lmdeploy"})
#: What is said only where the model runs in transformers, whatever else the text names.
IN_TRANSFORMERS = re.compile(
    r"transformers[/\\\\](?:models|generation|modeling|integrations)|from_pretrained|"
    r"model\.generate|max_new_tokens|device_map|attn_implementation|batch_decode|"
    r"(?:with|using|through|via|in|用|使用|通过) ?(?:hf |huggingface )?transformers|"
    r"transformers ?(?:推理|加载)",
    re.ASCII,
)
