"""The command line itself: all commands, and what ``--help`` says of the whole."""

import sys
from typing import Final

import typer

from filemill_client.cli import control, definitions, files, history, looks, parked, runs
from filemill_client.cli.session import command

# \b keeps the lines of a paragraph as they are.
_HELP: Final = """Process files through workflows: upload, submit, watch, download.

\b
Examples:
  filemill upload holiday.mp4 videos/holiday.mp4
  filemill validate video.yaml
  filemill submit video.yaml -i input_file=videos/holiday.mp4 --wait
  filemill signal 0195c7e2-5a7c-7b1e-9d53-0c1f7a3f2b10 approve by=anna
  filemill rerun 0195c7e2-5a7c-7b1e-9d53-0c1f7a3f2b10
  filemill task video_thumbnail --input-file videos/holiday.mp4 --wait
  filemill list --status failed --json
  filemill history 0195c7e2-5a7c-7b1e-9d53-0c1f7a3f2b10 --output run.jsonl
  filemill parked list
  filemill COMMAND --help

\b
Exit codes:
    0  done; what was waited for is completed
    1  what was waited for failed, was cancelled or skipped, a file
       arrived damaged, one that was validated has problems, or a
       history that was played comes to something else
    2  wrong usage, or a local file that cannot be read
    3  the gateway refused; each reason is shown
    4  no gateway could be reached, for as long as --patience says
    5  there is no such workflow, task, file, template, signal or
       parked message
  130  Ctrl-C; what was waited for goes on

With --json an error is a document too: {code, detail, problems, ...}.
"""

app = typer.Typer(
    name="filemill",
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for _name, _run, _examples in (
    *files.COMMANDS,
    *definitions.CHECKS,
    *runs.COMMANDS,
    *control.COMMANDS,
    *looks.COMMANDS,
    *history.COMMANDS,
):
    app.command(_name, epilog=_examples)(command(_run))

app.command("replay", epilog=history.EXAMPLE)(history.replay)  # it asks no gateway

for _group, _module in (("template", definitions), ("parked", parked)):
    _typer = typer.Typer(help=_module.HELP, no_args_is_help=True)
    for _name, _run, _examples in _module.COMMANDS:
        _typer.command(_name, epilog=_examples)(command(_run))
    app.add_typer(_typer, name=_group)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A name in a foreign script must not end a command on a terminal that cannot show it.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # text streams have it
    app()
