"""Asks for what was planned, until it is acknowledged, and notes each acknowledgement."""

import asyncio
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx

from tests.chaos.journal import Journal
from tests.chaos.load_bus import Bus, event
from tests.chaos.plan_request import CLIP, SINK, Order, Request
from tests.chaos.plan_shapes import TEMPLATES

_AT_ONCE: Final = 40
"""Requests under way; the others wait for their turn."""

_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 4.0
_PATIENCE: Final = 240.0
"""Seconds for which a request is repeated while nobody answers."""

_HOPE: Final = {"retry": 40.0, "rerun": 120.0}
"""Seconds for which a command is repeated that was refused because what it is about has not ended yet."""


class Load:
    """Everybody who asks for something.

    Args:
        doors: Addresses of the gateways.
        bus: For those who do not come through a gateway.
        sink: Address of the receiver of notifications.
        journal: Is told of each acknowledgement.
    """

    def __init__(self, doors: Sequence[str], bus: Bus, *, sink: str, journal: Journal) -> None:
        self._doors = doors
        self._bus = bus
        self._sink = sink
        self._journal = journal
        self._http = httpx.AsyncClient(timeout=20)
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._asked = 0
        self.accepted = 0
        self.given_up = 0

    async def play(self, requests: Sequence[Request]) -> None:
        """Ask for all of it in its time, and give all the orders that follow."""
        async with self._http, asyncio.TaskGroup() as group:
            await self._upload_clip()
            await self._put_templates()
            began = asyncio.get_running_loop().time()
            for request in requests:
                await asyncio.sleep(began + request.at - asyncio.get_running_loop().time())
                group.create_task(self._follow(request))

    async def burst(self, name: str, number: int) -> None:
        """Ask for many small tasks at once, as another system."""
        ids = [f"{name}-{index}" for index in range(number)]
        created = [event("created", each, {"task_id": each, "task": {"type": "echo"}}) for each in ids]
        await self._bus.publish("filemill.intake", [("task.created.echo", each) for each in created])
        for each in ids:
            self._accept("task", each)

    async def _follow(self, request: Request) -> None:
        match request.kind, request.door:
            case "poison", _:
                await self._poison(request)
            case _, "intake":
                await self._tell(request)
            case _, _:
                await self._ask(request)

    async def _ask(self, request: Request) -> None:
        identity = await self._submit(request)
        if identity is None:
            return
        async with asyncio.TaskGroup() as group:
            if request.again is not None and request.key:
                group.create_task(self._later(request.again, request))
            group.create_task(self._give(request.kind, identity, request.orders))

    async def _later(self, seconds: float, request: Request) -> None:
        await asyncio.sleep(seconds)
        await self._submit(request)

    async def _submit(self, request: Request) -> str | None:
        """Submit until it is acknowledged; give the id."""
        response = await self._until_answered(
            "POST",
            f"/v1/{request.kind}s",
            key=request.key,
            json=self._with_sink(request.body),
            params={} if request.start else {"start": "false"},
        )
        if response is None or response.status_code != 202:
            self._refused(request.kind, request.key, response)
            return None
        identity = str(response.json()["id"])
        self._accept(request.kind, identity, key=request.key, start=request.start)
        return identity

    async def _give(self, kind: str, identity: str, orders: Sequence[Order]) -> None:
        for number, order in enumerate(orders):
            await asyncio.sleep(order.after)
            key = f"{order.name}-{number}-{identity}"
            for _ in range(2 if order.twice else 1):
                await self._command(kind, identity, order, key)

    async def _command(self, kind: str, identity: str, order: Order, key: str) -> None:
        path, name = f"/v1/{kind}s/{identity}", order.name
        said = f"signals/{order.signal}" if order.signal else name
        method, path = ("DELETE", path) if name == "delete" else ("POST", f"{path}/{said}")
        # What is not known yet will be; what has not failed or ended yet may.
        is_again = name in _HOPE
        response = await self._until_answered(
            method,
            path,
            key=key if name != "delete" else None,
            waits_for={404, 409} if is_again else {404},
            patience=_HOPE.get(name, _PATIENCE),
            **({} if order.body is None else {"json": order.body}),
        )
        about: dict[str, Any] = {"kind": kind, "id": identity, "command": name, "command_id": key}
        if response is None or response.status_code >= 300:
            self._refused(kind, key, response)
            if response is None or response.status_code == 429 or response.status_code >= 500:
                # An earlier try, whose answer was lost, may have been taken.
                self._journal.write("commanded in vain", **about, body=order.body)
            return
        self._journal.write("commanded", **about, body=order.body, status=response.status_code)

    async def _until_answered(
        self,
        method: str,
        path: str,
        *,
        key: str | None,
        waits_for: Collection[int] = (),
        patience: float = _PATIENCE,
        **more: Any,
    ) -> httpx.Response | None:
        """Repeat a request until somebody answers it; None if nobody does."""
        headers = {"Idempotency-Key": key} if key else {}
        deadline = asyncio.get_running_loop().time() + patience
        response: httpx.Response | None = None
        pause = _PAUSE
        while asyncio.get_running_loop().time() < deadline:
            self._asked += 1
            door = self._doors[self._asked % len(self._doors)]
            pause = min(_LONGEST_PAUSE, pause * 2)
            try:
                async with self._room:
                    response = await self._http.request(method, f"{door}{path}", headers=headers, **more)
            except httpx.TransportError:
                await asyncio.sleep(pause)
                continue
            if response.status_code < 500 and response.status_code not in {429, *waits_for}:
                return response
            await asyncio.sleep(max(pause, float(response.headers.get("retry-after", 0))))
        return response

    async def _tell(self, request: Request) -> None:
        """Send an event as another system does, with the commands that came before it."""
        identity, kind, body = str(request.key), request.kind, self._with_sink(request.body)
        named = {f"{kind}_id": identity}
        asked = {"task": body} if kind == "task" else body
        created = event("created", identity, named | asked, kind=kind)
        about = (f"task.created.{body['type']}" if kind == "task" else "workflow.created", created)
        orders = [
            (f"{kind}.command", event(f"command.{order.name}", identity, named | _told(order), kind=kind))
            for order in request.orders
        ]
        await self._bus.publish("filemill.intake", [*orders, about])
        self._accept(kind, identity)
        for order in request.orders:
            told = {"command": order.name, "command_id": order.name, "body": order.body}
            self._journal.write("commanded", kind=kind, id=identity, **told, status=202)
        if request.again is not None:
            await asyncio.sleep(request.again)
            await self._bus.publish("filemill.intake", [about])

    async def _poison(self, request: Request) -> None:
        self._journal.write("planted", message_id=request.key)
        poison = (request.body["routing_key"], b"no event")
        await self._bus.publish(request.body["exchange"], [poison], message_id=request.key)

    async def _upload_clip(self) -> None:
        clip = await asyncio.to_thread(_clip)
        response = await self._until_answered("PUT", f"/v1/files/{CLIP}", key=None, content=clip)
        if response is None or response.status_code != 201:
            raise RuntimeError(f"the clip was not taken: {response}")

    async def _put_templates(self) -> None:
        for name, template in TEMPLATES.items():
            response = await self._until_answered("PUT", f"/v1/templates/{name}", key=None, json=template)
            if response is None or response.status_code not in {200, 201}:
                raise RuntimeError(f"the template {name} was not taken: {response and response.text}")

    def _accept(self, kind: str, identity: str, *, key: str | None = None, start: bool = True) -> None:
        self.accepted += 1
        self._journal.write("accepted", kind=kind, id=identity, key=key, start=start)

    def _refused(self, kind: str, key: str | None, response: httpx.Response | None) -> None:
        self.given_up += response is None or response.status_code >= 500
        said = response.text[:500] if response is not None else "nobody answered"
        self._journal.write("refused", kind=kind, key=key, said=said)

    def _with_sink(self, body: Any) -> Any:
        """Put the receiver's address where its name stands."""
        match body:
            case dict():
                return {name: self._with_sink(value) for name, value in body.items()}
            case list():
                return [self._with_sink(each) for each in body]
            case _:
                return self._sink if body == SINK else body


def _told(order: Order) -> dict[str, Any]:
    """Say a command in the words of an event."""
    arguments = {"name": order.signal, "payload": order.body} if order.signal else order.body or {}
    return {"command": order.name, **({"arguments": arguments} if arguments else {})}


def _clip() -> bytes:
    """Make a video of a second."""
    with TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        made = ["-f", "lavfi", "-i", "testsrc2=s=160x90:d=1:r=10", "-c:v", "libx264", "-preset", "ultrafast"]
        subprocess.run(["ffmpeg", "-v", "error", *made, str(clip)], check=True)
        return clip.read_bytes()
