"""A simulation that finds nothing proves nothing: each seeded bug is found, and one that is gone fails."""

from collections.abc import Iterator

import pytest

from filemill_scheduler.core import reports
from tests.simulation.bugs import BUGS
from tests.simulation.seeding import changed, search
from tests.simulation.services import virtual_edges

WITHIN = 150
"""Seeds of a bug's theme in which it must be found."""


@pytest.fixture(autouse=True)
def edges() -> Iterator[None]:
    with virtual_edges():
        yield


class TestASeededBug:
    @pytest.mark.parametrize("name", BUGS)
    def test_is_found(self, name: str) -> None:
        found = search(BUGS[name], within=WITHIN)

        assert found is not None, BUGS[name].says

    def test_is_loud_when_its_place_is_gone(self) -> None:
        with pytest.raises(LookupError), changed(reports, "on_report", "a text of another day", ""):
            pass
        with pytest.raises(AttributeError), changed(reports, "a_function_of_another_day", "", ""):
            pass
