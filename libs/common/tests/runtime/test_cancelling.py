import asyncio

from filemill_common.cancelling import cancel


async def deaf(times: int) -> None:
    """Lose some cancellations, as ``asyncio.wait_for`` may, and go on."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


class TestCancelling:
    async def test_ends_what_lost_the_first_request(self) -> None:
        task = asyncio.create_task(deaf(1))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await cancel(task)
        assert task.cancelled()

    async def test_leaves_an_error_to_whoever_asks(self) -> None:
        async def fails() -> None:
            raise ValueError("no")

        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        await cancel(task)
        assert isinstance(task.exception(), ValueError)

    async def test_of_nothing_is_done_at_once(self) -> None:
        await cancel()
