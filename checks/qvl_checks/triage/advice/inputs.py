"""Advice on images, videos and checkpoints."""

from __future__ import annotations

from .entry import Advice, advice, code, command, setting

_BOTH = code("AutoProcessor.from_pretrained(path, min_pixels=256*28*28, max_pixels=1280*28*28)", "both min_pixels and max_pixels, at load time: honoured by every release and both config styles", "safe")

ADVICE = {
    "images.pixel-limit-ignored": Advice(
        "The limit on image size is not honoured. Whether max_pixels or size works as a load argument, as an attribute or at call time depends on the release, on the config style and on the slow or fast processor class; printing processor.size proves nothing. Only passing both min_pixels and max_pixels to from_pretrained (when you load the processor) works everywhere.",
        (_BOTH, advice("Or resize the image yourself, or set resized_height and resized_width in the message (qwen-vl-utils).")),
        ("Run the processor on one image and count image_grid_thw.prod()/4 tokens against the limit.",),
    ),
    "images.image-token-mismatch": Advice(
        "The number of image (or video) tokens in the prompt differs from the number of image features. The relation of the two tells the cause: no tokens: the chat template dropped the image; fewer tokens than features: the prompt was truncated (truncation, max_length, cutoff_len); "
        "more tokens: a literal <|image_pad|> in the text; a whole multiple: images passed twice, or a wrong merge size; a small difference: images resized twice.",
        (advice("Build the text with processor.apply_chat_template and call the processor once, without truncation (max_length); count input_ids == image_token_id against image_grid_thw.prod()//4."), _BOTH),
        ("Print (input_ids == model.config.image_token_id).sum() and image_grid_thw.prod(-1).sum() // 4.",),
    ),
    "images.wrong-image-patch-size": Advice(
        "Qwen3-VL has patches of 16 pixels (sizes are multiples of 32), but process_vision_info uses 14 (28) unless told otherwise; without do_resize=False the processor then resizes a second time.",
        (code("images, videos, kwargs = process_vision_info(messages, image_patch_size=16, return_video_kwargs=True, return_video_metadata=True); processor(text=text, images=images, videos=videos, do_resize=False, **kwargs)", "qwen-vl-utils 0.0.14 or newer", "safe"), command('python -m pip install -U "qwen-vl-utils>=0.0.14"')),
    ),
    "images.slow-processor-shrinks-image": Advice(
        "The slow image processor class of transformers 4.51-4.57 overwrites a 'size' in the config by its default of 1280*28*28 = 1003520 pixels: images are silently shrunk to 1 megapixel (950 tokens for a 2048x1365 image) and accuracy drops. Fixed in 5.0.0.",
        (_BOTH, code("AutoProcessor.from_pretrained(path, use_fast=True)", "on 4.57"), command('python -m pip install -U "transformers>=5.0"')),
    ),
    "images.processor-size-leak": Advice(
        "On transformers 4.51-5.0 the fast image processor changes its size in a mutable class attribute, so limits set on one instance leak into processors created later in the same process.",
        (_BOTH, code("AutoProcessor.from_pretrained(path, min_pixels=..., max_pixels=...)", "for every instance, both limits explicitly", "safe"), command("python -m pip install -U transformers", "fixed in 5.23")),
    ),
    "images.extreme-aspect-ratio": Advice(
        "The image is too long and thin: smart_resize refuses aspect ratios of 200 or more, and transformers up to 4.49 refuses sides below one patch group (28 pixels; 32 for Qwen3-VL).",
        (advice("Crop, pad or split the image so that the ratio of its sides stays below 200 and both sides are at least 28 (32) pixels."),),
    ),
    "images.fast-slow-processor-difference": Advice(
        "The fast (torchvision) and the slow (PIL) image processor resize slightly differently, and the default changed between releases (fast is forced for Qwen2-VL processors from 4.57 on). Small differences in outputs are expected; nothing is broken.",
        (code("AutoProcessor.from_pretrained(path, use_fast=False)", "or True: choose one and keep it for training and inference", "safe"),),
    ),
    "images.removed-image-processor": Advice(
        "preprocessor_config.json (or the code) names Qwen2_5_VLImageProcessor, a class that existed only in development versions before transformers 4.49. Qwen2.5-VL uses Qwen2VLImageProcessor.",
        (setting('"image_processor_type": "Qwen2VLImageProcessor"', "in preprocessor_config.json"), code("from transformers import Qwen2VLImageProcessor", "", "safe"), command('python -m pip install -U "transformers>=4.49"')),
    ),
    "video.video-processor-missing": Advice(
        "Since transformers 4.52 videos have a processor class of their own. It is not found when transformers is older than 4.52, or when torchvision is missing or broken (that hides the class). The notice about preprocessor.json alone is harmless.",
        (command("python -m pip install torchvision", "the build that matches torch"), command('python -m pip install -U "transformers>=4.52"'), command('python -c "import torchvision; print(torchvision.__version__)"', "shows whether torchvision itself is broken", "safe")),
    ),
    "video.video-reader-hang": Advice(
        "Reading the video hangs in decord, which is no longer maintained and is known to hang while decoding.",
        (setting("FORCE_QWENVL_VIDEO_READER=torchcodec", "with pip install torchcodec and FFmpeg; or =torchvision"), setting("DECORD_EOF_RETRY_MAX=20480", "if decord must stay: more patience at the end of the file")),
        confidence="reported",
    ),
    "video.video-reader-removed": Advice(
        "torchvision's video decoding is deprecated since 0.22 and removed in 0.24 and newer; qwen-vl-utils falls back to it when no other reader is installed.",
        (command("python -m pip install torchcodec", "plus FFmpeg"), setting("FORCE_QWENVL_VIDEO_READER=torchcodec")),
    ),
    "video.video-url-unsupported": Advice(
        "This reader cannot open the address: decord reads http but not https, torchvision below 0.19 reads neither.",
        (advice("Download the file first and pass file:///path/to/video.mp4."), command("python -m pip install torchcodec", "reads https; or torchvision 0.19 or newer"), setting("FORCE_QWENVL_VIDEO_READER=torchcodec")),
    ),
    "video.video-metadata-missing": Advice(
        "Qwen3-VL writes time stamps into the prompt, but no video metadata came with the frames: the processor assumes fps=24 and all time stamps are wrong.",
        (code("images, videos, kwargs = process_vision_info(messages, image_patch_size=16, return_video_kwargs=True, return_video_metadata=True); videos, metadata = zip(*videos); processor(text=text, images=images, videos=list(videos), video_metadata=list(metadata), do_resize=False, **kwargs)", "pass video_metadata; kwargs contain do_sample_frames=False", "safe"),),
    ),
    "video.video-markers-doubled": Advice(
        "The Qwen3-VL video prompt contains <|vision_start|> and <|vision_end|> twice: newer processors replace only <|video_pad|> and add the wrapper again, which the chat template wrote already (up to 5.0.0 the whole triple was replaced).",
        (advice("Remove the outer pair from the text, or use transformers 5.0.0 or older (4.57.x) until it is fixed."), command('python -m pip install "transformers<=5.0.0"', "", "risky")),
    ),
    "video.frame-times-dropped": Advice(
        "generate() did not hand second_per_grid_ts to the position ids (transformers before late 2025), so frame times seen in training are missing at inference.",
        (command("python -m pip install -U transformers", "fixed by transformers#41153"), code("model.generate(**inputs)", "with every tensor that the processor returned, second_per_grid_ts included")),
        confidence="reported",
    ),
    "checkpoint.wrong-auto-class": Advice(
        "The auto class does not map this configuration: AutoModelForCausalLM refuses Qwen2-VL, Qwen2.5-VL and Qwen3-VL because they are image-text-to-text models.",
        (code("AutoModelForImageTextToText.from_pretrained(path)", "transformers 4.46 or newer; or the concrete …ForConditionalGeneration class", "safe"),),
    ),
    "checkpoint.wrong-model-class": Advice(
        "The class belongs to another family than the checkpoint. Some pairs fail at once (missing config fields, size mismatch in visual.*), others load with random weights and only warn. Classes: Qwen2VLForConditionalGeneration for Qwen2-VL, Qwen2_5_VLForConditionalGeneration for Qwen2.5-VL, Qwen3VLForConditionalGeneration for Qwen3-VL.",
        (code("AutoModelForImageTextToText.from_pretrained(path)", "picks the class from config.model_type", "safe"),),
    ),
    "checkpoint.adapter-keys-unmatched": Advice(
        "The adapter's keys do not match the model's module names, so the LoRA weights are not applied (missing and unexpected keys are only a warning). transformers 4.52 moved model.layers to model.language_model.layers and visual to model.visual, and 5.x moved again.",
        (advice("Load it with the transformers release it was trained with (before 4.52, or after), and merge it there."), command("python -m pip install -U peft transformers", "newer ones have a key mapping"), code('{k.replace("model.model.layers", "model.model.language_model.layers"): v for k, v in state.items()}', "re-key (rename) the adapter file")),
        ("Compare the adapter's keys with dict(model.named_modules()) and the output with and without the adapter.",),
    ),
    "checkpoint.output-head-mismatch": Advice(
        "lm_head.weight is not in the checkpoint while the config says that it is not tied, so the language head was initialised at random (or the other way round). tie_word_embeddings in config.json (top level and text_config) has to agree with the files.",
        (setting('"tie_word_embeddings": true', "for 2B, 3B, 4B checkpoints whose head shares the embedding; for 7B and larger restore lm_head.weight", "review"), code("model.tie_weights()", "after loading, if the head is tied"), advice("Download the shard that holds lm_head.weight again, or save the fine-tune with the head.")),
    ),
    "checkpoint.chat-template-missing": Advice(
        "The checkpoint has no chat template for its processor: chat_template.json or chat_template.jinja was not saved with the fine-tune (or it is only in tokenizer_config.json).",
        (command("cp BASE/chat_template.json BASE/chat_template.jinja CHECKPOINT/", "whichever file the base model has", "safe"), code("processor = AutoProcessor.from_pretrained(BASE_MODEL)", "the processor of the base model", "safe")),
    ),
    "checkpoint.checkpoint-damaged": Advice(
        "A weight file is not whole: a truncated (incomplete) shard from an interrupted download, a missing shard, or a git-lfs pointer of some 135 bytes instead of the file. 'header too large' is an LFS pointer read as weights, 'header too small' an empty file, 'incomplete metadata' or 'MetadataIncompleteBuffer' a cut-off file (文件不完整, 重新下载).",
        (command("hf download Qwen/MODEL --local-dir CHECKPOINT", "download the file again; delete *.incomplete first"), command("git lfs install && git lfs pull", "in a git clone: fetches the real files for LFS pointers")),
        ("Compare the sizes of all shards with model.safetensors.index.json.",),
    ),
    "checkpoint.model-files-unreachable": Advice(
        "The model's files cannot be reached: no network or proxy to the hub, offline mode, a wrong name or path, a gated repository, no permission for the cache or no space left on the disk.",
        (setting("HF_ENDPOINT=https://hf-mirror.com", "a mirror, where huggingface.co is blocked"), command("hf download Qwen/Qwen2.5-VL-7B-Instruct --local-dir ./model", "on a machine with network; then load the folder"), setting("HF_HUB_OFFLINE=1", "when the files are in the cache"), advice("Check free disk space, HF_HOME and the spelling of the path.")),
    ),
    "checkpoint.rope-scaling-warning": Advice(
        "Harmless: the generic rope check does not know the key mrope_section of Qwen-VL. Position ids and answers are not affected; ignore it.",
        (advice("Ignore the warning; newer releases do not print it."),),
    ),
    "checkpoint.vision-tower-quantized": Advice(
        "The vision tower was quantised together with the language model. It does not survive 4 bits (nonsense answers), and loaders that keep it in half precision cannot find its weights (visual.blocks…).",
        (code('BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=["visual", "merger", "lm_head"])', "skip visual, merger and lm_head; modules_to_not_convert in other quantisers", "safe"),),
        confidence="reported",
    ),
    "checkpoint.awq-garbled": Advice(
        "AWQ checkpoints of Qwen2.5-VL give garbled text since transformers 4.50 (lm_head.weight is reported as not used). The cause is not established; GPTQModel reports it cured with 4.52 and newer.",
        (command('python -m pip install "transformers==4.49.0"', "the last release reported good; or 4.52 and newer with gptqmodel"), advice("Serve the AWQ checkpoint with vLLM, or use the bf16 checkpoint.")),
        confidence="reported",
    ),
    "checkpoint.int4-nan-on-old-gpu": Advice(
        "Int4 checkpoints (Qwen-VL-Chat-Int4, GPTQ) compute in bf16 or fp16 around the int4 weights; on V100 and T4, which have no native bf16, this ends in NaN or garbage.",
        (code('from_pretrained(path, fp16=True)', "float16 instead of bf16 on Volta and Turing"), advice("Use a GPU of compute capability 8.0 or newer, or the unquantised model in float32.")),
        confidence="reported",
    ),
    "checkpoint.fp8-checkpoint-unsupported": Advice(
        "FP8 checkpoints (Qwen3-VL-…-FP8) are made for vLLM and SGLang; in transformers they need a GPU of compute capability 8.9 or newer (4090, L40, H100) and a release with fine-grained FP8, else loading fails.",
        (command("vllm serve Qwen/Qwen3-VL-8B-Instruct-FP8", "vLLM or SGLang serve it"), code('from_pretrained("Qwen/Qwen3-VL-8B-Instruct", dtype=torch.bfloat16)', "the bf16 checkpoint in transformers", "safe")),
    ),
    "generation.padding-side": Advice(
        "Batched generation needs left padding: with padding on the right the model continues after pad tokens and answers are empty or wrong. FlashAttention raised an error up to transformers 4.52; from 4.53 on generate() only warns. The tokenizers of Qwen2.5-VL pad right by default.",
        (code("processor.tokenizer.padding_side = \"left\"", "padding_side='left' before the processor is called", "safe"), code('AutoProcessor.from_pretrained(path, padding_side="left")', "", "safe")),
    ),
    "generation.endless-repetition": Advice(
        "The answer degenerates into repetition. First exclude numeric causes (eager attention, fp16, wrong position ids of 4.54-4.56, a quantised vision tower or cache); then it is decoding: use the checkpoint's generation_config (temperature, top_p, top_k, repetition_penalty). A high repetition_penalty hurts tables and OCR.",
        (code("model.generate(**inputs, max_new_tokens=1024, repetition_penalty=1.05)", "small values; presence_penalty in vLLM"), advice("Check that the framework applies generation_config.json of the checkpoint, and stop on repeated n-grams."), code('attn_implementation="sdpa"', "instead of eager", "safe")),
        confidence="heuristic",
    ),
    "generation.stale-rope-deltas": Advice(
        "model.rope_deltas of an earlier call is used again: when generate() or forward is called several times on one model (or with a reused cache), decode positions come from the previous prompt.",
        (code("model.model.rope_deltas = None", "before every new prompt (model.rope_deltas before 4.52)", "safe"), command("python -m pip install -U transformers", "fixed by transformers#43952 (February 2026)")),
        confidence="reported",
    ),
    "generation.prompt-decoded-with-answer": Advice(
        "generate() returns prompt and answer together; decoding it all prints the prompt (system, user, image tokens) before the answer.",
        (code("trimmed = [out[len(ids):] for ids, out in zip(inputs.input_ids, generated)]; processor.batch_decode(trimmed, skip_special_tokens=True)", "cut off input_ids first", "safe"),),
    ),
    "generation.forward-without-inference-mode": Advice(
        "A manual forward pass outside torch.inference_mode() (or no_grad) keeps every activation for a backward pass that never comes; kept outputs pile up. generate() has its own no_grad.",
        (code("with torch.inference_mode(): outputs = model(**inputs)", "or torch.no_grad()", "safe"), code("loss = outputs.loss.item(); del outputs", "keep numbers, not tensors", "safe")),
    ),
}
