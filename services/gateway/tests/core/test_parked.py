"""What a stranger sent, shown so that nothing in it can do harm."""

import json
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from filemill_gateway.core.parked import SHOWN, base64_of, json_of, text_of


class TestABody:
    def test_is_text_where_it_is_utf8(self) -> None:
        assert text_of('{"name": "山\x00\x1b"}'.encode()) == '{"name": "山\x00\x1b"}'
        assert text_of(b"") == ""

    def test_is_base64_where_it_is_not(self) -> None:
        assert text_of(b"\xff\x00") is None
        assert text_of("山".encode()[:-1]) is None
        assert base64_of(b"\xff\x00") == "/wA="

    def test_is_cut_between_characters(self) -> None:
        for shift in range(3):
            text = text_of(b"a" * shift + "山".encode() * SHOWN)
            assert text is not None
            assert set(text) <= {"a", "山"}
            assert SHOWN - 3 <= len(text.encode()) <= SHOWN

    def test_that_is_cut_and_no_text_is_base64(self) -> None:
        assert text_of(b"\xff" * (SHOWN + 10)) is None
        assert len(base64_of(b"\xff" * (SHOWN + 10))) == -(-SHOWN // 3) * 4


class TestHeaders:
    def test_become_json(self) -> None:
        headers = {
            "text": "a\x00",
            "bytes": b"\xffa",
            "time": datetime(2026, 11, 5, 10, tzinfo=UTC),
            "exact": Decimal("1.50"),
            "nested": {"list": [1, None, True, {"x": 0.5}]},
            "infinite": float("inf"),
        }

        assert json_of(headers) == {
            "text": "a\x00",
            "bytes": "\\xffa",
            "time": "2026-11-05T10:00:00.000Z",
            "exact": "1.50",
            "nested": {"list": [1, None, True, {"x": 0.5}]},
            "infinite": "inf",
        }

    def test_end_at_some_depth(self) -> None:
        deep: object = "end"
        for _ in range(500):
            deep = [deep]

        assert len(json.dumps(json_of({"deep": deep}))) < 100

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.binary()
            | st.datetimes()
            | st.decimals(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    )
    def test_of_any_kind_can_be_written(self, value: object) -> None:
        json.dumps(json_of({"any": value}), allow_nan=False)
