"""The page in a real browser: from an upload to a download, live, in two languages, light and dark."""

import asyncio
import re
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, expect

from filemill_local.stack import Stack
from filemill_local.user import User, chain

HOSTILE = "<img src=x onerror=\"document.title='taken over'\">${7*7}{{7*7}}"

APPROVAL: dict[str, Any] = {
    "name": "approval",
    "steps": [
        {
            "id": "ask",
            "type": "wait",
            "signal": {"name": "go", "schema": {"properties": {"by": {"type": "string"}}}},
        },
        {
            "id": "publish",
            "task": "echo",
            "depends_on": ["ask"],
            "with": {"by": "${{ steps.ask.output.by }}"},
        },
    ],
}


async def dropped(page: Page, name: str) -> None:
    """Drop a file of text on the page, as somebody does by hand."""
    await page.evaluate(
        """(name) => {
            const carried = new DataTransfer();
            carried.items.add(new File(["What was dropped.\\n"], name, { type: "text/plain" }));
            for (const kind of ["dragenter", "dragover", "drop"])
                document.getElementById("drop").dispatchEvent(
                    new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
        }""",
        name,
    )


async def test_a_file_goes_from_the_upload_to_the_download(page: Page, clip: Path) -> None:
    await page.goto("/")
    await page.get_by_role("link", name="Start a run").first.click()
    await page.set_input_files("#file", clip)
    await expect(page.locator("#uploaded")).to_have_text(f"{clip.name} is there.")
    await page.get_by_role("link", name="Convert and take pictures").click()
    await expect(page.locator("#example-parallel")).to_have_attribute("aria-current", "true")
    await expect(page.locator('[name="input_file"]')).to_have_value(re.compile(f".*/{re.escape(clip.name)}$"))
    await page.get_by_role("button", name="Start", exact=True).click()

    await page.wait_for_url("**/runs/*")
    await page.evaluate("window.isThatPage = true")
    await expect(page.locator(".head .badge")).to_have_text("completed")
    await expect(page.locator("#step-convert")).to_have_class("node kind-task is-completed")
    assert await page.evaluate("window.isThatPage"), "it was live, and never loaded anew"
    assert len(await page.locator(".drawing path.line").all()) >= 6
    assert {*await page.locator(".frame").all_inner_texts()} == {"make", "video", "pictures"}

    picture = page.locator(".file img").first
    await expect(picture).to_be_visible()
    await expect(picture).to_have_js_property("complete", value=True)
    assert await picture.evaluate("image => image.naturalWidth") > 0
    async with page.expect_download() as started:
        await page.locator(".file", has=page.locator("video")).get_by_role("link", name="Download").click()
    download = await started.value
    assert download.suggested_filename == "video_convert.webm"
    assert Path(await download.path()).read_bytes()[:4] == b"\x1a\x45\xdf\xa3"

    await page.locator("#step-thumbnail a").first.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("thumbnail")
    await expect(page.locator(".file .name", has_text=clip.name)).to_be_visible()


async def test_a_list_shows_new_runs_by_itself(page: Page, user: User) -> None:
    await page.goto("/")
    await expect(page.locator(".live")).to_have_text("Live")

    run = user.workflow(chain(2) | {"name": HOSTILE})
    row = page.locator(f"#run-{run}")
    await expect(row.locator(".badge")).to_have_text("completed")
    await expect(row.get_by_role("link")).to_have_text(HOSTILE)
    await row.get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    assert await page.title() == f"{HOSTILE} · Filemill"
    assert await page.locator("main img").count() == 0


async def test_a_list_is_searched_and_filtered(page: Page, user: User) -> None:
    run = user.workflow(chain(1) | {"name": "needle"})
    user.ended_workflow(run)
    await page.goto("/")
    await page.get_by_role("searchbox").fill("NEEDL")

    await expect(page.locator(".runs tbody tr")).to_have_count(1)
    assert page.url.endswith("?q=NEEDL")
    await page.get_by_role("link", name="failed", exact=True).click()
    await expect(page.locator(".empty")).to_have_text("No run fits.")


