"""Commands for files."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from filemill_client import render
from filemill_client.cli.session import Output, Session


def upload(
    session: Session,
    file: Annotated[Path, typer.Argument(help="The local file.", show_default=False)],
    path: Annotated[
        str | None,
        typer.Argument(
            help="Where it shall lie; into a folder if it ends in a slash. Without it: uploads/FILE's name."
        ),
    ] = None,
) -> None:
    """Store a local file on the gateway.

    What had the path before is replaced for all who ask from now on. The file is sent in pieces, and its
    digest is compared with that of what arrived.
    """
    folder = "uploads/" if path is None else path
    place = f"{folder}{file.name}" if folder.endswith("/") else folder
    with _bar(session.out, f"upload {file.name}") as bar:
        task = bar.add_task("", total=file.stat().st_size)
        stored = session.client.upload(file, place, progress=lambda sent: bar.update(task, completed=sent))
    session.out.document(stored)
    session.out.show(render.stored(stored))


def download(
    session: Session,
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Path or filemill:///path of the file.", show_default=False)
    ],
    dest: Annotated[
        Path | None, typer.Argument(help="Local file, or a folder. Without it: the file's name, here.")
    ] = None,
) -> None:
    """Fetch a file from the gateway.

    A local file of that name is replaced once all has arrived and its digest was compared. A download that
    was broken off goes on where it ended: run the same command again.
    """
    name = path.rsplit("/", 1)[-1]
    target = dest or Path(name)
    target = target / name if target.is_dir() else target
    with _bar(session.out, f"download {name}") as bar:
        task = bar.add_task("", total=None)
        got = session.client.download(
            path, target, progress=lambda have, total: bar.update(task, completed=have, total=total)
        )
    session.out.document(
        {
            "path": path,
            "file": str(got.target),
            "size": got.size,
            "digest": got.digest,
            "checked": got.is_checked,
        }
    )
    session.out.show(render.downloaded(got))


def _bar(out: Output, title: str) -> Progress:
    return Progress(
        TextColumn(render.plain(title), markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=out.err,
        transient=True,
        disable=not out.err.is_interactive,
    )


COMMANDS: Final = (
    ("upload", upload, "Example: filemill upload holiday.mp4 videos/holiday.mp4"),
    ("download", download, "Example: filemill download outputs/0195/video_convert.webm holiday.webm"),
)
