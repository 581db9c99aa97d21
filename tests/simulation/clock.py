"""Virtual time: an event loop that never waits, and whose order is the same in every run."""

import asyncio
import itertools
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)


class StalledError(Exception):
    """Nothing is left that could ever happen."""


class _Task(asyncio.Task[Any]):
    """A task that sets keep in an order of its own, so that no address in memory decides anything."""

    def __init__(self, work: Coroutine[Any, Any, Any], number: int, **given: Any) -> None:
        self._number = number
        super().__init__(work, **given)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """Goes to the next moment at which something is due, at once."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self
        self._numbers = itertools.count(1)
        self._living: dict[asyncio.Task[Any], None] = {}
        self.set_task_factory(cast("Any", self._task))
        self.set_exception_handler(lambda _, __: None)  # services see to their own errors; rules to the rest

    def time(self) -> float:
        return self._now

    def moment(self) -> datetime:
        """Tell the time as a date, to the millisecond."""
        return BEGIN + timedelta(milliseconds=int(self._now * 1000))

    def select(self, timeout: float | None) -> list[Any]:
        """Let time pass; there is nobody outside to hear from."""
        if timeout is None:
            raise StalledError
        self._now += timeout
        return []

    def _process_events(self, events: list[Any]) -> None:
        """There are none."""

    def _task(
        self, _: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **given: Any
    ) -> asyncio.Task[Any]:
        task = _Task(work, next(self._numbers), loop=self, **given)
        # What a dead process was about to do is kept until the end, when it is ended in order.
        self._living[task] = None
        task.add_done_callback(self._living.pop)
        return task

    def end(self) -> None:
        """End all that is left, and this loop."""
        while self._living:
            left = list(self._living)
            for task in left:
                task.cancel()
            self.run_until_complete(asyncio.wait(left))
        self.close()
