"""What people read of a history: a line for each event, and what it decided."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from filemill_client import render
from filemill_client.shapes import Json

_SHOWN: Final = 20
"""Changes of one event that are written out."""


def history(items: Sequence[Json], *, root: str) -> Table:
    """Lay a history out as a table; a step of a run within it has that run's id before its name."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("AT", "EVENT", "STEP", "DECIDED"):
        table.add_column(column, no_wrap=column != "DECIDED", overflow="fold")
    for item in items:
        table.add_row(item["at"], render.plain(item["event"]), _step(item, root), decided(item, root=root))
    return table


def played(item: Json, *, root: str) -> Iterator[RenderableType]:
    """Say what came of an event that was played again, and how that differs from what was recorded."""
    yield Text(f"{item['number']:>5}  {item['at']}  {item['event']:<18}  {_step(item, root)}")
    yield Text(f"       {decided(item, root=root)}", style="dim")
    if item["difference"]:
        yield Text(f"       differs: {render.plain(item['difference'])}", style="red")


def standing(workflows: Sequence[Json]) -> Iterator[RenderableType]:
    """Show how all stands after what was played."""
    for run in workflows:
        yield Text.assemble(
            f"workflow {render.plain(run['name'])} ", render.status(run["status"]), f"  {run['id']}"
        )
        for step in run["steps"]:
            why = f"  {render.plain(step['reason'])}" if step["reason"] else ""
            yield Text.assemble(f"  {render.plain(step['id'])}: ", render.status(step["status"]), why)


def decided(item: Json, *, root: str) -> str:
    """Say in a line what an event decided."""
    changes = item["changes"]
    said = [f"{item['made']} made"] if item["made"] else []
    said += [_change(change, root) for change in changes[:_SHOWN]]
    said += [f"and {len(changes) - _SHOWN} more"] if len(changes) > _SHOWN else []
    said += [render.plain(item["outcome"])] if item.get("outcome") else []
    return ", ".join(said) or "-"


def _change(change: Json, root: str) -> str:
    to = change.get("to") or "deleted"
    came = f"{change['from']} -> {to}" if change.get("from") else to
    attempt = f" #{change['attempt']}" if (change.get("attempt") or 0) > 1 else ""
    reason = f" ({render.plain(change['reason'])})" if change.get("reason") else ""
    return f"{_step(change, root) if change.get('step') else _run(change, root)}: {came}{attempt}{reason}"


def _step(item: Json, root: str) -> str:
    step = render.plain(item.get("step"))
    return step if item["run"] == root else f"{render.plain(item['run'])}/{step}"


def _run(item: Json, root: str) -> str:
    return "workflow" if item["run"] == root else f"workflow {render.plain(item['run'])}"
