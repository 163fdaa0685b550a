"""The hub's durable store; the only room of the gateway that knows SQLite. `outbox.py` is its face."""

from gateway.hub.errors import OutboxError
from gateway.hub.stored import ADDED, PARTIAL, WHOLE, Captured, Effect, Head, Message
from gateway.outbox.look import Look
from gateway.outbox.outbox import Outbox

__all__ = [
    "ADDED",
    "PARTIAL",
    "WHOLE",
    "Captured",
    "Effect",
    "Head",
    "Look",
    "Message",
    "Outbox",
    "OutboxError",
]
