"""Why ffmpeg failed, told from how it ended and what it printed."""

import re
from collections.abc import Mapping

from filemill_worker.core.launch import Launch
from filemill_worker.errors import ProcessingError

_CPU_TIME = ("cpu_time_exceeded", "it used more processor time than is allowed", False)
_SIGNALS: Mapping[int, tuple[str, str, bool]] = {
    # 128 and the signal, as a shell and bubblewrap tell it.
    128 + 9: ("killed", "it was killed from outside, perhaps because memory ran out", True),
    128 + 24: _CPU_TIME,
    # ffmpeg's own answers to the one signal that it is ever sent, and to the fourth of the kind.
    255: _CPU_TIME,
    123: _CPU_TIME,
    128 + 25: ("file_too_large", "it wrote a larger file than is allowed", False),
}
_CRASHES = frozenset(128 + number for number in (4, 5, 6, 7, 8, 11))

_TELLTALES: tuple[tuple[str, bool, re.Pattern[str]], ...] = tuple(
    (code, retryable, re.compile(pattern, re.IGNORECASE))
    for code, retryable, pattern in (
        ("sandbox_failed", True, r"^(bwrap|prlimit|setpriv|env): "),
        ("out_of_memory", False, r"cannot allocate memory|malloc of size|memory allocation error"),
        ("out_of_memory", False, r"thread creation failed|failed to map segment"),
        ("storage_full", True, r"no space left on device"),
        ("file_too_large", False, r"file too large"),
        ("picture_too_large", False, r"max(imum)? pixel count|picture size .* is invalid"),
        ("unsupported_input", False, r"whitelist|decoder .*not found|unknown decoder|no decoder"),
        ("corrupt_input", False, r"invalid data|moov atom|error while decoding|partial file|end of file"),
    )
)
_NOISE = re.compile(r"conversion failed|last message repeated", re.IGNORECASE)
_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")


def explain(status: int, printed: str, launch: Launch) -> ProcessingError:
    """Say why a program failed, in a stable code and in its own last words.

    Args:
        status: How it ended, as a shell tells it: 128 and the signal for one that a signal ended.
        printed: The end of its error output.
        launch: Whose names of files mean nothing to a user.

    Returns:
        The error. Only what depends on the machine or the moment is worth another attempt.
    """
    words = _last_words(printed, launch)
    if status in _SIGNALS:
        code, what, retryable = _SIGNALS[status]
        return ProcessingError(code, f"ffmpeg failed: {what}", retryable=retryable)
    if status in _CRASHES:
        return ProcessingError("crashed", f"ffmpeg crashed (signal {status - 128}) on this input")
    for code, retryable, pattern in _TELLTALES:
        if any(pattern.search(line) for line in printed.splitlines()):
            return ProcessingError(code, f"ffmpeg failed: {words}", retryable=retryable)
    return ProcessingError("ffmpeg_failed", f"ffmpeg failed: {words}")


def _last_words(printed: str, launch: Launch) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip() and not _NOISE.search(line)]
    words = "; ".join(dict.fromkeys(_ADDRESS.sub("", line) for line in lines[-3:]))
    words = words.replace(str(launch.source), "the input").replace(f"{launch.folder}/", "")
    return words[-500:] or "it printed no reason"
