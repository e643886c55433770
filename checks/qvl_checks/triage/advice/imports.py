"""Advice on imports that fail."""

from __future__ import annotations

from .entry import Advice, advice, command, setting
from .shared import WHICH

ADVICE = {
    "versions.torch-too-old": Advice(
        (
            "The installed torch is older than this transformers needs: 4.49 needs torch 2.0, "
            "4.57 and 5.0 need 2.2, 5.23 needs 2.6. Missing torch functions, or a transformers "
            "that 'disables PyTorch', are the consequence."
        ),
        (
            command(
                'python -m pip install -U "torch>=2.6" torchvision',
                "take both from the same index, matching your CUDA driver",
            ),
            command('python -m pip install "transformers<=4.49"', "if torch has to stay", "risky"),
        ),
    ),
    "versions.numpy-abi-mismatch": Advice(
        (
            "torch (or another compiled package) was built against NumPy 1 and NumPy 2 is "
            "installed: conversions between both fail with 'Numpy is not available', which the "
            "image processor then reports as 'Unable to create tensor, … padding=True'. Padding "
            "has nothing to do with it."
        ),
        (
            command('python -m pip install "numpy<2"', "NumPy 1.26 fits torch built for NumPy 1"),
            command(
                "python -m pip install -U torch torchvision", "torch 2.3 and newer support NumPy 2"
            ),
        ),
    ),
    "versions.numpy-major-mismatch": Advice(
        (
            "NumPy 2 is installed under code that expects NumPy 1. Removed names fail at once; "
            "that NumPy 2 alone causes NaN or wrong answers was reported but never shown."
        ),
        (
            command('python -m pip install "numpy<2"', "numpy 1.26"),
            advice(
                "For NaN or garbled answers look first at fp16, eager attention and GPU-to-GPU "
                "copies."
            ),
        ),
        confidence="reported",
    ),
    "versions.torchvision-mismatch": Advice(
        "torchvision does not match the installed torch: its compiled operators cannot be "
        "registered (a mismatch of versions, or of build tags such as +cpu against +cu130, even "
        "when the version numbers look right). Later messages that blame a Qwen class are a "
        "consequence.",
        (
            command(
                (
                    "python -m pip uninstall -y torch torchvision && python -m pip install "
                    "torch torchvision --index-url https://download.pytorch.org/whl/cu128"
                ),
                "reinstall both from the same index, matching your CUDA (or …/cpu)",
            ),
            command(
                (
                    'python -c "import torch, torchvision; print(torch.__version__, '
                    'torchvision.__version__)"'
                ),
                "the tags after + have to be the same",
                "safe",
            ),
        ),
    ),
    "versions.processor-needs-torchvision": Advice(
        (
            "torchvision is not installed. From transformers 4.52 on the Qwen-VL processors "
            "contain a video processor that needs it, so AutoProcessor fails even for text and "
            "images (5.0.0 only says that 'NoneType' is not iterable)."
        ),
        (
            command(
                "pip install torchvision",
                "with the build that matches torch: the same version pair and the same index",
            ),
        ),
    ),
    "versions.legacy-chat-environment": Advice(
        (
            "This is the first generation, Qwen-VL(-Chat): its remote code (trust_remote_code) "
            "was written for transformers 4.31-4.32 and breaks on newer releases. It also needs "
            "tiktoken, transformers_stream_generator, einops and the file qwen.tiktoken."
        ),
        (
            command(
                (
                    "python -m pip install transformers==4.32.0 tiktoken "
                    "transformers_stream_generator einops accelerate scipy"
                ),
                "in an environment of its own",
            ),
            advice("Or move to Qwen2.5-VL or Qwen3-VL, which need no remote code."),
        ),
        confidence="reported",
    ),
    "versions.metadata-disagrees": Advice(
        (
            "The installed files and the metadata, or the interpreter that pip serves and the "
            "one that runs, do not agree. The release that pip shows is then not the one that "
            "is imported."
        ),
        (
            command(WHICH, "", "safe"),
            command(
                "python -m pip install --force-reinstall --no-deps transformers",
                "with the python that runs the script",
            ),
        ),
    ),
    "versions.torch-import-failed": Advice(
        (
            "torch itself cannot be imported: one of its CUDA libraries is missing or of "
            "another release (mixed pip and conda installs, LD_LIBRARY_PATH that points to a "
            "system CUDA)."
        ),
        (
            command(
                "python -m pip install --force-reinstall torch torchvision",
                "in a clean environment",
            ),
            setting(
                "unset LD_LIBRARY_PATH",
                "a system CUDA or cuDNN on it hides the libraries that torch brings",
            ),
        ),
    ),
    "versions.transformers-import-failed": Advice(
        (
            "The model's module cannot be imported; the lazy importer shows only the last "
            "error. The cause stands further up in the traceback."
        ),
        (
            command(
                'python -c "import transformers.models.qwen2_5_vl.modeling_qwen2_5_vl"',
                "shows the real error",
                "safe",
            ),
        ),
    ),
}
