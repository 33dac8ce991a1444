"""RabbitMQ over AMQP 0-9-1: connections by our own rule, streams, confirmed messages."""
