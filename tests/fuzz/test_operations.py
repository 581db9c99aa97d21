"""Every operation of the API, asked for what nobody foresaw: no failure of ours, and nothing undocumented."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis import Case, CheckFunction, HookContext
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from filemill_gateway.app import create_app
from filemill_local.stack import Stack
from tests.fuzz.door import KNOWN, opened

CASES = int(os.environ.get("FILEMILL_FUZZ_CASES", "20"))
"""Cases for each operation, beside those that its schema suggests by itself."""

NOT_JUDGED: dict[str, list[CheckFunction]] = {
    # What makes sense takes more than a JSON Schema to say, and what is meant is taken where that is clear.
    "*": [positive_data_acceptance, negative_data_rejection],
    # A file's own address, one level up, takes any path, and says why it does not take this one.
    "/v1/files/{path}/metadata": [unsupported_method, allow_header_conformance],
    # What is sent here is meant for many; any other method takes the last word for an id.
    "/v1/parked/redrive": [unsupported_method, allow_header_conformance],
    # The same, for an id of a workflow.
    "/v1/workflows/validate": [unsupported_method, allow_header_conformance],
    "/v1/workflows/schema": [unsupported_method, allow_header_conformance],
}
"""Checks that do not fit, by the path of the operation."""

nobody: Any = None
schema = schemathesis.openapi.from_dict(create_app(nobody).openapi())

keys = st.text(max_size=4) | st.sampled_from(("$where", "$gt", "a.b", "", "__proto__", "${{ input }}"))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)


@schema.hook
def flatmap_path_parameters(_: HookContext, given: Any) -> st.SearchStrategy[Any]:
    """Ask for what is there as often as for what is not."""
    return _or_else(given, {name: st.sampled_from(KNOWN[name]) for name in given or () if name in KNOWN})


@schema.hook
def flatmap_headers(context: HookContext, given: Any) -> st.SearchStrategy[Any]:
    """Ask for ranges of bytes that are some."""
    if _label(context) != "GET /v1/files/{path}":
        return st.just(given)
    numbers = st.integers(0, 1200).map(str) | st.just("")
    ranges = st.builds("bytes={}-{}".format, numbers, numbers)
    return _or_else(given, {"Range": ranges, "If-None-Match": st.sampled_from(("*", '"sha256:0"', ""))})


@schema.hook
def flatmap_body(context: HookContext, given: Any) -> st.SearchStrategy[Any]:
    """Ask for runs and tasks that can be, with values of every kind in them."""
    values = st.dictionaries(keys, json_values, max_size=3)
    task = st.fixed_dictionaries({"type": st.just("echo"), "options": values, "labels": values})
    step = st.fixed_dictionaries({"type": st.just("task"), "task": st.just("echo"), "with": values})
    steps = st.lists(step, min_size=1, max_size=3).map(
        lambda found: [{"id": f"s{index}", **each} for index, each in enumerate(found)]
    )
    run = st.fixed_dictionaries({"name": st.text(min_size=1, max_size=8), "steps": steps})
    wrapped = st.fixed_dictionaries({"definition": run, "input": values})
    match _label(context):
        case "POST /v1/tasks":
            return st.just(given) | task
        case "POST /v1/workflows" | "POST /v1/workflows/validate":
            named = st.fixed_dictionaries({"template": st.sampled_from(KNOWN["name"]), "input": values})
            return st.just(given) | run | wrapped | named
        case "PUT /v1/templates/{name}":
            return st.just(given) | run
        case _:
            return st.just(given)


def _label(context: HookContext) -> str:
    assert context.operation is not None
    return context.operation.label


def _or_else(given: Any, others: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    replaced = st.fixed_dictionaries({}, optional=others).map(lambda found: {**(given or {}), **found})
    return st.just(given) | replaced if others else st.just(given)


@pytest.fixture(scope="module")
def door(mongod: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    address, _, options = mongod.plan.mongo_url.partition("?")
    with opened(f"{address}fuzz?{options}", tmp_path_factory.mktemp("files")) as url:
        yield url


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(scope="module")
def asked() -> Iterator[Counter[int]]:
    """How many answers there were of each status; told at the end."""
    statuses: Counter[int] = Counter()
    began = time.monotonic()
    yield statuses
    seconds = time.monotonic() - began
    sys.stdout.write(f"\n{statuses.total()} cases in {seconds:.0f} s: {dict(sorted(statuses.items()))}\n")


@schema.parametrize()
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_as_it_is_documented(
    case: Case[Any], door: str, session: requests.Session, asked: Counter[int]
) -> None:
    response = case.call(base_url=door, session=session, timeout=20)
    asked[response.status_code] += 1
    case.validate_response(
        response, excluded_checks=NOT_JUDGED["*"] + NOT_JUDGED.get(case.operation.path, [])
    )
