"""The first thing to see: a made-up clip goes through the example workflow."""

# ruff: noqa: T201 - a command speaks on standard output

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import httpx

from filemill_local.plan import StackError
from filemill_local.stack import Stack

_EXAMPLE: Final = Path(__file__).parents[4] / "examples" / "video-processing.yaml"
_CLIP: Final = "samples/clip.mp4"
_MAIL_WITHIN: Final = 15.0  # s


def clip_command(target: Path) -> tuple[str, ...]:
    """Build the command that makes a clip of 5 s, 640 by 360 pixels, 25 frames/s, with a tone of 440 Hz.

    Args:
        target: The MP4 file to write; an existing one is replaced.
    """
    return (
        "ffmpeg", "-v", "error", "-y",
        "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=5",
        "-f", "lavfi", "-i", "sine=frequency=440:duration=5",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", str(target),
    )  # fmt: skip


def outputs(workflow: dict[str, Any]) -> dict[str, str]:
    """Give the path of the file that each step of a workflow made, by step; others are left out."""
    files = ((step["id"], (step["output"] or {}).get("file")) for step in workflow["steps"])
    return {step: file.removeprefix("filemill:///") for step, file in files if file}


def run(stack: Stack) -> int:
    """Process a sample clip on a stack that is up, and show what came of it.

    Copies of the outputs are left in the folder ``sample`` of the stack's home.

    Returns:
        The process's exit status.

    Raises:
        StackError: A step of the way failed; the sentence says which.
    """
    gateway, mail = stack.plan.address("gateway"), stack.plan.address("mail")
    folder = stack.plan.home / "sample"
    folder.mkdir(exist_ok=True)
    clip = folder / "clip.mp4"
    _checked(clip_command(clip), "ffmpeg could not make the sample clip")
    with httpx.Client(trust_env=False, timeout=60) as http:
        seen = {message["id"] for message in _get(http, f"{mail}/messages").json()}
        _filemill(gateway, "upload", str(clip), _CLIP)
        submitted = _filemill(
            gateway, "submit", str(_EXAMPLE), "--input", f"input_file={_CLIP}", "--json", quiet=True
        )
        workflow_id = json.loads(submitted)["id"]
        _filemill(gateway, "watch", workflow_id)
        workflow = _get(http, f"{gateway}/v1/workflows/{workflow_id}").json()
        print("\nOutputs")
        for step, path in outputs(workflow).items():
            url = f"{gateway}/v1/files/{path}"
            copy = folder / f"{step}{Path(path).suffix}"
            copy.write_bytes(_get(http, url).content)
            print(f"  {step:<12}{url}\n  {'':<12}{copy}")
        print("\nMail")
        for message in _await_mail(http, f"{mail}/messages", seen):
            print(f"  {message['subject']}  (to {', '.join(message['to'])})")
            print("".join(f"    {line}\n" for line in message["text"].splitlines()), end="")
    return 0


def _filemill(gateway: str, *arguments: str, quiet: bool = False) -> str:
    """Run the ``filemill`` command; its output is shown, or given back if ``quiet``."""
    command = (str(Path(sys.executable).with_name("filemill")), *arguments)
    sentence = f"`filemill {arguments[0]}` failed"
    return _checked(command, sentence, gateway=gateway, capture=quiet)


def _checked(command: tuple[str, ...], sentence: str, *, gateway: str = "", capture: bool = False) -> str:
    sys.stdout.flush()  # what was said so far stands before what the command says
    try:
        done = subprocess.run(  # noqa: S603
            command,
            env={**os.environ, "FILEMILL_URL": gateway},
            stdout=subprocess.PIPE if capture else None,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackError(f"{sentence}: {error}.") from error
    return done.stdout or ""


def _get(http: httpx.Client, url: str) -> httpx.Response:
    try:
        return http.get(url).raise_for_status()
    except httpx.HTTPError as error:
        raise StackError(f"GET {url} failed: {error}.") from error


def _await_mail(http: httpx.Client, url: str, seen: set[str]) -> list[dict[str, Any]]:
    """Wait for mail that was not there before; it is sent just after the workflow ended.

    Raises:
        StackError: None came in time.
    """
    deadline = time.monotonic() + _MAIL_WITHIN
    while time.monotonic() < deadline:
        new = [message for message in _get(http, url).json() if message["id"] not in seen]
        if new:
            return new
        time.sleep(0.1)
    raise StackError(f"No mail came within {_MAIL_WITHIN:g} s; see log/notifier.log.")
