"""Which language a page speaks: what was chosen, or what the browser asks for."""

from typing import Final, Literal, get_args

Tongue = Literal["en", "zh"]

TONGUES: Final[tuple[Tongue, ...]] = get_args(Tongue)


def tongue_of(chosen: str | None, accepted: str | None) -> Tongue:
    """Choose a language.

    Args:
        chosen: What somebody chose before; what is none of ours counts as nothing.
        accepted: The header ``Accept-Language`` (RFC 9110, 12.5.4), which may hold anything.
    """
    for tongue in TONGUES:
        if chosen == tongue:
            return tongue
    best: Tongue = "en"
    most = 0.0
    for part in (accepted or "")[:500].split(","):
        language, _, parameter = part.strip().partition(";")
        primary = language.strip().lower().partition("-")[0]
        quality = _quality(parameter)
        for tongue in TONGUES:
            if primary == tongue and quality > most:
                best, most = tongue, quality
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
