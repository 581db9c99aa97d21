# A RabbitMQ to try out and to test with, where no registry of images can be reached; takes the command and the ports
# of the official image, and lets guest in from outside as that does.
ARG BASE=filemill/base

FROM ${BASE}
RUN --mount=type=bind,source=deploy/images/settle,target=/settle \
    /settle rabbitmq-server \
    && printf '%s\n' "loopback_users.guest = false" "log.console = true" "log.file = false" >/etc/rabbitmq/rabbitmq.conf \
    && echo "[rabbitmq_management,rabbitmq_prometheus]." >/etc/rabbitmq/enabled_plugins
# The short busy wait: see plan.py.
ENV HOME=/var/lib/rabbitmq RABBITMQ_LOGS=- RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD=short \
    PATH=/usr/lib/rabbitmq/bin:$PATH
USER rabbitmq
VOLUME /var/lib/rabbitmq
EXPOSE 5672 15672 15692
CMD ["rabbitmq-server"]
