"""What the page says, in each of its languages."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from filemill_gateway.core.tongues import TONGUES, Tongue


def _read(tongue: Tongue) -> Mapping[str, str]:
    text = (files("filemill_gateway.page") / "tongues" / f"{tongue}.json").read_text(encoding="utf-8")
    words: dict[str, str] = json.loads(text)
    return words


WORDS: Final[Mapping[Tongue, Mapping[str, str]]] = {tongue: _read(tongue) for tongue in TONGUES}


class Words:
    """The words of one language.

    Args:
        tongue: Which.
    """

    def __init__(self, tongue: Tongue) -> None:
        self.tongue = tongue
        self._words = WORDS[tongue]

    def __call__(self, key: str, /, **values: object) -> str:
        """Say something, with values in it; what they hold is put in as it is, and escaped later."""
        return self._words[key].format(**values)

    def has(self, key: str) -> bool:
        """Whether there is something to say."""
        return key in self._words

    def all(self, prefixes: tuple[str, ...]) -> Mapping[str, str]:
        """Give all words whose key begins with one of these, for the scripts of the page."""
        return {key: text for key, text in self._words.items() if key.startswith(prefixes)}

    def duration(self, seconds: float) -> str:
        """Say how long something took."""
        if seconds < 60:
            shown = f"{round(seconds, 1):g}" if seconds < 10 else f"{seconds:.0f}"
            return self("unit.seconds", count=shown)
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return self("unit.minutes", minutes=minutes, seconds=rest)
        return self("unit.hours", hours=minutes // 60, minutes=minutes % 60)
