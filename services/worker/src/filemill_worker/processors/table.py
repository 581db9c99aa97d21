"""Which function does which task type's work."""

from filemill_common.task_types import (
    EchoOptions,
    FailOptions,
    ProbeOptions,
    SleepOptions,
    VideoConvertOptions,
    VideoPreviewOptions,
    VideoThumbnailOptions,
)
from filemill_worker.errors import ProcessingError
from filemill_worker.media import MediaFile
from filemill_worker.processors import small, video
from filemill_worker.processors.job import Job, Product, Report
from filemill_worker.processors.probe import probe
from filemill_worker.sandbox import Sandbox


class Processors:
    """All the work that this worker can do.

    Args:
        sandbox: Where programs that read foreign files run.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def run(self, job: Job, report: Report) -> Product:
        """Do a job; cancelling ends it at once and leaves no process behind.

        Args:
            job: What is to be done.
            report: Is told how far it is; it must return at once.

        Raises:
            ProcessingError: The attempt failed.
        """
        match job.options:
            case EchoOptions() as options:
                made = Product(options.root)
            case SleepOptions() as options:
                made = await small.sleep(options, report)
            case FailOptions() as options:
                made = small.fail(options, job.attempt)
            case ProbeOptions():
                made = await probe(self._open(job), job.needed_input())
            case VideoConvertOptions() as options:
                made = await video.convert(self._open(job), options, report)
            case VideoThumbnailOptions() as options:
                made = await video.thumbnail(self._open(job), options)
            case VideoPreviewOptions() as options:
                made = await video.preview(self._open(job), options)
            case _:
                raise ProcessingError("unknown_task_type", f"this worker knows no {job.type}", retryable=True)
        return made

    def _open(self, job: Job) -> MediaFile:
        return MediaFile(self._sandbox, job.needed_input(), job.scratch)
