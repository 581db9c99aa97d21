"""What other systems may ask for: checked as the gateway checks what people ask for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from filemill_common.clock import EPOCH
from filemill_common.events import Command, Event, TaskCommand, TaskCreated, WorkflowCommand, WorkflowCreated
from filemill_common.language import InvalidDefinitionError, check_input, dump, load
from filemill_common.storage.paths import InvalidPathError, normalise
from filemill_common.task_types import TASK_TYPES, option_models, resolve_options


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an event is not let in."""

    code: str
    message: str
    problems: tuple[dict[str, Any], ...] = ()


def admit(event: Event, *, now: datetime) -> Event | Refused:
    """Let an event of another system in, with the partition that keeps its order, or say why not.

    Their events are always of the tenant ``default``, and name the things they are about themselves. A
    command was given at its ``time``, so that a copy that comes late is no newer than what it is a copy of;
    one that has none, or one of the future, was given now: else all that people said would be newer.
    """
    match event:
        case TaskCreated():
            refused = _task_refused(event)
            return refused or event.model_copy(
                update={"tenant": "default", "partition_key": event.task_id, "deferrals": 0}
            )
        case WorkflowCreated():
            return _admit_workflow(event)
        case TaskCommand():
            return event.model_copy(update={"partition_key": event.task_id, **_stamped(event, now)})
        case WorkflowCommand():
            return event.model_copy(update={"partition_key": event.workflow_id, **_stamped(event, now)})
        case _:
            return Refused("unexpected_event", f"the intake takes no {type(event).__name__}")


def _stamped(command: Command, now: datetime) -> dict[str, int]:
    given = command.time if EPOCH < command.time <= now else now
    return {"deferrals": 0, "sequence": command.sequence or int(given.timestamp() * 1000)}


def _task_refused(event: TaskCreated) -> Refused | None:
    task_type = TASK_TYPES.get(event.task.type)
    if task_type is None:
        known = ", ".join(sorted(TASK_TYPES))
        return Refused("unknown_task_type", f"there is no task type {event.task.type!r}; there are {known}")
    try:
        resolve_options(task_type, event.task.options, event.task.output_file)
        for path in (event.task.input_file, event.task.output_file):
            if path is not None:
                normalise(path)
    except ValidationError as error:
        problems = tuple(
            {"pointer": "/task/options/" + "/".join(map(str, each["loc"])), "message": each["msg"]}
            for each in error.errors(include_url=False, include_input=False)
        )
        return Refused("invalid_options", f"the options of {event.task.type} are wrong", problems)
    except InvalidPathError as error:
        return Refused(error.code, str(error))
    if task_type.needs_input and event.task.input_file is None:
        return Refused("missing_field", f"{event.task.type} needs an input_file")
    return None


def _admit_workflow(event: WorkflowCreated) -> Event | Refused:
    try:
        definition = load(event.definition, task_types=option_models())
        templates = {
            name: dump(load(template, task_types=option_models()))
            for name, template in event.subworkflows.items()
        }
    except InvalidDefinitionError as error:
        return Refused(error.code, str(error), tuple(each.model_dump() for each in error.problems))
    problems = check_input(definition, event.input)
    if problems:
        message = "the input does not fit the definition's schema"
        return Refused("invalid_input", message, tuple(each.model_dump() for each in problems))
    return event.model_copy(
        update={
            "definition": dump(definition),
            "subworkflows": templates,
            "tenant": "default",
            "partition_key": event.workflow_id,
            "deferrals": 0,
        }
    )
