"""How an attempt ends, whatever goes wrong in it."""

import errno
import hashlib
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from filemill_common.events import AttemptFailed, AttemptSucceeded, StoredFile
from filemill_worker.processors import ProcessingError, Product
from filemill_worker.testing.attempts import AttemptBench, ready

CONVERT: dict[str, Any] = {"task_type": "video_convert", "options": {"format": "webm"}}
MISSING = StoredFile(object="objects/uploads/none", size=1, digest="sha256:0", path="a.mp4")


async def failure(bench: AttemptBench, **fields: Any) -> tuple[str, bool, str]:
    """Carry out an attempt that fails; give its code, hope and message."""
    await bench.take(ready(**fields))
    [report] = bench.broker.events
    assert isinstance(report, AttemptFailed)
    return report.code, report.retryable, report.message


class TestFailure:
    async def test_what_a_processor_says_is_told(self, bench: AttemptBench) -> None:
        bench.hands.make("t", ProcessingError("corrupt_input", "It is broken."))

        assert await failure(bench) == ("corrupt_input", False, "It is broken.")

    async def test_an_unknown_type_is_not_tried_again(self, bench: AttemptBench) -> None:
        assert await failure(bench, task_type="teleport") == (
            "unknown_task_type",
            False,
            "there is no task type 'teleport'",
        )

    async def test_options_that_do_not_fit_are_named(self, bench: AttemptBench) -> None:
        code, retryable, message = await failure(bench, task_type="sleep", options={"seconds": -1, "a": 1})

        assert (code, retryable) == ("invalid_options", False)
        assert message == (
            "sleep cannot be done so: seconds: Input should be greater than or equal to 0; "
            "a: Extra inputs are not permitted"
        )

    async def test_an_input_that_is_gone_is_not_looked_for_again(self, bench: AttemptBench) -> None:
        assert await failure(bench, input=MISSING, **CONVERT) == (
            "input_not_found",
            False,
            "there is no file 'a.mp4' any more",
        )

    async def test_one_that_takes_too_long_is_stopped(self, bench: AttemptBench) -> None:
        assert await failure(bench, timeout=0.02) == ("timeout", True, "it was not done in 0.02 s")
        assert bench.hands.killed == ["t"]

    async def test_a_timeout_inside_a_processor_is_none_of_the_attempt(self, bench: AttemptBench) -> None:
        bench.hands.make("t", TimeoutError())

        assert await failure(bench, timeout=5) == ("internal", True, "unexpected TimeoutError in the worker")

    async def test_an_output_that_is_too_large_is_refused(self, bench: AttemptBench) -> None:
        bench.hands.make("t", Product({"a": "x" * 70_000}))

        code, retryable, _ = await failure(bench)
        assert (code, retryable) == ("output_too_large", False)

    async def test_a_full_disk_may_have_room_later(self, bench: AttemptBench) -> None:
        bench.hands.make("t", OSError(errno.ENOSPC, "No space left on device"))

        assert await failure(bench) == ("storage_full", True, "the disk is full: No space left on device")

    async def test_what_nobody_foresaw_is_logged_whole_and_told_by_name(self, bench: AttemptBench) -> None:
        error = ValueError("/a/path/of/this/machine")
        bench.hands.make("t", error)

        with capture_logs() as logged:
            assert await failure(bench) == ("internal", True, "unexpected ValueError in the worker")

        assert error in [line.get("exc_info") for line in logged]


class TestFiles:
    async def test_a_result_is_stored_under_a_name_of_its_execution(self, bench: AttemptBench) -> None:
        taken = bench.take(ready(attempt=2, input=await bench.file(b"in"), **CONVERT))
        await bench.broker.until("began t")
        made = bench.hands.jobs["t"].scratch / "output.webm"
        made.write_bytes(b"result")
        bench.hands.make("t", Product({"format": "webm"}, made, "video/webm"))
        await taken

        [report] = bench.broker.all(AttemptSucceeded)
        assert report.file == StoredFile(
            object=f"objects/tasks/t/2-{report.execution}.webm",
            size=6,
            digest=f"sha256:{hashlib.sha256(b'result').hexdigest()}",
            content_type="video/webm",
        )
        assert bench.storage.local_path(report.file.object).read_bytes() == b"result"

    async def test_the_input_is_read_where_it_lies(self, bench: AttemptBench) -> None:
        bench.hands.make("t")
        await bench.take(ready(input=await bench.file(b"in"), **CONVERT))

        source = bench.hands.jobs["t"].input
        assert source is not None
        assert source.read_bytes() == b"in"

    @pytest.mark.parametrize("end", [Product(), ValueError("oh")])
    async def test_nothing_stays_in_the_scratch_folder(
        self, bench: AttemptBench, end: Product | Exception
    ) -> None:
        taken = bench.take(ready(input=await bench.file(b"in"), **CONVERT))
        await bench.broker.until("began t")
        (bench.hands.jobs["t"].scratch / "left").write_bytes(b"over")
        bench.hands.make("t", end)
        await taken

        assert list(bench.scratch.iterdir()) == []

    async def test_the_options_come_as_the_type_knows_them(self, bench: AttemptBench) -> None:
        bench.hands.make("t")
        await bench.take(
            ready(task_type="video_convert", input=await bench.file(b"in"), output_file="a/b.mkv")
        )

        assert json.loads(bench.hands.jobs["t"].options.model_dump_json())["format"] == "mkv"

    async def test_a_description_names_what_the_storage_knows_of_the_file(self, bench: AttemptBench) -> None:
        source = (await bench.file(b"in")).model_copy(update={"path": "a.txt"})
        bench.hands.make("t", Product({"family": "text", "content_type": "text/x"}))
        await bench.take(ready(task_type="probe", input=source))

        [report] = bench.broker.all(AttemptSucceeded)
        assert report.output == {
            "path": "a.txt",
            "digest": source.digest,
            "size": 2,
            "content_type": "text/plain",
            "family": "text",
        }
