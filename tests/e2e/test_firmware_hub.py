"""A hub on MicroPython beside the chain of a Raspberry Pi: one broker, one bridge, one PGO."""

import random
from datetime import UTC, datetime

import pytest

from firmware.workshop.here import HubHere
from gateway.simulator.chain import Chain
from gateway.simulator.compare import compare
from gateway.simulator.process import wait_until
from tests.e2e.test_chain import DOSE, WINDOW_S, missing

pytestmark = [pytest.mark.chain, pytest.mark.timeout(3600)]
WITHIN_S = 60
DEVICES = ("blood-pressure", "nonin-serial")


@pytest.fixture
def chain(tmp_path):
    chain = Chain(tmp_path, interval_s=2)
    chain.start()
    yield chain
    chain.stop()


@pytest.fixture
def hub(chain):
    hub = HubHere(chain.directory, DEVICES, lambda *_: None, interval_s=1.5)
    hub.start()
    yield hub
    hub.stop()


def of_one(chain, street):
    return compare(chain.fhir, chain.patient, [street], chain.devices)


def of_all(chain):
    return compare(chain.fhir, chain.patient, chain.streets, chain.devices)


def confirmed(chain, street):
    return min(row.confirmed for row in of_one(chain, street))


def settle(chain, hub):
    """Nobody measures any more; what was sent arrives. What is still missing then."""
    hub.quiet()
    chain.quiet()
    wait_until(lambda: all(row.missing == 0 for row in of_all(chain)), WITHIN_S)
    assert [row.unexplained for row in of_all(chain)] == [0, 0, 0, 0]
    assert chain.bridge("held") == []
    return missing(chain)


def test_readings_of_a_board_and_of_a_pi_arrive_in_the_same_pgo(chain, hub):
    for street in (chain.street_data, hub.street):
        assert wait_until(lambda at=street: confirmed(chain, at) >= 6, WITHIN_S), of_one(chain, street)
    assert settle(chain, hub) == []


def test_a_board_whose_power_fails_again_and_again_loses_and_doubles_nothing(chain, hub, record_property):
    """What its radio had confirmed and the hub had not stored yet is counted apart, as on a Pi."""
    seed = random.randrange(1 << 32)
    chance, cut = random.Random(seed), []
    for _ in range(2 * DOSE):
        before = confirmed(chain, hub.street)
        # At no particular moment: a device talks to the hub all the time.
        wait_until(lambda: False, chance.uniform(0.2, 3))
        cut.append(datetime.now(UTC).timestamp())
        hub.crash()
        assert wait_until(lambda was=before: confirmed(chain, hub.street) >= was + 2, WITHIN_S), seed
    lost = settle(chain, hub)
    in_window = [one for one in lost if any(0 <= at - one.at <= WINDOW_S for at in cut)]
    record_property("lost-in-the-window", len(in_window))
    assert lost == in_window, (seed, cut)
