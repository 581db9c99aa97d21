"""What files a run or a task has made, found in its outputs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from filemill_common.storage.paths import InvalidPathError, normalise

Preview = Literal["image", "video", "audio", "text", "none"]

_MOST: Final = 200
_DEEPEST: Final = 8
_PICTURES: Final = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/x-icon"}
)


@dataclass(frozen=True, slots=True)
class FileShown:
    """A file as the page shows it.

    Attributes:
        path: Relative to the storage's root.
        content_type: Empty if nobody says.
        size: Bytes; None if nobody says.
        step: The step whose output names it.
    """

    path: str
    content_type: str = ""
    size: int | None = None
    step: str = ""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def preview(self) -> Preview:
        """How a browser can show it."""
        family = self.content_type.partition("/")[0]
        if self.content_type in _PICTURES:
            return "image"
        if family in {"video", "audio"}:
            return "video" if family == "video" else "audio"
        is_text = family == "text" or self.content_type in {"application/json", "application/yaml"}
        return "text" if is_text else "none"


def files_in(outputs: Iterable[tuple[str, object]]) -> tuple[FileShown, ...]:
    """Find the files that outputs name, each once, 200 at the most.

    A file is an object with ``file`` and ``digest``, as the tasks that write files give it.

    Args:
        outputs: Step and its output, in the order in which the files are to be shown.
    """
    found: dict[str, FileShown] = {}
    for step, output in outputs:
        for file in _inside(output, step, 0):
            if len(found) < _MOST:
                found.setdefault(file.path, file)
    return tuple(found.values())


def file_at(path: object, *, content_type: str = "", size: int | None = None) -> FileShown | None:
    """Give a file by the path or URI that somebody wrote; None if it can be none."""
    if not isinstance(path, str):
        return None
    try:
        return FileShown(normalise(path), content_type, size)
    except InvalidPathError:
        return None


def _inside(value: object, step: str, depth: int) -> Iterator[FileShown]:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        path, digest = value.get("file"), value.get("digest")
        if isinstance(path, str) and isinstance(digest, str):
            shown = _file(path, value, step)
            if shown is not None:
                yield shown
        for each in value.values():
            yield from _inside(each, step, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _inside(each, step, depth + 1)


def _file(path: str, value: dict[str, object], step: str) -> FileShown | None:
    kind, size = value.get("content_type"), value.get("size")
    try:
        relative = normalise(path)
    except InvalidPathError:
        return None
    known = kind if isinstance(kind, str) else ""
    return FileShown(relative, known, size if isinstance(size, int) else None, step)
