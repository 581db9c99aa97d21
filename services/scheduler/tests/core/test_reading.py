"""What a fold reads: in few rounds, however much one event brings about, and no more in a large run."""

from typing import Any

import pytest

from filemill_common.events import Check, JsonObject
from filemill_scheduler.testing import Scene
from services.scheduler.tests.core.words import (
    SUCCEEDED,
    bring,
    condition,
    each,
    last,
    parallel,
    ready,
    step,
    why,
)

FEW = 6


class TestOneEvent:
    def test_begins_many_steps_that_read_a_file_each_in_few_rounds(self, scene: Scene) -> None:
        files = [scene.file(f"{index}.mp4") for index in range(50)]
        readers = [
            step(f"s{index}", "a", task="probe", with_={"input_file": file.path})
            for index, file in enumerate(files)
        ]
        scene.define(steps=[step("a"), *readers])

        bring(scene, "a", SUCCEEDED)

        assert len(ready(scene)) == 50
        assert scene.state.rounds <= FEW

    def test_begins_many_steps_that_name_others_and_read_what_these_wrote_in_few_rounds(
        self, scene: Scene
    ) -> None:
        scene.file("in.mp4")
        befores = [step(f"b{index}") for index in range(30)]
        readers = [
            step(
                f"s{index}",
                "a",
                f"b{index}",
                task="probe",
                if_=f"steps.b{index}.status == 'completed'",
                with_={"input_file": f"${{{{ steps.b{(index + 1) % 30}.output.path }}}}"},
            )
            for index in range(30)
        ]
        for reader in readers:
            reader["depends_on"] = ["a", *(before["id"] for before in befores)]
        scene.define(steps=[step("a"), *befores, *readers])
        scene.play(*(scene.succeeded(f"b{index}", output={"path": "in.mp4"}) for index in range(30)))

        bring(scene, "a", SUCCEEDED)

        assert len(ready(scene)) == 30
        assert scene.state.rounds <= FEW

    def test_lets_a_condition_choose_by_a_hundred_steps_in_few_rounds(self, scene: Scene) -> None:
        befores = [step(f"b{index}") for index in range(99)]
        cases: dict[str, list[str]] = {f"steps.b{index}.output.yes": [] for index in range(98)}
        choice = condition(
            "c", "a", *(each["id"] for each in befores), cases={**cases, "steps.b98.output.yes": ["x"]}
        )
        scene.define(steps=[step("a"), *befores, choice, step("x")])
        scene.play(*(scene.succeeded(f"b{index}", output={"yes": index == 98}) for index in range(99)))

        bring(scene, "a", SUCCEEDED)

        assert ready(scene) == ["x"]
        assert scene.state.rounds <= FEW

    def test_ends_parallels_in_parallels_in_the_rounds_that_there_are(self, scene: Scene) -> None:
        inside: JsonObject = step("x")
        for depth in range(7):
            inside = parallel(f"p{depth}", b=[inside, step(f"y{depth}")], z=[step(f"z{depth}", f"y{depth}")])
        scene.define(steps=[inside, step("after", "p6")], **last(step("f")))

        bring(scene, "x", "failed")

        assert (ready(scene), {why(scene, f"p{depth}") for depth in range(7)}) == (["f"], {"failed: boom"})
        assert scene.state.rounds < 20

    def test_that_skips_more_in_a_row_than_there_are_rounds_goes_on_in_the_next(self, scene: Scene) -> None:
        chain = [parallel(f"p{index}", f"p{index - 1}", b=[step(f"x{index}")]) for index in range(1, 40)]
        scene.define(
            steps=[parallel("p0", b=[step("x0")]), *chain], failure_policy="continue", **last(step("f"))
        )

        bring(scene, "x0", "failed")
        assert any(isinstance(event, Check) for event in scene.last.durable)
        scene.follow()

        assert {why(scene, f"{kind}{index}") for kind in "px" for index in range(1, 40)} == {
            "skipped: upstream_failed"
        }
        assert scene.run().counts.skipped == 78
        bring(scene, "f", SUCCEEDED)
        assert str(scene.run().status) == "failed"

    @pytest.mark.parametrize("command", ["cancel", "delete", "pause"])
    def test_that_is_not_wholly_settled_leaves_room_for_a_command(self, scene: Scene, command: str) -> None:
        chain = [parallel(f"p{index}", f"p{index - 1}", b=[step(f"x{index}")]) for index in range(1, 40)]
        scene.define(
            steps=[parallel("p0", b=[step("x0")]), *chain], failure_policy="continue", **last(step("f"))
        )
        bring(scene, "x0", "failed")
        looks = scene.last.durable

        scene.play(scene.run_command("run", command))
        scene.play(*(look for look in looks if isinstance(look, Check)))
        scene.follow()

        if command == "delete":
            assert scene.run().status is None
            return
        if command == "pause":
            scene.play(scene.run_command("run", "resume"))
            scene.follow()
        assert not [name for name, status in scene.statuses().items() if name != "f" and status == "pending"]
        bring(scene, "f", SUCCEEDED)
        assert str(scene.run().status) == ("cancelled" if command == "cancel" else "failed")


def large(size: int) -> dict[str, Any]:
    """A run of about so many steps, in which each decision has the same to do."""
    return {
        "failure_policy": "continue",
        "steps": [
            step("a"),
            step("b", "a", with_={"n": "${{ steps.a.output.n }}"}),
            condition("c", "a", cases={"steps.a.output.n > 1": ["d"]}, default=["e"]),
            step("d"),
            step("e"),
            parallel("p", left=[step("x"), step("x2", "x")], right=[step("y")]),
            each("m", items=[1, 2, 3, 4], max_concurrency=2),
            step("join", *(f"s{index}" for index in range(size - 8)), rule="all_done"),
            *(step(f"s{index}", *([f"s{index - 1}"] if index % 2 else [])) for index in range(size - 8)),
        ],
    }


class TestDeciding:
    def test_touches_as_many_documents_in_a_run_of_ten_thousand_steps_as_in_one_of_ten(self) -> None:
        found = []
        for size in (10, 9_900):
            scene = Scene()
            scene.define(**large(size))
            touched = []
            for report in (
                scene.succeeded("a", output={"n": 2}),
                scene.succeeded("x"),
                scene.succeeded("m[1]"),
                scene.failed("s0", retryable=True),
                scene.failed("d"),
                scene.started("y"),
                scene.run_command("run", "signal", name="n", payload={}),
            ):
                scene.play(report)
                touched.append(scene.state.touched)
            found.append(touched)

        assert found[0] == found[1]
        assert max(found[0]) <= 20
