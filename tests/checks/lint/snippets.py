# ruff: noqa: E501, UP031
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

# id -> (programs that fire, programs that stay silent); a program is (release, text)
CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    "versions.model-class-missing": (
        [
            ("4.48.3", "from transformers import Qwen2_5_VLForConditionalGeneration  #!\n"),
            (
                "4.56.2",
                (
                    "import transformers as tf\nm ="
                    " tf.Qwen3VLForConditionalGeneration.from_pretrained('x')  #!\n"
                ),
            ),
            ("4.57.1", "from transformers import Qwen2_5VLForConditionalGeneration  #!\n"),
            (
                "4.44.2",
                (
                    "from transformers import (\n    AutoProcessor,\n   "
                    " Qwen2VLForConditionalGeneration,  #!\n)\n"
                ),
            ),
        ],
        [
            ("4.49.0", "from transformers import Qwen2_5_VLForConditionalGeneration\n"),
            (
                "4.45.0",
                (
                    "try:\n    from transformers import Qwen3VLForConditionalGeneration\nexcept"
                    " ImportError:\n    pass\n"
                ),
            ),
            ("4.45.0", "from my_models import Qwen3VLForConditionalGeneration\n"),
        ],
    ),
    "versions.unknown-model-type": (
        [
            (
                "4.56.2",
                (
                    "from transformers import AutoModelForImageTextToText as A\nm ="
                    " A.from_pretrained('Qwen/Qwen3-VL-8B-Instruct')  #!\n"
                ),
            ),
            (
                "4.48.0",
                (
                    "from transformers import AutoModelForVision2Seq\nn ="
                    " 'Qwen/Qwen2.5-VL-3B-Instruct'\nm = AutoModelForVision2Seq.from_pretrained(n) "
                    " #!\n"
                ),
            ),
            (
                "5.1.0",
                (
                    "import transformers\nm ="
                    " transformers.AutoModelForImageTextToText.from_pretrained('Qwen/Qwen3.5-9B') "
                    " #!\n"
                ),
            ),
        ],
        [
            (
                "4.57.0",
                (
                    "from transformers import AutoModelForImageTextToText as A\nm ="
                    " A.from_pretrained('Qwen/Qwen3-VL-8B-Instruct')\n"
                ),
            ),
            (
                "4.46.0",
                (
                    "from transformers import AutoModelForImageTextToText as A\nm ="
                    " A.from_pretrained(some_path)\n"
                ),
            ),
        ],
    ),
    "versions.removed-auto-class": (
        [
            (
                "5.0.0",
                (
                    "from transformers import AutoModelForVision2Seq  #!\nm ="
                    " AutoModelForVision2Seq.from_pretrained('Qwen/Qwen2-VL-2B-Instruct')\n"
                ),
            ),
            (
                "5.23.0",
                (
                    "import transformers\nm ="
                    " transformers.AutoModelForVision2Seq.from_pretrained('Qwen/Qwen2-VL-2B-Instruct')"
                    "  #!\n"
                ),
            ),
            (
                "5.3.0",
                (
                    "from transformers import AutoModelForVision2Seq as V  #!\nm ="
                    " V.from_pretrained('Qwen/Qwen2.5-VL-7B-Instruct')\n"
                ),
            ),
        ],
        [
            (
                "4.55.0",
                (
                    "from transformers import AutoModelForVision2Seq\nm ="
                    " AutoModelForVision2Seq.from_pretrained('Qwen/Qwen2-VL-2B-Instruct')\n"
                ),
            ),
            (
                "5.0.0",
                (
                    "from transformers import AutoModelForVision2Seq\nm ="
                    " AutoModelForVision2Seq.from_pretrained('microsoft/kosmos-2')\n"
                ),
            ),
        ],
    ),
    "versions.dtype-keyword-unknown": (
        [
            ("4.55.4", HEAD + "m = L25(Q25, dtype=torch.bfloat16)  #!\n"),
            (
                "4.51.3",
                HEAD
                + "kw = dict(device_map='auto')\nkw['dtype'] = 'auto'  #!\nm = L25(Q25, **kw)\n",
            ),
            ("4.49.0", HEAD + "kw = {\n 'dtype': torch.float16,  #!\n}\nm = L2(Q2, **kw)\n"),
        ],
        [
            ("4.56.0", HEAD + "m = L25(Q25, dtype=torch.bfloat16)\n"),
            (
                "4.55.4",
                HEAD + "m = L25(Q25, torch_dtype=torch.bfloat16)\nz = torch.zeros(1,"
                " dtype=torch.float16)\n",
            ),
        ],
    ),
    "versions.dtype-keyword-renamed": (
        [
            ("4.56.0", HEAD + "m = L25(Q25, torch_dtype=torch.bfloat16)  #!\n"),
            ("5.23.0", HEAD + "m = L2(Q2, torch_dtype='auto')  #!\n"),
            ("4.57.1", HEAD + "kw = {'torch_dtype': torch.bfloat16}  #!\nm = L25(Q25, **kw)\n"),
        ],
        [
            ("4.55.4", HEAD + "m = L25(Q25, torch_dtype=torch.bfloat16)\n"),
            ("5.0.0", HEAD + "m = L25(Q25, dtype='auto')\n"),
        ],
    ),
    "versions.moved-attributes": (
        [
            ("5.0.0", HEAD + M25 + "h = m.config.hidden_size  #!\n"),
            ("4.53.3", HEAD + M25 + "e = m.model.embed_tokens  #!\n"),
            ("4.52.0", HEAD + M25 + "ids, _ = m.get_rope_index(a, b)  #!\n"),
            (
                "5.23.0",
                HEAD3 + M3 + "for q in m.visual.parameters():  #!\n    q.requires_grad = False\n",
            ),
            ("4.51.3", HEAD + "m = L25(Q25, torch_dtype='auto')\nv = m.model.visual  #!\n"),
        ],
        [
            ("4.57.1", HEAD + M25 + "v = m.visual\nh = m.config.text_config.hidden_size\n"),
            (
                "5.0.0",
                HEAD
                + M25
                + "v = m.visual if hasattr(m, 'visual') else m.model.visual\nif hasattr(m,"
                " 'visual'):\n    v = m.visual\n",
            ),
            (
                "5.0.0",
                HEAD + M25 + "try:\n    v = m.language_model\nexcept AttributeError:\n    v ="
                " m.model.language_model\n",
            ),
        ],
    ),
    "versions.removed-private-classes": (
        [
            (
                "4.53.0",
                (
                    "from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import"
                    " Qwen2_5_VLFlashAttention2  #!\n"
                ),
            ),
            (
                "5.0.0",
                (
                    "from transformers.models.qwen2_vl.modeling_qwen2_vl import"
                    " QWEN2_VL_ATTENTION_CLASSES as K  #!\n"
                ),
            ),
            (
                "4.57.1",
                (
                    "import transformers\nx ="
                    " transformers.models.qwen2_vl.modeling_qwen2_vl.VisionSdpaAttention  #!\n"
                ),
            ),
        ],
        [
            (
                "4.52.4",
                (
                    "from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import"
                    " Qwen2_5_VLFlashAttention2\n"
                ),
            ),
            (
                "4.57.1",
                (
                    "from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import"
                    " Qwen2_5_VLDecoderLayer\n"
                ),
            ),
        ],
    ),
    "versions.legacy-chat-environment": (
        [
            (
                "4.57.1",
                (
                    "from transformers import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('Qwen/Qwen-VL-Chat', trust_remote_code=True)  #!\n"
                ),
            ),
            (
                "4.45.0",
                (
                    "from transformers import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('/data/Qwen-VL', trust_remote_code=True)  #!\n"
                ),
            ),
            (
                "5.0.0",
                (
                    "from modelscope import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('Qwen/Qwen-VL-Chat-Int4')  #!\n"
                ),
            ),
        ],
        [
            (
                "4.32.0",
                (
                    "from transformers import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('Qwen/Qwen-VL-Chat', trust_remote_code=True)\n"
                ),
            ),
            (
                "4.57.1",
                (
                    "from transformers import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('Qwen/Qwen-7B-Chat', trust_remote_code=True)\n"
                ),
            ),
        ],
    ),
    "devices.legacy-chat-multi-gpu": (
        [
            (
                "4.32.0",
                (
                    "from transformers import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('Qwen/Qwen-VL-Chat', device_map='auto')  #!\n"
                ),
            ),
            (
                "4.32.0",
                (
                    "from transformers import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('Qwen/Qwen-VL', device_map='balanced')  #!\n"
                ),
            ),
            (
                "4.31.0",
                (
                    "from transformers import AutoModelForCausalLM as A\nkw ="
                    " dict(device_map='auto')  #!\nm = A.from_pretrained('Qwen/Qwen-VL-Chat',"
                    " **kw)\n"
                ),
            ),
        ],
        [
            (
                "4.32.0",
                (
                    "from transformers import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('Qwen/Qwen-VL-Chat', device_map='cuda')\n"
                ),
            ),
            ("4.51.0", HEAD + "m = L2(Q2, device_map='auto', torch_dtype='auto')\n"),
        ],
    ),
    "attention.eager-precision-drift": (
        [
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype=torch.bfloat16, attn_implementation='eager')  #!\n",
            ),
            ("5.23.0", HEAD + "m = L2(Q2, attn_implementation='eager')  #!\n"),
            (
                "4.51.3",
                HEAD
                + "kw = {'torch_dtype': 'auto'}\nkw.update(attn_implementation='eager')  #!\nm ="
                " L25(Q25, **kw)\n",
            ),
            (
                "4.55.4",
                HEAD
                + "def load(attn='eager'):  #!\n    return L25(Q25, torch_dtype=torch.bfloat16,"
                " attn_implementation=attn)\n",
            ),
            (
                "4.51.3",
                HEAD
                + READY.replace("dtype=", "torch_dtype=", 1)
                + "y = m.generate(**x, output_attentions=True)  #!\n",
            ),
        ],
        [
            ("4.57.1", HEAD + "m = L25(Q25, dtype=torch.float32, attn_implementation='eager')\n"),
            ("4.57.1", HEAD3 + "m = L3(Q3, dtype=torch.bfloat16, attn_implementation='eager')\n"),
            (
                "4.57.1",
                HEAD + "def load(attn='eager'):\n    return L25(Q25, dtype='auto',"
                " attn_implementation=attn)\nload('sdpa')\n",
            ),
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype='auto', attn_implementation=os.environ['ATTN'])\n",
            ),
        ],
    ),
    "attention.fp16-overflow": (
        [
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype=torch.float16, attn_implementation='eager')  #!\n",
            ),
            (
                "4.49.0",
                HEAD + "m = L2(Q2, torch_dtype='float16', attn_implementation='eager')  #!\n",
            ),
            ("4.57.1", HEAD + "m = L25(Q25, attn_implementation='eager').half().cuda()  #!\n"),
        ],
        [
            ("4.57.1", HEAD + "m = L25(Q25, dtype=torch.bfloat16, attn_implementation='sdpa')\n"),
            (
                "4.57.1",
                HEAD + "m = L25('Qwen/Qwen2.5-VL-7B-Instruct-AWQ', dtype=torch.float16,"
                " device_map='auto')\n",
            ),
        ],
    ),
    "attention.flash-attention-needs-half-precision": (
        [
            (
                "4.55.4",
                HEAD
                + "m = L25(Q25, attn_implementation='flash_attention_2', device_map='auto')  #!\n",
            ),
            (
                "5.23.0",
                HEAD + "m = L25(Q25, dtype=torch.float32, attn_implementation='flash_attention_2') "
                " #!\n",
            ),
            (
                "4.49.0",
                HEAD + "m = L2(Q2, torch_dtype='float32', attn_implementation='flash_attention_2') "
                " #!\n",
            ),
        ],
        [
            (
                "5.0.0",
                HEAD + "m = L25(Q25, attn_implementation='flash_attention_2', device_map='auto')\n",
            ),
            (
                "4.55.4",
                HEAD + "m = L25(Q25, attn_implementation='flash_attention_2').to(torch.bfloat16)\n",
            ),
            (
                "4.55.4",
                HEAD
                + "m = L25(Q25, torch_dtype='auto', attn_implementation='flash_attention_2')\n",
            ),
        ],
    ),
    "attention.flash-attention-on-cpu": (
        [
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype='auto', attn_implementation='flash_attention_2',"
                " device_map='cpu')  #!\n",
            ),
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype='auto', attn_implementation='flash_attention_2',"
                " device_map={'': 'cpu'})  #!\n",
            ),
            (
                "4.57.1",
                HEAD + "d = torch.device('cpu')\nm = L25(Q25, dtype='auto',"
                " attn_implementation='flash_attention_2').to(d)  #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype='auto', attn_implementation='sdpa', device_map='cpu')\n",
            ),
            (
                "4.57.1",
                HEAD
                + "d = 'cuda' if torch.cuda.is_available() else 'cpu'\nm = L25(Q25, dtype='auto',"
                " attn_implementation='flash_attention_2').to(d)\n",
            ),
        ],
    ),
    "attention.flash-attention-3-slow-vision": (
        [
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype='auto', attn_implementation='flash_attention_3')  #!\n",
            ),
            (
                "5.0.0",
                HEAD
                + "A = 'flash_attention_3'  #!\nm = L2(Q2, dtype='auto', attn_implementation=A)\n",
            ),
            (
                "5.0.0",
                HEAD + "m = L25(Q25, attn_implementation={'': 'sdpa', 'vision_config':"
                " 'flash_attention_3'})  #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD3 + "m = L3(Q3, dtype='auto', attn_implementation='flash_attention_3')\n",
            ),
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype='auto', attn_implementation={'text_config':"
                " 'flash_attention_3', 'vision_config': 'flash_attention_2'})\n",
            ),
        ],
    ),
    "attention.flash-attention-broken-release": (
        [
            (
                "4.53.0",
                HEAD
                + "m = L25(Q25, torch_dtype='auto', attn_implementation='flash_attention_2')  #!\n",
            ),
            (
                "4.53.0",
                HEAD
                + "m = L2(Q2, torch_dtype='auto', attn_implementation='flash_attention_2')  #!\n",
            ),
            (
                "4.53.0",
                HEAD + "kw = {'attn_implementation': 'flash_attention_2'}  #!\nm = L25(Q25,"
                " torch_dtype='auto', **kw)\n",
            ),
        ],
        [
            (
                "4.53.1",
                HEAD
                + "m = L25(Q25, torch_dtype='auto', attn_implementation='flash_attention_2')\n",
            ),
            ("4.53.0", HEAD + "m = L25(Q25, torch_dtype='auto', attn_implementation='sdpa')\n"),
        ],
    ),
    "attention.mixed-attention-implementations": (
        [
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype='auto', attn_implementation={'visual': 'sdpa'})  #!\n",
            ),
            (
                "4.57.1",
                HEAD + "a = {'text_config': 'eager', 'vision_config': 'flash_attention_2'}  #!\nm ="
                " L25(Q25, dtype='auto', attn_implementation=a)\n",
            ),
            ("5.0.0", HEAD + M25 + "m.set_attn_implementation({'language_model': 'sdpa'})  #!\n"),
        ],
        [
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype='auto', attn_implementation={'text_config':"
                " 'flash_attention_2', 'vision_config': 'sdpa'})\n",
            ),
            ("4.57.1", HEAD + "m = L25(Q25, dtype='auto', attn_implementation={'': 'sdpa'})\n"),
        ],
    ),
    "attention.vision-sdpa-precision": (
        [
            ("4.51.3", HEAD + "m = L25(Q25, torch_dtype='auto')  #!\n"),
            ("4.49.0", HEAD + "m = L25(Q25, torch_dtype='auto', attn_implementation='sdpa')  #!\n"),
            (
                "4.53.3",
                HEAD + "m = L25('ckpt/Qwen2.5-VL-3B', torch_dtype='auto', device_map='auto')  #!\n",
            ),
        ],
        [
            ("4.54.0", HEAD + "m = L25(Q25, torch_dtype='auto')\n"),
            ("4.51.3", HEAD + "m = L2(Q2, torch_dtype='auto')\n"),
        ],
    ),
    "memory.dispatch-undone": (
        [
            ("4.57.1", HEAD + "m = L25(Q25, dtype='auto', device_map='auto')\nm.to('cuda')  #!\n"),
            (
                "4.57.1",
                HEAD
                + "m = L25(Q25, dtype='auto', device_map='balanced_low_0').eval().cuda()  #!\n",
            ),
            (
                "4.57.1",
                HEAD + "d = torch.device('cuda:0')\nkw = {'device_map': 'auto'}\nm = L25(Q25,"
                " dtype='auto', **kw)\nm = m.to(d)  #!\n",
            ),
            (
                "4.57.1",
                HEAD + "def setup(device):\n    m = L25(Q25, dtype='auto', device_map='auto')\n"
                "    m.to(device)  #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD + "def setup(kind):\n    m = L25(Q25, dtype='auto', device_map='auto')\n"
                "    m.to(kind)\n",
            ),
            ("4.57.1", HEAD + "m = L25(Q25, dtype='auto', device_map='auto').to(torch.bfloat16)\n"),
            ("4.57.1", HEAD + "m = L25(Q25, dtype='auto', device_map='cuda:0')\nm.to('cuda')\n"),
            ("4.57.1", HEAD + "m = L25(Q25, dtype='auto')\nm.to('cuda')\n"),
        ],
    ),
    "memory.max-memory-ignored": (
        [
            (
                "4.57.1",
                HEAD
                + "m = L25(Q25, dtype='auto', device_map='cuda', max_memory={0: '1GiB'})  #!\n",
            ),
            ("4.57.1", HEAD + "m = L25(Q25, dtype='auto', max_memory={0: '1GiB'})  #!\n"),
            (
                "4.57.1",
                HEAD
                + "mm = {0: '1GiB'}\nm = L25(Q25, dtype='auto', device_map={'': 0}, max_memory=mm) "
                " #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype='auto', device_map='auto', max_memory={0: '1GiB'})\n",
            ),
            ("4.57.1", HEAD + "m = L25(Q25, dtype='auto', device_map='cuda', max_memory=None)\n"),
        ],
    ),
    "memory.weights-in-fp32": (
        [
            ("4.49.0", HEAD + "m = L25(Q25, device_map='auto')  #!\n"),
            ("4.57.1", HEAD + "m = L2(Q2).cuda()  #!\n"),
            (
                "4.51.3",
                HEAD + "def get(path=Q25, **kw):\n    return L25(path, **kw)  #!\nm ="
                " get(device_map='cuda:0')\n",
            ),
        ],
        [
            ("5.0.0", HEAD + "m = L25(Q25, device_map='auto')\n"),
            ("4.57.1", HEAD + "m = L25(Q25).half().cuda()\n"),
            ("4.57.1", HEAD + "m = L25(Q25, device_map='cpu')\n"),
            ("4.57.1", HEAD + "m = L25(Q25, device_map='auto', **options)\n"),
        ],
    ),
    "memory.text-attention-memory": (
        [
            (
                "4.57.1",
                HEAD
                + M25
                + "p = AutoProcessor.from_pretrained(Q25)\n"
                + IMG
                + TPL
                + "y = m.generate(**x, output_attentions=True)  #!\n",
            ),
            (
                "4.57.1",
                HEAD3
                + M3
                + "p = AutoProcessor.from_pretrained(Q3)\n"
                + IMG
                + TPL
                + "y = m(**x, output_attentions=True)  #!\n",
            ),
            (
                "5.0.0",
                HEAD
                + M25
                + "p = AutoProcessor.from_pretrained(Q25)\n"
                + IMG
                + TPL
                + "kw = {'output_attentions': True}  #!\ny = m.generate(**x, **kw)\n",
            ),
        ],
        [
            ("4.57.1", HEAD + READY + "y = m(**x, output_attentions=True)\n"),
            ("4.57.1", HEAD + READY + GEN),
        ],
    ),
    "memory.unbounded-image-size": (
        [
            (
                "4.57.1",
                HEAD + M25 + "p = AutoProcessor.from_pretrained(Q25)  #!\n" + IMG + TPL + GEN,
            ),
            (
                "4.57.1",
                HEAD3 + M3 + "p = AutoProcessor.from_pretrained(Q3)  #!\n" + IMG + TPL + GEN,
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + "p = AutoProcessor.from_pretrained(Q25)  #!\nx = p(text=['<|image_pad|>'],"
                " images=[Image.open('a')])\n",
            ),
        ],
        [
            ("4.57.1", HEAD + READY + GEN),
            (
                "4.57.1",
                HEAD + M25 + "p = AutoProcessor.from_pretrained(Q25)\nx = p(text=['hello'],"
                " return_tensors='pt').to(m.device)\n" + GEN,
            ),
        ],
    ),
    "memory.full-prompt-logits": (
        [
            ("4.57.1", HEAD + READY + "n = m(**x).logits[:, -1]  #!\n"),
            ("4.57.1", HEAD + READY + "o = m(**x)  #!\nn = o.logits[:, -1, :].argmax(-1)\n"),
            (
                "5.0.0",
                HEAD3 + READY3 + "with torch.no_grad():\n    o = m(**x)  #!\nn = o.logits[0, -1]\n",
            ),
        ],
        [
            ("4.57.1", HEAD + READY + "n = m(**x, logits_to_keep=1).logits[:, -1]\n"),
            ("4.57.1", HEAD + READY + "n = m(**x).logits[:, :-1].log_softmax(-1)\n"),
        ],
    ),
    "memory.memory-fragmentation": (
        [
            ("4.57.1", HEAD + READY + "k = []\nfor i in r:\n    k.append(m(**x).logits)  #!\n"),
            (
                "4.57.1",
                HEAD
                + READY
                + "k = []\nwhile True:\n    o = m(**x)\n    k.append(o.hidden_states)  #!\n",
            ),
            ("4.57.1", HEAD + READY + "k = []\nfor i in r:\n    k += [m.generate(**x)]  #!\n"),
        ],
        [
            ("4.57.1", HEAD + READY + "k = []\nfor i in r:\n    k.append(m(**x).logits.cpu())\n"),
            (
                "4.57.1",
                HEAD
                + READY
                + "k = []\nfor i in r:\n    k.append(p.decode(m.generate(**x)[0, 5:]))\n",
            ),
        ],
    ),
    "memory.first-gpu-overloaded": (
        [
            ("4.57.1", HEAD + "m = L25(Q25, dtype='auto', device_map='sequential')  #!\n"),
            ("5.0.0", HEAD3 + "m = L3(Q3, device_map='sequential')  #!\n"),
            ("5.0.0", HEAD + "kw = dict(device_map='sequential')  #!\nm = L2(Q2, **kw)\n"),
        ],
        [
            ("4.57.1", HEAD + "m = L25(Q25, dtype='auto', device_map='auto')\n"),
            (
                "4.57.1",
                HEAD
                + "m = L25(Q25, dtype='auto', device_map='sequential', max_memory={0: '9GiB', 1:"
                " '9GiB'})\n",
            ),
        ],
    ),
    "memory.long-video-memory": (
        [
            ("4.57.1", HEAD + video().replace("]}]\n", "]}]  #!\n") + V),
            ("4.57.1", HEAD + video(fps=2.0).replace("]}]\n", "]}]  #!\n") + V),
            ("4.57.1", HEAD + video(total_pixels=10**9).replace("]}]\n", "]}]  #!\n") + V),
        ],
        [("4.57.1", HEAD + video(max_pixels=100352) + V), ("4.57.1", HEAD + IMG + V)],
    ),
    "kv-cache.cache-disabled": (
        [
            ("4.57.1", HEAD + READY + "y = m.generate(**x, use_cache=False)  #!\n"),
            ("4.57.1", HEAD + READY + "m.generation_config.use_cache = False  #!\n" + GEN),
            (
                "4.57.1",
                HEAD
                + READY
                + "g = transformers.GenerationConfig(use_cache=False)  #!\ny = m.generate(**x,"
                " generation_config=g)\n",
            ),
            ("4.57.1", HEAD + READY + "m.gradient_checkpointing_enable()  #!\nm.train()\n" + GEN),
            (
                "4.51.3",
                HEAD
                + READY.replace("dtype=", "torch_dtype=", 1)
                + "m.config.use_cache = False  #!\n"
                + GEN,
            ),
        ],
        [
            (
                "4.57.1",
                HEAD + READY + "m.gradient_checkpointing_enable()\nm.train()\nm.eval()\n" + GEN,
            ),
            ("4.57.1", HEAD + READY + "m.gradient_checkpointing_enable()\n" + GEN),
            (
                "4.57.1",
                HEAD + READY + "m.config.use_cache = False\nm.config.use_cache = True\n" + GEN,
            ),
            ("4.57.1", HEAD + READY + "o = m(**x, use_cache=False)\n"),
        ],
    ),
    "kv-cache.quantized-cache-corruption": (
        [
            (
                "4.57.1",
                HEAD + READY + "y = m.generate(**x, cache_implementation='quantized')  #!\n",
            ),
            (
                "4.57.1",
                HEAD + READY + "m.generation_config.cache_implementation = 'quantized'  #!\n" + GEN,
            ),
            (
                "4.57.1",
                HEAD
                + READY
                + "k = transformers.QuantizedCache('quanto', m.config, nbits=4)  #!\ny ="
                " m.generate(**x, past_key_values=k)\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + READY
                + "y = m.generate(**x, cache_implementation='quantized', cache_config={'nbits':"
                " 8})\n",
            ),
            ("4.57.1", HEAD3 + READY3 + "y = m.generate(**x, cache_implementation='quantized')\n"),
            ("4.57.1", HEAD + READY + "y = m.generate(**x, cache_implementation='static')\n"),
        ],
    ),
    "devices.tensors-on-different-devices": (
        [
            (
                "4.57.1",
                HEAD + "import torch.distributed as dist\ndist.init_process_group()\nm = L25(Q25,"
                " dtype='auto', device_map='auto')  #!\n",
            ),
            (
                "4.57.1",
                HEAD + "rank = int(os.environ['LOCAL_RANK'])\nm = L25(Q25, dtype='auto',"
                " device_map='auto')  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + "m = L25(Q25, dtype='auto', device_map='cuda:1')\n"
                + P25
                + IMG
                + TPL.replace("m.device", "'cuda:0'")
                + "y = m.generate(**x)  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + "m = L25(Q25, dtype='auto', device_map={'': 1})\n"
                + P25
                + IMG
                + TPL.replace(".to(m.device)", "")
                + "x = {k: v.to('cuda:0') if hasattr(v, 'to') else v for k, v in x.items()}\n"
                + "y = m.generate(**x)  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + IMG
                + TPL.replace(".to(m.device)", "")
                + "y = m.generate(**x)  #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + "rank = int(os.environ['LOCAL_RANK'])\nm = L25(Q25, dtype='auto', device_map={'':"
                " rank})\n",
            ),
            (
                "4.57.1",
                HEAD
                + "m = L25(Q25, dtype='auto', device_map='auto')\n"
                + P25
                + IMG
                + TPL.replace("m.device", "'cuda'")
                + GEN,
            ),
            ("4.57.1", HEAD + M25 + P25 + IMG + TPL.replace("m.device", "'cuda'") + GEN),
        ],
    ),
    "devices.visible-devices-set-late": (
        [
            (
                "4.57.1",
                HEAD
                + "n = torch.cuda.get_device_name(0)\nos.environ['CUDA_VISIBLE_DEVICES'] = '1' "
                " #!\n",
            ),
            ("4.57.1", HEAD + M25 + "os.environ.update(CUDA_VISIBLE_DEVICES='1')  #!\n"),
            (
                "4.57.1",
                HEAD + "from os import environ as e\nif torch.cuda.is_available():\n   "
                " e['CUDA_VISIBLE_DEVICES'] = '0'  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + "z = torch.zeros(1, device='cuda')\nos.putenv('CUDA_VISIBLE_DEVICES', '1')  #!\n",
            ),
        ],
        [
            ("4.57.1", "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'\n" + HEAD + M25),
            (
                "4.57.1",
                HEAD + "e = dict(os.environ)\nn ="
                " torch.cuda.get_device_name(0)\ne['CUDA_VISIBLE_DEVICES'] = '1'\n",
            ),
        ],
    ),
    "devices.tensor-parallel-plan-missing": (
        [
            ("4.57.1", HEAD3 + "m = L3(Q3, dtype='auto', tp_plan='auto')  #!\n"),
            ("5.0.0", HEAD3 + "kw = {'tp_plan': 'auto'}  #!\nm = L3(Q3, **kw)\n"),
            (
                "5.23.0",
                (
                    "from transformers import AutoModelForImageTextToText as A\nm ="
                    " A.from_pretrained('Qwen/Qwen3-VL-8B-Instruct', tp_plan='auto')  #!\n"
                ),
            ),
        ],
        [
            ("4.57.1", HEAD + "m = L25(Q25, dtype='auto', tp_plan='auto')\n"),
            ("4.57.1", HEAD3 + "m = L3(Q3, dtype='auto', device_map='auto')\n"),
        ],
    ),
    "images.pixel-limit-ignored": (
        [
            ("4.57.1", HEAD3 + "p = AutoProcessor.from_pretrained(Q3, max_pixels=99)  #!\n"),
            (
                "5.23.0",
                HEAD
                + "p = AutoProcessor.from_pretrained(Q25, size={'longest_edge': 9, 'shortest_edge':"
                " 3})  #!\n",
            ),
            (
                "4.57.1",
                HEAD + "p = AutoProcessor.from_pretrained(Q25)\np.image_processor.size ="
                " {'longest_edge': 9}  #!\n",
            ),
            (
                "5.0.0",
                HEAD
                + "p = AutoProcessor.from_pretrained(Q25)\np.image_processor.max_pixels = 9  #!\n",
            ),
            (
                "4.57.1",
                HEAD3
                + "p = AutoProcessor.from_pretrained(Q3)\nx = p(text=['<|image_pad|>'], images=im,"
                " max_pixels=9)  #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD3 + "p = AutoProcessor.from_pretrained(Q3, min_pixels=9, max_pixels=99)\n",
            ),
            (
                "4.57.1",
                HEAD3
                + "p = AutoProcessor.from_pretrained(Q3)\np.image_processor.size = {'longest_edge':"
                " 9}\n",
            ),
            ("5.23.0", HEAD3 + "p = AutoProcessor.from_pretrained(Q3, max_pixels=99)\n"),
            ("4.57.1", HEAD + "p = AutoProcessor.from_pretrained(Q25, max_pixels=99)\n"),
        ],
    ),
    "images.image-token-mismatch": (
        [
            (
                "4.57.1",
                HEAD
                + P25
                + "x = p(text=['<|im_start|>user\\nhi<|im_end|>'], images=[Image.open('a')])  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + P25
                + "x = p(text=['<image>\\nhi'], images=[Image.open('a')], return_tensors='pt') "
                " #!\n",
            ),
            ("4.57.1", HEAD + P25 + IMG + T + "x = p(text=[t], return_tensors='pt')  #!\n"),
            (
                "4.57.1",
                HEAD
                + P25
                + "c = [{'role': 'user', 'content': 'hi'}]\n"
                + T
                + "x = p(text=[t], images=[Image.open('a')])  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + P25
                + IMG
                + T
                + "x = p(text=[t], images=[Image.open('a')], truncation=True, max_length=128) "
                " #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD + P25 + "x = p(text=['<|vision_start|><|image_pad|><|vision_end|>'],"
                " images=[Image.open('a')])\n",
            ),
            (
                "4.57.1",
                HEAD
                + P25
                + IMG
                + T
                + V
                + "x = p(text=[t], images=im, videos=vi, return_tensors='pt')\n",
            ),
            (
                "4.57.1",
                HEAD
                + P25
                + "x = p(text=['hi'], return_tensors='pt', truncation=True, max_length=64)\n",
            ),
        ],
    ),
    "images.wrong-image-patch-size": (
        [
            (
                "4.57.1",
                HEAD3
                + P3
                + IMG
                + T
                + "im, vi = process_vision_info(c)  #!\nx = p(text=[t], images=im)\n",
            ),
            (
                "4.57.1",
                HEAD3
                + P3
                + IMG
                + T
                + "im, vi = process_vision_info(c, image_patch_size=14)  #!\nx = p(text=[t],"
                " images=im)\n",
            ),
            (
                "4.57.1",
                HEAD
                + P25
                + IMG
                + T
                + "im, vi = process_vision_info(c, image_patch_size=16)  #!\nx = p(text=[t],"
                " images=im)\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD3
                + P3
                + IMG
                + T
                + "im, vi = process_vision_info(c, image_patch_size=16)\nx = p(text=[t], images=im,"
                " do_resize=False)\n",
            ),
            ("4.57.1", HEAD + P25 + IMG + T + V + "x = p(text=[t], images=im)\n"),
            (
                "4.57.1",
                HEAD3 + P3 + IMG + T + "im, vi = process_vision_info(c,"
                " image_patch_size=p.image_processor.patch_size)\nx = p(text=[t], images=im)\n",
            ),
        ],
    ),
    "images.removed-image-processor": (
        [
            ("4.57.1", "from transformers import Qwen2_5_VLImageProcessor  #!\n"),
            (
                "4.49.0",
                (
                    "import transformers as tf\np ="
                    " tf.Qwen2_5_VLImageProcessor.from_pretrained('x')  #!\n"
                ),
            ),
            (
                "5.0.0",
                (
                    "from transformers.models.qwen2_5_vl.image_processing_qwen2_5_vl import"
                    " Qwen2_5_VLImageProcessor  #!\n"
                ),
            ),
        ],
        [
            ("4.57.1", "from transformers import Qwen2VLImageProcessor\n"),
            (
                "4.57.1",
                (
                    "try:\n    from transformers import Qwen2_5_VLImageProcessor\nexcept"
                    " ImportError:\n    from transformers import Qwen2VLImageProcessor\n"
                ),
            ),
        ],
    ),
    "images.slow-processor-shrinks-image": (
        [
            ("4.57.1", HEAD + "p = AutoProcessor.from_pretrained(Q3, use_fast=False)  #!\n"),
            (
                "4.57.0",
                HEAD
                + "kw = {'use_fast': False}  #!\np = AutoProcessor.from_pretrained(Q3, **kw)\n",
            ),
            (
                "4.57.1",
                HEAD
                + "p = transformers.Qwen3VLProcessor.from_pretrained('ckpt/run1', use_fast=False) "
                " #!\n",
            ),
        ],
        [
            ("5.0.0", HEAD + "p = AutoProcessor.from_pretrained(Q3, use_fast=False)\n"),
            ("4.57.1", HEAD + "p = AutoProcessor.from_pretrained(Q25, use_fast=False)\n"),
        ],
    ),
    "images.processor-size-leak": (
        [
            ("4.57.1", HEAD + P25 + "q = AutoProcessor.from_pretrained(Q25)  #!\n"),
            ("5.0.0", HEAD + P3 + "q = AutoProcessor.from_pretrained(Q3)  #!\n"),
            (
                "4.57.1",
                HEAD + P3 + "def other():\n    return AutoProcessor.from_pretrained(Q3)  #!\n",
            ),
        ],
        [
            ("5.23.0", HEAD + P25 + "q = AutoProcessor.from_pretrained(Q25)\n"),
            ("4.57.1", HEAD + P25 + P25),
        ],
    ),
    "video.frame-times-dropped": (
        [
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + video(max_pixels=9, fps=2.0)
                + T
                + VK
                + "x = p(text=[t], videos=vi, return_tensors='pt', **kw).to('cuda')\ny ="
                " m.generate(input_ids=x.input_ids, pixel_values_videos=x.pixel_values_videos,"
                " video_grid_thw=x.video_grid_thw)  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + video(max_pixels=9, fps=2.0)
                + T
                + VK
                + "x = p(text=[t], videos=vi, return_tensors='pt',"
                " **kw).to('cuda')\nx.pop('second_per_grid_ts')  #!\n" + GEN,
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + video(max_pixels=9, fps=1.0)
                + T
                + V
                + "x = p(text=[t], videos=vi, return_tensors='pt').to('cuda')  #!\n"
                + GEN,
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + video(max_pixels=9, fps=1.0)
                + T
                + VK
                + "x = p(text=[t], videos=vi, return_tensors='pt', **kw).to('cuda')\n"
                + GEN,
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + IMG
                + T
                + V
                + "x = p(text=[t], images=im, videos=vi, return_tensors='pt').to('cuda')\n"
                + GEN,
            ),
        ],
    ),
    "video.video-metadata-missing": (
        [
            (
                "4.57.1",
                HEAD3
                + P3
                + video(max_pixels=9)
                + T
                + "im, vi = process_vision_info(c, image_patch_size=16)\nx = p(text=[t], images=im,"
                " videos=vi)  #!\n",
            ),
            (
                "4.57.1",
                HEAD3
                + P3
                + video(fps=1)
                + T
                + "im, vi, kw = process_vision_info(c, image_patch_size=16,"
                " return_video_kwargs=True)\nx = p(text=[t], videos=vi, do_resize=False)  #!\n",
            ),
            (
                "5.0.0",
                HEAD3
                + P3
                + video(fps=1)
                + T
                + "r = process_vision_info(c, image_patch_size=16)\nx = p(text=[t], images=r[0],"
                " videos=r[1])  #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD3
                + P3
                + video(max_pixels=9)
                + T
                + "im, vi, kw = process_vision_info(c, image_patch_size=16,"
                " return_video_kwargs=True, return_video_metadata=True)\nvi, md = zip(*vi)\nx ="
                " p(text=[t], images=im, videos=list(vi), video_metadata=list(md), **kw)\n",
            ),
            (
                "4.57.1",
                HEAD
                + P25
                + video(max_pixels=9)
                + T
                + V
                + "x = p(text=[t], images=im, videos=vi)\n",
            ),
            (
                "4.57.1",
                HEAD3
                + P3
                + IMG
                + T
                + "im, vi = process_vision_info(c, image_patch_size=16)\nx = p(text=[t], images=im,"
                " videos=vi)\n",
            ),
        ],
    ),
    "video.video-url-unsupported": (
        [
            (
                "4.57.1",
                HEAD + video("https://x/a.mp4", max_pixels=9).replace("]}]\n", "]}]  #!\n") + V,
            ),
            (
                "4.57.1",
                HEAD + video("http://x/a.mp4", max_pixels=9).replace("]}]\n", "]}]  #!\n") + V,
            ),
            (
                "4.57.1",
                HEAD
                + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'decord'\n"
                + video("https://x/a.mp4", fps=1).replace("]}]\n", "]}]  #!\n")
                + V,
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'torchcodec'\n"
                + video("https://x/a.mp4", max_pixels=9)
                + V,
            ),
            ("4.57.1", HEAD + video("file:///a.mp4", max_pixels=9) + V),
        ],
    ),
    "video.video-reader-hang": (
        [
            ("4.57.1", HEAD + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'decord'  #!\n"),
            ("4.57.1", HEAD + "os.environ.setdefault('FORCE_QWENVL_VIDEO_READER', 'decord')  #!\n"),
            ("4.57.1", HEAD + "import decord  #!\n" + video(max_pixels=9) + V),
        ],
        [
            ("4.57.1", HEAD + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'torchcodec'\n"),
            ("4.57.1", HEAD + "import decord\n" + IMG + V),
        ],
    ),
    "video.video-reader-removed": (
        [
            ("4.57.1", HEAD + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'torchvision'  #!\n"),
            ("4.57.1", HEAD + "import torchvision\nv = torchvision.io.read_video('a.mp4')  #!\n"),
            (
                "4.57.1",
                HEAD + "from torchvision.io import read_video\nv = read_video('a.mp4')  #!\n",
            ),
        ],
        [
            ("4.57.1", HEAD + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'torchcodec'\n"),
            ("4.57.1", HEAD + "import torchvision\nv = torchvision.io.read_image('a.png')\n"),
        ],
    ),
    "checkpoint.wrong-auto-class": (
        [
            (
                "4.57.1",
                (
                    "from transformers import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('Qwen/Qwen2.5-VL-7B-Instruct', dtype='auto')  #!\n"
                ),
            ),
            (
                "4.57.1",
                HEAD
                + "m = transformers.AutoModel.from_pretrained(Q25, dtype='auto', device_map='cuda')"
                "  #!\n" + P25 + IMG + TPL + GEN,
            ),
            (
                "4.57.1",
                HEAD
                + "t = AutoTokenizer.from_pretrained(Q25)\nx = t('hi', images=[Image.open('a')]) "
                " #!\n",
            ),
        ],
        [
            (
                "5.23.0",
                (
                    "from transformers import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('Qwen/Qwen3.5-9B')\n"
                ),
            ),
            (
                "4.57.1",
                (
                    "from transformers import AutoModelForCausalLM as A\nm ="
                    " A.from_pretrained('Qwen/Qwen2.5-7B-Instruct')\n"
                ),
            ),
            ("4.57.1", HEAD + "m = transformers.AutoModel.from_pretrained(Q25, dtype='auto')\n"),
        ],
    ),
    "checkpoint.wrong-model-class": (
        [
            ("4.57.1", HEAD + "m = L25(Q3, dtype='auto')  #!\n"),
            ("4.57.1", HEAD + "m = L2('/models/Qwen2.5-VL-3B-Instruct/', dtype='auto')  #!\n"),
            ("4.57.1", HEAD3 + "m = L3('Qwen/Qwen3-VL-235B-A22B-Instruct', dtype='auto')  #!\n"),
            (
                "4.57.1",
                HEAD
                + M25
                + "p = AutoProcessor.from_pretrained(Q3, min_pixels=9, max_pixels=99)  #!\n"
                + IMG
                + TPL
                + GEN,
            ),
        ],
        [
            ("4.57.1", HEAD + "m = L25('./output/checkpoint-500', dtype='auto')\n"),
            (
                "4.57.1",
                HEAD3 + "def get(n):\n    if 'Qwen3' in n:\n        return L3(n, dtype='auto')\n   "
                " return L25(n, dtype='auto')\nget(Q3)\nget(Q25)\n",
            ),
        ],
    ),
    "checkpoint.fp8-checkpoint-unsupported": (
        [
            ("4.57.1", HEAD3 + "m = L3('Qwen/Qwen3-VL-8B-Instruct-FP8', dtype='auto')  #!\n"),
            ("5.0.0", HEAD3 + "s = '4B'\nm = L3(f'Qwen/Qwen3-VL-{s}-Instruct-FP8')  #!\n"),
            (
                "4.57.1",
                (
                    "from transformers import Qwen3VLMoeForConditionalGeneration as K\nm ="
                    " K.from_pretrained('Qwen/Qwen3-VL-30B-A3B-Instruct-FP8')  #!\n"
                ),
            ),
        ],
        [
            ("4.57.1", HEAD3 + M3),
            ("4.57.1", "from vllm import LLM\nm = LLM(model='Qwen/Qwen3-VL-8B-Instruct-FP8')\n"),
        ],
    ),
    "checkpoint.awq-garbled": (
        [
            ("4.50.0", HEAD + "m = L25(Q25 + '-AWQ', torch_dtype='auto')  #!\n"),
            (
                "4.51.3",
                HEAD + "m = L25('Qwen/Qwen2.5-VL-72B-Instruct-AWQ', torch_dtype='auto')  #!\n",
            ),
            (
                "4.50.3",
                HEAD
                + "n = 'Qwen/Qwen2.5-VL-3B-Instruct-AWQ'\nm = L25(n, torch_dtype=torch.float16) "
                " #!\n",
            ),
        ],
        [
            ("4.49.0", HEAD + "m = L25(Q25 + '-AWQ', torch_dtype='auto')\n"),
            ("4.51.3", HEAD + "m = L25(Q25, torch_dtype='auto')\n"),
        ],
    ),
    "checkpoint.vision-tower-quantized": (
        [
            (
                "4.57.1",
                HEAD + "b = BitsAndBytesConfig(load_in_4bit=True)  #!\nm = L25(Q25,"
                " quantization_config=b)\n",
            ),
            ("4.57.1", HEAD + "m = L25(Q25, load_in_4bit=True, device_map='auto')  #!\n"),
            (
                "4.57.1",
                HEAD + "def q():\n    return BitsAndBytesConfig(load_in_4bit=True,"
                " llm_int8_skip_modules=['lm_head'])  #!\nm = L2(Q2, quantization_config=q())\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + "b = BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=['visual'])\nm ="
                " L25(Q25, quantization_config=b)\n",
            ),
            (
                "4.57.1",
                HEAD + "b = BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=skip)\nm ="
                " L25(Q25, quantization_config=b)\n",
            ),
            (
                "4.57.1",
                HEAD + "b = BitsAndBytesConfig(load_in_4bit=True)\nm ="
                " transformers.AutoModelForCausalLM.from_pretrained('Qwen/Qwen2.5-7B',"
                " quantization_config=b)\n",
            ),
        ],
    ),
    "generation.padding-side": (
        [
            (
                "4.57.1",
                HEAD + M25 + P25 + BATCH + f"    x = {ENC}  #!\n    return m.generate(**x)\n",
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + "p.tokenizer.padding_side = 'right'  #!\n"
                + BATCH
                + f"    x = {ENC}\n    return m.generate(**x)\n",
            ),
            (
                "4.57.1",
                HEAD3
                + M3
                + P3
                + "x = p.apply_chat_template([[a], [b]], tokenize=True, return_dict=True,"
                " padding=True, return_tensors='pt').to('cuda')  #!\n" + GEN,
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + "p.tokenizer.padding_side = 'left'\n"
                + BATCH
                + f"    x = {ENC}\n    return m.generate(**x)\n",
            ),
            ("4.57.1", HEAD + M25 + P25 + BATCH + f"    x = {ENC}\n    return m(**x).logits\n"),
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + IMG
                + T
                + V
                + "x = p(text=[t], images=im, padding=True, return_tensors='pt').to('cuda')\n"
                + GEN,
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + "p = AutoProcessor.from_pretrained(Q25, padding_side='left')\n"
                + BATCH
                + f"    x = {ENC}\n    return m.generate(**x)\n",
            ),
        ],
    ),
    "generation.prompt-decoded-with-answer": (
        [
            (
                "4.57.1",
                HEAD + READY + GEN + "s = p.batch_decode(y, skip_special_tokens=True)  #!\n",
            ),
            (
                "4.57.1",
                HEAD + READY + GEN + "s = p.tokenizer.decode(y[0], skip_special_tokens=True)  #!\n",
            ),
            (
                "4.57.1",
                HEAD + READY + "o = m.generate(**x, return_dict_in_generate=True)\ns ="
                " p.batch_decode(o.sequences.cpu(), skip_special_tokens=True)  #!\n",
            ),
            (
                "4.57.1",
                HEAD + READY + GEN + "s = [p.decode(i, skip_special_tokens=True) for i in y]  #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + READY
                + GEN
                + "s = p.batch_decode(y[:, x['input_ids'].shape[1]:], skip_special_tokens=True)\n",
            ),
            (
                "4.57.1",
                HEAD
                + READY
                + GEN
                + "s = p.decode(y[0][len(x.input_ids[0]):], skip_special_tokens=True)\n",
            ),
            (
                "4.57.1",
                HEAD
                + READY
                + GEN
                + "s = p.decode(y[0], skip_special_tokens=True).split('assistant')[-1]\n",
            ),
            (
                "4.57.1",
                HEAD
                + READY
                + GEN
                + "s = p.batch_decode([o[len(i):] for i, o in zip(x.input_ids, y)],"
                " skip_special_tokens=True)\n",
            ),
        ],
    ),
    "generation.forward-without-inference-mode": (
        [
            ("4.57.1", HEAD + READY + "o = m(**x)  #!\n"),
            ("4.57.1", HEAD + READY + "def f():\n    return m(**x).logits  #!\n"),
            ("4.57.1", HEAD3 + READY3 + "o = m.forward(**x)  #!\n"),
        ],
        [
            ("4.57.1", HEAD + READY + "with torch.no_grad():\n    o = m(**x)\n"),
            ("4.57.1", HEAD + READY + "@torch.inference_mode()\ndef f():\n    return m(**x)\n"),
            ("4.57.1", HEAD + READY + "m(**x, labels=x['input_ids']).loss.backward()\n"),
        ],
    ),
    "generation.stale-rope-deltas": (
        [
            (
                "4.57.1",
                HEAD
                + READY
                + "k = transformers.DynamicCache()\nfor i in r:\n    y = m.generate(**x,"
                " past_key_values=k)  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + READY
                + "k = transformers.DynamicCache()\na = m.generate(**x, past_key_values=k)  #!\nb ="
                " m.generate(**x, past_key_values=k)  #!\n",
            ),
            (
                "5.0.0",
                HEAD3
                + READY3
                + "k = transformers.StaticCache(m.config, 9)\nwhile True:\n    y = m.generate(**x,"
                " past_key_values=k)  #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + READY
                + "for i in r:\n    k = transformers.DynamicCache()\n    y = m.generate(**x,"
                " past_key_values=k)\n",
            ),
            (
                "4.57.1",
                HEAD
                + READY
                + "k = transformers.DynamicCache()\nfor i in r:\n    m.model.rope_deltas = None\n  "
                "  y = m.generate(**x, past_key_values=k)\n",
            ),
        ],
    ),
    "generation.endless-repetition": (
        [
            (
                "4.57.1",
                HEAD + READY + "y = m.generate(**x, max_new_tokens=16384, do_sample=False)  #!\n",
            ),
            (
                "4.57.1",
                HEAD3
                + READY3
                + "y = m.generate(**x, do_sample=False, max_new_tokens=8 * 1024)  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + READY
                + "g = dict(do_sample=False, max_new_tokens=32768)  #!\ny = m.generate(**x, **g)\n",
            ),
        ],
        [
            ("4.57.1", HEAD + READY + "y = m.generate(**x, max_new_tokens=512, do_sample=False)\n"),
            (
                "4.57.1",
                HEAD + READY + "y = m.generate(**x, max_new_tokens=16384, do_sample=False,"
                " repetition_penalty=1.05)\n",
            ),
        ],
    ),
}
