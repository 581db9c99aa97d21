"""What is asked of the system in one seed: runs and tasks of random shapes, commands, repetitions, faults."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from filemill_common.events import (
    Event,
    StoredFile,
    TaskCommand,
    TaskCreated,
    TaskSpec,
    WorkflowCommand,
    WorkflowCreated,
)
from filemill_common.ids import derived_id, step_task_id
from tests.simulation.clock import BEGIN
from tests.simulation.rules_plan import lay_out
from tests.simulation.story_shapes import FITTING, SIGNALS, Document, given, rich
from tests.simulation.world import Faults, Luck

INPUT: Final = StoredFile(object="objects/uploads/in", size=1, digest="sha256:" + "1" * 64, path="in.mp4")

Command = Literal["start", "cancel", "delete", "pause", "resume", "rerun", "signal"]


@dataclass(frozen=True, slots=True)
class Request:
    """Something that somebody asks for.

    Attributes:
        at: Second at which it is first asked.
        again: Seconds at which the same is asked once more.
        foreign: Whether another system asks, through the intake.
        refused: Whether the intake must not let it in.
    """

    at: float
    event: Event
    again: tuple[float, ...] = ()
    foreign: bool = False
    refused: bool = False


@dataclass
class Story:
    """All that is asked in one seed, and what of it is known beforehand.

    Attributes:
        definitions: Of the runs that are asked for.
        templates: What their subworkflows name.
        inputs: Of the runs.
    """

    requests: list[Request] = field(default_factory=list)
    ghosts: set[str] = field(default_factory=set)
    length: float = 10.0
    commands: dict[str, TaskCommand | WorkflowCommand] = field(default_factory=dict)
    definitions: dict[str, Document] = field(default_factory=dict)
    templates: dict[str, Document] = field(default_factory=dict)
    inputs: dict[str, Document] = field(default_factory=dict)
    said: set[int] = field(default_factory=set)

    def command(self, event: TaskCommand | WorkflowCommand, moment: float) -> TaskCommand | WorkflowCommand:
        """Stamp a command as a door does: no two have the same sequence."""
        sequence = max(1, int(moment * 1000))
        while sequence in self.said:
            sequence += 1
        self.said.add(sequence)
        event = event.model_copy(update={"sequence": sequence, "time": BEGIN})
        self.commands[event.id] = event
        return event


def tell(luck: Luck) -> Story:
    """Make up a story, in some of which work takes long."""
    story = Story(length=luck.choice((1.0, 4.0, 12.0)))
    tasks = [f"task-{number}" for number in range(luck.randint(0, 5))]
    runs = [f"run-{number}" for number in range(luck.randint(0 if tasks else 1, 2))]
    known: list[str] = []
    for run in runs:
        _define(luck, story, run)
        steps = [place.id for place in lay_out(story.definitions[run]).values()]
        known += [step_task_id(run, step) for step in luck.sample(steps, min(6, len(steps)))]
        _ask(story, luck, _workflow(luck, story, run))
    for task in tasks:
        _ask(story, luck, _task(luck, story, task, known))
        known.append(task)
    has_shapes = any("finally" in each for each in story.definitions.values())
    for _ in range(luck.choice((0, 2, 4, 8)) if has_shapes else luck.choice((0, 0, 1, 3, 5))):
        command = _command(luck, story, runs, tasks)
        at = _ask(story, luck, command)
        if isinstance(command, TaskCommand) and command.command == "cancel" and luck.chance(0.5):
            undone = {"command": "retry", "command_id": f"{command.command_id}-undone"}
            _ask(story, luck, command.model_copy(update=undone), at=at + luck.uniform(0.5, 15))
        if isinstance(command, WorkflowCommand) and command.command == "pause" and luck.chance(0.6):
            undone = {"command": "resume", "command_id": f"{command.command_id}-undone"}
            _ask(story, luck, command.model_copy(update=undone), at=at + luck.uniform(0.0, 15))
    if tasks and luck.chance(0.1):
        other = TaskSpec(type="echo", options={"other": True})
        _ask(story, luck, _created(luck.choice(tasks), other, digest="other"))
    if luck.chance(0.1):
        refused = _created("nobody", TaskSpec(type="echo", input_file="../etc/passwd"), digest="x")
        story.requests.append(Request(luck.uniform(0, story.length), refused, foreign=True, refused=True))
    return story


def _define(luck: Luck, story: Story, run: str) -> None:
    """Draw what a run does: tasks alone, or steps of every kind."""
    story.inputs[run] = given(luck)
    if luck.chance(0.4):
        story.definitions[run] = {"name": run, "steps": _steps(luck)}
        return
    if not story.templates and luck.chance(0.6):
        story.templates["small@1"] = rich(luck, "small", _work, {})
        if luck.chance(0.5):
            story.templates["outer@3"] = rich(luck, "outer", _work, dict(story.templates))
        for name, template in story.templates.items():
            if luck.chance(0.1):
                story.templates[name] = template | {"input": {"required": ["nothing"]}}
    story.definitions[run] = rich(luck, run, _work, story.templates)


def _ask(story: Story, luck: Luck, event: Event, *, at: float | None = None) -> float:
    """Let something be asked for at a moment, and tell which."""
    is_command = isinstance(event, (TaskCommand, WorkflowCommand))
    at = luck.uniform(0, story.length + 6.0 * is_command) if at is None else at
    again = (at + luck.uniform(0, 12),) if luck.chance(0.12) else ()
    foreign = luck.chance(0.25)
    if isinstance(event, (TaskCommand, WorkflowCommand)):
        # A door may have taken it a while before it gets through.
        event = story.command(event, at - (luck.uniform(0, 5) if luck.chance(0.2) else 0))
    story.requests.append(Request(at, event, again, foreign=foreign))
    return at


def _work(luck: Luck, name: str) -> tuple[str, dict[str, Any]]:
    """Choose a type and its options."""
    if luck.is_long_winded and luck.chance(0.3):
        return "sleep", {"seconds": luck.choice((8.0, 25.0, 45.0))}
    match luck.randrange(10):
        case 0 | 1 | 2:
            return "echo", {}
        case 3 | 4:
            return "sleep", {"seconds": luck.choice((0.5, 0.9, 1.2, 3.0, 8.0, 25.0))}
        case 5 | 6:
            times = luck.choice((None, 1, 1, 2))
            return "fail", {"code": "boom", "times": times, "retryable": luck.chance(0.8)}
        case 7:
            return "probe", {"input_file": INPUT.path}
        case _:
            output = luck.choice((None, "out/shared.jpg", f"out/{name}.jpg"))
            return "video_thumbnail", {"input_file": INPUT.path, "output_file": output}


def _steps(luck: Luck) -> list[dict[str, Any]]:
    """Draw a graph: chains, fans, diamonds and what lies between."""
    names = [f"s{number}" for number in range(luck.randint(1, 6))]
    shape = luck.choice(("chain", "fan", "diamond", "any"))
    steps: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        match shape:
            case "chain":
                needed = names[place - 1 : place] if place else []
            case "fan":
                needed = names[:1] if place else []
            case "diamond":
                last = place == len(names) - 1
                needed = (names[1:place] or names[:1]) if last and place else names[:1] if place else []
            case _:
                needed = luck.sample(names[:place], luck.randint(0, min(2, place)))
        kind, values = _work(luck, name)
        steps.append(
            {
                "id": name,
                "type": "task",
                "task": kind,
                "with": {key: value for key, value in values.items() if value is not None},
                "depends_on": sorted(needed),
                "retry": {"max_retries": luck.choice((0, 1, 2)), "retry_delay": luck.choice((0, 1, 4))},
                **({"timeout": 5} if luck.chance(0.1) else {}),
            }
        )
    return steps


def _workflow(luck: Luck, story: Story, run: str) -> WorkflowCreated:
    hook = {"webhook": {"url": f"http://sink/{run}"}}
    events = ["workflow.completed", "workflow.failed", "workflow.cancelled"]
    notify = [{"events": events, **hook}] if luck.chance(0.7) else []
    return WorkflowCreated(
        workflow_id=run,
        partition_key=run,
        time=BEGIN,
        definition={**story.definitions[run], "notify": notify},
        subworkflows=story.templates,
        input=story.inputs[run],
        start=luck.chance(0.9),
        body_digest=f"digest of {run}",
    )


def _task(luck: Luck, story: Story, task: str, known: list[str]) -> TaskCreated:
    kind, values = _work(luck, task)
    needed = luck.sample(known, min(len(known), luck.choice((0, 0, 1, 1, 2))))
    if luck.chance(0.06):
        story.ghosts.add(f"ghost-of-{task}")
        needed.append(f"ghost-of-{task}")
    files = {name: values.pop(name, None) for name in ("input_file", "output_file")}
    spec = TaskSpec(
        type=kind,
        options={name: value for name, value in values.items() if value is not None},
        depends_on=tuple(needed),
        max_retries=luck.choice((0, 1, 2)),
        retry_delay=luck.choice((0.0, 1.0, 4.0)),
        timeout=luck.choice((None, None, None, 5.0)),
        notify_webhook=f"http://sink/{task}" if luck.chance(0.6) else None,
        callback_url=f"http://sink/{task}" if luck.chance(0.2) else None,
        **files,
    )
    return _created(task, spec, digest=f"digest of {task}")


def _created(task: str, spec: TaskSpec, *, digest: str) -> TaskCreated:
    return TaskCreated(task_id=task, task=spec, partition_key=task, body_digest=digest, time=BEGIN)


def _command(luck: Luck, story: Story, runs: list[str], tasks: list[str]) -> TaskCommand | WorkflowCommand:
    command_id = f"command-{luck.randrange(10**9)}"
    if tasks and (not runs or luck.chance(0.4)):
        task = luck.choice(tasks)
        told: Literal["cancel", "retry", "delete"] = luck.choice(
            ("cancel", "cancel", "retry", "retry", "delete")
        )
        return TaskCommand(command_id=command_id, task_id=task, partition_key=task, command=told)
    run = luck.choice(runs)
    places = lay_out(story.definitions[run])
    if luck.chance(0.1):
        place = luck.choice(list(places.values()))
        step = step_task_id(run, place.id, luck.randrange(3) if place.kind == "map" else None)
        return TaskCommand(command_id=command_id, task_id=step, partition_key=run, command="cancel")
    inner = [each.id for each in places.values() if each.kind == "subworkflow"]
    if inner and luck.chance(0.15):
        child = derived_id("subworkflow", step_task_id(run, luck.choice(inner)), 1)
        asked: Command = luck.choice(("cancel", "signal"))
        return _run_command(luck, places, command_id, child, asked, run)
    asked = luck.choice(("start", "cancel", "delete", *("pause", "resume", "rerun", "signal") * 2))
    return _run_command(luck, places, command_id, run, asked, run)


def _run_command(
    luck: Luck, places: Document, command_id: str, run: str, asked: Command, root: str
) -> WorkflowCommand:
    arguments: Document = {}
    if asked == "signal":
        payload = luck.choice((FITTING, FITTING, {"other": 1}, {"ok": False, "n": luck.randrange(10)}))
        arguments = {"name": luck.choice(SIGNALS), "payload": payload}
    elif asked == "rerun" and luck.chance(0.6):
        step = luck.choice(list(places.values()))
        index = {"index": luck.randrange(3)} if step.kind == "map" and luck.chance(0.7) else {}
        arguments = {"step": step.id, **index}
    return WorkflowCommand(
        command_id=command_id, workflow_id=run, partition_key=root, command=asked, arguments=arguments
    )


POINTS: Final = (
    *(
        f"scheduler {point}"
        for point in (
            "store.read",
            "store.write",
            "store.written",
            "commit.before",
            "commit.after",
            "publish.before",
            "publish.after",
            "ack.before",
            "ack.after",
        )
    ),
    *(
        f"worker {point}"
        for point in (
            "work",
            "publish.before",
            "publish.after",
            "ack.before",
            "ack.after",
            "cancel",
            "consume",
        )
    ),
    *(
        f"notifier {point}"
        for point in ("store.write", "store.written", "send.before", "send.after", "ack.before", "ack.after")
    ),
)


THEMES: Final = ("nothing", "workers", "repetitions", "schedulers", "broker", "store", "everything")
"""What a seed is unlucky with: the rest of its number, divided by how many there are."""

TIMED: Final[dict[str, tuple[str, ...]]] = {
    "nothing": (),
    "workers": ("kill worker", "freeze worker", "cut worker", "roll worker", "cut scheduler"),
    "repetitions": ("cut worker", "cut scheduler"),
    "schedulers": ("kill scheduler", "freeze scheduler", "cut scheduler", "roll scheduler", "outage"),
    "broker": ("broker away", "unbind", "cut door"),
    "store": ("store away", "kill notifier", "freeze notifier", "roll notifier", "kill scheduler"),
}
"""Faults that happen at a moment, by theme; ``everything`` has all of them."""


def theme_of(seed: int) -> str:
    """Tell what a seed is unlucky with."""
    return THEMES[seed % len(THEMES)]


def timed_faults(theme: str, luck: Luck) -> list[str]:
    """Choose the faults that happen at a moment."""
    kinds = TIMED.get(theme) or [kind for kinds in TIMED.values() for kind in kinds]
    return [luck.choice(kinds) for _ in range(luck.choice((0, 1, 2, 3, 5)))]


def misfortunes(theme: str, luck: Luck) -> Faults:
    """Choose what else goes wrong, at points of the code and with messages."""

    def some(most: float, *themes: str) -> float:
        is_meant = theme in themes or (theme == "everything" and luck.chance(0.4))
        return luck.uniform(0, most) if is_meant else 0.0

    kind = {"workers": "worker", "schedulers": "scheduler", "store": "notifier"}.get(theme, "")
    points = [each for each in POINTS if each.startswith(kind)]
    crashes = theme in {"workers", "schedulers", "store", "everything"}
    return Faults(
        most=luck.choice((0, 1, 2, 4, 8)) if crashes else 0,
        crash={luck.choice(points): luck.choice((0.02, 0.1, 0.4)) for _ in range(luck.randint(0, 2))},
        freeze={luck.choice(points): luck.choice((0.02, 0.1, 0.4)) for _ in range(luck.randint(0, 2))},
        crash_anywhere=some(0.003),
        freeze_anywhere=some(0.003),
        duplicate=some(0.5, "repetitions"),
        late_duplicate=some(0.3, "repetitions"),
        lost_transient=some(0.3, "repetitions", "broker"),
        unconfirmed=some(0.25, "broker"),
        unknown_commit=some(0.2, "store"),
        store_away=some(0.03, "store"),
        conflict=some(0.1, "store"),
        sink_fails=some(0.4, "store"),
    )
