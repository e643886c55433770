"""Rules about attention."""

from .parts import HEAD, HEAD3, M25, READY

CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
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
}
