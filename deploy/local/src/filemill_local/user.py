"""What a user of a stack does, in short words, for tests and benchmarks."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import httpx

from filemill_local.stack import Stack

Json = dict[str, Any]

FINAL: Final = frozenset({"completed", "failed", "cancelled", "skipped"})


class User:
    """Somebody who uses a stack over HTTP, and waits for what comes of it.

    Args:
        stack: A stack that is up.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = httpx.Client(base_url=stack.plan.address("gateway"), timeout=30)

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.http.close()

    def upload(self, path: str, content: bytes) -> Json:
        """Put a file into the storage."""
        return self._answer(self.http.put(f"/v1/files/{path}", content=content), 201)

    def download(self, path: str) -> bytes:
        """Get a file out of the storage."""
        return self.http.get(f"/v1/files/{path}").raise_for_status().content

    def task(self, type_: str, **asked: object) -> str:
        """Create a task; give its id."""
        return str(self._answer(self.http.post("/v1/tasks", json={"type": type_, **asked}), 202)["id"])

    def workflow(self, definition: Json, value: Json | None = None, *, key: str | None = None) -> str:
        """Start a workflow; give its id."""
        headers = {"Idempotency-Key": key} if key else {}
        body = {"definition": definition, "input": value or {}}
        return str(self._answer(self.http.post("/v1/workflows", json=body, headers=headers), 202)["id"])

    def get_task(self, task_id: str) -> Json:
        """Look at a task."""
        return self._answer(self.http.get(f"/v1/tasks/{task_id}"), 200)

    def get_workflow(self, workflow_id: str) -> Json:
        """Look at a workflow."""
        return self._answer(self.http.get(f"/v1/workflows/{workflow_id}"), 200)

    def ended_task(self, task_id: str, *, within: float = 60) -> Json:
        """Wait until a task has ended; give it."""
        return self._ended(lambda: self.get_task(task_id), within)

    def ended_workflow(self, workflow_id: str, *, within: float = 60) -> Json:
        """Wait until a workflow has ended; give it."""
        return self._ended(lambda: self.get_workflow(workflow_id), within)

    def messages(self, to: str, *, within: float = 20) -> list[Json]:
        """Wait for mail to an address; give all of it."""

        def found() -> list[Json]:
            caught = httpx.get(f"{self.stack.plan.address('mail')}/messages").raise_for_status().json()
            return [message for message in caught if to in str(message["to"])]

        caught: list[Json] = self.eventually(found, within=within)
        return caught

    def eventually(self, look: Callable[[], Any], *, within: float) -> Any:
        """Look until there is something to be seen; give it.

        Raises:
            TimeoutError: There was nothing ``within`` that many seconds.
        """
        deadline = time.monotonic() + within
        while True:
            try:
                if seen := look():
                    return seen
            except httpx.HTTPError:
                pass  # the gateway may be among what a test kills
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing to be seen in {within:g} s; last: {look()}")
            time.sleep(0.05)

    def _ended(self, look: Callable[[], Json], within: float) -> Json:
        def ended() -> Json | None:
            seen = look()
            return seen if seen["status"] in FINAL else None

        result: Json = self.eventually(ended, within=within)
        return result

    def _answer(self, response: httpx.Response, status: int) -> Json:
        if response.status_code != status:
            raise httpx.HTTPStatusError(
                f"{response.request.method} {response.url}: {response.status_code} {response.text[:2000]}",
                request=response.request,
                response=response,
            )
        answer: Json = response.json()
        return answer


def chain(length: int, *, task: str = "echo", options: Mapping[str, object] | None = None) -> Json:
    """Define a workflow of steps one after the other."""
    steps = [
        {
            "id": f"s{index}",
            "type": "task",
            "task": task,
            "with": dict(options or {}),
            "depends_on": [f"s{index - 1}"] if index else [],
        }
        for index in range(length)
    ]
    return {"name": "chain", "steps": steps}


def fan(width: int) -> Json:
    """Define a workflow of one step, ``width`` that wait for it, and one that waits for all of these."""
    middle = [
        {"id": f"m{index}", "type": "task", "task": "echo", "depends_on": ["first"]} for index in range(width)
    ]
    first = {"id": "first", "type": "task", "task": "echo"}
    last = {"id": "last", "type": "task", "task": "echo", "depends_on": [step["id"] for step in middle]}
    return {"name": "fan", "steps": [first, *middle, last]}
