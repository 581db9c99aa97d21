"""How much a program that reads foreign files may use."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """What one launch of ffmpeg may use at most.

    Attributes:
        memory: Address space in bytes. It is counted before it is used: 4K video takes 2 GiB with two
            threads, and about 3 GiB with four.
        cpu_time: Processor time over all threads.
        wall_time: Time from start to end.
        file_size: Bytes of any one file that is written.
        processes: Processes and threads in the sandbox; the kernel exempts root.
        threads: What each codec may use; more of them cost memory.
        pixels: Of one picture, read or written.
    """

    memory: int = 4 * 2**30
    cpu_time: timedelta = timedelta(hours=4)
    wall_time: timedelta = timedelta(hours=2)
    file_size: int = 20 * 2**30
    processes: int = 256
    threads: int = 4
    pixels: int = 8_192 * 4_320
