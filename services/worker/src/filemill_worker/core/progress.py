"""Reading ffmpeg's ``-progress`` output, which comes in pieces of any size."""

from dataclasses import dataclass

_LONGEST_LINE = 1_024


@dataclass(frozen=True, slots=True)
class Progress:
    """How far ffmpeg is.

    Attributes:
        frames: Written so far.
        seconds: Of the output written so far; 0 before the first packet.
        is_last: Whether ffmpeg says that it has ended.
    """

    frames: int = 0
    seconds: float = 0.0
    is_last: bool = False


class ProgressParser:
    """Turns bytes into progress, one report for each block that ends with ``progress=``.

    Unknown keys and values that are no numbers ("N/A") leave what was known.

    References:
        ffmpeg manual, "-progress": ``key=value`` lines, ``progress`` is the last of each block.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._frames = 0
        self._seconds = 0.0

    def feed(self, data: bytes) -> tuple[Progress, ...]:
        """Take the next bytes; return what they complete."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-_LONGEST_LINE:]
        found = []
        for line in lines:
            key, _, value = line.decode("ascii", "replace").partition("=")
            if key == "progress":
                found.append(Progress(self._frames, self._seconds, is_last=value.strip() == "end"))
            elif key == "frame" and value.strip().isdigit():
                self._frames = int(value)
            elif key == "out_time_us" and value.strip().isdigit():
                self._seconds = int(value) / 1_000_000
        return tuple(found)
