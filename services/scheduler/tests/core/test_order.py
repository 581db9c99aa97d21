"""Steps begin when all that they depend on has ended well, and not before."""

from filemill_common.events import (
    Check,
    EventRejected,
    Failure,
    Saw,
    TaskCompleted,
    TaskReady,
    TaskStatus,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowStatus,
)
from filemill_common.ids import step_task_id
from filemill_scheduler.testing import Scene


def ready(scene: Scene) -> list[str]:
    names = {task.id: task.step_id or task.id for task in scene.state.tasks.values()}
    return [names[event.task_id] for event in scene.last.owed if isinstance(event, TaskReady)]


def kinds(scene: Scene) -> list[str]:
    return [type(event).__name__ for event in scene.last.durable]


class TestOrder:
    def test_what_waits_for_nothing_begins_at_once(self, scene: Scene) -> None:
        scene.submit(a={}, b={}, c={"depends_on": ["a", "b"]})

        assert ready(scene) == ["a", "b"]

    def test_a_join_waits_for_all(self, scene: Scene) -> None:
        scene.submit(a={}, b={}, join={"depends_on": ["a", "b"]})

        scene.play(scene.succeeded("a"))
        assert ready(scene) == []

        scene.play(scene.succeeded("b"))
        assert ready(scene) == ["join"]

    def test_both_ends_of_a_join_in_one_batch_begin_it_once(self, scene: Scene) -> None:
        scene.submit(a={}, b={}, join={"depends_on": ["a", "b"]})

        scene.play(scene.succeeded("a"), scene.succeeded("b"))

        assert ready(scene) == ["join"]

    def test_a_run_completes_with_its_last_step(self, scene: Scene) -> None:
        scene.submit(a={}, b={"depends_on": ["a"]})
        scene.play(scene.succeeded("a", output={"x": 1}))

        scene.play(scene.succeeded("b", output={"y": 2}))

        assert kinds(scene) == [TaskCompleted.__name__, WorkflowCompleted.__name__]
        assert scene.run().status is WorkflowStatus.COMPLETED
        assert scene.run().outputs == {"a": {"x": 1}, "b": {"y": 2}}

    def test_a_pending_run_begins_on_command_alone(self, scene: Scene) -> None:
        scene.submit(start=False, a={})

        assert (ready(scene), scene.run().status) == ([], WorkflowStatus.PENDING)

    def test_results_flow_into_what_depends_on_them(self, scene: Scene) -> None:
        scene.submit(
            a={"with": {"x": "${{ input.n }}"}},
            b={"depends_on": ["a"], "with": {"y": "${{ steps.a.output.x }}", "z": "n=${{ input.n }}"}},
            value={"n": 7},
        )

        scene.play(scene.succeeded("a", output={"x": 7}))

        assert scene.task("b").options == {"y": 7, "z": "n=7"}


class TestAFailedStep:
    def test_skips_what_has_not_begun_and_cancels_what_is_under_way(self, scene: Scene) -> None:
        scene.submit(a={}, other={}, b={"depends_on": ["a"]}, c={"depends_on": ["b"]})

        scene.play(scene.failed("a"))

        assert scene.statuses() == {"a": "failed", "other": "cancelled", "b": "skipped", "c": "skipped"}
        assert scene.task("c").reason == "run_failed"

    def test_fails_its_run_once_and_says_why(self, scene: Scene) -> None:
        scene.submit(a={}, b={"depends_on": ["a"]})

        scene.play(scene.failed("a"))

        assert kinds(scene) == ["TaskFailed", WorkflowFailed.__name__]
        assert scene.run().error == Failure(code="boom", message="step 'a' failed: it broke")
        assert scene.run().counts.model_dump() == {
            "total": 2,
            "completed": 0,
            "failed": 1,
            "cancelled": 0,
            "skipped": 1,
        }

    def test_whose_expression_fails_is_not_retried(self, scene: Scene) -> None:
        scene.submit(a={"with": {"x": "${{ input.missing }}"}})

        assert scene.task("a").status is TaskStatus.FAILED
        assert scene.code("a") == "expression_error"
        assert scene.run().status is WorkflowStatus.FAILED

    def test_closes_the_attempts_of_those_it_cancels(self, scene: Scene) -> None:
        scene.submit(a={}, other={})
        late = scene.succeeded("other")

        scene.play(scene.failed("a"), late)

        assert scene.statuses() == {"a": "failed", "other": "cancelled"}


