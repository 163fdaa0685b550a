"""What decoding costs: our drivers beside xiaomi-ble, and bad frames beside good ones. `make bench` runs it.

All candidates run in one process, in turn, round after round; what counts is the ratio of their medians, in
CPU time. Absolute times are information only: they depend on the machine and on what else it does.

- A weighing is what a Mi scale advertises while somebody steps on, stands and leaves: 5 advertisements before
  it is stable, each another weight, 20 equal stable ones, 5 of the empty scale. Both sides keep one parser
  for the scale, as they do in use. Goal: per advertisement at least 10 times less than xiaomi-ble.
- One stable advertisement to a new parser is shown beside it, without a goal: nearly all of our time goes
  into the objects of the reading, its key and its evidence.
- Bad frames: for each driver a vector that gives a reading, decoded as the bridge decodes it (a new driver
  object), beside the same bytes cut short, damaged, or from a source that the driver does not know. Goal: at
  most twice the good one.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from home_assistant_bluetooth import BluetoothServiceInfo
from xiaomi_ble.parser import XiaomiBluetoothDeviceData

from gateway.drivers import all_drivers, decode_record
from gateway.drivers.mi_scale import MiScale
from gateway.wire.items import Frame

VECTORS = Path(__file__).parents[1] / "vectors"
RESULT = Path(__file__).parents[2] / "build" / "bench" / "decoding.json"
ROUNDS, ROUND_S = 9, 0.02
FASTER, AT_MOST = 10, 2

Candidates = dict[str, Callable[[], object]]


def medians(candidates: Candidates) -> dict[str, float]:
    """CPU time of one call of each, in µs: the median of rounds in which they take turns."""
    calls = {name: _calls_a_round(call) for name, call in candidates.items()}
    rounds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(ROUNDS):
        for name, call in candidates.items():
            rounds[name].append(_seconds(call, calls[name]) / calls[name] * 1e6)
    return {name: statistics.median(found) for name, found in rounds.items()}


def _seconds(call: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        call()
    return time.process_time() - began


def _calls_a_round(call: Callable[[], object]) -> int:
    times = 1
    while (took := _seconds(call, times)) < ROUND_S / 4:
        times *= 2
    return max(1, int(times * ROUND_S / took))


# A weighing, for both sides.


def advertised(weight: int, control: int) -> bytes:
    """Service data 181B: unit, control bits, 2026-03-04 07:15:09, no impedance, 1/200 kg."""
    moment = (2026).to_bytes(2, "little") + bytes((3, 4, 7, 15, 9))
    return bytes((0x02, control)) + moment + bytes(2) + weight.to_bytes(2, "little")


def weighing() -> list[bytes]:
    stepping_on = [advertised(14_000 + 7 * count, 0x04) for count in range(5)]
    return [*stepping_on, *[advertised(14_230, 0x24)] * 20, *[advertised(14_230, 0xA4)] * 5]


def information(data: bytes) -> BluetoothServiceInfo:
    return BluetoothServiceInfo(
        name="MIBFS",
        address="F0:5A:01:00:00:01",
        rssi=-60,
        manufacturer_data={},
        service_data={"0000181b-0000-1000-8000-00805f9b34fb": data},
        service_uuids=["0000181b-0000-1000-8000-00805f9b34fb"],
        source="",
    )


def beside_xiaomi() -> tuple[list[str], bool]:
    frames = [Frame("advert:181b", 0, data) for data in weighing()]
    infos = [information(data) for data in weighing()]
    theirs = XiaomiBluetoothDeviceData()

    def ours_hears() -> None:
        driver = MiScale()
        records = [record for frame in frames for record in driver.received(frame)] + driver.finish()
        assert len(records) == 1

    def theirs_hears() -> None:
        for info in infos:
            theirs.update(info)

    stable = 10
    found = medians(
        {
            "weighing": ours_hears,
            "weighing, xiaomi-ble": theirs_hears,
            "one": lambda: decode_record("mi-scale", [frames[stable]]),
            "one, xiaomi-ble": lambda: XiaomiBluetoothDeviceData().update(infos[stable]),
        }
    )
    ours, other = found["weighing"] / len(frames), found["weighing, xiaomi-ble"] / len(infos)
    good = other / ours >= FASTER
    once, other_once = found["one"], found["one, xiaomi-ble"]
    verdict = f"{other / ours:.1f} times (goal {FASTER})  {'good' if good else 'MISSED'}"
    lines = [
        f"per advertisement of a weighing:  {ours:5.2f} µs, xiaomi-ble {other:5.2f} µs: {verdict}",
        f"one stable advertisement by itself: {once:4.2f} µs, xiaomi-ble {other_once:5.2f} µs: {other_once / once:.1f} times",
    ]
    return lines, good


# Bad frames beside good ones.


def sample(driver: str) -> list[Frame]:
    """The frames of the first vector that gives exactly one reading from one whole visit."""
    for vector in json.loads((VECTORS / f"{driver.replace('-', '_')}.json").read_text()):
        rows = vector.get("frames") or [[vector["characteristic"], vector["hex"]]]
        frames = [Frame(source, 0, bytes.fromhex(octets)) for source, octets in rows]
        if [record.reading is not None for record in decode_record(driver, frames)] == [True]:
            return frames
    raise LookupError(driver)


def spoiled(frames: list[Frame]) -> dict[str, list[Frame]]:
    """The same visit with its longest frame made bad in one way each."""
    longest = max(range(len(frames)), key=lambda place: len(frames[place].data))
    source, data = frames[longest].source, frames[longest].data
    middle = len(data) // 2
    bad = {
        "cut short": data[:middle],
        "empty": b"",
        "a bit wrong": data[:middle] + bytes((data[middle] ^ 0x10,)) + data[middle + 1 :],
        "all zero": bytes(len(data)),
        "all FF": b"\xff" * len(data),
        "backwards": data[::-1],
    }
    visits = {
        name: [*frames[:longest], Frame(source, 0, octets), *frames[longest + 1 :]]
        for name, octets in bad.items()
    }
    return {**visits, "unknown source": [Frame("advert:feaa", 0, frame.data) for frame in frames]}


def beside_good(driver: str) -> tuple[str, bool]:
    good = sample(driver)
    visits = {"good": good, **spoiled(good)}
    found = medians({name: _decoding(driver, frames) for name, frames in visits.items()})
    worst = max((name for name in found if name != "good"), key=lambda name: found[name])
    ratio = found[worst] / found["good"]
    verdict = "good" if ratio <= AT_MOST else "MISSED"
    size = sum(len(frame.data) for frame in good)
    line = f"{driver:<22}{size:>5} bytes {found['good']:>8.1f} µs   worst: {worst:<15}{ratio:>5.2f} times  {verdict}"
    return line, ratio <= AT_MOST


def _decoding(driver: str, frames: list[Frame]) -> Callable[[], object]:
    return lambda: decode_record(driver, frames)


def main() -> int:
    lines, goals = beside_xiaomi()
    print(*lines, sep="\n")
    print(f"\na bad or unknown frame beside a good one (goal: at most {AT_MOST} times)")
    for name in sorted(driver.name for driver in all_drivers()):
        line, met = beside_good(name)
        lines.append(line)
        goals = goals and met
        print(line, flush=True)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    facts = {"python": sys.version, "cpus": os.cpu_count(), "load": os.getloadavg(), "lines": lines}
    RESULT.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return 0 if goals else 1


if __name__ == "__main__":
    raise SystemExit(main())
