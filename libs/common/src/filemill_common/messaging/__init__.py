"""The bus: the only module that speaks to RabbitMQ."""
