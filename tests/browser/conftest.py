"""A Chromium for all tests, and a page of it for each, over one stack."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from filemill_local.stack import Stack
from filemill_local.user import User
from tests.browser.chromium import chromium

expect.set_options(timeout=30_000)


@pytest.fixture
def user(stack: Stack) -> Iterator[User]:
    """Somebody who uses the stack over HTTP, beside the page."""
    with User(stack) as user:
        yield user


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser, stack: Stack) -> AsyncIterator[Page]:
    """A page that reads English, and fails the test when a script on it fails or its policy is broken."""
    context = await browser.new_context(
        base_url=stack.plan.address("gateway"), locale="en-GB", accept_downloads=True
    )
    page = await context.new_page()
    page.set_default_timeout(30_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if is_wrong(said.text) else None)
    yield page
    await context.close()
    assert wrong == []


def is_wrong(text: str) -> bool:
    """Whether the browser complains about the page itself, and not about an answer that a test asked for."""
    return "Content Security Policy" in text or "Uncaught" in text


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of one second without sound, 160x90, whose name is an attack."""
    path = tmp_path_factory.mktemp("clips") / "<img src=x onerror=alert(1)> 你好 & 'quoted'.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:d=1:r=10"]
    subprocess.run([*command, "-c:v", "libx264", "-preset", "ultrafast", str(path)], check=True)
    return path
