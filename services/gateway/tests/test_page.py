"""The page as it is written: what it shows, in which language, and that nothing in it can do harm."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from filemill_common.store import Store, StoreUnavailableError
from filemill_gateway.page.examples import EXAMPLES
from filemill_gateway.page.words import WORDS, Words
from filemill_gateway.queries import Queries
from filemill_gateway.testing import BEGINNING, World

ROOT = Path(__file__).parents[3]
HOSTILE = "\"><img src=x onerror=alert(1)>'${7*7}{{7*7}}</script><script>alert(2)</script>"


def handlers(text: str) -> list[str]:
    """Find the attributes of a page that are scripts, as a browser would."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(name for name, _ in attrs if name.startswith("on") or name == "style")

    Reader().feed(text)
    return found


async def shown(world: World, path: str, **headers: str) -> str:
    answer = await world.client.get(path, headers={"accept-language": "en", **headers})
    assert answer.status_code == 200, answer.text
    return answer.text


class TestTheWayToMetrics:
    async def test_is_shown_where_there_is_one(self, world: World, app: FastAPI) -> None:
        without = await shown(world, "/")
        app.state.dependencies = replace(app.state.dependencies, metrics_url="http://127.0.0.1:9090/")

        assert "Metrics" not in without
        assert '<a href="http://127.0.0.1:9090/">Metrics</a>' in await shown(world, "/")


class TestRuns:
    async def test_are_listed_with_status_and_progress(self, world: World) -> None:
        await world.put_workflow("w1", status="running", counts={"total": 4, "completed": 1, "skipped": 1})
        text = await shown(world, "/")

        assert 'href="/runs/w1">films<' in text
        assert "2 of 4" in text

    async def test_are_searched_by_name_and_id_and_filtered(self, world: World) -> None:
        await world.put_workflow("abc", name="A film (new)", status="running")
        await world.put_workflow("xyz", name="other", status="failed")

        found = {
            query: set(re.findall(r'href="/runs/(\w+)"', await shown(world, f"/?{query}")))
            for query in ("", "q=FILM+(", "q=xy", "q=yz", "status=failed", "status=nonsense", "q=.%2B")
        }
        assert found == {
            "": {"abc", "xyz"},
            "q=FILM+(": {"abc"},
            "q=xy": {"xyz"},
            "q=yz": set(),
            "status=failed": {"xyz"},
            "status=nonsense": {"abc", "xyz"},
            "q=.%2B": set(),
        }

    async def test_go_on_on_the_next_page(self, world: World) -> None:
        for number in range(26):
            await world.put_workflow(f"w{number:02}")
        text = await shown(world, "/?q=w")
        older = re.search(r'rel="next" href="([^"]+)"', text)
        assert older is not None

        rest = await shown(world, "/" + older[1].replace("&amp;", "&"))
        assert re.findall(r'href="/runs/(\w+)"', rest) == ["w00"]
        assert 'rel="next"' not in rest