async def test_a_run_is_steered(page: Page, user: User) -> None:
    run = user.workflow(APPROVAL)
    await page.goto(f"/runs/{run}")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".head .badge")).to_have_text("paused")
    await page.get_by_role("button", name="Resume").click()
    await page.get_by_label("by optional").fill(HOSTILE)
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".head .badge")).to_have_text("completed")
    await page.locator("#step-publish a").click()
    await expect(page.locator("pre").first).to_contain_text("<img src=x")

    await page.get_by_role("button", name="Run again from here").click()
    await page.get_by_role("button", name="Yes").click()
    await page.wait_for_url(f"**/runs/{run}")
    await expect(page.locator("#step-publish")).to_contain_text("try 2")


async def test_what_destroys_is_asked_about(page: Page, user: User) -> None:
    run = user.workflow(APPROVAL)
    await page.goto(f"/runs/{run}")
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="No").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert user.get_workflow(run)["status"] == "running"

    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Yes").click()
    await expect(page.locator(".head .badge")).to_have_text("cancelled")
    await page.get_by_role("button", name="Delete").click()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Yes").click()
    await page.wait_for_url("**/")
    await expect(page.locator(f"#run-{run}")).to_have_count(0)


async def test_problems_are_sentences(page: Page, user: User) -> None:
    await page.goto("/start?example=map")
    await dropped(page, "dropped <b>.txt")
    await expect(page.locator("#uploaded")).to_have_text("dropped <b>.txt is there.")
    await page.get_by_label("heights").fill('[90, "tall"')
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("“heights” is not JSON")
    await page.get_by_label("heights").fill('[90, "tall"]')
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("The input does not fit the workflow")
    await expect(page.get_by_role("alert")).to_contain_text("input/heights/1")

    await page.get_by_label("heights").fill("[90, 45]")
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.wait_for_url("**/runs/*")
    await expect(page.locator(".head .badge")).to_have_text("failed")
    await expect(page.get_by_role("heading", name="The run failed")).to_be_visible()


async def test_it_speaks_chinese_and_keeps_what_was_chosen(browser: Browser, stack: Stack) -> None:
    address = stack.plan.address("gateway")
    context = await browser.new_context(base_url=address, locale="zh-CN", color_scheme="dark")
    page = await context.new_page()
    ground = "getComputedStyle(document.body).backgroundColor"
    await page.goto("/")
    await expect(page.get_by_role("heading", level=1)).to_have_text("运行")
    dark = await page.evaluate(ground)

    await page.get_by_role("link", name="浅色").click()
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    await page.wait_for_url(f"{address}/")
    assert await page.evaluate(ground) != dark
    await page.goto("/start")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Start a run")
    assert await page.evaluate(ground) != dark
    await context.close()


async def test_it_is_used_by_keyboard_and_read_on_a_phone(browser: Browser, stack: Stack, user: User) -> None:
    run = user.workflow(APPROVAL)
    context = await browser.new_context(
        base_url=stack.plan.address("gateway"), locale="en-GB", viewport={"width": 360, "height": 700}
    )
    page = await context.new_page()
    for path in ("/", "/start", f"/runs/{run}"):
        await page.goto(path)
        await expect(page.locator("main")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path

    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.locator("#step-ask a").focus()
    user.http.post(f"/v1/workflows/{run}/signals/go", json={"by": "ann"}).raise_for_status()
    await expect(page.locator(".head .badge")).to_have_text("completed")
    assert await page.evaluate("document.activeElement.closest('li').id") == "step-ask"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/tasks/*")
    await context.close()


async def test_it_goes_on_by_itself_when_the_gateway_was_away(page: Page, stack: Stack, user: User) -> None:
    await page.goto("/")
    await expect(page.locator(".live")).to_have_text("Live")
    stack.kill("gateway")
    await expect(page.locator(".live")).to_have_text("Connection lost; trying again…")

    await asyncio.to_thread(stack.wait_ready, "gateway")
    run = user.workflow(chain(1))
    await expect(page.locator(f"#run-{run}")).to_be_visible()
    await expect(page.locator(".live")).to_have_text("Live")
