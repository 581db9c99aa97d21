"""Whoever asked is told, also when the first try meets an error."""

from typing import Any

from filemill_local.user import User
from tests.integration.recipient import Recipient


class TestAWebhook:
    def test_that_answers_500_is_sent_again_with_the_same_id(self, user: User, recipient: Recipient) -> None:
        task = user.task(
            "echo", notify_webhook=f"{recipient.url}/hook", callback_url=f"{recipient.url}/callback"
        )
        user.ended_task(task)

        user.eventually(lambda: len(recipient.got) == 4, within=30)

        hooks = [(key, body) for path, key, body in recipient.got if path == "/hook"]
        assert hooks[0] == hooks[1]
        assert (hooks[0][1]["type"], hooks[0][1]["data"]["task_id"]) == ("task.completed", task)
        calls = [body for path, _, body in recipient.got if path == "/callback"]
        assert calls == [{"task_id": task, "status": "completed", "output_file": None, "error": None}] * 2
        listed = user.eventually(lambda: delivered(user, task), within=10)
        assert [[each["code"] for each in delivery["tries"]] for delivery in listed] == [["500", "200"]] * 2

    def test_of_a_failed_task_says_why(self, user: User, recipient: Recipient) -> None:
        task = user.task(
            "fail",
            options={"code": "boom", "message": "it broke", "retryable": False},
            notify_webhook=f"{recipient.url}/hook",
            notify_email="failed@example.com",
        )
        user.ended_task(task)

        mail = user.messages("failed@example.com")
        user.eventually(lambda: recipient.got, within=10)

        assert (mail[0]["subject"], "it broke" in mail[0]["text"]) == ("任务失败通知 - fail", True)
        assert recipient.got[0][2]["data"]["error"] == "it broke"


def delivered(user: User, task: str) -> list[dict[str, Any]]:
    """Give the deliveries of a task, once both have arrived."""
    found = user.http.get("/v1/deliveries", params={"task_id": task}).json()["items"]
    return found if [each["status"] for each in found] == ["delivered"] * 2 else []
