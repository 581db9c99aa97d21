"""A definition: what a workflow is to do, checked and frozen."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from filemill_common.language.words import (
    Alias,
    Condition,
    Duration,
    Email,
    FailurePolicy,
    Name,
    StepId,
    Template,
    TemplateReference,
    TriggerRule,
    Url,
    WorkflowEvent,
    moment,
    named,
    not_empty,
)

MAX_STEPS = 10_000
"""In all, those in branches and in ``finally`` too."""
MAX_ITEMS = 1_000
FILES = ("input_file", "output_file")


class _Part(BaseModel):
    # By alias alone for documents (`load` says so), by name too for those who build one in Python.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)


class Retry(_Part):
    """How often a step is tried again after an error that may pass.

    Attributes:
        max_retries: Tries after the first, 0 to 100.
        retry_delay: Pause before the first retry, at most an hour; later ones double, as the
            scheduler bounds them.
    """

    max_retries: Annotated[int, Strict()] = Field(2, ge=0, le=100)
    retry_delay: Duration = Field(timedelta(seconds=1), ge=timedelta(0), le=timedelta(hours=1))


class _Node(_Part):
    """What every step has, a map's too.

    Attributes:
        name: For people.
        if_: The step is skipped where this is false. Looked at after the trigger rule.
        allow_failure: Whether the run, or what the step lies in, is not failed by it. What depends on it
            sees that it failed.
        timeout: Longest run of one attempt, over 0 and at most 30 days.
    """

    name: Name | None = None
    if_: Condition | None = Field(None, alias="if")
    allow_failure: Annotated[bool, Strict()] = False
    timeout: Duration | None = Field(None, gt=timedelta(0), le=timedelta(days=30))


class _Step(_Node):
    """What every step has that has an id.

    Attributes:
        id: Unique in the definition, whatever the step lies in; what expressions and ``depends_on`` say.
        depends_on: Ids of the steps that must have ended first, in whatever they lie.
        trigger_rule: What these must have come to for this step to begin.
        order: The number that the flat shape calls it by; a name, not a sequence.
    """

    id: StepId
    order: Annotated[int, Strict()] | None = Field(None, ge=0, lt=2**63)
    depends_on: tuple[StepId, ...] = ()
    trigger_rule: TriggerRule = "all_success"


class TaskItem(_Node):
    """Work for a worker.

    Attributes:
        task: The type of the task.
        retry: How often it is tried again.
        with_: ``input_file``, ``output_file`` and the options of the task type, merged. Strings may
            hold expressions.
    """

    type: Literal["task"] = "task"
    task: Name
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    retry: Retry = Retry()


class Signal(_Part):
    """What somebody outside says to a run.

    Attributes:
        name: What it is called.
        schema_: JSON Schema (2020-12) of what comes with it; any object will do if left out.
    """

    name: StepId
    schema_: dict[str, Any] | None = Field(None, alias="schema")


class WaitItem(_Node):
    """Waits for a time or a signal; takes no worker.

    Attributes:
        duration: How long, or an expression that says so (seconds, or text as in a definition).
        until: RFC 3339 with an offset, or an expression that gives it.
        signal: Its name, or name and schema. What comes with it is the step's output.
        timeout: How long to wait for the signal.
        on_timeout: What becomes of the step then: ``fail`` it, ``complete`` it with the output
            ``{"timed_out": true}``, or ``skip`` it.
    """

    type: Literal["wait"]
    duration: (
        Annotated[Template | Annotated[Duration, Field(ge=timedelta(0))], Field(union_mode="left_to_right")]
        | None
    ) = None
    until: Annotated[str, AfterValidator(moment)] | None = None
    signal: Annotated[Signal, BeforeValidator(named, json_schema_input_type=Signal | StepId)] | None = None
    on_timeout: Literal["fail", "complete", "skip"] = "fail"

    @model_validator(mode="after")
    def _waits_for_one_thing(self) -> Self:
        if sum(thing is not None for thing in (self.duration, self.until, self.signal)) != 1:
            raise PydanticCustomError("one_thing", "say exactly one of 'duration', 'until' and 'signal'")
        if self.signal is None and (self.timeout is not None or self.on_timeout != "fail"):
            raise ValueError("'timeout' and 'on_timeout' belong to a wait for a signal")
        return self


class SubworkflowItem(_Node):
    """A run of a template: its outputs are the step's output, and it ends with its parent.

    Attributes:
        workflow: ``name@version`` of a template.
        with_: The input of that run; strings may hold expressions.
    """

    type: Literal["subworkflow"]
    workflow: TemplateReference
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")


class MapItem(_Node):
    """One step for each item of a list.

    Attributes:
        items: Expression that gives the list, or the list; 0 to 1,000 items.
        as_: What the item is called in the expressions of ``step``.
        step: Has no id and waits for nothing but its turn; several steps for an item are a subworkflow.
        max_concurrency: How many items are under way at once; all if left out.
        tolerated_failures: How many items may fail before this step does.
    """

    type: Literal["map"]
    items: Condition | list[Any]
    as_: Alias = Field("item", alias="as")
    step: "Item"
    max_concurrency: Annotated[int, Strict()] | None = Field(None, ge=1, le=MAX_ITEMS)
    tolerated_failures: Annotated[int, Strict()] = Field(0, ge=0, le=MAX_ITEMS)


class TaskStep(_Step, TaskItem):
    """Work for a worker, as a step."""


class WaitStep(_Step, WaitItem):
    """A wait, as a step."""


class SubworkflowStep(_Step, SubworkflowItem):
    """A run of a template, as a step."""


class MapStep(_Step, MapItem):
    """One step for each item of a list, as a step."""


class Case(_Part):
    """One way on: the steps that run if ``when`` is true and no case before it was.

    Attributes:
        when: An expression that gives true or false.
        then: Ids of steps beside the condition.
    """

    when: Condition
    then: tuple[StepId, ...] = ()


class ConditionStep(_Step):
    """A choice: what the chosen case names goes on, what only others name is skipped.

    Whatever a case or ``default`` names depends on this step by itself.

    Attributes:
        cases: Looked at one after the other; the first that is true is chosen.
        default: Ids of the steps that run if no case is true.
    """

    type: Literal["condition"]
    cases: Annotated[tuple[Case, ...], not_empty] = Field(max_length=100)
    default: tuple[StepId, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """Every step that it may choose, once."""
        return tuple(dict.fromkeys([*(name for case in self.cases for name in case.then), *self.default]))


class ParallelStep(_Step):
    """Named branches of steps. None begins before this step does, and it ends when all of them have.

    Within a branch too, steps begin when what they depend on has ended; their sequence says nothing.

    Attributes:
        branches: Lists of steps, by name.
        failure_policy: What a failed step means for the others in here, as for a whole run.
    """

    type: Literal["parallel"]
    branches: Annotated[dict[Name, tuple["Step", ...]], not_empty] = Field(max_length=1_000)
    failure_policy: FailurePolicy = "fail_fast"

    @property
    def steps(self) -> tuple["Step", ...]:
        """The steps of all branches."""
        return tuple(step for branch in self.branches.values() for step in branch)


def _kind(value: object) -> str | None:
    kind = value.get("type", "task") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) else None


Item = Annotated[
    Annotated[TaskItem, Tag("task")]
    | Annotated[WaitItem, Tag("wait")]
    | Annotated[SubworkflowItem, Tag("subworkflow")]
    | Annotated[MapItem, Tag("map")],
    Discriminator(_kind),
]
"""A step of a map."""

Step = Annotated[
    Annotated[TaskStep, Tag("task")]
    | Annotated[ConditionStep, Tag("condition")]
    | Annotated[ParallelStep, Tag("parallel")]
    | Annotated[MapStep, Tag("map")]
    | Annotated[WaitStep, Tag("wait")]
    | Annotated[SubworkflowStep, Tag("subworkflow")],
    Discriminator(_kind),
]
"""A node of a workflow: a ``task``, where it does not say what it is."""


STEP_MODELS: Mapping[str, type[BaseModel]] = {
    "task": TaskStep,
    "condition": ConditionStep,
    "parallel": ParallelStep,
    "map": MapStep,
    "wait": WaitStep,
    "subworkflow": SubworkflowStep,
}
ITEM_MODELS: Mapping[str, type[BaseModel]] = {
    "task": TaskItem,
    "map": MapItem,
    "wait": WaitItem,
    "subworkflow": SubworkflowItem,
}


class EmailTarget(_Part):
    """Whom to write to, and in which language."""

    to: Email
    locale: Literal["zh", "en"] | None = None


class UrlTarget(_Part):
    """Where to post to."""

    url: Url


class Notify(_Part):
    """Tell one target about the end of the workflow; completed and failed unless it says which.

    Attributes:
        events: Which ends to tell.
        email: Write to somebody.
        webhook: An address to post to.
        callback: An address to post to.
    """

    events: Annotated[tuple[WorkflowEvent, ...], not_empty] = ("workflow.completed", "workflow.failed")
    email: EmailTarget | None = None
    webhook: UrlTarget | None = None
    callback: UrlTarget | None = None

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if sum(target is not None for target in (self.email, self.webhook, self.callback)) != 1:
            raise PydanticCustomError("one_thing", "say exactly one of 'email', 'webhook' and 'callback'")
        return self


class Definition(_Part):
    """What a workflow does: its steps, what these wait for, and who is told about the end.

    Attributes:
        name: For people.
        description: For people.
        user_id: Whose it is.
        input: JSON Schema (2020-12) of the input; any will do if left out.
        failure_policy: What a step that fails, and may not, means for the others. ``fail_fast`` cancels
            what is under way and skips the rest, ``drain`` lets what is under way finish and skips the
            rest, ``continue`` goes on with all whose rule still allows it. The run has failed in each case.
        steps: Side by side unless they depend on each other; their sequence says nothing.
        finally_: Steps that run when all others have ended, however they did.
        notify: Who is told about the end.
    """

    name: Name
    description: str | None = Field(None, max_length=10_000)
    user_id: Name | None = None
    input: dict[str, Any] | None = None
    failure_policy: FailurePolicy = "fail_fast"
    steps: Annotated[tuple[Step, ...], not_empty] = Field(max_length=MAX_STEPS)
    finally_: tuple[Step, ...] = Field((), alias="finally", max_length=MAX_STEPS)
    notify: tuple[Notify, ...] = Field((), max_length=100)


def field_names(model: type[BaseModel], path: tuple[str | int, ...]) -> tuple[str, ...]:
    """Name the fields, as documents say them, of the model found at a path inside ``model``."""
    at: type[BaseModel] | None = model
    for part in path:
        if at is None:
            break
        if isinstance(part, str):
            fields = {field.alias or name: field for name, field in at.model_fields.items()}
            at = next(_models(fields[part].annotation), None) if part in fields else None
    return tuple(field.alias or name for name, field in at.model_fields.items()) if at else ()


def models() -> frozenset[type[BaseModel]]:
    """Give every model that a definition is made of."""
    # Steps hold each other, and their annotations do not say so before they are resolved.
    rest: list[type[BaseModel]] = [Definition, *STEP_MODELS.values(), *ITEM_MODELS.values()]
    found = {*rest}
    while rest:
        for field in rest.pop().model_fields.values():
            new = {*_models(field.annotation)} - found
            found |= new
            rest += new
    return frozenset(found)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)
