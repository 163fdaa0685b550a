"""The whole chain as processes on loopback: it runs, stops, goes on where it was, and survives kill -9."""

import json
import os
import random
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud_bridge.authority import Authority, installed, needs_renewal
from gateway.simulator.chain import HUB, Chain
from gateway.simulator.compare import SHOWN, Comparison, Sent, compare, sent_of
from gateway.simulator.process import wait_until
from gateway.simulator.truth import read_truth

pytestmark = [pytest.mark.chain, pytest.mark.timeout(3600)]
DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
SETTLED_WITHIN_S = 120
# From the radio's confirmation (or the end of a finger session) to the durable capture, generously.
WINDOW_S = 3.0


def compared(chain: Chain) -> list[Comparison]:
    return compare(chain.fhir, chain.patient, chain.streets, chain.devices)


def confirmed(chain: Chain) -> int:
    return min(row.confirmed for row in compared(chain))


def settled(chain: Chain) -> bool:
    return all(row.missing == 0 for row in compared(chain))


def test_a_second_start_goes_on_where_the_first_stopped(tmp_path):
    first = Chain(tmp_path, interval_s=2)
    first.start()
    try:
        assert wait_until(lambda: confirmed(first) >= 3, SETTLED_WITHIN_S), compared(first)
        before = confirmed(first)
    finally:
        first.stop()
    keys = [(tmp_path / "gateway" / name).read_bytes() for name in ("signing.key", "tls.key", "hub.pem")]

    second = Chain(tmp_path, interval_s=2)
    second.start()
    try:
        assert wait_until(lambda: confirmed(second) >= before + 3, SETTLED_WITHIN_S), compared(second)
        second.quiet()
        assert wait_until(lambda: settled(second), SETTLED_WITHIN_S), compared(second)
        assert [row.unexplained for row in compared(second)] == [0, 0, 0, 0]
        assert second.bridge("held") == []
    finally:
        second.stop()
    assert keys == [
        (tmp_path / "gateway" / name).read_bytes() for name in ("signing.key", "tls.key", "hub.pem")
    ]


def test_every_virtual_device_is_read_in_the_chain(tmp_path):
    """As `make run DEVICES=all`: of each kind that they measure the bridge takes something in."""
    chain = Chain(tmp_path, devices=("all",), interval_s=4)
    chain.start()
    missing = {kind for entry in chain.devices for kind in entry.kinds}
    follow = chain.follow()
    end = threading.Timer(240, follow.terminate)
    end.start()
    try:
        for line in follow.stdout:
            step = json.loads(line)
            missing -= {step["kind"]} if step["step"] == "accepted" else set()
            if not missing:
                break
        faults = [line for path in truths(chain) for line in read_truth(path) if line["event"] == "fault"]
    finally:
        end.cancel()
        follow.terminate()
        follow.communicate()
        chain.stop()
    assert missing == set()
    assert faults == []


def test_expired_certificates_are_renewed_at_the_next_start(tmp_path):
    chain = Chain(tmp_path, devices=("cuff",), interval_s=2)
    chain.start()
    chain.stop()
    long_ago = datetime.now(UTC) - timedelta(days=400)
    authority = Authority.open(tmp_path / "bridge" / "authority")
    request = json.loads((tmp_path / "enrolment-request.json").read_text())["certificate_request"].encode()
    expired = authority.issue_hub(request, HUB, long_ago).pem
    (tmp_path / "gateway" / "hub.pem").write_bytes(expired)
    (tmp_path / "bridge" / "bridge.pem").write_bytes(expired)
    (tmp_path / "bridge" / "broker" / "server.pem").write_bytes(expired)

    again = Chain(tmp_path, devices=("cuff",), interval_s=2)
    again.start()
    try:
        assert wait_until(lambda: confirmed(again) >= 2, SETTLED_WITHIN_S), compared(again)
    finally:
        again.stop()
    for path in ("gateway/hub.pem", "bridge/bridge.pem", "bridge/broker/server.pem"):
        assert not needs_renewal(tmp_path / path), path
    assert installed(tmp_path / "bridge" / "bridge.pem").subject == "bridge"


def test_kill_9_at_random_loses_nothing_and_doubles_nothing(tmp_path, record_property, capsys):
    """Gateway, bridge, broker and callout die under traffic; what the radio had just confirmed is counted apart."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    chain = Chain(tmp_path, interval_s=1)
    chain.start()
    killed: list[tuple[str, float]] = []
    try:
        for _ in range(4 + 4 * DOSE):
            wait_for_events(chain, chance.randint(2, 12))
            name = chance.choice(("gateway", "gateway", "bridge", "broker", "callout"))
            chain.programs[name].kill()
            killed.append((name, datetime.now(UTC).timestamp()))
            wait_for_events(chain, chance.randint(0, 6))
            chain.programs[name].start()
        chain.quiet()
        wait_until(lambda: settled(chain), SETTLED_WITHIN_S, lambda: not chain.dead())
        rows, lost = compared(chain), missing(chain)
        held = chain.bridge("held")
    finally:
        chain.stop()
    in_window = [
        one for one in lost if any(0 <= at - one.at <= WINDOW_S for name, at in killed if name == "gateway")
    ]
    with capsys.disabled():
        print(
            f"\nkill -9 ({len(killed)} times, seed {seed}): {sum(row.confirmed for row in rows)} Observations confirmed, "
            f"{len(in_window)} readings died between the radio's confirmation and the disk"
        )
    record_property("lost-in-the-window", len(in_window))
    assert [row.unexplained for row in rows] == [0, 0, 0, 0], (seed, rows)
    assert not [one for one in lost if one not in in_window], (seed, killed, lost)
    assert held == [], (seed, held)


def wait_for_events(chain: Chain, count: int) -> None:
    """Until the devices did so many more things: measured, sent, were heard."""
    before = happened(chain)
    assert wait_until(lambda: happened(chain) >= before + count, 60, lambda: "street" not in chain.dead())


def happened(chain: Chain) -> int:
    return sum(len(read_truth(path)) for path in truths(chain))


def truths(chain: Chain) -> list[Path]:
    return sorted(chain.street_data.glob("*/truth.jsonl"))


def missing(chain: Chain) -> list[Sent]:
    """Readings that a device saw confirmed and that are not in the FHIR server, by their first values."""
    panels, _, spo2, pulses = compared(chain)
    lost = []
    for kind, row in (("blood-pressure", panels), ("oximetry", spo2)):
        left, names = row.sent - row.found, SHOWN[kind][0].names
        told = [one for street in chain.streets for one in sent_of(street, kind)]
        for one in sorted(told, key=lambda one: -one.at):
            if one.sure and left[one.part(names)] > 0:
                left[one.part(names)] -= 1
                lost.append(one)
    assert pulses.missing <= len(lost)
    return lost
