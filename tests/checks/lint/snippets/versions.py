# ruff: noqa: E501
"""Rules about versions."""

from .parts import BATCH, ENC, GEN, HEAD, HEAD3, IMG, M3, M25, P25, READY, READY3, TPL, T, V, video

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
                "4.56.2",
                (
                    "try:\n    from transformers import Qwen3VLForConditionalGeneration  #!\nexcept"
                    " ModuleNotFoundError:\n    raise SystemExit('pip install transformers')\n"
                ),
            ),
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
    "versions.wrong-position-ids": (
        [
            ("5.4.0", HEAD + READY + GEN.replace("\n", "  #!\n")),
            (
                "4.55.4",
                HEAD + M25 + P25 + BATCH + f"    x = {ENC}\n    return m.generate(**x)  #!\n",
            ),
            (
                "5.5.4",
                HEAD
                + M25
                + P25
                + video()
                + T
                + V
                + "x = p(text=[t], images=im, videos=vi, return_tensors='pt').to(m.device)\n"
                + "y = m.generate(**x)  #!\n",
            ),
        ],
        [
            ("5.18.0", HEAD + READY + GEN),
            ("5.4.0", HEAD3 + READY3 + GEN),
            ("4.55.4", HEAD + READY + GEN),
            ("5.5.4", HEAD + M25 + P25 + IMG + TPL + GEN),
        ],
    ),
}
