"""Which language a page speaks."""

import pytest

from filemill_gateway.core.tongues import tongue_of


@pytest.mark.parametrize(
    ("accepted", "tongue"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("de,zh;q=0.5", "zh"),
        ("en;q=0.2, ZH-tw ; q=0.3", "zh"),
        ("fr", "en"),
        ("zh;q=0", "en"),
        (";;,q=,zh;q=x,\x00" * 500, "en"),
    ],
)
def test_the_browser_asks_for_one(accepted: str | None, tongue: str) -> None:
    assert tongue_of(None, accepted) == tongue


def test_what_was_chosen_counts_more() -> None:
    assert tongue_of("en", "zh") == "en"
    assert tongue_of("xx", "zh") == "zh"
