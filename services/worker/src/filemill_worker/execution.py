"""Carrying out one taking of an attempt, whatever goes wrong, to a report of its end."""

import asyncio
import errno
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import BaseModel, ValidationError

from filemill_common.errors import FilemillError
from filemill_common.events import AttemptFailed, AttemptSucceeded, JsonObject, StoredFile, TaskReady
from filemill_common.metrics import type_label
from filemill_common.storage import ObjectMissingError
from filemill_common.task_types import TASK_TYPES, ProbeOptions, TaskType, resolve_options
from filemill_common.telemetry import failed, span
from filemill_worker.core.attempts import Take, check_output
from filemill_worker.errors import ProcessingError
from filemill_worker.metrics import Metrics
from filemill_worker.processors import Job, Product, Report

_log = structlog.get_logger(__name__)


class Processors(Protocol):
    """What can be done."""

    async def run(self, job: Job, report: Report, /) -> Product:
        """Do a job; cancelling ends it and leaves nothing running."""
        ...


class Objects(Protocol):
    """Where the inputs lie and the outputs go."""

    def local_path(self, name: str, /) -> Path:
        """Give a place on this machine where an object can be read."""
        ...

    async def adopt(self, name: str, path: Path, /) -> StoredFile:
        """Store a local file under a new name; the file is moved."""
        ...


class Executor:
    """Carries out attempts.

    Args:
        processors: What can be done.
        storage: Where the inputs lie and the outputs go.
        scratch: Folder for a folder of each execution, which is removed with it.
        metrics: What is counted.
    """

    def __init__(self, processors: Processors, storage: Objects, scratch: Path, metrics: Metrics) -> None:
        self._processors = processors
        self._storage = storage
        self._scratch = scratch
        self._metrics = metrics

    async def run(self, take: Take, report: Report) -> AttemptSucceeded | AttemptFailed:
        """Carry out an attempt; cancelling it ends the processing and leaves nothing behind.

        Args:
            take: Which one.
            report: Is told how far it is.

        Returns:
            How it ended.
        """
        clock = asyncio.get_running_loop().time
        name = f"run {type_label(take.ready.task_type)}"
        with span(name, {"filemill.task.id": take.ready.task_id, "filemill.attempt": take.ready.attempt}):
            try:
                output, file = await self._process(take, report)
            except FilemillError as error:
                failure = error
            except Exception as error:  # noqa: BLE001 - whatever it is, the attempt ends with a report
                _log.error("an attempt failed as nobody foresaw", exc_info=error)
                failure = _unexpected(error)
            else:
                return take.succeeded(output, file, take.ended_at(clock()))
            failed(failure.code)
        return take.failed(failure.code, str(failure), take.ended_at(clock()), retryable=failure.retryable)

    async def _process(self, take: Take, report: Report) -> tuple[JsonObject, StoredFile | None]:
        ready = take.ready
        task_type = TASK_TYPES.get(ready.task_type)
        if task_type is None:
            raise ProcessingError("unknown_task_type", f"there is no task type {ready.task_type!r}")
        options = _options(task_type, ready)
        source = await self._input(ready)
        async with self._folder(take, task_type) as folder:
            job = Job(ready.task_id, ready.attempt, ready.task_type, options, source, folder)
            clock = asyncio.get_running_loop().time
            began = clock()
            made = await self._within_time(job, report, seconds=ready.timeout)
            seconds = clock() - began
            output = {**made.output, **_facts(options, ready.input)}
            check_output(output)
            stored = await self._store(take, made)
            self._metrics.processed(ready.task_type, seconds=seconds, source=ready.input, made=stored)
            return output, stored

    async def _input(self, ready: TaskReady) -> Path | None:
        if ready.input is None:
            return None
        try:
            return await asyncio.to_thread(self._storage.local_path, ready.input.object)
        except ObjectMissingError as error:
            name = ready.input.path or ready.input.object
            raise ProcessingError("input_not_found", f"there is no file {name!r} any more") from error

    async def _within_time(self, job: Job, report: Report, *, seconds: float | None) -> Product:
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                return await self._processors.run(job, report)
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise ProcessingError("timeout", f"it was not done in {seconds:g} s", retryable=True) from error

    async def _store(self, take: Take, made: Product) -> StoredFile | None:
        if made.file is None:
            return None
        name = f"objects/tasks/{take.ready.task_id}/{take.ready.attempt}-{take.execution}{made.file.suffix}"
        stored = await self._storage.adopt(name, made.file)
        return stored.model_copy(update={"content_type": made.content_type or stored.content_type})

    @asynccontextmanager
    async def _folder(self, take: Take, task_type: TaskType) -> AsyncIterator[Path]:
        """Make the folder of an execution; a type that neither reads nor writes files is spared it."""
        folder = self._scratch / take.execution
        if not (task_type.needs_input or task_type.produces_file):
            yield folder
            return
        await asyncio.to_thread(folder.mkdir)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, onerror=_left_behind)


def _options(task_type: TaskType, ready: TaskReady) -> BaseModel:
    try:
        return resolve_options(task_type, ready.options, ready.output_file)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'options'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        raise ProcessingError("invalid_options", f"{task_type.name} cannot be done so: {problems}") from error


def _facts(options: BaseModel, source: StoredFile | None) -> JsonObject:
    """Say what the storage knows of a file that is described."""
    if source is None or not isinstance(options, ProbeOptions):
        return {}
    return {
        "path": source.path,
        "digest": source.digest,
        "size": source.size,
        "content_type": source.content_type,
    }


def _unexpected(error: Exception) -> ProcessingError:
    """Say what is known of an error that nobody foresaw; a user is shown no more than its name."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ProcessingError("storage_full", f"the disk is full: {error.strerror}", retryable=True)
    return ProcessingError("internal", f"unexpected {type(error).__name__} in the worker", retryable=True)


def _left_behind(
    _function: object, path: str, info: tuple[type[BaseException], BaseException, object]
) -> None:
    """Say what could not be removed: it costs room, but no attempt fails for it."""
    _log.error("could not remove what an execution left", path=path, exc_info=info[1])
