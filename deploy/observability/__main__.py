"""``python -m deploy.observability write|look|drill``, which the Makefile calls."""

# ruff: noqa: T201 - a command speaks on standard output

import sys

from deploy.observability import dashboards, listing, rules


def main(command: str) -> int:
    """Do one command; gives the process's exit status."""
    match command:
        case "write":
            rules.FILE.write_text(rules.text())
            rules.MANIFEST.write_text(rules.manifest())
            for path, text in dashboards.files().items():
                path.write_text(text)
            listing.MANUAL.write_text(listing.manual())
            return 0
        case "look":
            from deploy.observability.look import look  # noqa: PLC0415 - needs a stack, as the others do not

            return 1 if look() else 0
        case "drill":
            from deploy.observability.drill import drill  # noqa: PLC0415

            return drill()
        case _:
            print("Say one of: write, look, drill.", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
