"""Cursors say where a list goes on, and nothing that was made up is taken for one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filemill_gateway.core.cursors import Cursor, read_cursor, write_cursor
from filemill_gateway.core.invalid import InvalidRequestError

moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


class TestACursor:
    @given(moments, st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
    def test_comes_back_as_it_was(self, at: datetime, of: str) -> None:
        assert read_cursor(write_cursor(Cursor(at, of))) == Cursor(at, of)

    @given(st.text(max_size=40))
    def test_that_was_made_up_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidRequestError):
            read_cursor(text)

    @pytest.mark.parametrize("text", ["W10", "WzEsMl0", "WzFlOTk5LCJhIl0", "Wzk5OTk5OTk5OTk5OTk5OTk5LCJhIl0"])
    def test_of_other_values_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidRequestError):
            read_cursor(text)
