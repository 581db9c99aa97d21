"""Takes the pictures of the page that the documentation shows: ``python -m tests.browser.pictures``."""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.async_api import Browser

from filemill_gateway.page.examples import EXAMPLES
from filemill_local.sample import clip_command
from filemill_local.stack import Stack
from tests.browser.chromium import chromium

FOLDER: Final = Path(__file__).parents[2] / "docs" / "pictures"

_WIDE: Final = {"width": 1080, "height": 640}
_NARROW: Final = {"width": 390, "height": 780}
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})


def prepared(gateway: str) -> dict[str, str]:
    """Run some examples over a clip; give the id of each run by name."""
    with httpx.Client(base_url=gateway, timeout=60, trust_env=False) as http:
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / "clip.mp4"
            subprocess.run(clip_command(clip), check=True)
            http.put("/v1/files/holiday/beach.mp4", content=clip.read_bytes()).raise_for_status()
        broken = EXAMPLES["video-processing"].definition | {"name": "broken-video"}
        http.put("/v1/files/holiday/notes.txt", content=b"This is no video.").raise_for_status()
        runs = {
            "broken": _started(http, broken, {"input_file": "holiday/notes.txt"}),
            "wait": _started(http, EXAMPLES["wait"].definition, {}),
        }
        for name in ("video-processing", "map", "parallel", "adaptive-publish"):
            given = {**EXAMPLES[name].given, "input_file": "holiday/beach.mp4"}
            runs[name] = _started(http, EXAMPLES[name].definition, given)
        for name in ("broken", "video-processing", "map", "parallel"):
            while http.get(f"/v1/workflows/{runs[name]}").json()["status"] not in _ENDED:
                time.sleep(0.2)
    return runs


async def take(gateway: str, runs: dict[str, str], folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    async with chromium() as browser:
        await _take(browser, f"{gateway}/", folder / "runs.png")
        await _take(browser, f"{gateway}/runs/{runs['parallel']}", folder / "run.png", height=820)
        asking = f"{gateway}/runs/{runs['adaptive-publish']}"
        await _take(browser, asking, folder / "run-dark.png", color_scheme="dark", height=820)
        await _take(browser, f"{gateway}/start", folder / "start-chinese.png", locale="zh-CN")
        processed = f"{gateway}/runs/{runs['video-processing']}"
        await _take(browser, processed, folder / "run-phone.png", viewport=_NARROW)


async def _take(browser: Browser, url: str, target: Path, *, height: int = 0, **how: Any) -> None:
    how.setdefault("locale", "en-GB")
    how.setdefault("viewport", _WIDE | ({"height": height} if height else {}))
    context = await browser.new_context(timezone_id="UTC", reduced_motion="reduce", **how)
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_timeout(1500)  # the stream is open, and what it tells is shown
    await page.screenshot(path=target)
    await context.close()


def _started(http: httpx.Client, definition: dict[str, Any], given: dict[str, Any]) -> str:
    answer = http.post("/v1/workflows", json={"definition": definition, "input": given})
    return str(answer.raise_for_status().json()["id"])


def main() -> None:
    """Take the pictures of a stack of its own."""
    with Stack.temporary() as stack:
        gateway = stack.plan.address("gateway")
        asyncio.run(take(gateway, prepared(gateway), FOLDER))
    sys.stdout.write("".join(f"{path}\n" for path in sorted(FOLDER.glob("*.png"))))


if __name__ == "__main__":
    main()
