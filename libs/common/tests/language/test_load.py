"""What makes a definition, and what is said about a document that makes none."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from filemill_common.language import (
    Definition,
    EmailTarget,
    InvalidDefinitionError,
    Notify,
    Problem,
    Retry,
    TaskStep,
    UrlTarget,
    check_options,
    dump,
    load,
)


class ConvertOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: str = Field("webm", pattern="^(webm|mp4)$")
    height: int | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _tall_is_mp4(self) -> "ConvertOptions":
        if self.format == "webm" and (self.height or 0) > 1000:
            raise ValueError("webm is at most 1000 high")
        return self


TASK_TYPES: dict[str, type[BaseModel]] = {"video_convert": ConvertOptions}


def step(name: str, *needs: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "task": "echo", "depends_on": list(needs), **fields}


def document(*steps: object, **fields: Any) -> dict[str, Any]:
    return {"name": "test", "steps": list(steps), **fields}


def problems(value: object, task_types: dict[str, type[BaseModel]] | None = None) -> list[Problem]:
    with pytest.raises(InvalidDefinitionError) as caught:
        load(value, task_types=task_types)
    return list(caught.value.problems)


def places(value: object, **options: Any) -> list[tuple[str, str]]:
    return [(problem.pointer, problem.code) for problem in problems(value, **options)]


class TestADefinition:
    def test_is_read_with_all_that_it_may_say(self) -> None:
        given = document(
            {"id": "first", "type": "task", "task": "video_convert"},
            {
                "id": "second-1",
                "name": "Second",
                "order": 2,
                "task": "video_convert",
                "with": {"input_file": "${{ steps.first.output.file }}", "format": "mp4"},
                "depends_on": ["first"],
                "retry": {"max_retries": 5, "retry_delay": "2s"},
                "timeout": "1h30m",
            },
            description="two steps",
            user_id="u1",
            input={"type": "object"},
            failure_policy="fail_fast",
            notify=[
                {"email": {"to": "you@example.com", "locale": "zh"}},
                {"events": ["workflow.cancelled"], "webhook": {"url": "https://example.com/h"}},
            ],
        )

        assert load(given, task_types=TASK_TYPES) == Definition(
            name="test",
            description="two steps",
            user_id="u1",
            input={"type": "object"},
            steps=(
                TaskStep(id="first", task="video_convert"),
                TaskStep(
                    id="second-1",
                    name="Second",
                    order=2,
                    task="video_convert",
                    with_={"input_file": "${{ steps.first.output.file }}", "format": "mp4"},
                    depends_on=("first",),
                    retry=Retry(max_retries=5, retry_delay=timedelta(seconds=2)),
                    timeout=timedelta(minutes=90),
                ),
            ),
            notify=(
                Notify(
                    events=("workflow.completed", "workflow.failed"),
                    email=EmailTarget(to="you@example.com", locale="zh"),
                ),
                Notify(events=("workflow.cancelled",), webhook=UrlTarget(url="https://example.com/h")),
            ),
        )

    def test_is_written_as_json_with_its_defaults_spelled_out(self) -> None:
        definition = load(
            document({"id": "a", "task": "echo", "with": {"nothing": None}, "timeout": "PT1.5S"}),
            task_types=None,
        )

        assert dump(definition) == {
            "name": "test",
            "failure_policy": "fail_fast",
            "steps": [
                {
                    "id": "a",
                    "type": "task",
                    "task": "echo",
                    "with": {"nothing": None},
                    "allow_failure": False,
                    "depends_on": [],
                    "trigger_rule": "all_success",
                    "retry": {"max_retries": 2, "retry_delay": 1},
                    "timeout": 1.5,
                }
            ],
            "finally": [],
            "notify": [],
        }

    @pytest.mark.parametrize(
        ("said", "seconds"),
        [(90, 90), (0.5, 0.5), ("90s", 90), ("1h30m", 5400), ("1d", 86400), ("PT5M", 300)],
    )
    def test_says_durations_in_three_ways(self, said: object, seconds: float) -> None:
        definition = load(document(step("a", timeout=said)), task_types=None)

        assert definition.steps[0].timeout == timedelta(seconds=seconds)

    @pytest.mark.parametrize("said", ["", "5", "P5M", "m", True, None, "PT", [], 0, -1, 1e300])
    def test_refuses_other_durations(self, said: object) -> None:
        given = document(step("a", retry={"retry_delay": -1}, timeout=said))

        expected = [("/steps/0/retry/retry_delay", "invalid_value")]
        if said is not None:
            expected.append(("/steps/0/timeout", "invalid_value"))
        assert places(given) == expected

    def test_may_hold_keys_with_dollars_and_dots_as_plain_data(self) -> None:
        given = document(step("a", **{"with": {"$set": {"a.b": 1}, "": 2}}))

        assert dump(load(given, task_types=None))["steps"][0]["with"] == {"$set": {"a.b": 1}, "": 2}


class TestProblems:
    def test_all_come_at_once_each_with_its_place_and_what_was_meant(self) -> None:
        given = document(
            step("transcode", with_={}, timeout="soon"),
            step("preview", "transcod", **{"with": {"at": "${{ inputs.x }}"}}),
            {"id": "wait", "type": "weit", "depends_on": ["preview"]},
            "no step",
            nme="x",
        )

        assert problems(given) == [
            Problem(
                pointer="/nme",
                code="unknown_field",
                message="no field 'nme' here",
                suggestion="did you mean 'name'?",
            ),
            Problem(
                pointer="/steps/0/timeout",
                code="invalid_value",
                message='a duration is a number of seconds, or text such as "90s", "1h30m" or "PT90S"',
            ),
            Problem(
                pointer="/steps/0/with_",
                code="unknown_field",
                message="no field 'with_' here",
                suggestion="did you mean 'with'?",
            ),
            Problem(
                pointer="/steps/1/depends_on/0",
                code="unknown_dependency",
                message="no step 'transcod'",
                suggestion="did you mean 'transcode'?",
            ),
            Problem(
                pointer="/steps/1/with/at",
                code="undeclared_name",
                message="no name or function 'inputs' here (line 1, column 7 of the expression)",
                suggestion="did you mean 'input'?",
            ),
            Problem(
                pointer="/steps/2/type",
                code="unsupported_step_type",
                message="no step type 'weit'; there is task, condition, parallel, map, wait, subworkflow",
                suggestion="did you mean 'wait'?",
            ),
            Problem(
                pointer="/steps/3",
                code="wrong_type",
                message="a step is an object, not str",
            ),
        ]

    @pytest.mark.parametrize("given", [None, [], "x", 1, {1, 2}])
    def test_a_document_that_is_no_object_has_one(self, given: object) -> None:
        assert places(given) == [("", "wrong_type")]

    def test_an_empty_object_lacks_what_is_needed(self) -> None:
        assert places({}) == [("/name", "missing_field"), ("/steps", "missing_field")]

    def test_a_workflow_needs_a_step(self) -> None:
        assert places(document()) == [("/steps", "invalid_value")]

    @pytest.mark.parametrize("name", ["1a", "a b", "", "a" * 65, "ä", "a\n"])
    def test_an_id_has_a_shape(self, name: str) -> None:
        assert places(document(step(name))) == [("/steps/0/id", "invalid_value")]

    def test_an_id_is_there_once(self) -> None:
        assert places(document(step("a"), step("b"), step("a"))) == [("/steps/2/id", "duplicate_step")]

    def test_a_dependency_is_listed_once(self) -> None:
        assert places(document(step("a"), step("b", "a", "a"))) == [
            ("/steps/1/depends_on/1", "duplicate_dependency")
        ]

    def test_a_circle_is_named(self) -> None:
        (problem,) = problems(document(step("a", "c"), step("b", "a"), step("c", "b"), step("d", "a")))

        assert problem == Problem(
            pointer="/steps/0/depends_on",
            code="cyclic_dependency",
            message="these wait for each other: a → c → b → a",
            suggestion="leave one of these dependencies out",
        )

    def test_each_circle_is_named(self) -> None:
        given = document(step("a", "a"), step("b", "c"), step("c", "b"))

        assert places(given) == [
            ("/steps/0/depends_on/0", "cyclic_dependency"),
            ("/steps/1/depends_on", "cyclic_dependency"),
        ]

    def test_who_is_told_is_one_target_that_can_be_reached(self) -> None:
        given = document(
            step("a"),
            notify=[
                {"events": []},
                {"email": {"to": "you"}, "events": ["workflow.done"]},
                {"webhook": {"url": "ftp://x"}},
                {"callback": {"url": "https://${{input.host}}/"}},
            ],
        )

        assert places(given) == [
            ("/notify/0/events", "invalid_value"),
            ("/notify/1/email/to", "invalid_value"),
            ("/notify/1/events/0", "invalid_value"),
            ("/notify/2/webhook/url", "invalid_value"),
            ("/notify/3/callback/url", "invalid_expression"),
        ]

    def test_two_targets_are_one_too_many(self) -> None:
        url = {"url": "https://example.com"}

        assert places(document(step("a"), notify=[{"webhook": url, "callback": url}])) == [
            ("/notify/0", "invalid_value")
        ]

    def test_more_than_a_thousand_are_counted_rather_than_shown(self) -> None:
        found = problems(document(*(step("a", x=1) for _ in range(2_000))))

        assert len(found) == 1_001
        assert found[-1].message == "2999 more problems are not shown"


class TestTaskTypes:
    def test_an_unknown_one_gets_the_nearest_name(self) -> None:
        (problem,) = problems(document(step("a", task="video_covert")), TASK_TYPES)

        assert problem == Problem(
            pointer="/steps/0/task",
            code="unknown_task_type",
            message="no task type 'video_covert'",
            suggestion="did you mean 'video_convert'?",
        )

    def test_options_are_checked_where_they_stand(self) -> None:
        options = {"input_file": "a.mp4", "output_file": 5, "format": "avi", "heigth": 3}
        given = document(step("a", task="video_convert", **{"with": options}))

        assert problems(given, TASK_TYPES) == [
            Problem(
                pointer="/steps/0/with/format",
                code="invalid_options",
                message="String should match pattern '^(webm|mp4)$'",
            ),
            Problem(
                pointer="/steps/0/with/heigth",
                code="invalid_options",
                message="'video_convert' has no option 'heigth'",
                suggestion="did you mean 'height'?",
            ),
            Problem(
                pointer="/steps/0/with/output_file",
                code="wrong_type",
                message="'output_file' is a path, a string",
            ),
        ]

    def test_an_option_with_an_expression_is_checked_once_rendered(self) -> None:
        options = {"height": "${{ input.height }}", "format": "webm"}
        load(document(step("a", task="video_convert", **{"with": options})), task_types=TASK_TYPES)

        rendered = check_options("video_convert", {**options, "height": 2000}, ConvertOptions)

        assert rendered == (Problem(pointer="", code="invalid_options", message="webm is at most 1000 high"),)


class TestExpressionsInSteps:
    def test_may_use_what_comes_before_at_any_distance(self) -> None:
        uses = {"with": {"x": ["${{ steps.a.output.file }}", 'to ${{ steps["b-1"].status }}']}}

        load(document(step("a"), step("b-1", "a"), step("c", "b-1", **uses)), task_types=None)

    def test_must_not_use_what_does_not(self) -> None:
        given = document(
            step("a", **{"with": {"x": "${{ steps.b.output }}"}}),
            step("b", **{"with": {"x": "${{ steps.b.output }}"}}),
            step("c", "b", **{"with": {"x": "${{ steps.bb.output + steps.a.output }}"}}),
        )

        assert [(p.pointer, p.code, p.suggestion) for p in problems(given)] == [
            ("/steps/0/with/x", "dependency_missing", "add 'b' to its depends_on"),
            ("/steps/1/with/x", "dependency_missing", None),
            ("/steps/2/with/x", "dependency_missing", "add 'a' to its depends_on"),
            ("/steps/2/with/x", "unknown_dependency", "did you mean 'b'?"),
        ]

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("${{ 1 + }}", "invalid_expression"),
            ("${{ }}", "invalid_expression"),
            ("${{ input.x", "invalid_expression"),
            ("${{ 'a' + 1 }}", "invalid_expression"),
            ("${{ steps }}", "invalid_expression"),
            ("${{ steps[input.x].output }}", "invalid_expression"),
            ("${{ env.HOME }}", "undeclared_name"),
            ("${{ shell('rm') }}", "undeclared_name"),
            ("${{ steps.a.result }}", "undeclared_name"),
            ("${{ " + "1+" * 1200 + "1 }}", "invalid_expression"),
            ("${{ " + "(" * 500 + "1" + ")" * 500 + " }}", "invalid_expression"),
            ("${{ '\ud800' }}", "bad_unicode"),
        ],
    )
    def test_are_compiled_before_anything_starts(self, text: str, code: str) -> None:
        given = document(step("a"), step("b", "a", **{"with": {"x": text}}))

        assert ("/steps/1/with/x", code) in places(given)

    def test_stand_in_values_and_not_in_keys(self) -> None:
        assert places(document(step("a", **{"with": {"${{ input.x }}": 1}}))) == [
            ("/steps/0/with/${{ input.x }}", "invalid_expression")
        ]
