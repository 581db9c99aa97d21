"""What a definition says, read by the rules for themselves: who lies in what, who waits for whom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Document = dict[str, Any]

SUCCESS: Final = "success"
FAILURE: Final = "failure"
SKIP: Final = "skip"
OPEN: Final = "open"

BECAUSE_OF_FAILURE: Final = frozenset({"upstream_failed", "run_failed"})
WANTS_SUCCESS: Final = frozenset({"all_success", "one_success", "none_failed", "none_failed_min_one_success"})


@dataclass(frozen=True, slots=True)
class Place:
    """A step, and where it stands.

    Attributes:
        inside: The parallels that it lies in, the innermost first.
        needs: What it waits for, conditions that name it included.
        choosers: Those conditions.
    """

    id: str
    said: Document
    kind: str
    inside: tuple[str, ...]
    in_finally: bool
    needs: tuple[str, ...]
    choosers: tuple[str, ...]

    @property
    def rule(self) -> str:
        return str(self.said.get("trigger_rule", "all_success"))

    @property
    def is_allowed_to_fail(self) -> bool:
        return bool(self.said.get("allow_failure"))


def lay_out(definition: Mapping[str, Any]) -> dict[str, Place]:
    """Find all steps of a definition, those in parallels and under ``finally`` too."""
    steps = [*_walk(definition["steps"], (), False), *_walk(definition.get("finally", ()), (), True)]
    choosers: dict[str, list[str]] = {}
    for said, _, _ in steps:
        if said.get("type") == "condition":
            for name in {*said["default"], *(name for case in said["cases"] for name in case["then"])}:
                choosers.setdefault(name, []).append(said["id"])
    return {
        said["id"]: Place(
            said["id"],
            said,
            said.get("type", "task"),
            inside,
            in_finally,
            tuple(dict.fromkeys((*said.get("depends_on", ()), *choosers.get(said["id"], ())))),
            tuple(choosers.get(said["id"], ())),
        )
        for said, inside, in_finally in steps
    }


_Found = tuple[Document, tuple[str, ...], bool]


def _walk(steps: Sequence[Document], inside: tuple[str, ...], in_finally: bool) -> Iterator[_Found]:
    for said in steps:
        yield said, inside, in_finally
        for branch in said.get("branches", {}).values():
            yield from _walk(branch, (said["id"], *inside), in_finally)


def outcome(document: Mapping[str, Any] | None) -> str:
    """Tell how the trigger rules count a task."""
    status = (document or {}).get("status")
    if status == "completed":
        return SUCCESS
    if status == "skipped":
        return FAILURE if (document or {}).get("reason") in BECAUSE_OF_FAILURE else SKIP
    return FAILURE if status in {"failed", "cancelled"} else OPEN


def allows(rule: str, found: Sequence[str]) -> bool:
    """Tell whether a step may begin after what became of those that it waits for."""
    if not found or rule == "always":
        return True
    if rule == "one_success":
        return SUCCESS in found
    if rule == "one_failed":
        return FAILURE in found
    if OPEN in found:
        return False
    if rule == "all_done":
        return True
    if rule == "all_success":
        return set(found) == {SUCCESS}
    if rule == "all_failed":
        return set(found) == {FAILURE}
    if rule == "none_skipped":
        return SKIP not in found
    return FAILURE not in found and (rule == "none_failed" or SUCCESS in found)


def refuses(rule: str, found: Sequence[str]) -> str | None:
    """Tell why a step is skipped after what became of those that it waits for; None if it is not."""
    if not found or allows(rule, found):
        return None
    # Whatever the open ones come to, it must not be allowed any more.
    for ending in (SUCCESS, FAILURE, SKIP):
        if OPEN in found and allows(rule, [ending if each == OPEN else each for each in found]):
            return None
    return "upstream_failed" if rule in WANTS_SUCCESS and FAILURE in found else "upstream_skipped"


def rerun_of(
    places: Mapping[str, Place], chosen: Sequence[str], opened: Sequence[str]
) -> tuple[set[str], set[str]]:
    """Tell which steps a rerun of some does anew, and which parallels and maps go on because of that.

    Args:
        places: All steps.
        chosen: Those that are to be done again.
        opened: Maps of which an item is.
    """
    anew: set[str] = set()
    around: set[str] = set()
    rest = [*chosen, *(each.id for each in places.values() if each.in_finally)]

    def open_again(names: Sequence[str]) -> None:
        for name in names:
            if name not in around:
                around.add(name)
                rest.extend(each.id for each in places.values() if name in each.needs)

    for name in opened:
        open_again((name, *places[name].inside))
    while rest:
        name = rest.pop()
        if name not in anew:
            anew.add(name)
            rest += [each.id for each in places.values() if name in each.needs or name in each.inside]
            open_again(places[name].inside)
    return anew, around - anew