class TestAnInput:
    def test_that_an_earlier_step_wrote_is_found_in_the_same_fold(self, scene: Scene) -> None:
        clip = scene.file("clip.mp4")
        scene.submit(
            a={"task": "video_convert", "with": {"input_file": "clip.mp4", "output_file": "out/a.webm"}},
            b={
                "task": "probe",
                "depends_on": ["a"],
                "with": {"input_file": "${{ steps.a.output.file }}"},
            },
        )

        made = clip.model_copy(update={"object": "objects/tasks/a", "path": None})
        scene.play(scene.succeeded("a", file=made))

        assert scene.task("b").status is TaskStatus.READY
        assert scene.task("b").input == made.model_copy(update={"path": "out/a.webm"})

    def test_that_is_not_there_fails_the_task_and_is_not_retried(self, scene: Scene) -> None:
        scene.create("t", type="probe", input_file="nowhere.mp4")

        assert scene.task("t").status is TaskStatus.FAILED
        assert scene.task("t").error == Failure(
            code="input_not_found",
            message="there is no file 'nowhere.mp4'; upload it, or let an earlier step write it",
        )

    def test_that_leaves_the_storage_fails_the_task(self, scene: Scene) -> None:
        scene.submit(
            a={"task": "probe", "with": {"input_file": "${{ input.path }}"}}, value={"path": "../etc/passwd"}
        )

        assert scene.code("a") == "invalid_path"

    def test_stays_the_same_bytes_for_a_retry(self, scene: Scene) -> None:
        first = scene.file("clip.mp4")
        scene.create("t", type="probe", input_file="clip.mp4")
        scene.state.files[("default", "clip.mp4")] = first.model_copy(update={"object": "objects/newer"})

        scene.play(scene.failed("t"))
        scene.play(scene.command("t", "retry"))

        assert scene.task("t").input == first


class TestATaskThatDependsOnAnother:
    def test_begins_when_that_one_completes(self, scene: Scene) -> None:
        scene.create("a")
        scene.create("b", depends_on=["a"])
        assert ready(scene) == []

        scene.play(scene.succeeded("a"))

        assert ready(scene) == ["b"]

    def test_begins_at_once_if_that_one_has_completed(self, scene: Scene) -> None:
        scene.create("a")
        scene.play(scene.succeeded("a"))

        scene.create("b", depends_on=["a"])

        assert ready(scene) == ["b"]

    def test_counts_it_once_however_often_it_is_named(self, scene: Scene) -> None:
        scene.create("a")
        scene.create("b", depends_on=["a", "a"])

        scene.play(scene.succeeded("a"))

        assert ready(scene) == ["b"]

    def test_is_skipped_when_that_one_fails_and_so_is_what_waits_for_it(self, scene: Scene) -> None:
        scene.create("a")
        scene.create("b", depends_on=["a"])
        scene.create("c", depends_on=["b"])

        scene.play(scene.failed("a"))

        assert [(scene.task(name).status, scene.task(name).reason) for name in "bc"] == [
            (TaskStatus.SKIPPED, "upstream_failed"),
            (TaskStatus.SKIPPED, "upstream_failed"),
        ]

    def test_may_come_before_that_one(self, scene: Scene) -> None:
        scene.create("b", depends_on=["a"])
        assert scene.task("a").status is None

        scene.create("a")
        scene.play(scene.succeeded("a"))

        assert ready(scene) == ["b"]

    def test_may_come_before_the_run_whose_step_it_waits_for(self, scene: Scene) -> None:
        scene.create("b", depends_on=[step_task_id("run", "a")])

        scene.submit(a={}, then={"depends_on": ["a"]})
        assert ready(scene) == ["a"]

        scene.play(scene.succeeded("a"))
        assert sorted(ready(scene)) == ["b", "then"]

    def test_may_come_in_one_batch_with_the_run_whose_step_it_waits_for(self, scene: Scene) -> None:
        scene.play(
            scene.created("b", depends_on=[step_task_id("run", "a")]),
            scene.submitted(a={}, then={"depends_on": ["a"]}),
        )

        assert ready(scene) == ["a"]

    def test_keeps_its_id_from_a_run_that_would_give_it_to_a_step(self, scene: Scene) -> None:
        scene.create(step_task_id("run", "a"))

        refused = scene.submit(a={}).owed

        assert [event.code for event in refused if isinstance(event, EventRejected)] == ["id_taken"]
        assert "run" not in scene.state.runs

    def test_fails_if_that_one_never_comes(self, scene: Scene) -> None:
        scene.create("b", depends_on=["a"])
        scene.state.later(seconds=61)

        scene.play(scene.check("a", Saw.STUB_EXPIRED))

        assert scene.code("b") == "dependency_unknown"

    def test_is_skipped_however_long_the_chain(self, scene: Scene) -> None:
        scene.create("0")
        for index in range(1, 60):
            scene.create(str(index), depends_on=[str(index - 1)])

        decision = scene.play(scene.failed("0"))
        while looks := [event for event in decision.owed if isinstance(event, Check)]:
            decision = scene.play(*looks)

        assert {scene.task(str(index)).status for index in range(1, 60)} == {TaskStatus.SKIPPED}


