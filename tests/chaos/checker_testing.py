"""A run in which all went well, made by hand, for the tests to spoil."""

import json
from typing import Any, Final

from tests.chaos.checker import judge
from tests.chaos.checker_facts import Facts, Row
from tests.chaos.checker_testing_shapes import shapes

Json = dict[str, Any]

SINK: Final = "http://sink/"


class Run:
    """All went well: a workflow of ``a``, then ``b``; a task that is retried and makes a file; `shapes`."""

    def __init__(self) -> None:
        self.lines: list[Json] = []
        self.history: Json = {"tasks": {}, "workflows": {}}
        self.deliveries: list[Json] = []
        self.files: list[Json] = []
        self.digests: dict[str, str] = {}
        self.outbox: list[Json] = []
        self.queues = {"scheduler.0": 0, "worker.default": 0, "amq.gen-1": 3}
        self.parked: list[Json] = [{"message_id": "poison", "type": "Odd", "code": "undecodable"}]
        self._workflow()
        self._retried()
        shapes(self)
        for second in range(60):
            self.say("alive", second, by="worker-1")
        self.say("planted", 1, message_id="poison")

    def say(self, what: str, at: float, **said: object) -> Json:
        line: Json = {"at": float(at), "what": what, "by": "stage-1", **said}
        self.lines.append(line)
        return line

    def stored(self, kind: str, identity: str, at: float, /, **changes: object) -> Json:
        versions = self.history[kind].setdefault(identity, [])
        before: Json = versions[-1] if versions else {"_id": identity, "version": 0, "created_at": float(at)}
        version = {**before, **changes, "version": before["version"] + 1, "at": float(at)}
        versions.append(version)
        return version

    def ran(
        self, task: str, execution: str, began: float, ended: float, *, attempt: int = 1, **made: object
    ) -> Json:
        about = {"task_id": task, "attempt": attempt, "execution": execution, "worker": "w", "by": "worker-1"}
        self.say("began", began, **about)
        return self.say("ended", ended, **about, **{"outcome": "succeeded", **made})

    def told(self, kind: str, subject: str, outcome: str, sequence: int, **shown: object) -> Json:
        data = {kind: {"id": subject, **shown}, "sequence": sequence}
        name = f"io.filemill.{kind}.{outcome}.v1"
        event = f"{subject}-{sequence}"
        return self.say("told", 50, event_id=event, type=name, subject=subject, sequence=sequence, data=data)

    def _workflow(self) -> None:
        self.say("accepted", 0, kind="workflow", id="r", key="k")
        counts = {"total": 2}
        self.stored("workflows", "r", 0, status="running", counts=counts)
        self.stored("tasks", "a", 0, status="ready", workflow_id="r", ready_at=0)
        self.stored("tasks", "b", 3.5, status="ready", workflow_id="r", depends_on=["a"], ready_at=3.5)
        for task, began, seconds in (("a", 1, 2), ("b", 10, 6)):
            output = {"execution": f"x{task}"}
            self.ran(task, f"x{task}", began, began + seconds, output=output)
            unmet = {"total": 1, "succeeded": 1} if task == "b" else None
            told = self.stored(
                "tasks", task, began + seconds, status="completed", output=json.dumps(output), unmet=unmet,
                completed_at=began + seconds,
            )  # fmt: skip
            self.told("task", task, "completed", told["version"])
        done = self.stored(
            "workflows", "r", 16, status="completed", completed_at=16, counts={**counts, "completed": 2}
        )
        asked = [{"events": ["workflow.completed"], "webhook": SINK}]
        self.told("workflow", "r", "completed", done["version"], notify=asked)
        self.notified("d1", f"r-{done['version']}", workflow_id="r")

    def _retried(self) -> None:
        self.say("accepted", 20, kind="task", id="t", key=None)
        self.stored("tasks", "t", 20, status="ready", ready_at=20)
        failed = self.stored("tasks", "t", 21, status="failed", attempt=2, completed_at=21)
        self.told("task", "t", "failed", failed["version"])
        self.say("commanded", 22, kind="task", id="t", command="retry", command_id="c", status=202)
        self.stored("tasks", "t", 22, status="ready", completed_at=None, commands=["id-of-c"], ready_at=22)
        output = {"execution": "xt", "file": "out.bin", "digest": "sha256:1"}
        made = {"object": "objects/tasks/t/2-xt.bin", "digest": "sha256:1"}
        self.ran("t", "xt", 23, 24, attempt=2, output={"execution": "xt"}, **made)
        self.digests["objects/tasks/t/2-xt.bin"] = "sha256:1"
        self.files.append({"_id": "default:out.bin", "path": "out.bin", **made})
        done = self.stored("tasks", "t", 24, status="completed", output=json.dumps(output), completed_at=24)
        self.told("task", "t", "completed", done["version"], callback_url=SINK)
        self.notified("d2", f"t-{done['version']}", channel="callback", task_id="t")

    def notified(self, identity: str, event: str, *, channel: str = "webhook", **about: str) -> None:
        [subject] = about.values()
        status = {"channel": channel, "target": SINK, "status": "delivered", "tried": 1}
        self.deliveries.append({"_id": identity, "event_id": event, **status, **about})
        self.say("notified", 50, webhook_id=identity, kind="task", id=subject, type="completed", answered=204)

    def facts(self) -> Facts:
        return Facts(sorted(self.lines, key=lambda line: float(line["at"])), self.dump())

    def dump(self) -> Json:
        last = {
            kind: [versions[-1] for versions in self.history[kind].values()]
            for kind in ("tasks", "workflows")
        }
        others = {"outbox": self.outbox, "deliveries": self.deliveries, "files": self.files}
        return {
            "collections": {**last, **others},
            "history": self.history,
            "queues": self.queues,
            "parked": self.parked,
            "digests": self.digests,
        }

    def only(self, rule: Any) -> str:
        """Give the one violation, which must be of this rule and of no other."""
        verdict = judge(sorted(self.lines, key=lambda line: float(line["at"])), self.dump())
        assert verdict.spoke == (rule.__doc__,), str(verdict)
        [violation] = Row.of("", rule(self.facts())).violations
        return violation
