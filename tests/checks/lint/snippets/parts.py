# ruff: noqa: E501, UP031
"""What the snippets are put together from."""

"""Small programs per rule: those that must fire (on the line marked `#!`) and near misses that must not."""

HEAD = """import os, torch
import transformers
from PIL import Image
from transformers import AutoProcessor, AutoTokenizer, BitsAndBytesConfig
from qwen_vl_utils import process_vision_info
Q2, Q25, Q3 = "Qwen/Qwen2-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen3-VL-8B-Instruct"
L2 = transformers.Qwen2VLForConditionalGeneration.from_pretrained
L25 = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained
"""
HEAD3 = HEAD + "L3 = transformers.Qwen3VLForConditionalGeneration.from_pretrained\n"
BF = "dtype=torch.bfloat16, device_map='cuda:0'"
M25 = f"m = L25(Q25, {BF})\n"
M3 = f"m = L3(Q3, {BF})\n"
P25 = "p = AutoProcessor.from_pretrained(Q25, min_pixels=3136, max_pixels=802816)\n"
P3 = "p = AutoProcessor.from_pretrained(Q3, min_pixels=65536, max_pixels=1310720)\n"
IMG = (
    "c = [{'role': 'user', 'content': [{'type': 'image', 'image': 'a.png'}, {'type': 'text',"
    " 'text': '?'}]}]\n"
)
TPL = (
    "x = p.apply_chat_template(c, tokenize=True, add_generation_prompt=True, return_dict=True,"
    " return_tensors='pt').to(m.device)\n"
)
GEN = "y = m.generate(**x, max_new_tokens=9)\n"
READY = M25 + P25 + IMG + TPL
READY3 = M3 + P3 + IMG + TPL
VIDEO = (
    "c = [{'role': 'user', 'content': [{'type': 'video', 'video': '%s'%s}, {'type': 'text', 'text':"
    " '?'}]}]\n"
)
BATCH = (
    "def run(rows):\n"
    "    cs = [[{'role': 'user', 'content': [{'type': 'image', 'image': r}]}] for r in rows]\n"
    "    ts = [p.apply_chat_template(c, tokenize=False) for c in cs]\n"
    "    im, vi = process_vision_info(cs)\n"
)
ENC = "p(text=ts, images=im, padding=True, return_tensors='pt').to(m.device)"


def video(path="a.mp4", **extra):
    """Messages with one video."""
    return "c = [{'role': 'user', 'content': [{'type': 'video', 'video': '%s'%s}]}]\n" % (
        path,
        "".join(f", '{k}': {v!r}" for k, v in extra.items()),
    )


T = "t = p.apply_chat_template(c, tokenize=False, add_generation_prompt=True)\n"
V = "im, vi = process_vision_info(c)\n"
VK = "im, vi, kw = process_vision_info(c, return_video_kwargs=True)\n"