class TestARun:
    async def test_is_shown_with_its_steps_and_who_was_told(self, world: World, store: Store) -> None:
        definition = {
            "name": "films",
            "steps": [
                {"id": "a", "type": "task", "task": "echo"},
                {"id": "go", "type": "wait", "signal": {"name": "go"}, "depends_on": ["a"]},
            ],
        }
        await world.put_workflow("w1", status="running", definition=definition, run_input={"n": 1})
        file = {"file": "outputs/a.png", "digest": "sha256:0", "size": 2048, "content_type": "image/png"}
        await world.put_task("t1", workflow_id="w1", step_id="a", index=0, status="completed", output=file)
        await world.put_task(
            "t2", workflow_id="w1", step_id="go", index=1, status="running", kind="wait", type="wait"
        )
        delivery = {"channel": "email", "target": "you@example.com", "status": "delivered", "tried": 1}
        tries = [{"at": BEGINNING, "code": "250", "response": "OK", "duration": 0.1}]
        await store.collection("deliveries").insert_one(
            {"_id": "d", "tenant": "default", "workflow_id": "w1", "created_at": BEGINNING, "tries": tries}
            | delivery
        )

        text = await shown(world, "/runs/w1")
        assert 'data-id="go" data-needs="a"' in text
        assert '<img src="/v1/files/outputs/a.png"' in text
        assert 'data-send="/v1/workflows/w1/signals/go"' in text
        assert "you@example.com" in text
        assert 'data-post="/v1/workflows/w1/pause"' in text
        assert 'data-post="/v1/workflows/w1/resume"' not in text

    async def test_that_is_too_large_for_a_picture_shows_what_matters(self, world: World) -> None:
        await world.put_workflow("w1", status="running")
        step = {"workflow_id": "w1", "status": "pending"}
        for number in range(301):
            await world.put_task(f"t{number}", step_id=f"s{number}", index=number, **step)
        await world.put_task("t300", step_id="s300", index=300, **step | {"status": "failed"})

        text = await shown(world, "/runs/w1")
        assert "301 steps are too many" in text
        assert text.index('data-id="s300"') < text.index('data-id="s0"')
        assert 'data-id="s299"' not in text

    async def test_that_is_not_there_is_a_page_too(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/runs/none")

        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")

    async def test_that_was_just_asked_for_is_waited_for(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/runs/none?new=1", headers={"accept-language": "en"})

        assert answer.status_code == 404
        assert "One moment" in answer.text
        assert 'data-again="1"' in answer.text


class TestTasks:
    async def test_are_listed_if_they_are_no_steps(self, world: World) -> None:
        await world.put_task("t1", type="probe", input_file="a/b.mp4")
        await world.put_task("t2", workflow_id="w1")
        await world.put_task("t3", status="failed")
        text = await shown(world, "/tasks")

        assert re.findall(r'href="/tasks/(\w+)"', text) == ["t3", "t1"]
        assert "a/b.mp4" in text
        assert re.findall(r'href="/tasks/(\w+)"', await shown(world, "/tasks?q=PROB")) == ["t1"]
        assert re.findall(r'href="/tasks/(\w+)"', await shown(world, "/tasks?status=failed")) == ["t3"]


class TestATask:
    async def test_is_shown_with_its_tries(self, world: World) -> None:
        error = {"code": "disk_full", "message": "there is no room left"}
        await world.put_task(
            status="failed",
            error=error,
            retry_count=1,
            attempts=[{"number": 1, "outcome": "lost", "worker": "w-7", "error": error}],
            options={"a": [1]},
        )
        text = await shown(world, "/tasks/t1")

        assert "there is no room left" in text
        assert "its worker went silent" in text
        assert 'data-post="/v1/tasks/t1/retry"' in text
        assert 'data-post="/v1/tasks/t1/cancel"' not in text

    async def test_of_a_map_shows_its_items(self, world: World) -> None:
        await world.put_workflow("w1", status="completed")
        run = {"workflow_id": "w1", "status": "completed"}
        await world.put_task("m", step_id="all", kind="map", type="map", output={"total": 2}, **run)
        await world.put_task("i0", step_id="all[0]", parent="all", item=0, **run)

        text = await shown(world, "/tasks/m")
        assert 'href="/tasks/i0"' in text
        assert "first 1 of 2 items" in text
        assert "{&#34;index&#34;: 0, &#34;step&#34;: &#34;all&#34;}" in await shown(world, "/tasks/i0")


class TestTheBeginningOfAText:
    async def test_is_shown(self, world: World) -> None:
        await world.put_file("a/notes.txt", ("<b>" + "é" * 9000).encode())
        text = await shown(world, "/beginning/a/notes.txt")

        assert "&lt;b&gt;éé" in text
        assert "Only the beginning" in text
        assert "�" not in text


class TestStarting:
    async def test_offers_each_example(self, world: World) -> None:
        for name in EXAMPLES:
            assert f'id="example-{name}"' in await shown(world, f"/start?example={name}")

    async def test_offers_templates_with_a_form(self, world: World) -> None:
        definition = {
            "name": "poster",
            "input": {"required": ["input_file"], "properties": {"input_file": {"type": "string"}}},
            "steps": [{"id": "a", "task": "echo"}],
        }
        (await world.client.put("/v1/templates/poster", json=definition)).raise_for_status()

        text = await shown(world, "/start?template=poster%401")
        assert 'name="input_file" data-kind="file"' in text
        assert "{&#34;template&#34;: &#34;poster@1&#34;}" in text
        assert (await world.client.get("/start?template=none")).status_code == 404

    def test_examples_are_those_that_everybody_sees(self) -> None:
        shipped = ROOT / "services/gateway/src/filemill_gateway/page/examples"

        for path in shipped.iterdir():
            assert path.read_text() == (ROOT / "examples" / path.name).read_text()
        assert {path.stem for path in shipped.iterdir()} == EXAMPLES.keys()


class TestLanguages:
    def test_have_the_same_words_with_the_same_places(self) -> None:
        assert WORDS["en"].keys() == WORDS["zh"].keys()
        for key, text in WORDS["en"].items():
            assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", WORDS["zh"][key])), key

    def test_say_durations(self) -> None:
        said = [Words("en").duration(seconds) for seconds in (0.01, 2.04, 59.4, 61, 7260)]

        assert said == ["0 s", "2 s", "59 s", "1 min 1 s", "2 h 1 min"]

    async def test_are_what_the_browser_asks_for_until_one_is_chosen(self, world: World) -> None:
        assert "还没有运行" in await shown(world, "/", **{"accept-language": "zh-CN,zh;q=0.9"})
        assert "No run yet" in await shown(world, "/?lang=en", **{"accept-language": "zh"})
        assert "No run yet" in await shown(world, "/", **{"accept-language": "zh"})  # the cookie says it

    async def test_and_colours_are_kept(self, world: World) -> None:
        assert 'data-theme="dark"' in await shown(world, "/?theme=dark")
        assert 'data-theme="dark"' in await shown(world, "/")
        assert "data-theme" not in await shown(world, "/?theme=")
        assert "data-theme" not in await shown(world, "/?theme=%22%3E%3Cscript%3E")


class TestHarm:
    async def test_whatever_others_wrote_is_text(self, world: World, store: Store) -> None:
        definition = {
            "name": HOSTILE,
            "steps": [
                {"id": "p", "type": "parallel", "branches": {HOSTILE: [{"id": "a", "task": "echo"}]}},
                {
                    "id": "w",
                    "type": "wait",
                    "signal": {"name": "go", "schema": {"properties": {HOSTILE: {}}}},
                },
            ],
        }
        error = {"code": "x", "message": HOSTILE}
        run = {"workflow_id": "w1", "name": HOSTILE, "message": HOSTILE, "error": error}
        output = {"file": HOSTILE, "digest": HOSTILE, "content_type": "image/png", HOSTILE: HOSTILE}
        await world.put_workflow(
            "w1", name=HOSTILE, description=HOSTILE, status="running", error=error,
            definition=definition, run_input={"input_file": HOSTILE, HOSTILE: HOSTILE},
        )  # fmt: skip
        await world.put_task("t1", step_id="p", kind="parallel", type="parallel", status="failed", **run)
        await world.put_task(
            "t2", step_id="a", index=1, status="running", options={HOSTILE: HOSTILE}, output=output,
            last_error=error, attempts=[{"number": 1, "outcome": HOSTILE, "error": error, "worker": HOSTILE}],
            **run,
        )  # fmt: skip
        await world.put_task("t3", step_id="w", index=2, kind="wait", type="wait", status="running", **run)
        await store.collection("deliveries").insert_one(
            {"_id": "d", "tenant": "default", "workflow_id": "w1", "created_at": BEGINNING, "tried": 1}
            | {"channel": HOSTILE, "target": HOSTILE, "status": "failed"}
            | {"tries": [{"code": HOSTILE, "response": HOSTILE}]}
        )

        for path in (
            "/",
            "/runs/w1",
            "/tasks/t1",
            "/tasks/t2",
            "/start",
            "/tasks",
            f"/?q={HOSTILE}",
            f"/runs/{HOSTILE.replace('/', '|')}",
        ):
            text = (await world.client.get(path)).text
            assert "<img src=x" not in text, path
            assert "alert(2)</script>" not in text, path
            assert handlers(text) == [], path

    async def test_is_kept_out_by_the_policy(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/")

        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<style|\sstyle=|<script>|javascript:", answer.text)
        assert "://" not in answer.text

    async def test_pages_load_what_is_there(self, client: httpx.AsyncClient) -> None:
        text = (await client.get("/")).text
        sources = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)

        assert len(sources) >= 5
        for source in sources:
            answer = await client.get(source)
            assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
        assert (await client.get("/static/../app.py")).status_code == 404
        assert (await client.get("/static/%2e%2e/rendering.py")).status_code == 404


async def test_the_store_being_away_is_said_in_a_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailableError("MongoDB is not available")

    monkeypatch.setattr(Queries, "workflows", away)
    answer = await world.client.get("/", headers={"accept-language": "zh"})

    assert answer.status_code == 503
    assert "数据库无法访问" in answer.text
