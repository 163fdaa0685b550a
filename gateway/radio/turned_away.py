"""Whether a device that does not let this hub in belongs to somebody else: a phone, a hub, another adapter.

A device that is bound to another host cannot be asked. Signs are: it is heard well and yet takes no
connection (it advertises for others only), or it hangs up before it told its services.
"""

import structlog

from gateway.radio.base import RadioError
from gateway.radio.line import HUNG_UP
from gateway.radio.machine import Machine
from gateway.wire.errors import MeethubError

TIMES = 3  # once or twice may be noise in the air
NEAR = -80  # dBm; whoever is heard so well should be able to hear us
log = structlog.get_logger()


def turned_away(error: RadioError, rssi: int) -> bool:
    """Whether a visit ended as it does with a device that answers to another host."""
    if error.code != "connect-failed":
        return False
    return error.detail == HUNG_UP or rssi >= NEAR


async def bond_elsewhere(machine: Machine, adapter: str, address: str, times: int) -> RadioError | None:
    """What to say instead of a failure: the bond is in another adapter of this hub, or in other hands."""
    try:
        holders = (await machine.bonds()).get(address.upper(), set())
    except MeethubError as error:  # then the failure itself is all there is to say
        log.info("bonds-unknown", reason=error.detail)
        holders = set()
    if holders and adapter not in holders:
        return RadioError("bond-other-adapter", ", ".join(sorted(holders)))
    return RadioError("bond-elsewhere", f"{times} times") if times >= TIMES else None
