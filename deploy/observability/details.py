"""What is shown of each part: workflows, workers, the notifier, the servers, and what is full."""

from typing import Final

from deploy.observability.panels import JOB, POOL, TYPE, Dashboard, line, number, quantile, rate

WORKFLOWS: Final = Dashboard(
    "workflows",
    "Filemill: workflows",
    (
        (
            "Runs",
            (
                line("Runs under way", ("sum by (status) (filemill_workflows_open)", "{{status}}")),
                line("Accepted", (rate("filemill_accepted_total", "kind"), "{{kind}}"), unit="ops"),
                line("Ended", (rate("filemill_workflows_ended_total", "outcome"), "{{outcome}}"), unit="ops"),
                number("Stuck", "max(filemill_workflows_stuck)"),
            ),
        ),
        (
            "Tasks",
            (
                line(
                    "Created and ended",
                    (rate(f"task_created_total{{{TYPE}}}"), "created"),
                    (rate(f"task_completed_total{{{TYPE}}}"), "completed"),
                    (rate(f"task_failed_total{{{TYPE}}}"), "failed"),
                    (rate(f"filemill_tasks_not_run_total{{{TYPE}}}", "outcome"), "{{outcome}}"),
                    unit="ops",
                ),
                line(
                    "Failed for good, by why",
                    (rate(f"filemill_task_failures_total{{{POOL}}}", "code") + " > 0", "{{code}}"),
                    unit="ops",
                ),
                line("Retries", (rate(f"filemill_retries_total{{{TYPE}}}", "type"), "{{type}}"), unit="ops"),
                line(
                    "How long tasks take, 95 of 100",
                    (quantile(0.95, "task_duration_seconds", "type", TYPE), "{{type}}"),
                    unit="s",
                ),
            ),
        ),
        (
            "Promises",
            (
                line(
                    "Started later than 5 s (at most 5 %)",
                    ("filemill:starts_late:ratio1h", "an hour"),
                    ("filemill:starts_late:ratio6h", "six hours"),
                    unit="percentunit",
                ),
                line(
                    "Without an end (at most 0.1 %)",
                    ("filemill:work_unfinished:ratio1h", "an hour"),
                    ("filemill:work_unfinished:ratio6h", "six hours"),
                    unit="percentunit",
                ),
                line(
                    "Told later than 60 s (at most 1 %)",
                    ("filemill:notifications_late:ratio1h", "an hour"),
                    ("filemill:notifications_late:ratio6h", "six hours"),
                    unit="percentunit",
                ),
            ),
        ),
    ),
)

WORKERS: Final = Dashboard(
    "workers",
    "Filemill: workers",
    (
        (
            "By pool",
            (
                line(
                    "Waiting and running",
                    (f"sum by (pool, status) (filemill_pool_tasks{{{POOL}}})", "{{pool}} {{status}}"),
                ),
                line(
                    "Oldest task waiting",
                    (f"max by (pool) (filemill_pool_oldest_waiting_seconds{{{POOL}}})", "{{pool}}"),
                    unit="s",
                ),
                line(
                    "Slots in use",
                    (f"filemill:worker_saturation:ratio{{{POOL}}}", "{{pool}}"),
                    unit="percentunit",
                ),
                line(
                    "From ready to started, 95 of 100",
                    (quantile(0.95, "filemill_task_handoff_seconds", "pool", POOL), "{{pool}}"),
                    unit="s",
                ),
            ),
        ),
        (
            "By type",
            (
                line(
                    "Attempts ended",
                    (
                        rate(f"filemill_attempts_total{{{TYPE}}}", "type, outcome") + " > 0",
                        "{{type}} {{outcome}}",
                    ),
                    unit="ops",
                ),
                line(
                    "Progress (whole tasks a second)",
                    (rate(f"filemill_progress_ratio_total{{{TYPE}}}", "type"), "{{type}}"),
                    unit="ops",
                ),
                line(
                    "Time to process, half of them",
                    (quantile(0.5, "filemill_processor_duration_seconds", "type", TYPE), "{{type}}"),
                    unit="s",
                ),
                line(
                    "Processors at work",
                    (rate(f"filemill_processor_duration_seconds_sum{{{TYPE}}}", "type"), "{{type}}"),
                ),
                line(
                    "Bytes in",
                    (rate(f"filemill_input_bytes_total{{{TYPE}}}", "type"), "{{type}}"),
                    unit="Bps",
                ),
                line(
                    "Bytes out",
                    (rate(f"filemill_output_bytes_total{{{TYPE}}}", "type"), "{{type}}"),
                    unit="Bps",
                ),
            ),
        ),
        (
            "Losses",
            (
                line(
                    "Attempts lost with their worker",
                    (rate(f'filemill_attempts_total{{outcome="lost",{TYPE}}}', "type"), "{{type}}"),
                    unit="ops",
                ),
                line(
                    "Given back, revoked",
                    (
                        rate(f'filemill_executions_total{{outcome=~"released|revoked",{TYPE}}}', "outcome"),
                        "{{outcome}}",
                    ),
                    unit="ops",
                ),
            ),
        ),
    ),
)

