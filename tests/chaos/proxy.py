"""Links that can be cut, silenced and slowed down: a TCP proxy in front of a server, one for each program.

It runs in a process of its own (``python -m tests.chaos.proxy``), so that nothing slows it but what should.
"""

import asyncio
import json
import socket
import struct
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final, Literal, Self

Mood = Literal["cut", "silence", "delay", "heal"]

_CHUNK: Final = 1 << 16
_SLOW: Final = 1.5
"""Seconds that a piece may take on a slow line."""

_ROOT: Final = Path(__file__).parents[2]


class Link:
    """One program's line to one server.

    Args:
        name: Such as ``worker rabbitmq``.
        port: Where it listens, on loopback.
        target: The server's port.
        seed: Of how long a slow line takes.
    """

    def __init__(self, name: str, *, port: int, target: int, seed: object = 0) -> None:
        self.name = name
        self.port = port
        self._target = target
        self._luck = Random(f"{seed} {name}")
        self._is_cut = False
        self._delay = 0.0
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._lines: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen until the block ends."""
        calls: set[asyncio.Task[None]] = set()

        def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            call = asyncio.create_task(self._serve(reader, writer))
            calls.add(call)
            call.add_done_callback(calls.discard)

        server = await asyncio.start_server(take, "127.0.0.1", self.port)
        try:
            yield
        finally:
            self.heal()
            server.close()
            self._end_all()
            await asyncio.gather(server.wait_closed(), *calls)

    def be(self, mood: Mood) -> None:
        """Change."""
        match mood:
            case "cut":
                self.cut()
            case "silence":
                self.silence()
            case "delay":
                self.slow(_SLOW)
            case "heal":
                self.heal()

    def cut(self) -> None:
        """End all connections, and refuse others."""
        self._is_cut = True
        self._end_all()

    def silence(self) -> None:
        """Let nothing pass, while connections stand: what was said arrives later."""
        self._speaks.clear()

    def slow(self, seconds: float) -> None:
        """Let each piece of what is said take up to so long."""
        self._delay = seconds

    def heal(self) -> None:
        """Be a good line again."""
        self._is_cut = False
        self._delay = 0.0
        self._speaks.set()

    def _end_all(self) -> None:
        for line in self._lines:
            if not line.is_closing():
                _reset(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            _reset(writer)
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        self._lines |= {writer, back}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, back))
                group.create_task(self._pass_on(there, writer))
        finally:
            self._lines -= {writer, back}

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while said := await source.read(_CHUNK):
                if self._delay:
                    await asyncio.sleep(self._luck.uniform(0, self._delay))
                await self._speaks.wait()
                target.write(said)
                await target.drain()
        target.close()


def _reset(line: asyncio.StreamWriter) -> None:
    """End a connection at once, and let the other side know by a reset."""
    at_once = struct.pack("ii", 1, 0)
    line.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    line.transport.abort()


class Links:
    """The links of another process.

    Args:
        process: Serves them, and obeys what is written to it.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def opened(cls, links: Mapping[str, tuple[int, int]], *, seed: int) -> AsyncIterator[Self]:
        """Open links until the block ends.

        Args:
            links: Where each listens, and the port of its server, by its name.
            seed: Of how long slow lines take.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.chaos.proxy",
            json.dumps({"seed": seed, "links": links}),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        await process.stdout.readline()
        try:
            yield cls(process)
        finally:
            process.stdin.close()
            await process.wait()

    def be(self, name: str, mood: Mood) -> None:
        """Change a link."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, mood]).encode() + b"\n")


async def main(wanted: str) -> None:
    """Serve links, and obey what is said on standard input, until it ends."""
    asked = json.loads(wanted)
    links = {
        name: Link(name, port=port, target=target, seed=asked["seed"])
        for name, (port, target) in asked["links"].items()
    }
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    async with AsyncExitStack() as opened:
        for link in links.values():
            await opened.enter_async_context(link.open())
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while order := await orders.readline():
            name, mood = json.loads(order)
            links[name].be(mood)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
