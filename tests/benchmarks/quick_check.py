"""A quick check against a bare import of torch and the model class, in the same environment."""

from __future__ import annotations

import tempfile

from stopwatch import PYTHON, medians

BARE = "import torch; from transformers import Qwen2_5_VLForConditionalGeneration"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        bare, quick = medians(
            [PYTHON, "-c", BARE],
            [PYTHON, "-m", "qvl_doctor", "check", "--level", "quick", "--output", folder],
            runs=5,
        )
    print(f"bare import  {bare:.2f} s")
    print(f"quick check  {quick:.2f} s")
    print(f"ratio        {quick / bare:.2f}   (target: at most 1.3)")
