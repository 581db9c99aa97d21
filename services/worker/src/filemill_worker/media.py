"""Reading and writing media: runs the commands of ``core/ffmpeg.py`` in the sandbox."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filemill_worker.core.failures import explain
from filemill_worker.core.ffmpeg import probe_command
from filemill_worker.core.limits import Limits
from filemill_worker.core.media import Media, Picture, parse_probe
from filemill_worker.core.progress import Progress, ProgressParser
from filemill_worker.errors import ProcessingError
from filemill_worker.sandbox import Sandbox

_PROBE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Encoded:
    """What ffmpeg wrote.

    Attributes:
        file: Where, on this machine.
        last: How far it came.
        complaints: What it found wrong with the input and went on after; empty if nothing.
    """

    file: Path
    last: Progress
    complaints: str


class MediaFile:
    """One input, and the folder for what is made of it.

    Args:
        sandbox: Where the programs run.
        source: Local file; only read.
        folder: Empty local folder.
    """

    def __init__(self, sandbox: Sandbox, source: Path, folder: Path) -> None:
        self._sandbox = sandbox
        self._launch = sandbox.launch(source, folder)
        self._local_folder = folder
        self._local_source = source

    @property
    def limits(self) -> Limits:
        """What one launch may use."""
        return self._sandbox.limits

    @property
    def source(self) -> Path:
        """What commands call the input."""
        return self._launch.source

    async def probe(self) -> Media:
        """Say what the input is.

        Raises:
            ProcessingError: ``corrupt_input``, ``unsupported_input``, ``picture_too_large``, or a limit was
                reached.
        """
        if self._local_source.stat().st_size == 0:
            raise ProcessingError("corrupt_input", "the input is empty")
        printed = bytearray()

        def keep(data: bytes) -> None:
            # More than this is no description of a video any more; cut off, it is no JSON.
            printed.extend(data[: _PROBE_BYTES - len(printed)])

        complaints = await self._sandbox.run(self._launch, probe_command(self.source, self.limits), keep)
        try:
            media = parse_probe(bytes(printed))
        except ValueError as error:
            raise ProcessingError("corrupt_input", "nothing sensible can be read from the input") from error
        if media.picture is None and complaints:
            # A picture over the limit is not opened, and then listed without a size.
            reason = explain(1, complaints, self._launch)
            if reason.code == "picture_too_large":
                raise reason
        return media

    async def probe_video(self) -> tuple[Media, Picture]:
        """Say what the input is, if it has a moving picture of a size that is allowed.

        Raises:
            ProcessingError: As ``probe``; ``no_video``.
        """
        media = await self.probe()
        if media.picture is None:
            raise ProcessingError("no_video", "the input has no video stream")
        check_pixels(media.picture.width, media.picture.height, self.limits)
        return media, media.picture

    async def encode(
        self, name: str, command: Callable[[Path], tuple[str, ...]], on_progress: Callable[[Progress], None]
    ) -> Encoded:
        """Run a command that writes one file.

        Args:
            name: Of the file, within the folder.
            command: Builds the command from what it shall call the file.
            on_progress: Is told how far it is.

        Raises:
            ProcessingError: It failed, reached a limit, or found nothing to write (``no_picture``).
        """
        parser = ProgressParser()
        last = Progress()

        def listen(data: bytes) -> None:
            nonlocal last
            for last in parser.feed(data):
                on_progress(last)

        complaints = await self._sandbox.run(self._launch, command(self._launch.folder / name), listen)
        file = self._local_folder / name
        # Read by the sandbox, written by it: a link would lead the worker out of the folder.
        if file.is_symlink() or not file.is_file() or file.stat().st_size == 0 or last.frames == 0:
            raise ProcessingError("no_picture", "the part of the input that was asked for has no picture")
        return Encoded(file, last, complaints)


def check_pixels(width: int, height: int, limits: Limits) -> None:
    """Refuse a picture that is too large to hold.

    Raises:
        ProcessingError: ``picture_too_large``.
    """
    if width * height > limits.pixels:
        raise ProcessingError(
            "picture_too_large", f"{width}x{height} pixels are more than the {limits.pixels} that are allowed"
        )
