"""What happened to each measurement, step by step, written in the transaction in which it happens.

Steps: captured, sealed, accepted, seen-again, held, released, whose, waiting, retried, delivered, refused,
settled, withheld, addition. Hashes, times, codes and pseudonyms only: no value ever stands in here.
"""

from sqlalchemy import Connection, insert

from cloud_bridge.schema import journey

CAPTURED, SEALED, ACCEPTED, SEEN_AGAIN = "captured", "sealed", "accepted", "seen-again"
HELD, RELEASED, WHOSE, WAITING = "held", "released", "whose", "waiting"
RETRIED, DELIVERED, REFUSED, SETTLED = "retried", "delivered", "refused", "settled"
WITHHELD, ADDITION = "withheld", "addition"


def note(  # noqa: PLR0913 (one column each)
    connection: Connection,
    household: str,
    measurement: int | None,
    step: str,
    at_ms: int,
    *,
    code: str | None = None,
    envelope: int | None = None,
    receiver: str | None = None,
) -> None:
    """One step. at_ms: when it happened; code: why, from the catalogue; envelope: the row it came in."""
    connection.execute(
        insert(journey).values(
            household=household,
            measurement=measurement,
            envelope=envelope,
            step=step,
            at_ms=at_ms,
            code=code,
            receiver=receiver,
        )
    )