class TestARetriedTaskThatDependsOnAnother:
    def test_begins_though_that_one_completed_while_it_was_cancelled(self, scene: Scene) -> None:
        scene.create("first")
        scene.create("second", depends_on=["first"])
        scene.play(scene.command("second", "cancel"))
        scene.play(scene.succeeded("first"))

        scene.play(scene.command("second", "retry"))

        assert scene.task("second").status is TaskStatus.READY

    def test_does_not_begin_without_one_that_was_deleted(self, scene: Scene) -> None:
        scene.create("first")
        scene.play(scene.command("first", "delete"))
        scene.create("second", depends_on=["first"])

        scene.play(scene.command("second", "retry"))

        assert (scene.task("second").status, ready(scene)) == (TaskStatus.FAILED, [])

    def test_waits_anew_for_one_that_never_came(self, scene: Scene) -> None:
        scene.create("second", depends_on=["first"])
        scene.state.later(seconds=61)
        scene.play(scene.check("first", Saw.STUB_EXPIRED))
        scene.play(scene.command("second", "retry"))
        assert scene.task("second").status is TaskStatus.PENDING

        scene.create("first")
        scene.play(scene.succeeded("first"))

        assert scene.task("second").status is TaskStatus.READY


class TestATaskThatDependsOnWhatIsNotThere:
    def test_fails_at_once_if_it_was_deleted(self, scene: Scene) -> None:
        scene.create("first")
        scene.play(scene.command("first", "delete"))

        scene.create("second", depends_on=["first"])

        assert scene.code("second") == "dependency_unknown"

    def test_fails_at_once_if_it_is_itself(self, scene: Scene) -> None:
        scene.create("first", depends_on=["first"])

        assert scene.code("first") == "dependency_unknown"

    def test_fails_in_its_time_also_if_others_waited_in_vain_before(self, scene: Scene) -> None:
        scene.create("second", depends_on=["first"])
        scene.state.later(seconds=61)
        scene.play(scene.check("first", Saw.STUB_EXPIRED))

        scene.create("third", depends_on=["first"])
        assert scene.task("third").status is TaskStatus.PENDING
        scene.state.later(seconds=61)
        scene.play(scene.check("first", Saw.STUB_EXPIRED))

        assert scene.code("third") == "dependency_unknown"

    def test_is_waited_for_a_whole_minute_by_each(self, scene: Scene) -> None:
        scene.create("second", depends_on=["first"])
        look = scene.check("first", Saw.STUB_EXPIRED)
        scene.state.later(seconds=59)
        scene.create("third", depends_on=["first"])
        scene.state.later(seconds=2)

        scene.play(look)

        assert scene.task("third").status is TaskStatus.PENDING
