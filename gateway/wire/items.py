"""The items that an envelope discloses one by one: the table of all seven, and how one is read.

Arrays only; the first element names the type. Items of devices stand in records.py, those of the hub and
its people in reports.py.
"""

from gateway.wire import shape
from gateway.wire.errors import WireError
from gateway.wire.item import ADDITION, LOST, NEXT_KEY, PART, READING, STATEMENT, STATUS, Item
from gateway.wire.records import (
    MAX_EVIDENCE,
    MAX_PART,
    MAX_PARTS,
    Addition,
    DeviceClock,
    Frame,
    Part,
    ReadingItem,
    addition_item,
    part_item,
    reading_item,
)
from gateway.wire.reports import (
    RESTRICTING,
    STATEMENT_ID_SIZE,
    VERBS,
    DeviceStatus,
    Lost,
    NextKey,
    Statement,
    Status,
    lost_item,
    next_key_item,
    next_key_proof,
    statement_item,
    status_item,
)

__all__ = [
    "ADDITION",
    "LOST",
    "MAX_EVIDENCE",
    "MAX_PART",
    "MAX_PARTS",
    "NEXT_KEY",
    "PART",
    "READING",
    "RESTRICTING",
    "STATEMENT",
    "STATEMENT_ID_SIZE",
    "STATUS",
    "VERBS",
    "Addition",
    "DeviceClock",
    "DeviceStatus",
    "Frame",
    "Item",
    "Lost",
    "NextKey",
    "Part",
    "ReadingItem",
    "Statement",
    "Status",
    "item_from_wire",
    "next_key_proof",
]

_PARSERS = {
    READING: reading_item,
    ADDITION: addition_item,
    PART: part_item,
    STATEMENT: statement_item,
    STATUS: status_item,
    LOST: lost_item,
    NEXT_KEY: next_key_item,
}


def item_from_wire(item: object) -> Item:
    """The item that this array is; WireError("wire-shape") or WireError("item-unknown")."""
    row = shape.array(item)
    parse = _PARSERS.get(shape.integer(row[0])) if row else None
    if parse is None:
        raise WireError("item-unknown")
    return parse(row)
