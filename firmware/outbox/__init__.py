"""The hub's durable store on littlefs; `outbox.py` is its face, the same as that of gateway.outbox."""

from firmware.outbox.outbox import Outbox

__all__ = ["Outbox"]
