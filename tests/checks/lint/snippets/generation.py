"""Rules about generation."""

from .parts import BATCH, ENC, GEN, HEAD, HEAD3, IMG, M3, M25, P3, P25, READY, READY3, T, V

CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
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
                HEAD
                + READY
                + GEN
                + "import re\nt = [p.decode(r, skip_special_tokens=True) for r in y]  #!\n"
                + "a = re.search(r'[A-E]', t[0])\n",
            ),
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
                + "import re\nt = [p.decode(r, skip_special_tokens=True) for r in y]\n"
                + "a = re.search(r'assistant\\s*([A-E])', t[0])\n",
            ),
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
