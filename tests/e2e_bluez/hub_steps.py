"""What the hub must do and survive on real BlueZ. In the machine, not root: in the group bluetooth, as on a hub.

    python3 hub_steps.py DIRECTORY

Prints a line a step as it ends: seconds since the machine's start, what it took, and what was seen. Exit code 0
only when all held.
"""

import asyncio
import json
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from house import CODED_METER, METER, SPACE_BYTES, TYPING_S, Ask, House, log_to, readings

from gateway.drivers.blood_pressure import BloodPressure
from gateway.outbox import Outbox
from gateway.radio import RadioError
from gateway.radio.facts import BOND_CODES

WITHIN_S = 120


async def until(true: Callable[[], bool]) -> None:
    """TimeoutError when it does not become true in time."""
    async with asyncio.timeout(WITHIN_S):
        while not true():  # noqa: ASYNC110 (what the radio tells of itself are facts to look at, no events)
            await asyncio.sleep(0.1)


class Steps:
    """What happens, in order. Each gives what was seen, in words, or raises."""

    def __init__(self, house: House, ask: Ask) -> None:
        self.house = house
        self.ask = ask
        self.measured: list[str] = []

    async def _measure(self, count: int, address: str = METER, **how: int) -> None:
        self.measured += await self.ask("measure", count=count, address=address, **how)

    async def _arrives(self, values: int, address: str = METER) -> str:
        """So many more values come, and then the outbox holds just what was measured. What it took."""
        began = time.monotonic()
        before = self.measured[: len(self.measured) - values]
        found = self.house.readings()
        assert found[: len(before)] == before, "what was there before is gone"
        await until(lambda: self.house.readings() == self.measured and not self.house.facts(address).busy)
        assert await self.ask("stored", address=address) == 0, "the meter has not got rid of all"
        return f"{values} of {values} after {time.monotonic() - began:.1f} s"

    async def comes_up(self) -> str:
        await asyncio.wait_for(self.house.agent.registered.wait(), WITHIN_S)
        await until(lambda: self.house.radio.facts.scanning)
        return "agent registered, scanner on"

    async def refuses(self) -> str:
        """A meter in pairing mode, and nobody has opened pairing."""
        await self._measure(5, hours_ago=5)
        await self.ask("pairing_mode")
        await until(lambda: self.house.facts().failures >= 2)
        assert self.house.facts().problem.code == "pairing-needed", self.house.facts().problem
        assert self.house.said("pairing-rejected"), "BlueZ did not ask the agent"
        assert await self.ask("bonded") == {"meter": False, "bluez": False}
        assert self.house.readings() == []
        return f"pairing-needed; BlueZ asked the agent {self.house.said('pairing-rejected')} times, refused"

    async def pairs(self) -> str:
        self.house.window.open_for(METER, 120)
        came = await self._arrives(5)
        self.house.window.close(METER)
        assert await self.ask("bonded") == {"meter": True, "bluez": True}
        assert self.house.listener.visits[-1].bonded, "the hub does not know that it is bonded"
        assert await self.ask("clock_set"), "the meter's clock was 600 s behind, and was not set"
        return came + "; bonded; its clock set"

    async def reconnects(self) -> str:
        await self._measure(3)
        came = await self._arrives(3)
        assert self.house.listener.visits[-1].bonded
        return came

    async def loses_a_confirmation(self) -> str:
        await self.ask("lose_confirmation")
        before = self.house.facts().values
        await self._measure(2)
        came = await self._arrives(2)
        assert self.house.facts().values == before + 3
        return came + ", one of them told twice and kept once"

    async def survives_bluetoothd(self) -> str:
        await self.ask("kill_bluetoothd")
        await self._measure(2)
        await until(lambda: not self.house.agent.registered.is_set())
        await self.ask("start_bluetoothd")
        await asyncio.wait_for(self.house.agent.registered.wait(), WITHIN_S)
        return "agent registered again; " + await self._arrives(2)

    async def survives_power(self) -> str:
        restarts = self.house.radio.facts.scanner_restarts
        await self.ask("power", on=False)
        await self._measure(2)
        came = await self._arrives(2)
        assert self.house.radio.facts.scanner_restarts > restarts
        return "the radio switched it on again; " + came

    async def survives_pulling_out(self) -> str:
        await self.ask("pull_out")
        await self._measure(2)
        await until(lambda: self.house.radio.facts.problem is not None)
        said = self.house.radio.facts.problem.code
        await self.ask("plug_in")
        return f"the radio said {said}; " + await self._arrives(2)

    async def types_a_code(self) -> str:
        """A meter that shows six digits, and a person who needs longer than any question to a device may take."""
        self.house.window.open_for(CODED_METER, 120)
        async with self.house.agent.speaking(self.house.person):
            await self._measure(2, CODED_METER)
            await self.ask("pairing_mode", address=CODED_METER)
            came = await self._arrives(2, CODED_METER)
        self.house.window.close(CODED_METER)
        assert await self.ask("bonded", address=CODED_METER) == {"meter": True, "bluez": True}
        assert self.house.listener.visits[-1].bonded
        assert self.house.said("code-asked") == 1, "the radio did not wait for the person"
        return f"typed after {TYPING_S} s; " + came

    async def pairs_anew(self) -> str:
        """The meter was reset: the hub's bond is worth nothing, the hub says so, and a person pairs anew.

        As BlueZ tells it the hub may take it for a meter that now belongs to another: a person is asked too.
        """
        await self.ask("reset_meter")
        await self._measure(1)
        await until(lambda: getattr(self.house.facts().problem, "code", "") in BOND_CODES)
        said = self.house.facts().problem.code
        self.house.window.open_for(METER, 120)
        await self.ask("pairing_mode")
        paired = await self.house.radio.pair(METER, BloodPressure)
        self.house.window.close(METER)
        assert paired.bonded
        assert paired.device.model == "BP-SIM", paired
        return f"{said}; paired anew; " + await self._arrives(1)

    async def keeps(self) -> str:
        """What another program finds in the outbox is what the meters measured, in order, each once."""
        self.house.outbox.close()
        again = Outbox(self.house.folder / "outbox.sqlite", SPACE_BYTES)
        found, left = readings(again), len(again.captured())
        again.close()
        assert found == self.measured
        assert left == 0, left
        return f"{len(found)} measured, {len(found)} kept, none doubled"


