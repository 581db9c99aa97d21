"""Folders for work in progress, which do not outlive their worker for long."""

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_folder(root: Path, worker: str) -> Iterator[Path]:
    """Give a worker a folder of its own, removed in the end, and remove what crashed workers left.

    A folder belongs to whoever holds its lock, and the kernel takes the locks of the dead. A lock can be
    trusted within one machine alone, so each machine tidies up after itself.

    Args:
        root: Folder for the folders of all workers; made if it is missing.
        worker: Id of this one, never used before.
    """
    root.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname()
    folder = root / f"{host}.{worker}"
    with _locked(root):
        # Nobody makes a folder meanwhile, so none is seen before its owner has locked it.
        for other in root.glob(f"{host}.*"):
            _remove_if_left(other)
        folder.mkdir()
        own = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(own)


def _remove_if_left(folder: Path) -> None:
    try:
        lock = _lock(folder, fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return  # its owner lives, or is removing it
    try:
        shutil.rmtree(folder)
    finally:
        os.close(lock)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = _lock(folder)
    try:
        yield
    finally:
        os.close(lock)


def _lock(folder: Path, how: int = 0) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
