"""Rules about memory."""

from .parts import GEN, HEAD, HEAD3, IMG, M3, M25, READY, READY3, TPL, V, video

CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
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
            (
                "4.57.1",
                HEAD + "C = {'dtype': 'float32'}\nm = L25(Q25, dtype=getattr(torch, C['dtype']),"
                " device_map='cuda:0', attn_implementation='sdpa')  #!\n",
            ),
            ("4.49.0", HEAD + "m = L25(Q25, device_map='auto')  #!\n"),
            ("4.57.1", HEAD + "m = L2(Q2).cuda()  #!\n"),
            (
                "4.51.3",
                HEAD + "def get(path=Q25, **kw):\n    return L25(path, **kw)  #!\nm ="
                " get(device_map='cuda:0')\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD + "m = L25(Q25, dtype=torch.float32, device_map='cuda:0',"
                " attn_implementation='eager')\n",
            ),
            ("4.57.1", HEAD + "m = L25(Q25, dtype=torch.float32, device_map='cpu')\n"),
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
                + "most = 16384 * 28 * 28\np = AutoProcessor.from_pretrained(Q25, min_pixels=3136,"
                " max_pixels=most)  #!\n" + IMG + TPL + GEN,
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
            ("4.57.1", HEAD + READY + "n = m(**x).logits  #!\na = n[0, -1, [1, 2]].float()\n"),
        ],
        [
            ("4.57.1", HEAD + READY + "n = m(**x).logits\na = n[0, -1]\nb = n[:, :-1].sum()\n"),
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
}
