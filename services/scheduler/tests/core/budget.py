"""How many examples each property has had, and for how long it may look for more."""

import os
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "usual")
SECONDS = float(os.environ.get("FILEMILL_PROPERTY_SECONDS", "inf"))
EXAMPLES = settings(settings.get_profile(PROFILE))
COUNTS: Counter[str] = Counter()

_began: dict[str, float] = {}
_failed: set[str] = set()

Property = Callable[[Any, st.DataObject], None]


def bounded(test: Property) -> Property:
    """Count the examples of a property, and end it when its time is over, unless it has to be explained."""

    @wraps(test)
    def once(self: Any, data: st.DataObject) -> None:
        name = test.__name__
        began = _began.setdefault(name, time.monotonic())
        COUNTS[name] += 1
        try:
            test(self, data)
        except Exception:
            _failed.add(name)
            raise
        if time.monotonic() - began > SECONDS and name not in _failed:
            pytest.skip(f"holds for {COUNTS[name]:,} examples, and its time is over")

    return once
