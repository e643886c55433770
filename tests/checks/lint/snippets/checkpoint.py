"""Rules about checkpoint."""

from .parts import GEN, HEAD, HEAD3, IMG, M3, M25, P25, TPL

CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
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
            (
                "4.57.1",
                HEAD + "import argparse\nHAS_BF16 = torch.cuda.is_bf16_supported()\ndef main():\n"
                "    a = argparse.ArgumentParser()\n    a.add_argument('--ckpt', default=Q25)\n"
                "    args = a.parse_args()\n    if not HAS_BF16:\n        raise SystemExit(1)\n"
                "    m = L2(args.ckpt, dtype='auto')  #!\n"
                "if __name__ == '__main__':\n    main()\n",
            ),
            (
                "4.57.1",
                HEAD + "A, B = transformers.Qwen2VLForConditionalGeneration, transformers"
                ".Qwen2_5_VLForConditionalGeneration\nZ = {\n    'Qwen/Qwen2-VL-2B-Instruct': A,\n"
                "    'Qwen/Qwen2.5-VL-3B-Instruct': A,  #!\n"
                "    'Qwen/Qwen2.5-VL-7B-Instruct': B,\n}\n"
                "for n, c in Z.items():\n    m = c.from_pretrained(n, dtype='auto')\n",
            ),
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
}
