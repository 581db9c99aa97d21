"""The list of metrics in the manual, made of the metrics themselves."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry

MANUAL: Final = Path(__file__).parents[2] / "docs" / "telemetry.md"

_BEGIN: Final = "<!-- metrics: made by `python -m deploy.observability write` -->\n"
_END: Final = "<!-- end of metrics -->\n"
_MODULES: Final = {
    "all": "filemill_common.messaging.metrics",
    "gateway, scheduler, notifier": "filemill_common.store.metrics",
    "gateway": "filemill_gateway.metrics",
    "scheduler": "filemill_scheduler.metrics",
    "worker": "filemill_worker.metrics",
    "notifier": "filemill_notifier.metrics",
}


def metrics() -> Iterator[tuple[str, str, Any]]:
    """Give the service, the name and the object of each metric, in the order in which they are defined."""
    for service, name in _MODULES.items():
        module = importlib.import_module(name)
        own: Any = vars(module)
        if "Metrics" in own:
            registry = CollectorRegistry()
            own = vars(own["Metrics"](registry))
        for each in own.values():
            if hasattr(each, "_labelnames") and hasattr(each, "describe"):
                [family] = each.describe()
                yield service, family.name + ("_total" if family.type == "counter" else ""), each


def samples() -> set[str]:
    """Name all samples that the services have."""
    ends = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    found: set[str] = set()
    for _, name, each in metrics():
        [family] = each.describe()
        found |= {name + end for end in ends[family.type]}
    process = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("process_")}
    return found | process


def manual() -> str:
    """Give the manual with the list as it should be."""
    text = MANUAL.read_text()
    head, _, rest = text.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    rows = "".join(_row(*each) for each in metrics())
    table = f"| metric | labels | by | what |\n|---|---|---|---|\n{rows}"
    return f"{head}{_BEGIN}\n{table}\n{_END}{tail}"


def _row(service: str, name: str, each: Any) -> str:
    [family] = each.describe()
    labels = ", ".join(f"`{label}`" for label in each._labelnames)  # noqa: SLF001 - shown nowhere else
    return f"| `{name}` | {labels} | {service} | {family.documentation} |\n"
