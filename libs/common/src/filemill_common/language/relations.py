"""What steps are to each other: which there are, who waits for whom, who chooses whom, what lies in what."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from filemill_common.language import graph
from filemill_common.language.places import MAX_NESTING, Path, Place
from filemill_common.language.problems import Problem, Speller, pointer

_START = "\0"
"""Before the id of a step with steps inside: its start, which these wait for. The id alone is its end."""


class Relations:
    """The steps of a document, of which each may be broken, and how they hang together.

    A step with others inside is two nodes of the graph: its start comes before all inside, its end after
    them. An id or a dependency that is no text is left out; of two steps with one id the first counts.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        """Follow what can be followed."""
        self._places = places
        self.by_id: dict[str, Place] = {}
        for place in places:
            if place.id is not None:
                self.by_id.setdefault(place.id, place)
        self._containers = {
            place.inside.id for place in places if place.inside and place.id and not place.is_item
        }
        self._needs: dict[str, list[str]] = {}
        for name in self.by_id:
            self._needs[name] = []
            self._needs[self._start(name)] = []
        for place in places:
            if place.id is not None:
                self._link(place, place.id)
        self._groups = graph.components(self._needs)
        self._upstream = graph.Upstream(self._needs, self._groups)

    def _start(self, name: str) -> str:
        return _START + name if name in self._containers else name

    def _link(self, place: Place, name: str) -> None:
        start = self._start(name)
        if start != name:
            self._needs[name].append(start)
        for _, other in _listed(place, "depends_on"):
            if other in self.by_id and self._may_wait(place, other) is None:
                self._needs[start].append(other)
        is_first = self.by_id[name] is place
        if is_first and place.inside is not None and place.inside.id is not None:
            self._needs[start].append(self._start(place.inside.id))
            self._needs[place.inside.id].append(name)
        for _, chosen in _chosen(place):
            if self._may_choose(place, chosen) is None:
                self._needs[self._start(chosen)].append(name)

    def is_before(self, name: str, place: Place) -> bool:
        """Whether a step has ended, or will never begin, when the one at a place begins."""
        owner, first = place.owner, self.by_id[name]
        if owner.id is None or (owner.in_finally and not first.in_finally):
            return True
        return self._upstream.is_before(name, self._start(owner.id))

    def could_wait(self, place: Place, name: str) -> bool:
        """Whether adding a step to the ``depends_on`` of another would be no mistake."""
        mine = place.owner.id
        return (
            mine is not None
            and self._may_wait(place.owner, name) is None
            and not self._upstream.is_before(self._start(mine), name)
        )

    def problems(self, speller: Speller) -> Iterator[Problem]:
        """Say what is wrong with ids, dependencies and choices, and who waits in a circle."""
        for place in self._places:
            if place.level == MAX_NESTING + 1:
                message = f"steps lie at most {MAX_NESTING} levels deep"
                yield Problem(pointer=pointer(*place.path), code="too_deep", message=message)
            if place.id is not None and (first := self.by_id[place.id]) is not place:
                yield Problem(
                    pointer=pointer(*place.path, "id"),
                    code="duplicate_step",
                    message=f"step {place.id[:80]!r} is there already, at {pointer(*first.path)}",
                    suggestion=self._free_name(place.id),
                )
            yield from self._dependency_problems(place, speller)
            yield from self._choice_problems(place, speller)
        yield from self._circles()

    def no_step(self, path: Path, name: str, speller: Speller) -> Problem:
        """Say that there is no step of a name."""
        return Problem(
            pointer=pointer(*path),
            code="unknown_dependency",
            message=f"no step {name[:80]!r}",
            suggestion=speller.suggestion(name, self.by_id.keys()),
        )

    def _dependency_problems(self, place: Place, speller: Speller) -> Iterator[Problem]:
        seen: set[str] = set()
        for at, name in _listed(place, "depends_on") if not place.is_item else ():
            path = (*place.path, *at)
            if name not in self.by_id:
                yield self.no_step(path, name, speller)
            elif wrong := self._may_wait(place, name):
                yield wrong.at(path)
            elif name in seen:
                yield _twice(path, name)
            seen.add(name)

    def _free_name(self, name: str) -> str | None:
        free = next((new for n in range(2, 100) if (new := f"{name[:60]}_{n}") not in self.by_id), None)
        return free and f"call it {free!r}"

    def _may_wait(self, place: Place, name: str) -> "_Wrong | None":
        """Say why a dependency can never be; circles are found later."""
        first, shown = self.by_id[name], name[:80]
        if name == place.id:
            return _Wrong(
                "cyclic_dependency", f"the step waits for itself: {shown} → {shown}", "leave it out"
            )
        if any(around is first for around in place.around):
            message = f"the step lies in {shown!r}, which ends only after it"
            return _Wrong("cyclic_dependency", message, "leave it out: it begins after that by itself")
        if any(around.id == place.id for around in first.around):
            message = f"{shown!r} lies in this step, and begins only after it"
            return _Wrong("cyclic_dependency", message, "leave it out: this ends after that by itself")
        if first.in_finally and not place.in_finally:
            message = f"{shown!r} is a step of 'finally', which begins after all others"
            return _Wrong("finally_dependency", message, "move this step to 'finally', or leave it out")
        if place.in_finally and not first.in_finally:
            message = f"{shown!r} is no step of 'finally', and has ended when that begins"
            return _Wrong("finally_dependency", message, "leave it out: it comes before by itself")
        return None

    def _choice_problems(self, place: Place, speller: Speller) -> Iterator[Problem]:
        seen: set[Path] = set()
        for at, name in _chosen(place):
            path = (*place.path, *at)
            if name not in self.by_id:
                yield self.no_step(path, name, speller)
            elif wrong := self._may_choose(place, name):
                yield wrong.at(path)
            elif (*at[:-1], name) in seen:
                yield _twice(path, name)
            seen.add((*at[:-1], name))

    def _may_choose(self, place: Place, name: str) -> "_Wrong | None":
        other = self.by_id.get(name)
        if name == place.id:
            return _Wrong("cyclic_dependency", "a condition cannot choose itself", "leave it out")
        if other is None or other.beside != place.beside:
            message = f"{name[:80]!r} stands in another list than this condition"
            around = other.around if other else ()
            beside = next((each.id for each in around if each.beside == place.beside), None)
            return _Wrong("not_beside", message, beside and f"choose {beside[:80]!r}, in which it lies")
        return None

    def _circles(self) -> Iterator[Problem]:
        for group in self._groups:
            found = graph.cycle(self._needs, group)
            if not found:
                continue
            names = [name.removeprefix(_START) for name in found]
            names = [name for at, name in enumerate(names) if at == 0 or name != names[at - 1]]
            shown = names if len(names) <= 12 else [*names[:6], "…", *names[-5:]]
            place = self.by_id[names[0]]
            yield Problem(
                pointer=pointer(*place.path, *(["depends_on"] if "depends_on" in place.step else [])),
                code="cyclic_dependency",
                message=f"these wait for each other: {' → '.join(shown)}"[:1_000],
                suggestion="leave one of these dependencies out",
            )


class _Wrong(NamedTuple):
    """What is wrong with the name of a step where it stands."""

    code: str
    message: str
    suggestion: str | None

    def at(self, path: Path) -> Problem:
        return Problem(
            pointer=pointer(*path), code=self.code, message=self.message, suggestion=self.suggestion
        )


def _twice(path: Path, name: str) -> Problem:
    message = f"{name[:80]!r} is listed twice"
    return _Wrong("duplicate_dependency", message, "leave it out").at(path)


def _chosen(place: Place) -> Iterator[tuple[Path, str]]:
    """Give each step that a condition names, and where it does, from the condition on."""
    if place.kind != "condition" or place.is_item:
        return
    cases = place.step.get("cases")
    for index, case in enumerate(cases if isinstance(cases, list) else []):
        if isinstance(case, dict):
            yield from _texts(case, "then", ("cases", index))
    yield from _texts(place.step, "default", ())


def _listed(place: Place, field: str) -> Iterator[tuple[Path, str]]:
    return _texts(place.step, field, ())


def _texts(given: Mapping[str, object], field: str, at: Path) -> Iterator[tuple[Path, str]]:
    listed = given.get(field)
    for index, name in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(name, str):
            yield (*at, field, index), name
