"""How a program is locked in: the words that stand before its command.

All is done by programs that Debian and Ubuntu always have (prlimit, setpriv) and by bubblewrap, so that no
Python runs between fork and exec.
"""

from dataclasses import dataclass
from pathlib import Path

from filemill_worker.core.limits import Limits


@dataclass(frozen=True, slots=True)
class Launch:
    """How to launch programs on one input.

    Attributes:
        prefix: Stands before the program and its arguments.
        source: What the program calls the input.
        folder: What it calls the folder that it may write to.
    """

    prefix: tuple[str, ...]
    source: Path
    folder: Path


def bwrap_launch(source: Path, folder: Path, limits: Limits) -> Launch:
    """Lock a program into bubblewrap.

    It sees the system's libraries, the one input (under a neutral name) and the one folder, nothing else;
    it has no network, no terminal, no environment of ours, and dies with the worker, even if that is killed.
    (A worker killed in the milliseconds in which bubblewrap itself starts may leave it behind; the limit of
    processor time ends it.)

    Args:
        source: Local file to read.
        folder: Local folder to write to.
        limits: What it may use. They are set inside, where processes are counted per sandbox.

    References:
        bwrap(1). ``/etc/alternatives`` is there because libraries that ffmpeg loads (BLAS) are reached
        through it; ``/proc`` is not there, because ffmpeg needs none.
    """
    prefix = (
        *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"),
        *("--setenv", "PATH", "/usr/local/bin:/usr/bin", "--setenv", "LANG", "C.UTF-8"),
        # Each malloc arena reserves 64 MB of address space, which is what the memory limit counts.
        *("--setenv", "MALLOC_ARENA_MAX", "2"),
        *("--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"),
        *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"),
        *("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
        *("--ro-bind-try", "/etc/alternatives", "/etc/alternatives"),
        *("--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108  inside the sandbox, and empty
        *("--ro-bind", str(source), "/input/file", "--bind", str(folder), "/scratch"),
        *("--chdir", "/scratch", "--"),
        *_prlimit(limits, f"--nproc={limits.processes}"),
    )
    return Launch(prefix, source=Path("/input/file"), folder=Path("/scratch"))


def pod_launch(source: Path, folder: Path, limits: Limits) -> Launch:
    """Limit a program and trust the container around the worker with the rest.

    The number of processes is the container's to limit: here it would count the whole user's.
    """
    prefix = (
        *("env", "-i", "PATH=/usr/local/bin:/usr/bin", "LANG=C.UTF-8", "MALLOC_ARENA_MAX=2"),
        *("setpriv", "--pdeathsig", "KILL", "--no-new-privs"),
        *_prlimit(limits),
    )
    return Launch(prefix, source=source.absolute(), folder=folder.absolute())


def _prlimit(limits: Limits, *more: str) -> tuple[str, ...]:
    seconds = int(limits.cpu_time.total_seconds())
    return (
        *("prlimit", f"--as={limits.memory}", f"--fsize={limits.file_size}", "--core=0"),
        # At the first number ffmpeg is asked to stop, at the second it is killed.
        *(f"--cpu={seconds}:{seconds + 5}", *more, "--"),
    )
