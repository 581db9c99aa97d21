"""The commands that read, convert and picture videos.

Every function returns a program and its arguments, one item each. No shell reads them, and the names of files
are ours (see ``core/launch.py``), so nothing is quoted and no name can become a flag.
"""

from collections.abc import Mapping
from pathlib import Path

from filemill_common.task_types import (
    ImageFormat,
    VideoCodec,
    VideoConvertOptions,
    VideoFormat,
    VideoPreviewOptions,
)
from filemill_worker.core.limits import Limits

_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpegts,mpeg,mpegvideo,asf,ogg,ivf,m4v,h264,hevc,"
    "mxf,dv,rm,nut,gif,apng,wav,w64,aiff,caf,mp3,aac,ac3,eac3,flac,amr,"
    "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe"
)
"""Containers that are read. Each reads only the file that it is given: playlists (hls, dash, concat, imf,
sdp) and patterns of names (image2) are not among them, since they open what the input names."""

_PROBED = (
    "format=format_name,duration"
    ":stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,avg_frame_rate,duration,"
    "sample_rate,channels"
    ":stream_disposition=attached_pic:stream_tags=language:stream_side_data=rotation"
)

_MUXERS: Mapping[VideoFormat, tuple[str, ...]] = {
    "webm": ("-f", "webm"),
    "mkv": ("-f", "matroska"),
    "mp4": ("-f", "mp4", "-movflags", "+faststart"),
    "mov": ("-f", "mov", "-movflags", "+faststart"),
}
_SOUND: Mapping[VideoFormat, str] = {"webm": "libopus", "mkv": "libopus", "mp4": "aac", "mov": "aac"}

_ENCODERS: Mapping[VideoCodec, tuple[str, ...]] = {
    # Without row-mt the encoder uses one core for pictures up to 512 pixels wide.
    "vp9": ("-c:v", "libvpx-vp9", "-row-mt", "1"),
    "h264": ("-c:v", "libx264"),
    "h265": ("-c:v", "libx265", "-tag:v", "hvc1", "-x265-params", "log-level=error"),
}
_PRESETS: Mapping[tuple[VideoCodec, str], tuple[str, ...]] = {
    # 5 s of 640x360 on two cores: 1.2 s, 5 s and 8 s; the slowest file is a quarter smaller.
    ("vp9", "fast"): ("-deadline", "realtime", "-cpu-used", "6"),
    ("vp9", "balanced"): ("-deadline", "good", "-cpu-used", "4"),
    ("vp9", "quality"): ("-deadline", "good", "-cpu-used", "2"),
    ("h264", "fast"): ("-preset", "veryfast"),
    ("h264", "balanced"): ("-preset", "medium"),
    ("h264", "quality"): ("-preset", "slow"),
    ("h265", "fast"): ("-preset", "ultrafast"),
    ("h265", "balanced"): ("-preset", "fast"),
    ("h265", "quality"): ("-preset", "slow"),
}
_USUAL_CRF: Mapping[VideoCodec, int] = {"vp9": 33, "h264": 23, "h265": 28}

GAP = 4
"""Pixels between the pictures of a contact sheet, and around them."""


def probe_command(source: Path, limits: Limits) -> tuple[str, ...]:
    """Build the command that prints what a file is, as JSON for ``parse_probe``."""
    return (
        *("ffprobe", "-v", "error", *_reading(limits)),
        *("-of", "json=compact=1", "-show_entries", _PROBED, "-i", str(source)),
    )


def convert_command(
    source: Path, target: Path, options: VideoConvertOptions, size: tuple[int, int], limits: Limits
) -> tuple[str, ...]:
    """Build the command that encodes a video anew.

    Args:
        source: File in any container of the list above.
        target: File to write; an existing one is replaced.
        options: What is wanted.
        size: Width and height of the output in pixels, both even, as 4:2:0 subsampling needs.
        limits: What it may use.
    """
    filters = [f"fps={options.fps:g}"] if options.fps is not None else []
    filters += [f"scale={size[0]}:{size[1]}", "setsar=1"]
    part = () if options.duration is None else ("-t", f"{options.duration:.3f}")
    if options.bitrate is not None:
        rate: tuple[str, ...] = ("-b:v", f"{options.bitrate}k")
    else:
        crf = _USUAL_CRF[options.codec] if options.crf is None else options.crf
        # VP9 takes the factor as a mere upper bound of quality unless the bit rate is 0.
        rate = ("-crf", str(crf), *(("-b:v", "0") if options.codec == "vp9" else ()))
    sound: tuple[str, ...] = ("-an",)
    if options.audio:
        # Two channels, because Opus refuses some layouts of more.
        sound = ("-c:a", _SOUND[options.format], "-b:a", f"{options.audio_bitrate}k", "-ac", "2")
    return (
        *_ffmpeg(limits),
        *("-ss", f"{options.start:.3f}", *part, *_reading(limits), "-i", str(source)),
        # V is a video stream that is no cover image; a file without sound is no error.
        *("-map", "0:V:0", "-map", "0:a:0?", "-sn", "-dn", "-map_chapters", "-1"),
        *("-vf", ",".join(filters), "-pix_fmt", "yuv420p"),
        *(*_ENCODERS[options.codec], *_PRESETS[options.codec, options.preset], *rate, *sound),
        *("-threads", str(limits.threads), *_MUXERS[options.format], str(target)),
    )


