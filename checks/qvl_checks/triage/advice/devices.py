"""Advice on GPUs, drivers and placement."""

from __future__ import annotations

from .entry import Advice, advice, code, command, setting

ADVICE = {
    "devices.peer-copy-corruption": Advice(
        (
            "Copies between GPUs (P2P, peer-to-peer) corrupt data on this machine: one GPU "
            "alone is right, the model split over several gives NaN, '!!!!' or garbage. Known "
            "with IOMMU or ACS switched on, GeForce/RTX A6000/RTX PRO cards without working "
            "P2P, and old drivers. can_device_access_peer proves nothing."
        ),
        (
            advice(
                "Test it: copy a random tensor from every GPU to every other and compare "
                "through the CPU."
            ),
            advice(
                "Switch IOMMU/ACS off in the BIOS, or boot with iommu=pt; update the driver "
                "(535 -> 570 cured one machine)."
            ),
            code('device_map={"": 0}', "keep the model on one GPU until then", "safe"),
            setting(
                "NCCL_P2P_DISABLE=1", "helps NCCL (vLLM, tensor parallel) only, not device_map"
            ),
        ),
        ("nvidia-smi topo -p2p r; dmesg | grep -i iommu",),
        "reported",
    ),
    "devices.tensors-on-different-devices": Advice(
        (
            "Tensors of one operation are on different devices. With a model split by "
            "device_map inputs belong to the device of the embeddings (model.device); "
            "transformers 4.45 left the image mask there (upgrade to 4.46 or newer), several "
            "video inputs stay on the CPU, and torchrun together with device_map='auto' mixes "
            "processes."
        ),
        (
            code("inputs = inputs.to(model.device)", "not a fixed 'cuda'", "safe"),
            command(
                "python -m pip install -U transformers",
                "newer releases fix several placement defects (4.46, 5.x)",
            ),
            code('device_map={"": local_rank}', "one replica per process under torchrun"),
        ),
        ("Print model.hf_device_map and the device of every input.",),
    ),
    "devices.legacy-chat-multi-gpu": Advice(
        (
            "The remote code of Qwen-VL-Chat does not run split over several GPUs: its "
            "maintainers support device_map='cuda' only (two GPUs may work)."
        ),
        (
            code(
                'from_pretrained("Qwen/Qwen-VL-Chat", device_map="cuda", trust_remote_code=True)',
                "one GPU",
                "safe",
            ),
            code('device_map="cuda"', "with Qwen-VL-Chat-Int4 if memory is short"),
        ),
        confidence="reported",
    ),
    "devices.visible-devices-set-late": Advice(
        (
            "CUDA_VISIBLE_DEVICES is read once, when CUDA initialises. Set in the script after "
            "something has touched torch.cuda (or imported a package that does), it has no "
            "effect."
        ),
        (
            setting(
                "CUDA_VISIBLE_DEVICES=2,3 python script.py",
                "set it in the shell, before the process starts",
            ),
            code(
                'os.environ["CUDA_VISIBLE_DEVICES"] = "2,3"',
                "as the first lines, before import torch and every other import",
            ),
        ),
    ),
    "devices.nccl-peer-hang": Advice(
        (
            "NCCL waits forever for its peer: peer-to-peer (P2P) transfers between these GPUs "
            "do not work (IOMMU/ACS, virtual machine, cards without P2P), so tensor-parallel "
            "processes hang or time out."
        ),
        (
            setting("NCCL_P2P_DISABLE=1", "lets NCCL go through shared memory"),
            setting("NCCL_DEBUG=INFO", "shows where it stops"),
            advice(
                "Switch IOMMU/ACS off in the BIOS; update the driver; vLLM: "
                "--disable-custom-all-reduce."
            ),
        ),
        confidence="reported",
    ),
    "devices.tensor-parallel-plan-missing": Advice(
        (
            "tp_plan='auto' needs a base_model_tp_plan in the model's config: Qwen2-VL, "
            "Qwen2.5-VL and Qwen3-VL-MoE ship one for the text layers, dense Qwen3-VL has none; "
            "the vision tower is never split. It also needs torchrun."
        ),
        (
            code('device_map="auto"', "instead of tp_plan in one process", "safe"),
            advice("For real tensor parallelism use vLLM or SGLang."),
        ),
    ),
    "devices.no-kernel-for-gpu": Advice(
        (
            "The installed build has no kernels for this GPU's compute capability: a Blackwell "
            "card (sm_120, sm_100) needs torch 2.7 or newer built for CUDA 12.8 (cu128); old "
            "cards were dropped from new wheels; a flash-attn wheel can lack the architecture "
            "as well."
        ),
        (
            command(
                (
                    "python -m pip install -U torch torchvision --index-url "
                    "https://download.pytorch.org/whl/cu128"
                ),
                "torch >= 2.7 with cu128 for sm_120",
            ),
            code(
                'attn_implementation="sdpa"',
                (
                    "if flash-attn is what lacks the kernel: build it from source for your arch "
                    "(TORCH_CUDA_ARCH_LIST) or use sdpa"
                ),
                "safe",
            ),
        ),
        (
            (
                'python -c "import torch; print(torch.cuda.get_device_capability(), '
                'torch.cuda.get_arch_list())"'
            ),
        ),
    ),
    "devices.bf16-unsupported": Advice(
        (
            "This GPU has no native bf16 (compute capability below 8.0: V100, T4, 2080 Ti, RTX "
            "8000): bf16 is emulated slowly, refused, or ends in NaN."
        ),
        (
            code(
                'dtype=torch.float16, attn_implementation="sdpa"',
                "fp16 with sdpa (never eager); check for NaN",
            ),
            code("dtype=torch.float32", "safe in value, twice the memory"),
            setting("--dtype half", "in vLLM"),
        ),
    ),
    "devices.driver-too-old": Advice(
        (
            "The NVIDIA driver is too old for the CUDA release that torch was built with (CUDA "
            "12.x needs driver 525 or newer, 12.8 needs 570, 13 needs 580). Old drivers also "
            "hang or give garbage when a model is split over GPUs (535 -> 570 cured one "
            "machine)."
        ),
        (
            advice("Update the driver; nvidia-smi shows the newest CUDA it supports."),
            command(
                (
                    "python -m pip install torch torchvision --index-url "
                    "https://download.pytorch.org/whl/cu118"
                ),
                "or a torch built for an older CUDA",
            ),
        ),
    ),
    "devices.cpu-only-torch": Advice(
        (
            "The installed torch is a CPU-only build (+cpu): it was not compiled with CUDA, so "
            "no GPU can be used whatever the driver."
        ),
        (
            command(
                (
                    "python -m pip uninstall -y torch torchvision && python -m pip install "
                    "torch torchvision --index-url https://download.pytorch.org/whl/cu128"
                ),
                "a CUDA build that fits your driver",
            ),
            command(
                'python -c "import torch; print(torch.__version__, torch.version.cuda)"',
                "+cpu or None means CPU-only",
                "safe",
            ),
        ),
    ),
    "devices.device-side-assert": Advice(
        (
            "A CUDA kernel's assertion failed; the line shown is not where it happened. During "
            "sampling it is nearly always NaN or inf in the logits (fp16 overflow, corrupted "
            "GPU-to-GPU copies, a damaged quantisation); do_sample=False only hides it. Else it "
            "is a token id beyond the vocabulary."
        ),
        (
            setting("CUDA_LAUNCH_BLOCKING=1", "shows the real line"),
            code("dtype=torch.bfloat16", "instead of float16 (fp16)"),
            advice("Run greedily once and check torch.isfinite(logits).all()."),
        ),
    ),
    "devices.slow-conv3d": Advice(
        (
            "The patch embedding of the vision tower is a Conv3d, and torch 2.9 (and some cuDNN "
            "builds, Blackwell and H100 in bf16) run it 10 to 50000 times slower than the "
            "equivalent matrix product."
        ),
        (
            command('python -m pip install -U "torch>=2.10" torchvision', "or torch 2.8"),
            command(
                "python -m pip install -U transformers",
                "newer releases use a linear layer (transformers#45041)",
            ),
            advice("Or replace patch_embed.proj by F.linear with the flattened weight."),
        ),
        ("Time patch_embed alone against F.linear.",),
        "reported",
    ),
}
