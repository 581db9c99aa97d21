"""What a line does to what is said over it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from filemill_local import ports
from tests.chaos.proxy import Link, Links

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A line to somebody who says everything back."""
    settled = ports.choose(("here", "there"))

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while said := await reader.read(1000):
            writer.write(said)
        writer.close()

    line = Link("a b", port=settled["here"], target=settled["there"])
    server = await asyncio.start_server(echo, "127.0.0.1", settled["there"])
    async with server, line.open():
        yield line


async def dial(link: Link) -> Line:
    return await asyncio.open_connection("127.0.0.1", link.port)


async def say(line: Line, words: bytes, *, within: float = 5) -> bytes:
    line[1].write(words)
    async with asyncio.timeout(within):
        return await line[0].read(1000)


async def hang_up(line: Line) -> None:
    line[1].close()
    await asyncio.gather(line[1].wait_closed(), return_exceptions=True)


class TestALine:
    async def test_passes_on_what_is_said(self, link: Link) -> None:
        line = await dial(link)

        assert await say(line, b"hello") == b"hello"
        await hang_up(line)

    async def test_that_is_cut_ends_its_connections_and_takes_no_others_until_it_heals(
        self, link: Link
    ) -> None:
        line = await dial(link)
        await say(line, b"hello")

        link.cut()

        with pytest.raises(ConnectionError):
            await line[0].read(1000)
        another = await dial(link)
        with pytest.raises(ConnectionError):
            await another[0].read(1000)
        link.heal()
        healed = await dial(link)
        assert await say(healed, b"again") == b"again"
        for each in (line, another, healed):
            await hang_up(each)

    async def test_that_is_silent_says_later_what_was_said_meanwhile(self, link: Link) -> None:
        line = await dial(link)
        link.silence()

        with pytest.raises(TimeoutError):
            await say(line, b"now", within=0.2)
        link.heal()

        assert await say(line, b"") == b"now"
        await hang_up(line)

    async def test_that_is_slow_keeps_the_order(self, link: Link) -> None:
        line = await dial(link)
        link.slow(0.2)

        said = [await say(line, bytes([letter])) for letter in b"abc"]

        assert said == [b"a", b"b", b"c"]
        await hang_up(line)


async def test_lines_of_another_process_obey(link: Link) -> None:
    [port] = ports.choose(("outer",)).values()

    async with Links.opened({"outer": (port, link.port)}, seed=1) as links:
        first = await asyncio.open_connection("127.0.0.1", port)
        assert await say(first, b"hello") == b"hello"
        links.be("outer", "cut")
        with pytest.raises(ConnectionError):
            await first[0].read(1000)
        links.be("outer", "heal")
        while True:
            second = await asyncio.open_connection("127.0.0.1", port)
            with suppress(ConnectionError):
                assert await say(second, b"again") == b"again"
                break
            await hang_up(second)
        await hang_up(second)
    await hang_up(first)