STEPS = (
    ("BlueZ is up, our agent is registered, the radio scans", Steps.comes_up),
    ("pairing is refused while nobody has opened it", Steps.refuses),
    ("pairs while it is open, and reads what was stored", Steps.pairs),
    ("comes back over the bond with new ones", Steps.reconnects),
    ("a confirmation is lost on the air", Steps.loses_a_confirmation),
    ("bluetoothd is killed and started", Steps.survives_bluetoothd),
    ("somebody switches the adapter off", Steps.survives_power),
    ("the adapter is pulled out and put back", Steps.survives_pulling_out),
    ("another meter shows a code to type", Steps.types_a_code),
    ("the meter was reset", Steps.pairs_anew),
)
LAST_STEP = ("the outbox, read again from the disk", Steps.keeps)  # with the radio off


async def ask_world() -> Ask:
    """A function that tells the world what happens; waits until it is there."""
    path = Path(os.environ["MEETHUB_WORLD"])
    await until(lambda: path.exists() or path.with_suffix(".gone").exists())
    reader, writer = await asyncio.open_unix_connection(path)
    turn = asyncio.Lock()

    async def ask(what: str, **how: object) -> object:
        async with turn, asyncio.timeout(WITHIN_S):
            writer.write(json.dumps({"do": what, **how}).encode() + b"\n")
            return json.loads(await reader.readline())

    return ask


async def go(folder: Path) -> bool:
    """True when every step held; what follows a step that did not is not tried."""
    ask = await ask_world()
    house = House(folder, log_to(folder / "gateway.log"), ask)
    steps = Steps(house, ask)
    print(f"Meethub on real BlueZ, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n   at s  took s", flush=True)
    async with house.agent:
        radio = asyncio.create_task(house.radio.run())
        good = True
        for name, step in STEPS:
            good = good and await held(name, step, steps)
        radio.cancel()
        with suppress(asyncio.CancelledError):
            await radio
    return good and await held(*LAST_STEP, steps)


async def held(name: str, step: Callable[[Steps], Awaitable[str]], steps: Steps) -> bool:
    """Runs the step and prints its line."""
    began = time.monotonic()
    try:
        seen, good = await step(steps), True
    except (AssertionError, TimeoutError, RadioError, OSError, ValueError) as error:
        traceback.print_exc()
        seen, good = repr(error), False
    at = time.clock_gettime(time.CLOCK_BOOTTIME)
    word = "ok  " if good else "FAIL"
    print(f"{at:7.1f} {time.monotonic() - began:7.1f}  {word} {name}: {seen}", flush=True)
    return good


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(go(Path(sys.argv[1]))) else 1)
