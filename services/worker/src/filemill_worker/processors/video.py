"""Converting and picturing videos."""

from filemill_common.task_types import (
    VideoConvertOptions,
    VideoPreviewOptions,
    VideoThumbnailOptions,
)
from filemill_worker.core.ffmpeg import GAP, convert_command, fit, frame_command, sheet_command
from filemill_worker.core.media import Media, Picture
from filemill_worker.core.progress import Progress
from filemill_worker.errors import ProcessingError
from filemill_worker.media import MediaFile, check_pixels
from filemill_worker.processors.job import Product, Report

_CONTENT_TYPES = {
    "webm": "video/webm",
    "mp4": "video/mp4",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}


async def convert(source: MediaFile, options: VideoConvertOptions, report: Report) -> Product:
    """Encode a video anew.

    Raises:
        ProcessingError: The input is no video, is broken, or ends before its header says so; a limit
            was reached.
    """
    report(0, "reading")
    media, picture = await source.probe_video()
    width, height = fit(
        (picture.width, picture.height), width=options.width, height=options.height, multiple=2
    )
    check_pixels(width, height, source.limits)
    expected = _expected(media, options)

    def tell(progress: Progress) -> None:
        if expected is None:
            report(0, f"{progress.seconds:.1f} s written")
        else:
            percent = min(100.0, 100 * progress.seconds / expected)
            report(percent, f"{progress.seconds:.1f} of {expected:.1f} s")

    made = await source.encode(
        f"output.{options.format}",
        lambda target: convert_command(source.source, target, options, (width, height), source.limits),
        tell,
    )
    # ffmpeg reads over damage and ends well. Damage that costs more than a tenth is no success.
    if made.complaints and expected is not None and made.last.seconds < 0.9 * expected:
        raise ProcessingError(
            "corrupt_input",
            f"the input is damaged: {made.last.seconds:.1f} of {expected:.1f} s could be read",
        )
    return Product(
        {
            "format": options.format,
            "video_codec": options.codec,
            "width": width,
            "height": height,
            "duration": round(made.last.seconds, 3),
            "frames": made.last.frames,
        },
        made.file,
        _CONTENT_TYPES[options.format],
    )


async def thumbnail(source: MediaFile, options: VideoThumbnailOptions) -> Product:
    """Take one picture out of a video.

    Raises:
        ProcessingError: As ``convert``; ``out_of_range`` if the video is shorter.
    """
    media, picture = await source.probe_video()
    at = _moment(options, media, picture)
    width, height = fit((picture.width, picture.height), width=options.width, height=options.height)
    check_pixels(width, height, source.limits)
    made = await source.encode(
        f"output.{options.format}",
        lambda target: frame_command(
            source.source,
            target,
            at=at,
            size=(width, height),
            image=options.format,
            quality=options.quality,
            limits=source.limits,
        ),
        _ignore,
    )
    return Product(
        {"format": options.format, "width": width, "height": height, "at": at},
        made.file,
        _CONTENT_TYPES[options.format],
    )


async def preview(source: MediaFile, options: VideoPreviewOptions) -> Product:
    """Lay pictures from all along a video out in one image.

    Raises:
        ProcessingError: As ``convert``.
    """
    _, picture = await source.probe_video()
    # A very tall video would make a sheet that no image format holds.
    tile = fit((picture.width, picture.height), width=options.width, height=2 * options.width)
    made = await source.encode(
        f"output.{options.format}",
        lambda target: sheet_command(
            source.source,
            target,
            options,
            tile=tile,
            duration=picture.duration,
            limits=source.limits,
        ),
        _ignore,
    )
    return Product(
        {
            "format": options.format,
            "width": options.columns * (tile[0] + GAP) + GAP,
            "height": options.rows * (tile[1] + GAP) + GAP,
            "columns": options.columns,
            "rows": options.rows,
        },
        made.file,
        _CONTENT_TYPES[options.format],
    )


def _ignore(_: Progress) -> None:
    """One picture is no progress that anybody could watch."""


def _expected(media: Media, options: VideoConvertOptions) -> float | None:
    """Tell how long the output will be, in seconds, if the input says how long it is.

    Raises:
        ProcessingError: ``out_of_range``.
    """
    if media.duration is None:
        return options.duration
    if options.start >= media.duration:
        raise _beyond("start", options.start, media.duration)
    left = media.duration - options.start
    return left if options.duration is None else min(left, options.duration)


def _moment(options: VideoThumbnailOptions, media: Media, picture: Picture) -> float:
    """Tell where in the video the picture is, in seconds.

    Raises:
        ProcessingError: ``out_of_range``.
    """
    length = picture.duration
    if isinstance(options.at, str):
        at = (length or 0.0) * float(options.at.removesuffix("%")) / 100
    else:
        at = options.at
    if length is None:
        return at
    if not isinstance(options.at, str) and at >= length:
        raise _beyond("at", at, length)
    # Seeking finds the next picture that begins, and after the last one begins there is none.
    return round(min(at, max(0.0, length - _frame_time(media))), 3)


def _frame_time(media: Media) -> float:
    """Tell how long one picture is shown, in seconds, and a little more for rounding."""
    rates = [each["fps"] for each in media.streams if each.get("kind") == "video" and "fps" in each]
    return 1.5 / rates[0] if rates else 0.2


def _beyond(option: str, value: float, length: float) -> ProcessingError:
    return ProcessingError("out_of_range", f"{option} is {value:g} s, but the input ends at {length:g} s")
