"""The hub's durable store; the only room of the gateway that knows SQLite. `outbox.py` is its face."""

from gateway.outbox.look import Look
from gateway.outbox.outbox import Outbox
from gateway.outbox.rows import Captured, Effect, Head, Message, OutboxError

__all__ = ["Captured", "Effect", "Head", "Look", "Message", "Outbox", "OutboxError"]