def frame_command(
    source: Path,
    target: Path,
    *,
    at: float,
    size: tuple[int, int],
    image: ImageFormat,
    quality: int,
    limits: Limits,
) -> tuple[str, ...]:
    """Build the command that writes the picture shown at a time.

    Args:
        source: File in any container of the list above.
        target: Image to write; none is written if no picture begins at or after ``at``.
        at: Seconds from the beginning.
        size: Width and height of the image in pixels.
        image: Its format.
        quality: 1 to 100; a png ignores it.
        limits: What it may use.
    """
    return (
        *_ffmpeg(limits),
        *("-ss", f"{at:.3f}", *_reading(limits), "-i", str(source)),
        *("-map", "0:V:0", "-vf", f"scale={size[0]}:{size[1]},setsar=1", "-frames:v", "1"),
        *_image(image, quality),
        str(target),
    )


def sheet_command(
    source: Path,
    target: Path,
    options: VideoPreviewOptions,
    *,
    tile: tuple[int, int],
    duration: float | None,
    limits: Limits,
) -> tuple[str, ...]:
    """Build the command that lays pictures from all along a video out in one image.

    Of a video longer than two minutes only key frames are decoded: an hour takes seconds, and the
    pictures are at most one group of pictures off.

    Args:
        source: File in any container of the list above.
        target: Image to write.
        options: Columns, rows and format.
        tile: Width and height of one picture in pixels.
        duration: Of the video in seconds; without it, there is one picture a second from the beginning.
        limits: What it may use.
    """
    count = options.columns * options.rows
    rate = 1.0 if not duration else count / duration
    hurry = ("-skip_frame", "nokey") if duration and duration > 120 else ()
    filters = (
        # The video may begin later than 0, and each tile shows the middle of its share.
        "setpts=PTS-STARTPTS",
        f"fps={rate:.6f}:round=near",
        f"scale={tile[0]}:{tile[1]}",
        "setsar=1",
        f"tile={options.columns}x{options.rows}:padding={GAP}:margin={GAP}",
    )
    return (
        *_ffmpeg(limits),
        *(*hurry, *_reading(limits), "-i", str(source)),
        *("-map", "0:V:0", "-vf", ",".join(filters), "-frames:v", "1"),
        *_image(options.format, options.quality),
        str(target),
    )


def fit(
    size: tuple[int, int], *, width: int | None, height: int | None, multiple: int = 1
) -> tuple[int, int]:
    """Scale a picture into a box, keeping its aspect ratio.

    Args:
        size: Its width and height in pixels.
        width: Of the box; without it, as wide as the height makes it.
        height: Of the box; without both, the picture keeps its size.
        multiple: What both results are divisible by.

    Returns:
        Width and height, each at least ``multiple``.
    """
    factors = [box / side for box, side in zip((width, height), size, strict=True) if box is not None]
    factor = min(factors, default=1.0)
    wide, high = (max(multiple, int(side * factor / multiple + 0.5) * multiple) for side in size)
    return wide, high


def _ffmpeg(limits: Limits) -> tuple[str, ...]:
    return (
        *("ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y"),
        *("-progress", "pipe:1", "-stats_period", "0.5", "-filter_threads", str(limits.threads)),
    )


def _reading(limits: Limits) -> tuple[str, ...]:
    """Build what stands before every input."""
    return (
        *("-protocol_whitelist", "file,pipe", "-format_whitelist", _DEMUXERS),
        *("-max_pixels", str(limits.pixels), "-threads", str(limits.threads)),
    )


def _image(image: ImageFormat, quality: int) -> tuple[str, ...]:
    single = ("-threads", "1", "-f", "image2", "-update", "1")
    match image:
        case "jpg":
            # mjpeg's scale is 2 (best) to 31.
            scale = round(2 + (100 - quality) * 29 / 99)
            return ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", str(scale), *single)
        case "png":
            return ("-c:v", "png", "-pix_fmt", "rgb24", *single)
        case "webp":
            return ("-c:v", "libwebp", "-pix_fmt", "yuv420p", "-quality", str(quality), *single)
