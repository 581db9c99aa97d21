"""Where programs that read foreign files are locked in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from filemill_common.telemetry import span
from filemill_worker.core.failures import explain
from filemill_worker.core.launch import Launch, bwrap_launch, pod_launch
from filemill_worker.core.limits import Limits
from filemill_worker.errors import ProcessingError, SandboxUnavailableError
from filemill_worker.programs import run

Mode = Literal["bwrap", "pod"]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Launches programs under limits.

    Attributes:
        mode: ``bwrap`` shows a program its input and its folder alone; ``pod`` only limits it, and trusts
            the container that the worker runs in.
        limits: What one launch may use.
    """

    mode: Mode = "bwrap"
    limits: Limits = field(default_factory=Limits)

    def launch(self, source: Path, folder: Path) -> Launch:
        """Say how programs are launched on an input, and what they call it.

        Args:
            source: Local file; only read.
            folder: Local folder for what they write.
        """
        build = bwrap_launch if self.mode == "bwrap" else pod_launch
        return build(source.absolute(), folder.absolute(), self.limits)

    async def run(self, launch: Launch, command: tuple[str, ...], on_output: Callable[[bytes], None]) -> str:
        """Run a command to its end; cancelling kills it with all it started.

        Returns:
            The end of its error output: complaints that were no reason to fail.

        Raises:
            ProcessingError: It failed, or reached a limit.
        """
        with span(command[0], {"process.executable.name": command[0]}) as telling:
            end = await run((*launch.prefix, *command), wall_time=self.limits.wall_time, on_output=on_output)
            telling.set_attribute("process.exit.code", end.status)
        if end.status != 0:
            raise explain(end.status, end.printed, launch)
        return end.printed

    async def check(self) -> None:
        """Launch ffmpeg and ffprobe once, so that a worker that cannot work does not start.

        Raises:
            SandboxUnavailableError: With what is missing, or what the kernel refused.
        """
        with TemporaryDirectory(prefix="filemill-check-") as folder:
            try:
                for program in ("ffmpeg", "ffprobe"):
                    launch = self.launch(Path("/dev/null"), Path(folder))
                    await self.run(launch, (program, "-version"), lambda _: None)
            except (OSError, ProcessingError) as error:
                raise SandboxUnavailableError(
                    f"cannot run ffmpeg in the sandbox ({self.mode}): {error}. Install bubblewrap and ffmpeg "
                    "and allow user namespaces; inside a container that confines the worker by itself, set "
                    "FILEMILL_SANDBOX=pod"
                ) from error
