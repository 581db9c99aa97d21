"""What a program said last, short enough to stand below a sentence."""

import json
from typing import Any, Final

_LINES: Final = 5
_WIDTH: Final = 300  # characters


def last_words(log: str) -> tuple[str, ...]:
    """Pick the lines that say why a program ended.

    Args:
        log: The end of its log. mongod's is JSON with a severity ``s``; there the last fatal
            and error lines are what counts, and the last lines only if there are none.

    Returns:
        At most 5 lines of at most 300 characters.
    """
    lines = [line for line in log.splitlines() if line.strip()]
    severe = [line for line in map(_severe, lines) if line]
    return tuple(line[:_WIDTH] for line in (severe or lines)[-_LINES:])


def _severe(line: str) -> str:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(entry, dict) or entry.get("s") not in {"E", "F"}:
        return ""
    return " ".join(f"{entry.get('msg')} {json.dumps(entry.get('attr', {}))}".split())
