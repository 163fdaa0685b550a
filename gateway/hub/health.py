"""What the hub tells of itself and of its devices, and which commands of the bridge it has carried out."""

from gateway.hub.sealer import Sealer
from gateway.hub.visit import Visit
from gateway.wire.items import DeviceStatus, Status
from gateway.wire.measurement import Moment
from gateway.wire.reports import COMMAND_ID_SIZE, MAX_COMMANDS, MAX_COUNTS, MAX_DEVICES
from gateway.wire.state import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Callable, Clock, Iterable, Outbox

SOFTWARE = "meethub-gateway 0.1.0"
STATUS_EVERY_MS = 24 * 3600 * 1000
# Setting of the outbox: ids of commands done.
COMMANDS_DONE = "commands-done"
STATUS = "status"


class Health:
    """The hub's daily status.

    identities: of all devices that somebody bound to this hub, so that one that never came is told too.
    facts: how it stands with radio and cables, as (name, number) by name. software: what runs here.
    """

    def __init__(
        self,
        outbox: "Outbox",
        sealer: Sealer,
        clock: "Clock",
        identities: "Iterable[str]",
        facts: "Callable[[], dict[str, int]]",
        software: str = SOFTWARE,
    ) -> None:
        self._outbox = outbox
        self._sealer = sealer
        self._clock = clock
        self._facts = facts
        self._software = software
        self._devices = [
            DeviceStatus(identity, None, bonded=None, last_seen_ms=None) for identity in identities
        ]
        self._reported_ms: int | None = None
        self._commands = _ids(outbox.setting(COMMANDS_DONE) or b"")

    def seen(self, visit: Visit) -> None:
        """A device is here, or was until now."""
        identity = visit.device.identity
        now_ms = self._clock.mono_ms()
        others = [device for device in self._devices if device.identity != identity]
        seen = DeviceStatus(identity, visit.battery, visit.bonded, last_seen_ms=now_ms)
        self._devices = others + [seen]  # the newest stand last

    def report(self) -> None:
        """Seal a status when one is due. OutboxError when that is not possible now."""
        now = self._clock.now()
        if self._reported_ms is None or now.mono_ms - self._reported_ms >= STATUS_EVERY_MS:
            self._sealer.state(self._status(now))
            self._reported_ms = now.mono_ms

    def obey(self, command: Command, bridge_ms: int) -> None:
        """A command is carried out once, also over restarts, and its id reported; there is only `status`."""
        done = command.command_id in self._commands
        if command.verb != STATUS or done or bridge_ms > command.expires_ms:
            return
        self._commands = (self._commands + [command.command_id])[-MAX_COMMANDS:]
        self._outbox.set_setting(COMMANDS_DONE, b"".join(self._commands))
        self._reported_ms = None

    def _status(self, now: Moment) -> Status:
        counts = sorted((self._outbox.counts() | self._facts()).items())[:MAX_COUNTS]
        devices = self._devices[-MAX_DEVICES:]
        return Status(now, self._software, self._outbox.free_bytes(), counts, devices, self._commands)


def _ids(joined: bytes) -> list[bytes]:
    return [joined[at : at + COMMAND_ID_SIZE] for at in range(0, len(joined), COMMAND_ID_SIZE)]
