"""RabbitMQ over AMQP 0-9-1: connections, streams, publisher confirms."""
