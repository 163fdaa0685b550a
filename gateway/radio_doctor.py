"""How it stands with radio and bonds, for the doctor: asked of the running daemon, or of BlueZ itself."""

import asyncio
from dataclasses import dataclass, field

from gateway.config import Config
from gateway.control import ControlError, Row, dial
from gateway.pairing.steps import Steps, steps_for
from gateway.radio import BluezAdapter
from gateway.radio.facts import BOND_CODES
from gateway.wire.errors import MeethubError

ANSWER_S = 5.0
# A device that is away or fails can be a matter of its bond too: then its steps are told.
_STEPS_HELP = (*BOND_CODES, "pairing-failed", "connect-failed")


@dataclass(frozen=True)
class Trouble:
    """What is wrong with radio or device, and the steps that mend it; code None: good."""

    point: str
    code: str | None = None
    detail: str = ""
    steps: Steps | None = field(default=None)


def examine_radio(config: Config) -> list[Trouble]:
    """One row for the radio, one for each Bluetooth device of the configuration."""
    try:
        return asyncio.run(_examined(config))
    except MeethubError as error:
        return [Trouble("radio", error.code, error.detail)]


async def _examined(config: Config) -> list[Trouble]:
    told = await _told(config)
    return await _looked(config) if told is None else _of_daemon(told)


async def _told(config: Config) -> Row | None:
    """What the daemon says; None when none runs."""
    channel = await dial(config.data)
    if channel is None:
        return None
    try:
        channel.say({"do": "status"})
        async with asyncio.timeout(ANSWER_S):
            row = await channel.hear()
    except TimeoutError:
        row = None
    finally:
        await channel.close()
    if row is None:
        raise ControlError("daemon-unreachable", "no status")
    return row


def _of_daemon(told: Row) -> list[Trouble]:
    radio = Trouble("radio", told["code"], told["detail"] or str(told["proof"]))
    return [radio, *(_of_device(row) for row in told["devices"])]


def _of_device(row: Row) -> Trouble:
    point, problem = "device " + str(row["identity"]), row["code"]
    if problem is None:
        return Trouble(point, detail="heard" if row["seen"] else "not heard yet")
    steps = steps_for(row["driver"], *row["told"]) if problem in _STEPS_HELP else None
    return Trouble(point, problem, row["detail"], steps)


async def _looked(config: Config) -> list[Trouble]:
    """Without daemon: whether the adapter is there, and holds the bonds that the configuration counts on."""
    adapter = BluezAdapter(config.adapter)
    bonds = await adapter.bonds()
    state = "on" if await adapter.powered() else "off"
    rows = [Trouble("radio", None if state == "on" else "adapter-off", f"{config.adapter} {state}")]
    for entry in config.bluetooth:
        holders = bonds.get(entry.address, set())
        code = None
        if entry.bond and config.adapter not in holders:
            code = "bond-other-adapter" if holders else "bond-lost"
        point = "device bluetooth-" + entry.address.replace(":", "")
        steps = steps_for(entry.driver) if code else None
        rows.append(Trouble(point, code, ", ".join(sorted(holders)), steps))
    return rows
