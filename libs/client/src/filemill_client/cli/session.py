"""What all commands have in common: their options, their output, and the exit code of each way to end."""

import enum
import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from filemill_client import render
from filemill_client.client import DEFAULT_URL, Client
from filemill_client.documents import Document
from filemill_client.errors import (
    ClientError,
    DamagedFileError,
    InvalidArgumentError,
    NotFoundError,
    UnreachableError,
)
from filemill_client.patience import PATIENCE

_WIDE: Final = 1000
"""Columns of what goes to a file or a program, so that nothing is cut or wrapped."""


class Exit(enum.IntEnum):
    """How a command ended, for scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    NOT_FOUND = 5
    INTERRUPTED = 130


class Output:
    """Results on standard output, one JSON document with ``--json``; all else on standard error."""

    def __init__(self, *, as_json: bool) -> None:
        """Look where the streams go now."""
        self.as_json = as_json
        self.err = _console(sys.stderr)
        self._out = _console(sys.stdout)

    def show(self, *texts: RenderableType) -> None:
        """Show results to people; nothing with ``--json``."""
        if self.as_json:
            return
        shown = [Text(each) if isinstance(each, str) else each for each in texts]
        if self._out.is_terminal:
            self._out.print(*shown, sep="\n")
            return
        with self._out.capture() as captured:
            self._out.print(*shown, sep="\n")
        # Tables fill their cells, up to a thousand columns where nothing may be cut.
        typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def document(self, value: object, *, indent: int | None = 2) -> None:
        """Write a result for programs; nothing without ``--json``. With ``indent`` None it takes one line."""
        if self.as_json:
            is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
            typer.echo(json.dumps(value, indent=indent, ensure_ascii=not is_utf8))

    def notice(self, text: str) -> None:
        """Say something on the side."""
        self.err.print(Text(render.plain(text), style="dim"), soft_wrap=True)

    def fail(self, *texts: str) -> None:
        """Say what went wrong."""
        self.err.print(Text("\n".join(texts), style="red"), soft_wrap=True)


@dataclass
class Session:
    """A command on its way.

    Attributes:
        document: The file that was sent, so that problems can be shown where they stand in it.
        sent: Name of a file that was sent as it is; problems say themselves where they stand in it.
        farewell: What to tell a user who does not want to wait any longer.
    """

    client: Client
    out: Output
    document: Document | None = None
    sent: str = ""
    farewell: str = ""


@contextmanager
def session(url: str, *, patience: float, as_json: bool) -> Iterator[Session]:
    """Talk to a gateway; every error becomes a sentence and an exit code."""
    out = Output(as_json=as_json)
    current: Session | None = None
    try:
        with Client(url, patience=patience, notice=out.notice) as client:
            current = Session(client, out)
            yield current
    except KeyboardInterrupt as error:
        # A console that was interrupted while it wrote would write the same again before these words.
        last_words = Output(as_json=as_json)
        last_words.notice(current.farewell if current and current.farewell else "Interrupted.")
        raise typer.Exit(Exit.INTERRUPTED) from error
    except ClientError as error:
        out.document(error.document())
        out.fail(*_reasons(error, current))
        if isinstance(error, UnreachableError):
            out.notice("Start it with `make up`, or name another gateway with --url or FILEMILL_URL.")
        raise typer.Exit(_exit_code(error)) from error
    except BrokenPipeError:
        raise  # whoever read our output has read enough; typer knows how to end
    except OSError as error:
        wrong = InvalidArgumentError(f"{error.filename or 'a file'}: {error.strerror or error}")
        out.document(wrong.document())
        out.fail(str(wrong))
        raise typer.Exit(Exit.USAGE) from error


def _reasons(error: ClientError, current: Session | None) -> Iterator[str]:
    if current is None:
        return render.refusal(error, None)
    return render.refusal(error, current.document, sent=current.sent)


def _exit_code(error: ClientError) -> Exit:
    match error:
        case UnreachableError():
            return Exit.UNREACHABLE
        case NotFoundError():
            return Exit.NOT_FOUND
        case InvalidArgumentError():
            return Exit.USAGE
        case DamagedFileError():
            return Exit.FAILED
        case _:
            return Exit.REFUSED


Url = Annotated[str, typer.Option("--url", envvar="FILEMILL_URL", help="Address of the gateway.")]
Patience = Annotated[
    float,
    typer.Option(
        "--patience",
        envvar="FILEMILL_PATIENCE",
        min=0,
        help="Seconds to try again while the gateway is away or a stream is broken.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON on standard output, and nothing else.")]


def command(run: Callable[..., None]) -> Callable[..., None]:
    """Give a command, whose first parameter is its session, the options that all have instead of it."""
    parameters = list(inspect.signature(run, eval_str=True).parameters.values())[1:]
    common = [
        inspect.Parameter("url", inspect.Parameter.KEYWORD_ONLY, default=DEFAULT_URL, annotation=Url),
        inspect.Parameter("patience", inspect.Parameter.KEYWORD_ONLY, default=PATIENCE, annotation=Patience),
        inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson),
    ]

    @functools.wraps(run)
    def with_session(*, url: str, patience: float, as_json: bool, **given: Any) -> None:
        with session(url, patience=patience, as_json=as_json) as current:
            run(current, **given)

    keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    with_session.__signature__ = inspect.Signature([*keyword, *common])  # type: ignore[attr-defined] # typer reads it
    with_session.__annotations__ = {each.name: each.annotation for each in (*keyword, *common)}
    return with_session


def _console(stream: Any) -> Console:
    width = None if stream.isatty() or "COLUMNS" in os.environ else _WIDE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
