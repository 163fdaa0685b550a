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

# step: (Dutch, English)
STEPS = {
    CAPTURED: ("ontvangen door de hub", "received by the hub"),
    SEALED: ("verzegeld door de hub", "sealed by the hub"),
    ACCEPTED: ("veilig bewaard op de server", "safely kept on the server"),
    SEEN_AGAIN: (
        "nog een keer ontvangen, niets veranderd",
        "received once more, nothing changed",
    ),
    HELD: ("wacht", "waits"),
    RELEASED: ("hoeft hier niet meer op te wachten", "need not wait for this any more"),
    WHOSE: ("bekend van wie de meting is", "known whose the reading is"),
    WAITING: ("staat klaar om te versturen", "ready to be sent"),
    RETRIED: ("versturen lukt nog niet", "could not be sent yet"),
    DELIVERED: ("in de PGO gezet en daar teruggelezen", "put into the PGO and read back there"),
    REFUSED: ("niet aangenomen door de PGO", "not taken by the PGO"),
    SETTLED: ("klaar", "done"),
    WITHHELD: ("wordt niet verstuurd", "will not be sent"),
    ADDITION: ("aangevuld door het meetapparaat", "completed by the device"),
}


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
