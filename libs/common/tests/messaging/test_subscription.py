import asyncio
from typing import Any

import pytest

from filemill_common.events import AttemptRevoked, Event
from filemill_common.health import Health
from filemill_common.messaging import Bus
from filemill_common.messaging.topology import WORK


def revoked(task: str, *, worker: str | None = None) -> AttemptRevoked:
    return AttemptRevoked(task_id=task, attempt=1, worker=worker)


@pytest.fixture
def heard() -> list[str]:
    return []


class TestASubscription:
    async def test_hears_what_is_published_from_then_on(self, bus: Bus, heard: list[str], until: Any) -> None:
        await bus.publish([revoked("before", worker="w1")])
        await bus.subscribe(WORK, ["control.w1", "control.all"], into(heard))
        await bus.publish([revoked("1", worker="w1"), revoked("2", worker="w2"), revoked("3")])

        await until(lambda: heard == ["1", "3"])

    async def test_hears_in_order_one_at_a_time(self, bus: Bus, heard: list[str], until: Any) -> None:
        async def slowly(event: Event) -> None:
            await asyncio.sleep(0.01 if event.subject == "0" else 0)
            heard.append(event.subject)

        await bus.subscribe(WORK, ["control.all"], slowly)
        for number in range(5):
            await bus.publish([revoked(str(number))])

        await until(lambda: heard == ["0", "1", "2", "3", "4"])

    async def test_hears_on_after_a_handler_failed(self, bus: Bus, heard: list[str], until: Any) -> None:
        async def choke(event: Event) -> None:
            heard.append(event.subject)
            raise ValueError("cannot swallow this")

        await bus.subscribe(WORK, ["control.all"], choke)
        await bus.publish([revoked("1"), revoked("2")])

        await until(lambda: heard == ["1", "2"])

    async def test_hears_again_once_a_lost_line_is_back(
        self, wired: Bus, wire: Any, heard: list[str], until: Any, health: Health
    ) -> None:
        subscription = await wired.subscribe(WORK, ["control.all"], into(heard))
        await wire.cut()
        await until(lambda: not subscription.listening.is_set())
        await subscription.listening.wait()
        await wired.publish([revoked("1")])

        await until(lambda: heard == ["1"])

    async def test_forgets_the_oldest_when_it_is_bounded(self, bus: Bus, until: Any) -> None:
        heard: list[str] = []
        subscription = await bus.subscribe(WORK, ["control.all"], into(heard), max_length=2)

        assert subscription._arguments == {"x-max-length": 2, "x-overflow": "drop-head"}

    async def test_that_stopped_hears_nothing(self, bus: Bus, heard: list[str]) -> None:
        subscription = await bus.subscribe(WORK, ["control.all"], into(heard))
        await subscription.stop()
        await bus.publish([revoked("1")])
        await asyncio.sleep(0.1)

        assert heard == []


def into(heard: list[str]) -> Any:
    async def handle(event: Event) -> None:
        heard.append(event.subject)

    return handle