NOTIFIER: Final = Dashboard(
    "notifier",
    "Filemill: notifier",
    (
        (
            "Deliveries",
            (
                line(
                    "Tries",
                    (
                        rate("filemill_delivery_tries_total", "channel, outcome") + " > 0",
                        "{{channel}} {{outcome}}",
                    ),
                    unit="ops",
                ),
                line(
                    "How long a try takes, 95 of 100",
                    (quantile(0.95, "filemill_delivery_duration_seconds", "channel"), "{{channel}}"),
                    unit="s",
                ),
                line(
                    "From the fact to the first try, 95 of 100",
                    (quantile(0.95, "filemill_notification_delay_seconds", "channel"), "{{channel}}"),
                    unit="s",
                ),
                line("Outcomes that wait for a notifier", 'filemill:queue_messages{queue="notifier.events"}'),
            ),
        ),
    ),
)

SERVERS: Final = Dashboard(
    "servers",
    "Filemill: broker and database",
    (
        (
            "Broker",
            (
                line("Messages in queues", ("filemill:queue_messages", "{{queue}}")),
                line("Consumers", ("filemill:queue_consumers", "{{queue}}")),
                line(
                    "Messages sent",
                    (
                        rate("filemill_messages_published_total", "exchange, outcome"),
                        "{{exchange}} {{outcome}}",
                    ),
                    unit="ops",
                ),
                line(
                    "Time to confirm, 95 of 100",
                    quantile(0.95, "filemill_publish_duration_seconds"),
                    unit="s",
                ),
                line(
                    "Parked",
                    (rate("filemill_messages_parked_total", "queue, code"), "{{queue}} {{code}}"),
                    unit="ops",
                ),
                line(
                    "Memory",
                    ("sum(rabbitmq_process_resident_memory_bytes)", "used"),
                    ("sum(rabbitmq_resident_memory_limit_bytes)", "limit"),
                    unit="bytes",
                ),
                line(
                    "Alarms",
                    ("max(rabbitmq_alarms_memory_used_watermark)", "memory"),
                    ("max(rabbitmq_alarms_free_disk_space_watermark)", "disk"),
                ),
                line("Connections", "sum(rabbitmq_connections)"),
            ),
        ),
        (
            "Database, as the services see it",
            (
                line(
                    "Commands",
                    (rate("filemill_store_command_duration_seconds_count", "command"), "{{command}}"),
                    unit="ops",
                ),
                line(
                    "Time to answer, 95 of 100",
                    (quantile(0.95, "filemill_store_command_duration_seconds", "command"), "{{command}}"),
                    unit="s",
                ),
                line(
                    "Refused or not answered",
                    (rate("filemill_store_command_failures_total", "command"), "{{command}}"),
                    unit="ops",
                ),
                line(
                    "Time to commit, 95 of 100", quantile(0.95, "filemill_commit_duration_seconds"), unit="s"
                ),
                line("Events in one commit, half of them", quantile(0.5, "filemill_fold_batch_events")),
                line("Events owed", "max(filemill_outbox_events)"),
            ),
        ),
    ),
)

CAPACITY: Final = Dashboard(
    "capacity",
    "Filemill: capacity",
    (
        (
            "What is full",
            (
                line(
                    "Worker slots in use",
                    (f"filemill:worker_saturation:ratio{{{POOL}}}", "{{pool}}"),
                    unit="percentunit",
                ),
                line("Slots", (f"sum by (pool) (filemill_worker_slots{{{POOL}}})", "{{pool}}")),
                line("Schedulers at work", rate("filemill_commit_duration_seconds_sum"), unit="percentunit"),
                line("Requests under way", "sum(filemill_http_requests_under_way)"),
                line(
                    "Submissions refused",
                    (rate("filemill_submissions_refused_total", "reason"), "{{reason}}"),
                    unit="ops",
                ),
                line(
                    "Messages for the scheduler",
                    ('filemill:queue_messages{queue=~"scheduler.+"}', "{{queue}}"),
                ),
            ),
        ),
        (
            "What it costs",
            (
                line(
                    "Processor time",
                    (rate(f"process_cpu_seconds_total{{{JOB}}}", "job"), "{{job}}"),
                    unit="percentunit",
                ),
                line(
                    "Memory",
                    (f"sum by (job) (process_resident_memory_bytes{{{JOB}}})", "{{job}}"),
                    unit="bytes",
                ),
                line(
                    "Open files",
                    (f"max by (job) (process_open_fds{{{JOB}}} / process_max_fds)", "{{job}}"),
                    unit="percentunit",
                ),
                line("Broker's free disk", "min(rabbitmq_disk_space_available_bytes)", unit="bytes"),
                line(
                    "Uploads and downloads",
                    (rate("filemill_http_received_bytes_total"), "in"),
                    (rate("filemill_http_sent_bytes_total"), "out"),
                    unit="Bps",
                ),
                line(
                    "Metadata found without a probe",
                    (rate("filemill_metadata_cache_hits_total", "layer"), "{{layer}}"),
                    (rate("filemill_metadata_cache_misses_total"), "probed"),
                    unit="ops",
                ),
            ),
        ),
    ),
)
