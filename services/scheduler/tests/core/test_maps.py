"""Maps: one step for each item of a list, so many at once, and a result in the order of the list."""

from typing import Any

import pytest

from filemill_common.events import JsonObject
from filemill_scheduler.core import maps
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import SUCCEEDED, bring, each, parallel, ready, step, why


def listed(*said: JsonObject, items: list[Any], **definition: Any) -> dict[str, Any]:
    return {"steps": list(said), "value": {"items": items}, **definition}


def open_items(scene: Scene) -> list[str]:
    """Name the items under way."""
    return [
        name
        for name, status in scene.statuses().items()
        if "[" in name and status not in {"pending", "completed"}
    ]


class TestAMap:
    def test_of_nothing_completes_at_once(self, scene: Scene) -> None:
        scene.define(**listed(each("m"), step("z", "m"), items=[]))

        assert scene.task("m").output == {"items": [], "total": 0, "failed": 0}
        assert ready(scene) == ["z"]

    def test_makes_a_task_of_each_item_that_knows_it_by_name(self, scene: Scene) -> None:
        said = {"task": "echo", "with": {"twice": "${{ n * 2 }}", "all": "${{ size(input.items) }}"}}
        scene.define(**listed(each("m", as_="n", step_=said), items=[3, 4]))

        assert ready(scene) == ["m[0]", "m[1]"]
        assert [scene.task(f"m[{index}]").options for index in (0, 1)] == [
            {"twice": 6, "all": 2},
            {"twice": 8, "all": 2},
        ]
        assert (scene.task("m[1]").parent, scene.task("m[1]").item, scene.run().counts.total) == ("m", 1, 1)

    def test_calls_it_item_unless_told_otherwise(self, scene: Scene) -> None:
        scene.define(
            **listed(each("m", step_={"task": "echo", "with": {"x": "${{ item.a }}"}}), items=[{"a": 1}])
        )

        assert scene.task("m[0]").options == {"x": 1}

    def test_takes_a_list_that_is_written_out_too(self, scene: Scene) -> None:
        said = {"task": "echo", "with": {"x": "${{ item }}"}}
        scene.define(steps=[each("m", items=["a", "${{ input.b }}"], step_=said)], value={"b": "c"})

        assert [scene.task(f"m[{index}]").options["x"] for index in (0, 1)] == ["a", "c"]

    def test_puts_the_results_together_in_the_order_of_the_list(self, scene: Scene) -> None:
        scene.define(
            **listed(each("m"), step("z", "m", with_={"r": "${{ steps.m.output.items }}"}), items=[1, 2, 3])
        )

        for index in (2, 0, 1):
            scene.play(scene.succeeded(f"m[{index}]", output={"n": index}))

        results = [{"index": index, "status": "completed", "output": {"n": index}} for index in range(3)]
        assert scene.task("m").output == {"items": results, "total": 3, "failed": 0}
        assert scene.task("z").options == {"r": results}
        assert str(scene.task("m").status) == "completed"

    def test_tells_how_far_it_has_come(self, scene: Scene) -> None:
        scene.define(**listed(each("m"), items=[1, 2, 3]))

        bring(scene, "m[1]", SUCCEEDED)

        assert scene.task("m").progress == 33.33

    def test_takes_a_thousand_items(self, scene: Scene) -> None:
        scene.define(**listed(each("m"), items=list(range(1000))))
        assert len(ready(scene)) == 1000

        scene.play(*(scene.succeeded(f"m[{index}]") for index in range(1000)))

        output = scene.task("m").output
        assert output is not None
        assert [one["index"] for one in output["items"]] == list(range(1000))
        assert str(scene.run().status) == "completed"

    @pytest.mark.parametrize(
        "items", ["input.many", "input.text", "input.nothing", "input.object", "steps.a.output.many"]
    )
    def test_of_no_list_or_of_more_than_a_thousand_fails(self, scene: Scene, items: str) -> None:
        many = list(range(1001))
        scene.define(
            steps=[step("a"), each("m", "a", items=items)],
            value={"many": many, "text": "abc", "object": {"a": 1}},
        )

        scene.play(scene.succeeded("a", output={"many": many}))

        assert why(scene, "m") == "failed: expression_error"

    def test_whose_if_is_false_makes_no_item(self, scene: Scene) -> None:
        scene.define(**listed(each("m", if_="false"), items=[1]))

        assert scene.statuses() == {"m": "skipped"}

    def test_whose_results_are_too_large_fails(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(maps, "OUTPUT_LIMIT", 1000)
        scene.define(**listed(each("m"), items=[1, 2]))

        scene.play(*(scene.succeeded(name, output={"text": "x" * 500}) for name in ("m[0]", "m[1]")))

        assert why(scene, "m") == "failed: output_too_large"

    def test_keeps_four_megabytes(self) -> None:
        assert maps.OUTPUT_LIMIT == 4 * 1024 * 1024


class TestTheItemsOfAMap:
    @pytest.mark.parametrize("at_once", [1, 2, 3])
    def test_are_never_more_at_once_than_it_says_and_begin_in_order(self, scene: Scene, at_once: int) -> None:
        scene.define(**listed(each("m", max_concurrency=at_once), items=list(range(7))))
        began = [*ready(scene)]
        assert began == [f"m[{index}]" for index in range(at_once)]

        while under_way := open_items(scene)[1:] or open_items(scene):
            assert len(open_items(scene)) <= at_once
            bring(scene, under_way[0], SUCCEEDED)
            began += ready(scene)

        assert began == [f"m[{index}]" for index in range(7)]
        assert why(scene, "m") == "completed"

    def test_are_skipped_by_their_if_without_taking_a_turn(self, scene: Scene) -> None:
        said = {"task": "echo", "if": "item % 2 == 0"}
        scene.define(**listed(each("m", max_concurrency=1, step_=said), items=[1, 3, 4, 5]))
        assert ready(scene) == ["m[2]"]

        bring(scene, "m[2]", SUCCEEDED)

        output = scene.task("m").output
        assert output is not None
        assert [one["status"] for one in output["items"]] == ["skipped", "skipped", "completed", "skipped"]
        assert output["failed"] == 0

    def test_are_tried_again_as_steps_are(self, scene: Scene) -> None:
        said = {"task": "echo", "retry": {"max_retries": 1}}
        scene.define(**listed(each("m", max_concurrency=1, step_=said), items=[1, 2]))

        scene.play(scene.failed("m[0]", retryable=True))
        assert (why(scene, "m[0]"), ready(scene)) == ("retrying", [])

        scene.play(scene.due("m[0]"))
        bring(scene, "m[0]", SUCCEEDED)
        assert (scene.task("m[0]").ran, ready(scene)) == (2, ["m[1]"])

    def test_may_fail_as_many_as_it_tolerates(self, scene: Scene) -> None:
        scene.define(**listed(each("m", tolerated_failures=1), step("z", "m"), items=[1, 2, 3]))

        for name, how in (("m[0]", "failed"), ("m[2]", "succeeded"), ("m[1]", "succeeded")):
            bring(scene, name, how)

        output = scene.task("m").output
        assert output is not None
        assert [one["status"] for one in output["items"]] == ["failed", "completed", "completed"]
        assert (output["failed"], why(scene, "m"), ready(scene)) == (1, "completed", ["z"])

    def test_that_fail_more_often_stop_the_rest_and_fail_it(self, scene: Scene) -> None:
        scene.define(
            **listed(
                each("m", tolerated_failures=1, max_concurrency=3),
                step("z", "m"),
                items=[1, 2, 3, 4],
                failure_policy="continue",
            )
        )
        scene.play(scene.succeeded("m[0]", output={"n": 1}))

        scene.play(scene.failed("m[1]"), scene.failed("m[2]"))

        assert [why(scene, f"m[{index}]") for index in range(4)] == [
            "completed",
            "failed: boom",
            "failed: boom",
            "cancelled",
        ]
        assert (why(scene, "m"), why(scene, "z")) == ("failed: items_failed", "skipped: upstream_failed")
        output = scene.task("m").output
        assert output is not None
        assert (output["items"][0]["output"], output["total"]) == ({"n": 1}, 4)

    def test_that_had_no_turn_are_skipped_then(self, scene: Scene) -> None:
        scene.define(**listed(each("m", max_concurrency=1), items=[1, 2, 3]))

        bring(scene, "m[0]", "failed")

        assert [why(scene, f"m[{index}]") for index in (1, 2)] == ["skipped: run_failed"] * 2

    def test_that_may_fail_are_no_failures(self, scene: Scene) -> None:
        scene.define(**listed(each("m", step_={"task": "echo", "allow_failure": True}), items=[1, 2]))

        bring(scene, "m[0]", "failed")
        bring(scene, "m[1]", "failed")

        assert why(scene, "m") == "completed"

    def test_whose_expression_fails_count_as_failed(self, scene: Scene) -> None:
        said = {"task": "echo", "with": {"x": "${{ 10 / item }}"}}
        scene.define(**listed(each("m", tolerated_failures=1, step_=said), items=[0, 5]))

        assert (why(scene, "m[0]"), scene.task("m[1]").options) == ("failed: expression_error", {"x": 2})

    def test_that_somebody_cancelled_count_as_failed(self, scene: Scene) -> None:
        scene.define(**listed(each("m"), items=[1, 2]))

        scene.play(scene.command(scene.task("m[0]").id, "cancel"))

        assert why(scene, "m") == "failed: items_failed"

    def test_end_with_the_map_that_somebody_cancelled(self, scene: Scene) -> None:
        scene.define(**listed(each("m", max_concurrency=1), items=[1, 2], failure_policy="continue"))

        scene.play(scene.command(scene.task("m").id, "cancel"))

        assert scene.statuses() == {"m": "cancelled", "m[0]": "cancelled", "m[1]": "skipped"}
        assert str(scene.run().status) == "failed"

    def test_may_be_waits(self, scene: Scene) -> None:
        said = {"type": "wait", "signal": "go", "timeout": "1h"}
        scene.define(**listed(each("m", step_=said, max_concurrency=1), items=[1, 2]))
        assert why(scene, "m[0]") == "running"

        scene.say("go", by="me")

        output = scene.task("m").output
        assert output is not None
        assert [one["output"] for one in output["items"]] == [{"by": "me"}] * 2

    def test_may_be_waits_of_different_length(self, scene: Scene) -> None:
        scene.define(
            **listed(each("m", step_={"type": "wait", "duration": "${{ item }}"}), items=[5, "0s", "1m"])
        )
        assert [why(scene, f"m[{index}]") for index in range(3)] == ["running", "completed", "running"]

        scene.state.later(seconds=60)
        scene.play(scene.due("m[0]"), scene.due("m[2]"))

        assert why(scene, "m") == "completed"

    def test_may_be_subworkflows(self, scene: Scene) -> None:
        said = {"type": "subworkflow", "workflow": "sub@1", "with": {"n": "${{ item }}"}}
        sub = {"name": "sub", "steps": [step("q", with_={"n": "${{ input.n }}"})]}
        scene.define(**listed(each("m", step_=said), items=[1, 2], subworkflows={"sub@1": sub}))
        scene.follow()
        assert [scene.task(f"m[{index}]/q").options for index in (0, 1)] == [{"n": 1}, {"n": 2}]

        scene.play(scene.succeeded("m[0]/q", output={"n": 10}), scene.succeeded("m[1]/q", output={"n": 20}))
        scene.follow()

        output = scene.task("m").output
        assert output is not None
        assert [one["output"] for one in output["items"]] == [{"q": {"n": 10}}, {"q": {"n": 20}}]

    def test_may_be_maps_that_know_all_names_around_them(self, scene: Scene) -> None:
        inner = {
            "type": "map",
            "items": "row",
            "as": "cell",
            "step": {"task": "echo", "with": {"x": "${{ [size(row), cell] }}"}},
        }
        scene.define(**listed(each("m", as_="row", step_=inner), items=[[1, 2], [], [3]]))
        assert why(scene, "m[1]") == "completed"
        assert [scene.task(name).options["x"] for name in ("m[0][0]", "m[0][1]", "m[2][0]")] == [
            [2, 1],
            [2, 2],
            [1, 3],
        ]

        for name in ("m[0][1]", "m[2][0]", "m[0][0]"):
            scene.play(scene.succeeded(name, output={"name": name}))

        output = scene.task("m").output
        assert output is not None
        assert output["items"][0]["output"]["items"][1]["output"] == {"name": "m[0][1]"}
        assert str(scene.run().status) == "completed"

    def test_of_a_map_in_a_map_fail_both(self, scene: Scene) -> None:
        inner = {"type": "map", "items": "row", "step": {"task": "echo"}}
        scene.define(**listed(each("m", as_="row", step_=inner), items=[[1, 2], [3]]))

        bring(scene, "m[0][1]", "failed")

        assert [why(scene, name) for name in ("m[0][0]", "m[0]", "m[1]", "m[1][0]", "m")] == [
            "cancelled",
            "failed: items_failed",
            "cancelled",
            "cancelled",
            "failed: items_failed",
        ]

    def test_may_read_a_file_each(self, scene: Scene) -> None:
        paths = [f"{index}.mp4" for index in range(30)]
        for path in paths:
            scene.file(path)
        scene.define(
            **listed(each("m", step_={"task": "probe", "with": {"input_file": "${{ item }}"}}), items=paths)
        )

        assert len(ready(scene)) == 30
        assert scene.state.rounds <= 4

    def test_are_waited_for_by_tasks_outside_that_came_before_them(self, scene: Scene) -> None:
        scene.define(**listed(step("a"), each("m", "a"), items=[1]))
        scene.create("outside", depends_on=[scene.item_id("m", 0)])

        bring(scene, "a", SUCCEEDED)
        assert (scene.task("m[0]").attempt, why(scene, "outside")) == (1, "pending")

        bring(scene, "m[0]", SUCCEEDED)
        assert why(scene, "outside") == "ready"

    def test_leave_other_tasks_their_ids(self, scene: Scene) -> None:
        scene.create(scene.item_id("m", 0))

        scene.define(**listed(each("m"), items=[1]))

        assert why(scene, "m") == "failed: id_taken"
        assert scene.state.tasks[scene.item_id("m", 0)].workflow_id is None

    def test_lie_in_a_parallel_with_their_map(self, scene: Scene) -> None:
        scene.define(**listed(parallel("p", b=[each("m"), step("x")]), items=[1, 2]))

        bring(scene, "x", "failed")

        assert scene.statuses() == {
            "p": "failed", "m": "cancelled", "m[0]": "cancelled", "m[1]": "cancelled", "x": "failed"
        }  # fmt: skip
