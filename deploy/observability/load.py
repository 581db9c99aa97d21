"""The example load: some of everything that dashboards show, failures included."""

import subprocess
from typing import Final

import httpx

from filemill_local.sample import clip_command
from filemill_local.stack import Stack
from filemill_local.user import User, chain, fan

_DEAD: Final = "http://127.0.0.1:9/hook"
"""Nobody listens on the port "discard"."""


def example(stack: Stack) -> None:
    """Put the example load on a stack: a video, a chain, a fan, a failure, a retry, a cancel, a dead webhook.

    Returns when all of it has ended, but for the deliveries that will be tried again.
    """
    with User(stack) as user:
        _videos(user)
        runs = [user.workflow(chain(3)), user.workflow(fan(20))]
        failing = user.task("fail", options={"code": "boom", "retryable": False}, notify_webhook=_DEAD)
        retried = user.task("fail", options={"times": 1}, retry_delay=0.1, notify_email="you@example.com")
        long = user.task("sleep", options={"seconds": 600})
        user.eventually(lambda: user.get_task(long)["status"] == "running", within=60)
        user.http.post(f"/v1/tasks/{long}/cancel").raise_for_status()
        _park(user)
        for run in runs:
            user.ended_workflow(run, within=120)
        for task in (failing, retried, long):
            user.ended_task(task, within=120)
        user.messages("you@example.com", within=60)


def _videos(user: User) -> None:
    """Convert a clip, and ask twice what it is."""
    clip = user.stack.plan.home / "clip.mp4"
    _made(clip_command(clip))
    user.upload("samples/clip.mp4", clip.read_bytes())
    task = user.task(
        "video_convert",
        input_file="samples/clip.mp4",
        options={"format": "webm", "height": 90},
        max_retries=0,
    )
    for _ in range(2):
        user.eventually(
            lambda: user.http.get("/v1/files/samples/clip.mp4/metadata").status_code == 200, within=60
        )
    done = user.ended_task(task, within=180)
    user.download(str(done["output"]["file"]).removeprefix("filemill:///"))


def _park(user: User) -> None:
    """Send what nobody can read to the door of other systems."""
    publish(user.stack, "filemill.intake", "task.created.echo", "this is no event")
    user.eventually(lambda: user.http.get("/v1/parked").json()["items"], within=60)


def publish(
    stack: Stack, exchange: str, key: str, text: str, *, times: int = 1, content_type: str = ""
) -> None:
    """Publish a message as another system would; over HTTP, so that no client of AMQP is needed."""
    properties = {"content_type": content_type} if content_type else {}
    body = {"properties": properties, "routing_key": key, "payload": text, "payload_encoding": "string"}
    url = f"http://127.0.0.1:{stack.plan.ports['management']}/api/exchanges/%2F/{exchange}/publish"
    with httpx.Client(auth=("guest", "guest"), trust_env=False, timeout=30) as http:
        for _ in range(times):
            http.post(url, json=body).raise_for_status()


def _made(command: tuple[str, ...]) -> None:
    subprocess.run(command, check=True)  # noqa: S603
