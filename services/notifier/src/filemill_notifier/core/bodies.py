"""What a notification says: the original's keys and words, and English ones beside them."""

from filemill_common.clock import rfc3339
from filemill_common.events import Failure, JsonObject, TaskEvent, WorkflowEvent
from filemill_common.events.values import TaskView, WorkflowView


def webhook_body(event: TaskEvent | WorkflowEvent) -> JsonObject:
    """Give the body of a webhook: Standard Webhooks' ``type``, ``timestamp``, ``data``."""
    data = _task(event.task) if isinstance(event, TaskEvent) else _workflow(event.workflow)
    return {"type": _name(event), "timestamp": rfc3339(event.time), "data": data}


def callback_body(event: TaskEvent | WorkflowEvent) -> JsonObject:
    """Give the body of a callback: flat, as the original's."""
    if isinstance(event, TaskEvent):
        task = event.task
        return {
            "task_id": task.id,
            "status": task.status.value,
            "output_file": task.output_file,
            "error": _said(task.error),
        }
    return _workflow(event.workflow)


def _name(event: TaskEvent | WorkflowEvent) -> str:
    """Take ``task.completed`` out of ``io.filemill.task.completed.v1``."""
    return event.type.removeprefix("io.filemill.").rpartition(".")[0]


def _said(error: Failure | None) -> str | None:
    return error.message if error else None


def _task(task: TaskView) -> JsonObject:
    return {
        "task_id": task.id,
        "type": task.type,
        "status": task.status.value,
        "progress": task.progress,
        "input_file": task.input_file,
        "output_file": task.output_file,
        "error": _said(task.error),
        "duration": task.duration,
        "created_at": rfc3339(task.created_at),
        "completed_at": rfc3339(task.completed_at) if task.completed_at else None,
    }


def _workflow(workflow: WorkflowView) -> JsonObject:
    return {
        "workflow_id": workflow.id,
        "name": workflow.name,
        "status": workflow.status.value,
        "error": _said(workflow.error),
        "duration": workflow.duration,
        "outputs": workflow.outputs,
    }


_WORDS = {
    "zh": {
        "completed": "任务完成通知 - {kind}",
        "failed": "任务失败通知 - {kind}",
        "cancelled": "任务取消通知 - {kind}",
        "completed_body": "您的任务已完成",
        "failed_body": "您的任务执行失败",
        "cancelled_body": "您的任务已取消",
        "id": "任务ID",
        "kind": "任务类型",
        "status": "状态",
        "duration": "耗时",
        "seconds": "秒",
        "output": "输出文件",
        "error": "错误信息",
        "retries": "重试次数",
    },
    "en": {
        "completed": "Task completed - {kind}",
        "failed": "Task failed - {kind}",
        "cancelled": "Task cancelled - {kind}",
        "completed_body": "Your task has completed",
        "failed_body": "Your task has failed",
        "cancelled_body": "Your task was cancelled",
        "id": "Task ID",
        "kind": "Task type",
        "status": "Status",
        "duration": "Duration",
        "seconds": "seconds",
        "output": "Output file",
        "error": "Error",
        "retries": "Retries",
    },
}


def email_words(event: TaskEvent | WorkflowEvent, *, locale: str) -> JsonObject:
    """Give subject, heading and lines of an email; how they are laid out is the channel's business.

    Args:
        event: What happened.
        locale: ``zh``, the original's, or ``en``.

    Returns:
        ``{subject, heading, lines: [[name, value], …]}``.
    """
    words = _WORDS.get(locale, _WORDS["zh"])
    view = event.task if isinstance(event, TaskEvent) else event.workflow
    kind = view.type if isinstance(view, TaskView) else view.name
    status = view.status.value
    lines = [[words["id"], view.id], [words["kind"], kind]]
    if status == "failed":
        lines.append([words["error"], _said(view.error) or ""])
        if isinstance(view, TaskView):
            lines.append([words["retries"], f"{min(view.retry_count, view.max_retries)}/{view.max_retries}"])
    else:
        lines.append([words["status"], status])
        if view.duration is not None:
            lines.append([words["duration"], f"{view.duration:g} {words['seconds']}"])
        lines += [[words["output"], path] for path in _files(view)]
    return {"subject": words[status].format(kind=kind), "heading": words[f"{status}_body"], "lines": lines}


def _files(view: TaskView | WorkflowView) -> list[str]:
    if isinstance(view, TaskView):
        return [view.output_file] if view.output_file else []
    outputs = (view.outputs or {}).values()
    return [str(output["file"]) for output in outputs if isinstance(output, dict) and "file" in output]
