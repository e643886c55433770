"""Rules about images."""

from .parts import HEAD, HEAD3, IMG, P3, P25, T, V

CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
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
                + "def ask(q: str = Form(...)):\n    c = [{'role': 'user', 'content': q}]\n"
                "    t = p.apply_chat_template(c, tokenize=False)\n"
                "    return p(text=[t], images=[Image.open('a')])  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + P25
                + "import glob\nim = [Image.open(f) for f in glob.glob('*.png')[:4]]\n"
                + "c = [{'role': 'user', 'content': [{'type': 'image'}, {'type': 'text', 'text':"
                " '?'}]}]\n" + T + "x = p(text=[t], images=im)  #!\n",
            ),
            (
                "4.57.1",
                HEAD + P25 + "def turn(q, old=()):\n    a = ['<|im_start|>system\\nHi<|im_end|>']\n"
                "    for o in old:\n        a.append(f'<|im_start|>user\\n{o}<|im_end|>')\n"
                "    a.append(f'<|im_start|>user\\n<image>\\n{q}<|im_end|>')\n"
                "    return '\\n'.join(a)\n"
                + "x = p(text=[turn(input())], images=[Image.open('a')])  #!\n",
            ),
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
                HEAD
                + P25
                + "def ask(q: list = Form(...)):\n    c = [{'role': 'user', 'content': q}]\n"
                "    t = p.apply_chat_template(c, tokenize=False)\n"
                "    return p(text=[t], images=[Image.open('a')])\n",
            ),
            (
                "4.57.1",
                HEAD
                + P25
                + "import glob\nim = [Image.open(f) for f in glob.glob('*.png')[:4]]\n"
                + "c = [{'role': 'user', 'content': [{'type': 'image'} for _ in im]}]\n"
                + T
                + "x = p(text=[t], images=im)\n",
            ),
            (
                "4.57.1",
                HEAD + P25 + "def turn(q):\n    a = ['<|im_start|>system\\nHi<|im_end|>']\n"
                "    for o in q:\n        a.append(f'<|im_start|>user\\n<image>{o}<|im_end|>')\n"
                "    return '\\n'.join(a).replace('<image>', MARK)\n"
                + "x = p(text=[turn(input())], images=[Image.open('a')])\n",
            ),
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
}
