"""Links that can be cut, silenced and slowed down: a TCP proxy in front of a server, one for each program."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final

_CHUNK: Final = 1 << 16


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
