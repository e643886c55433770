"""Rules about video."""

from .parts import GEN, HEAD, HEAD3, IMG, M25, P3, P25, VK, T, V, video

CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    "video.frame-times-dropped": (
        [
            (
                "4.53.3",
                HEAD
                + "import sys\nm = L25(sys.argv[1], dtype=torch.bfloat16)\n"
                + "p = AutoProcessor.from_pretrained(sys.argv[1])\n"
                + video()
                + T
                + VK
                + "x = p(text=[t], videos=vi, return_tensors='pt', **kw)\n"
                + "x.pop('second_per_grid_ts', None)  #!\n"
                + GEN,
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + video(max_pixels=9, fps=2.0)
                + T
                + VK
                + "x = p(text=[t], videos=vi, return_tensors='pt', **kw).to('cuda')\ny ="
                " m.generate(input_ids=x.input_ids, pixel_values_videos=x.pixel_values_videos,"
                " video_grid_thw=x.video_grid_thw)  #!\n",
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + video(max_pixels=9, fps=2.0)
                + T
                + VK
                + "x = p(text=[t], videos=vi, return_tensors='pt',"
                " **kw).to('cuda')\nx.pop('second_per_grid_ts')  #!\n" + GEN,
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + video(max_pixels=9, fps=1.0)
                + T
                + V
                + "x = p(text=[t], videos=vi, return_tensors='pt').to('cuda')  #!\n"
                + GEN,
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + video(max_pixels=9, fps=1.0)
                + T
                + VK
                + "x = p(text=[t], videos=vi, return_tensors='pt', **kw).to('cuda')\n"
                + GEN,
            ),
            (
                "4.57.1",
                HEAD
                + M25
                + P25
                + IMG
                + T
                + V
                + "x = p(text=[t], images=im, videos=vi, return_tensors='pt').to('cuda')\n"
                + GEN,
            ),
        ],
    ),
    "video.video-metadata-missing": (
        [
            (
                "4.57.1",
                HEAD3
                + P3
                + video(max_pixels=9)
                + T
                + "im, vi = process_vision_info(c, image_patch_size=16)\nx = p(text=[t], images=im,"
                " videos=vi)  #!\n",
            ),
            (
                "4.57.1",
                HEAD3
                + P3
                + video(fps=1)
                + T
                + "im, vi, kw = process_vision_info(c, image_patch_size=16,"
                " return_video_kwargs=True)\nx = p(text=[t], videos=vi, do_resize=False)  #!\n",
            ),
            (
                "5.0.0",
                HEAD3
                + P3
                + video(fps=1)
                + T
                + "r = process_vision_info(c, image_patch_size=16)\nx = p(text=[t], images=r[0],"
                " videos=r[1])  #!\n",
            ),
        ],
        [
            (
                "4.57.1",
                HEAD3
                + P3
                + video(max_pixels=9)
                + T
                + "im, vi, kw = process_vision_info(c, image_patch_size=16,"
                " return_video_kwargs=True, return_video_metadata=True)\nvi, md = zip(*vi)\nx ="
                " p(text=[t], images=im, videos=list(vi), video_metadata=list(md), **kw)\n",
            ),
            (
                "4.57.1",
                HEAD
                + P25
                + video(max_pixels=9)
                + T
                + V
                + "x = p(text=[t], images=im, videos=vi)\n",
            ),
            (
                "4.57.1",
                HEAD3
                + P3
                + IMG
                + T
                + "im, vi = process_vision_info(c, image_patch_size=16)\nx = p(text=[t], images=im,"
                " videos=vi)\n",
            ),
        ],
    ),
    "video.video-url-unsupported": (
        [
            (
                "4.57.1",
                HEAD + video("https://x/a.mp4", max_pixels=9).replace("]}]\n", "]}]  #!\n") + V,
            ),
            (
                "4.57.1",
                HEAD + video("http://x/a.mp4", max_pixels=9).replace("]}]\n", "]}]  #!\n") + V,
            ),
            (
                "4.57.1",
                HEAD
                + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'decord'\n"
                + video("https://x/a.mp4", fps=1).replace("]}]\n", "]}]  #!\n")
                + V,
            ),
        ],
        [
            (
                "4.57.1",
                HEAD
                + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'torchcodec'\n"
                + video("https://x/a.mp4", max_pixels=9)
                + V,
            ),
            ("4.57.1", HEAD + video("file:///a.mp4", max_pixels=9) + V),
        ],
    ),
    "video.video-reader-hang": (
        [
            ("4.57.1", HEAD + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'decord'  #!\n"),
            ("4.57.1", HEAD + "os.environ.setdefault('FORCE_QWENVL_VIDEO_READER', 'decord')  #!\n"),
            ("4.57.1", HEAD + "import decord  #!\n" + video(max_pixels=9) + V),
        ],
        [
            ("4.57.1", HEAD + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'torchcodec'\n"),
            ("4.57.1", HEAD + "import decord\n" + IMG + V),
        ],
    ),
    "video.video-reader-removed": (
        [
            ("4.57.1", HEAD + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'torchvision'  #!\n"),
            ("4.57.1", HEAD + "import torchvision\nv = torchvision.io.read_video('a.mp4')  #!\n"),
            (
                "4.57.1",
                HEAD + "from torchvision.io import read_video\nv = read_video('a.mp4')  #!\n",
            ),
        ],
        [
            ("4.57.1", HEAD + "os.environ['FORCE_QWENVL_VIDEO_READER'] = 'torchcodec'\n"),
            ("4.57.1", HEAD + "import torchvision\nv = torchvision.io.read_image('a.png')\n"),
        ],
    ),
}
