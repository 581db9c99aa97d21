"""Commands for definitions: check them, and keep them as templates."""

from typing import Annotated, Final

import typer

from filemill_client import render
from filemill_client.cli.looks import Cursor, Limit, pages
from filemill_client.cli.session import Exit, Session
from filemill_client.documents import read_text

HELP: Final = """Keep definitions under a name.

Each change makes a new version, and no version ever changes. A workflow is started from one by
`filemill submit --template`, and uses others by `subworkflow` steps.

\b
Examples:
  filemill template put publish publish.yaml
  filemill template list
  filemill template show publish@3
  filemill submit --template publish@3 --input input_file=videos/holiday.mp4
"""

_ITEM: Final = ("name", "version", "created_at", "description")


def validate(
    session: Session,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Definitions: YAML, JSON (*.json), or - for standard input.",
            show_default=False,
        ),
    ],
) -> None:
    """Check workflow files without running them.

    All that is wrong is shown at once, a line each: FILE:LINE:COLUMN: what is wrong (what was probably
    meant) [code]. Templates that a file names are looked up too. Ends with 1 if there is any problem.
    """
    texts = [read_text(file) for file in files]
    checked = [
        (text.name, session.client.validate(text.encoded, media_type=text.media_type)) for text in texts
    ]
    session.out.document({"files": [{"file": name, **found} for name, found in checked]})
    for name, found in checked:
        session.out.show(*render.checked(name, found))
    if not all(found["valid"] for _, found in checked):
        raise typer.Exit(Exit.FAILED)


def put(
    session: Session,
    name: Annotated[str, typer.Argument(help="What it is called, such as publish.", show_default=False)],
    file: Annotated[
        str,
        typer.Argument(help="Definition: YAML, JSON (*.json), or - for standard input.", show_default=False),
    ],
) -> None:
    """Keep a definition as the next version of a template.

    If its newest version says the same already, it stays that.
    """
    text = read_text(file)
    session.sent = text.name
    template = session.client.put_template(name, text.encoded, media_type=text.media_type)
    session.out.document(template)
    session.out.show(f"template {template['name']}@{template['version']}")


def list_(session: Session, *, limit: Limit = 20, cursor: Cursor = None) -> None:
    """List templates by their newest versions, what was put last first."""
    page = pages(lambda at, most: session.client.templates(limit=most, cursor=at), limit, cursor)
    session.out.document(page)
    session.out.show(render.listing(page["items"], _ITEM) if page["items"] else "nothing to list")


def show(
    session: Session,
    reference: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="The newest, if no version is said.")
    ],
) -> None:
    """Show a template: its definition as YAML, and the versions that there are."""
    template = session.client.template(reference)
    session.out.document(template)
    session.out.show(*render.template(template))


CHECKS: Final = (("validate", validate, "Example: filemill validate workflows/*.yaml"),)
COMMANDS: Final = (
    ("put", put, "Example: filemill template put publish publish.yaml"),
    ("list", list_, None),
    ("show", show, "Example: filemill template show publish@3"),
)
