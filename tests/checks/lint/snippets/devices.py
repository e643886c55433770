"""Rules about devices."""

from .parts import GEN, HEAD, HEAD3, IMG, M25, P25, TPL

CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
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
    "devices.tensors-on-different-devices": (
        [
            (
                "4.57.1",
                HEAD
                + "g = int(os.environ.get('GPU', 1))\n"
                + "m = L25(Q25, dtype='auto', device_map=f'cuda:{g}')\n"
                + P25
                + IMG
                + TPL.replace(".to(m.device)", "")
                + "y = m.generate(input_ids=x['input_ids'].to(m.device),"
                " pixel_values=x['pixel_values'])  #!\n",
            ),
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
                + TPL.replace("m.device)", "'cuda:0')  #!")
                + "y = m.generate(**x)\n",
            ),
            (
                "4.57.1",
                HEAD
                + "m = L25(Q25, dtype='auto', device_map={'': 1})\n"
                + P25
                + IMG
                + TPL.replace(".to(m.device)", "")
                + "x = {k: v.to('cuda:0') if hasattr(v, 'to') else v for k, v in x.items()}  #!\n"
                + "y = m.generate(**x)\n",
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
                + "m = L25(Q25, dtype='auto', device_map='cuda:1')\n"
                + P25
                + IMG
                + TPL.replace(".to(m.device)", "")
                + "y = m.generate(input_ids=x['input_ids'].to(m.device),"
                " pixel_values=x['pixel_values'].to(m.device))\n",
            ),
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
}
