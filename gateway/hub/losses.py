"""Device records that this hub could not store: counted by device until the bridge is told."""

from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.hub.sealer import Sealer
from gateway.wire import shape
from gateway.wire.cbor import CborError, decode, encode
from gateway.wire.errors import WireError
from gateway.wire.items import Lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Outbox

# Setting of the outbox: [[device identity, count], …].
NOT_STORED = "not-stored"


class Losses:
    """What a device told, its radio confirmed and the store did not take.

    kept: False while the count stands in memory alone. A store that cannot take even that takes no reading
    either, so until then no device is to be visited: each would lose one more record.
    """

    def __init__(self, outbox: "Outbox") -> None:
        self._outbox = outbox
        self._counted = _counted(outbox.setting(NOT_STORED))
        self.kept = True

    def count(self, identity: str, code: str) -> None:
        """One more record of this device; kept at once where the store still can."""
        log.error("not-stored", code=code)
        self._counted[identity] = self._counted.get(identity, 0) + 1
        self.kept = False
        try:
            self.keep()
        except OutboxError:
            return  # `kept` stays False

    def keep(self) -> None:
        """Make the count durable; OutboxError while the store cannot."""
        if self.kept:
            return
        self._outbox.set_setting(NOT_STORED, encode([list(pair) for pair in self._counted.items()]))
        self.kept = True

    def report(self, sealer: Sealer) -> None:
        """A *lost* item a device. A cut in between tells the bridge once too often, never too seldom."""
        for identity, count in list(self._counted.items()):
            sealer.state(Lost(None, identity, count, "not-stored"))
            del self._counted[identity]
            self.kept = False
            self.keep()


def _counted(stored: bytes | None) -> dict[str, int]:
    try:
        pairs = [shape.array(pair, 2) for pair in shape.array(decode(stored))] if stored else []
        return {shape.text(identity): shape.integer(count) for identity, count in pairs}
    except (CborError, WireError):
        return {}
