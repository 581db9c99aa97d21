"""A place to run jobs on clips and to look at what they made."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filemill_common.task_types import TASK_TYPES, resolve_options
from filemill_worker.core.limits import Limits
from filemill_worker.processors import Job, ProcessingError, Processors, Product
from filemill_worker.sandbox import Mode, Sandbox


@dataclass
class Bench:
    """Runs jobs on clips.

    Attributes:
        clips: Folder that ``make_clips`` filled.
        scratch: Empty folder.
        reports: What the jobs reported.
    """

    clips: Path
    scratch: Path
    reports: list[tuple[float, str | None]] = field(default_factory=list)

    async def work(
        self,
        kind: str,
        clip: str | None = None,
        *,
        mode: Mode = "bwrap",
        limits: Limits | None = None,
        attempt: int = 1,
        **options: Any,
    ) -> Product:
        """Run a job of this type on a clip."""
        task_type = TASK_TYPES[kind]
        job = Job(
            task_id="t1",
            attempt=attempt,
            type=kind,
            options=resolve_options(task_type, options, None),
            input=None if clip is None else self.clips / clip,
            scratch=self.scratch,
        )
        processors = Processors(Sandbox(mode, limits or Limits()))
        return await processors.run(job, lambda percent, message: self.reports.append((percent, message)))

    async def failure(self, kind: str, clip: str | None = None, **more: Any) -> tuple[str, bool, str]:
        """Run a job that must fail without naming a path of this machine.

        Returns:
            Its code, whether it is retryable, its message.
        """
        try:
            product = await self.work(kind, clip, **more)
        except ProcessingError as error:
            paths = [str(path) for path in (self.clips, self.scratch) if str(path) in error.message]
            if paths:
                raise AssertionError(f"the message names {paths}: {error.message}") from error
            return error.code, error.retryable, error.message
        raise AssertionError(f"it succeeded: {product}")


def look(product: Product) -> dict[str, Any]:
    """Say what a product's file really is, by ffprobe outside of the sandbox."""
    entries = "format=format_name,duration:stream=codec_name,width,height"
    command = ("ffprobe", "-v", "error", "-of", "json", "-show_entries", entries, str(product.file))
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603  ours
    return {
        "format": found["format"]["format_name"],
        "duration": float(found["format"].get("duration", 0)),
        "codecs": [each["codec_name"] for each in found["streams"]],
        "size": (found["streams"][0]["width"], found["streams"][0]["height"]),
    }
