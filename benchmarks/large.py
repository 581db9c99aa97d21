"""A run of 10,000 steps, the last of which waits for 9,998: how long it takes, and its largest document."""

import time
from functools import partial
from typing import Any

from bson import encode
from pymongo import MongoClient

from filemill_local.stack import Stack
from filemill_local.user import User, chain, fan


def main() -> None:
    """Print a line each for a run of 100 steps and one of 10,000, then the largest documents."""
    with Stack.temporary() as stack, User(stack) as user:
        user.ended_workflow(user.workflow(chain(2)))
        for width in (98, 9_998):
            began = time.monotonic()
            run = user.workflow(fan(width))
            accepted = time.monotonic() - began
            status = user.eventually(partial(_ended, user, run), within=600)
            took = time.monotonic() - began
            steps = width + 2
            print(
                f"{steps:>6,} steps: accepted after {accepted:.2f} s, {status} after {took:.1f} s, "
                f"{steps / took:.0f} steps/s"
            )
        with MongoClient[dict[str, Any]](stack.plan.mongo_url) as client:
            for name in ("workflows", "tasks"):
                largest = max(len(encode(each)) for each in client["filemill"][name].find({}))
                print(f"largest document in {name}: {largest / 1e6:.2f} MB, of 16 MB")


def _ended(user: User, run: str) -> str | None:
    """Look at the list, which does not read all steps."""
    found = {each["id"]: each["status"] for each in user.http.get("/v1/workflows?limit=5").json()["items"]}
    return found[run] if found[run] in {"completed", "failed"} else None
