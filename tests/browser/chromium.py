"""A real Chromium without a screen, as tests and pictures use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

PROGRAM: Final = Path("/usr/bin/chromium")

_ALONE: Final = (
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""It speaks to nobody but to the page."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run one until the block is left.

    Raises:
        FileNotFoundError: It is not installed.
    """
    if not PROGRAM.exists():
        raise FileNotFoundError(f"{PROGRAM} is missing: `deploy/local/install-packages browser` installs it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=list(_ALONE))
        try:
            yield browser
        finally:
            await browser.close()
