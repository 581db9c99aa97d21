"""What is shown first, and the six dashboards in all: from whether work flows down to what is full."""

from typing import Final

from deploy.observability.details import CAPACITY, NOTIFIER, SERVERS, WORKERS, WORKFLOWS
from deploy.observability.panels import Dashboard, line, number, quantile, rate

OVERVIEW: Final = Dashboard(
    "overview",
    "Filemill: overview",
    (
        (
            "Does work flow?",
            (
                number("Accepted a minute", "60 * sum(rate(filemill_accepted_total[5m]))"),
                number("Runs under way", "sum(filemill_workflows_open)"),
                number("Oldest task waiting", "max(filemill_pool_oldest_waiting_seconds)", "s"),
                number("Oldest event owed", "max(filemill_outbox_oldest_seconds)", "s"),
                number("In the parking lot", 'filemill:queue_messages{queue="parking-lot"}'),
                number("Alerts", 'count(ALERTS{alertname=~"Filemill.*",alertstate="firing"}) or vector(0)'),
            ),
        ),
        (
            "From accepted to delivered",
            (
                line(
                    "Flow",
                    (rate("filemill_accepted_total"), "accepted"),
                    (rate("filemill_tasks_queued_total"), "queued"),
                    (rate("filemill_task_handoff_seconds_count"), "started"),
                    ("filemill:tasks_ended:rate5m", "ended (5 min)"),
                    (rate('filemill_delivery_tries_total{outcome="delivered"}'), "delivered"),
                    unit="ops",
                ),
                line(
                    "From ready to started",
                    (quantile(0.5, "filemill_task_handoff_seconds"), "half of them"),
                    (quantile(0.95, "filemill_task_handoff_seconds"), "95 of 100"),
                    unit="s",
                ),
            ),
        ),
        (
            "Gateway",
            (
                line(
                    "Requests",
                    (rate("filemill_http_request_duration_seconds_count", "method"), "{{method}}"),
                    unit="reqps",
                ),
                line(
                    "Answers that are no success",
                    (
                        rate('filemill_http_request_duration_seconds_count{status=~"[45].."}', "status"),
                        "{{status}}",
                    ),
                    (rate("filemill_submissions_refused_total", "reason"), "refused: {{reason}}"),
                    unit="reqps",
                ),
                line(
                    "Time to answer, 95 of 100",
                    (quantile(0.95, "filemill_http_request_duration_seconds", "method"), "{{method}}"),
                    unit="s",
                ),
            ),
        ),
        (
            "Scheduler",
            (
                line("Events folded", rate("filemill_fold_batch_events_sum"), unit="ops"),
                line(
                    "Put off, ignored, repaired",
                    (rate("filemill_events_deferred_total"), "deferred"),
                    (rate("filemill_reports_ignored_total"), "ignored"),
                    (rate("filemill_sweep_repairs_total", "what"), "repaired: {{what}}"),
                    unit="ops",
                ),
                line(
                    "Time to commit, 95 of 100", quantile(0.95, "filemill_commit_duration_seconds"), unit="s"
                ),
            ),
        ),
        (
            "Workers",
            (
                line(
                    "Executions ended",
                    (rate("filemill_executions_total", "outcome"), "{{outcome}}"),
                    unit="ops",
                ),
                line(
                    "Attempts that failed",
                    (rate("filemill_attempt_failures_total", "code") + " > 0", "{{code}}"),
                    unit="ops",
                ),
                line(
                    "Time to process, 95 of 100",
                    (quantile(0.95, "filemill_processor_duration_seconds", "type"), "{{type}}"),
                    unit="s",
                ),
            ),
        ),
        (
            "Notifier",
            (
                line(
                    "Tries to deliver",
                    (rate("filemill_delivery_tries_total", "channel"), "{{channel}}"),
                    unit="ops",
                ),
                line(
                    "Tries that failed",
                    (
                        rate('filemill_delivery_tries_total{outcome!="delivered"}', "channel"),
                        "{{channel}}",
                    ),
                    unit="ops",
                ),
                line(
                    "From the fact to the first try, 95 of 100",
                    (quantile(0.95, "filemill_notification_delay_seconds", "channel"), "{{channel}}"),
                    unit="s",
                ),
            ),
        ),
    ),
)

DASHBOARDS: Final = (OVERVIEW, WORKFLOWS, WORKERS, NOTIFIER, SERVERS, CAPACITY)
