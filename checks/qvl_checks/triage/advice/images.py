"""Advice on images and videos."""

from __future__ import annotations

from .entry import Advice, advice, code, command, setting

_BOTH = code(
    "AutoProcessor.from_pretrained(path, min_pixels=256*28*28, max_pixels=1280*28*28)",
    (
        "both min_pixels and max_pixels, at load time: honoured by every release and both "
        "config styles"
    ),
    "safe",
)

ADVICE = {
    "images.pixel-limit-ignored": Advice(
        (
            "The limit on image size is not honoured. Whether max_pixels or size works as a "
            "load argument, as an attribute or at call time depends on the release, on the "
            "config style and on the slow or fast processor class; printing processor.size "
            "proves nothing. Only passing both min_pixels and max_pixels to from_pretrained "
            "(when you load the processor) works everywhere."
        ),
        (
            _BOTH,
            advice(
                "Or resize the image yourself, or set resized_height and resized_width in the "
                "message (qwen-vl-utils)."
            ),
        ),
        (
            (
                "Run the processor on one image and count image_grid_thw.prod()/4 tokens "
                "against the limit."
            ),
        ),
    ),
    "images.image-token-mismatch": Advice(
        "The number of image (or video) tokens in the prompt differs from the number of image "
        "features. The relation of the two tells the cause: no tokens: the chat template "
        "dropped the image; fewer tokens than features: the prompt was truncated (truncation, "
        "max_length, cutoff_len); more tokens: a literal <|image_pad|> in the text; a whole "
        "multiple: images passed twice, or a wrong merge size; a small difference: images "
        "resized twice.",
        (
            advice(
                "Build the text with processor.apply_chat_template and call the processor once, "
                "without truncation (max_length); count input_ids == image_token_id against "
                "image_grid_thw.prod()//4."
            ),
            _BOTH,
        ),
        (
            (
                "Print (input_ids == model.config.image_token_id).sum() and "
                "image_grid_thw.prod(-1).sum() // 4."
            ),
        ),
    ),
    "images.wrong-image-patch-size": Advice(
        (
            "Qwen3-VL has patches of 16 pixels (sizes are multiples of 32), but "
            "process_vision_info uses 14 (28) unless told otherwise; without do_resize=False "
            "the processor then resizes a second time."
        ),
        (
            code(
                (
                    "images, videos, kwargs = process_vision_info(messages, "
                    "image_patch_size=16, return_video_kwargs=True, "
                    "return_video_metadata=True); processor(text=text, images=images, "
                    "videos=videos, do_resize=False, **kwargs)"
                ),
                "qwen-vl-utils 0.0.14 or newer",
                "safe",
            ),
            command('python -m pip install -U "qwen-vl-utils>=0.0.14"'),
        ),
    ),
    "images.slow-processor-shrinks-image": Advice(
        (
            "The slow image processor class of transformers 4.51-4.57 overwrites a 'size' in "
            "the config by its default of 1280*28*28 = 1003520 pixels: images are silently "
            "shrunk to 1 megapixel (950 tokens for a 2048x1365 image) and accuracy drops. Fixed "
            "in 5.0.0."
        ),
        (
            _BOTH,
            code("AutoProcessor.from_pretrained(path, use_fast=True)", "on 4.57"),
            command('python -m pip install -U "transformers>=5.0"'),
        ),
    ),
    "images.processor-size-leak": Advice(
        (
            "On transformers 4.51-5.0 the fast image processor changes its size in a mutable "
            "class attribute, so limits set on one instance leak into processors created later "
            "in the same process."
        ),
        (
            _BOTH,
            code(
                "AutoProcessor.from_pretrained(path, min_pixels=..., max_pixels=...)",
                "for every instance, both limits explicitly",
                "safe",
            ),
            command("python -m pip install -U transformers", "fixed in 5.23"),
        ),
    ),
    "images.extreme-aspect-ratio": Advice(
        (
            "The image is too long and thin: smart_resize refuses aspect ratios of 200 or more, "
            "and transformers up to 4.49 refuses sides below one patch group (28 pixels; 32 for "
            "Qwen3-VL)."
        ),
        (
            advice(
                "Crop, pad or split the image so that the ratio of its sides stays below 200 "
                "and both sides are at least 28 (32) pixels."
            ),
        ),
    ),
    "images.fast-slow-processor-difference": Advice(
        (
            "The fast (torchvision) and the slow (PIL) image processor resize slightly "
            "differently, and the default changed between releases (fast is forced for Qwen2-VL "
            "processors from 4.57 on). Small differences in outputs are expected; nothing is "
            "broken."
        ),
        (
            code(
                "AutoProcessor.from_pretrained(path, use_fast=False)",
                "or True: choose one and keep it for training and inference",
                "safe",
            ),
        ),
    ),
    "images.removed-image-processor": Advice(
        (
            "preprocessor_config.json (or the code) names Qwen2_5_VLImageProcessor, a class "
            "that existed only in development versions before transformers 4.49. Qwen2.5-VL "
            "uses Qwen2VLImageProcessor."
        ),
        (
            setting(
                '"image_processor_type": "Qwen2VLImageProcessor"', "in preprocessor_config.json"
            ),
            code("from transformers import Qwen2VLImageProcessor", "", "safe"),
            command('python -m pip install -U "transformers>=4.49"'),
        ),
    ),
    "video.video-processor-missing": Advice(
        (
            "Since transformers 4.52 videos have a processor class of their own. It is not "
            "found when transformers is older than 4.52, or when torchvision is missing or "
            "broken (that hides the class). The notice about preprocessor.json alone is "
            "harmless."
        ),
        (
            command("python -m pip install torchvision", "the build that matches torch"),
            command('python -m pip install -U "transformers>=4.52"'),
            command(
                'python -c "import torchvision; print(torchvision.__version__)"',
                "shows whether torchvision itself is broken",
                "safe",
            ),
        ),
    ),
    "video.video-reader-hang": Advice(
        (
            "Reading the video hangs in decord, which is no longer maintained and is known to "
            "hang while decoding."
        ),
        (
            setting(
                "FORCE_QWENVL_VIDEO_READER=torchcodec",
                "with pip install torchcodec and FFmpeg; or =torchvision",
            ),
            setting(
                "DECORD_EOF_RETRY_MAX=20480",
                "if decord must stay: more patience at the end of the file",
            ),
        ),
        confidence="reported",
    ),
    "video.video-reader-removed": Advice(
        (
            "torchvision's video decoding is deprecated since 0.22 and removed in 0.24 and "
            "newer; qwen-vl-utils falls back to it when no other reader is installed."
        ),
        (
            command("python -m pip install torchcodec", "plus FFmpeg"),
            setting("FORCE_QWENVL_VIDEO_READER=torchcodec"),
        ),
    ),
    "video.video-url-unsupported": Advice(
        (
            "This reader cannot open the address: decord reads http but not https, torchvision "
            "below 0.19 reads neither."
        ),
        (
            advice("Download the file first and pass file:///path/to/video.mp4."),
            command(
                "python -m pip install torchcodec", "reads https; or torchvision 0.19 or newer"
            ),
            setting("FORCE_QWENVL_VIDEO_READER=torchcodec"),
        ),
    ),
    "video.video-metadata-missing": Advice(
        (
            "Qwen3-VL writes time stamps into the prompt, but no video metadata came with the "
            "frames: the processor assumes fps=24 and all time stamps are wrong."
        ),
        (
            code(
                (
                    "images, videos, kwargs = process_vision_info(messages, "
                    "image_patch_size=16, return_video_kwargs=True, "
                    "return_video_metadata=True); videos, metadata = zip(*videos); "
                    "processor(text=text, images=images, videos=list(videos), "
                    "video_metadata=list(metadata), do_resize=False, **kwargs)"
                ),
                "pass video_metadata; kwargs contain do_sample_frames=False",
                "safe",
            ),
        ),
    ),
    "video.video-markers-doubled": Advice(
        (
            "The Qwen3-VL video prompt contains <|vision_start|> and <|vision_end|> twice: "
            "newer processors replace only <|video_pad|> and add the wrapper again, which the "
            "chat template wrote already (up to 5.0.0 the whole triple was replaced)."
        ),
        (
            advice(
                "Remove the outer pair from the text, or use transformers 5.0.0 or older "
                "(4.57.x) until it is fixed."
            ),
            command('python -m pip install "transformers<=5.0.0"', "", "risky"),
        ),
    ),
    "video.frame-times-dropped": Advice(
        (
            "generate() did not hand second_per_grid_ts to the position ids (transformers "
            "before late 2025), so frame times seen in training are missing at inference."
        ),
        (
            command("python -m pip install -U transformers", "fixed by transformers#41153"),
            code(
                "model.generate(**inputs)",
                "with every tensor that the processor returned, second_per_grid_ts included",
            ),
        ),
        confidence="reported",
    ),
}
