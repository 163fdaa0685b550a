"""A hub on MicroPython beside the chain of a Raspberry Pi: one broker, one bridge, one PGO."""

import random

import pytest

from firmware.workshop.here import HubHere
from gateway.simulator.chain import Chain
from gateway.simulator.compare import compare
from gateway.simulator.process import wait_until
from tests.e2e.test_chain import DOSE

pytestmark = [pytest.mark.chain, pytest.mark.timeout(3600)]
WITHIN_S = 120
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
    """Nobody measures any more: all that devices saw confirmed is in the PGO, once, digit for digit."""
    hub.quiet()
    chain.quiet()
    assert wait_until(lambda: all(row.missing == 0 for row in of_all(chain)), WITHIN_S), of_all(chain)
    assert [row.unexplained for row in of_all(chain)] == [0, 0, 0, 0]
    assert chain.bridge("held") == []


def test_readings_of_a_board_and_of_a_pi_arrive_in_the_same_pgo(chain, hub):
    for street in (chain.street_data, hub.street):
        assert wait_until(lambda at=street: confirmed(chain, at) >= 6, WITHIN_S), of_one(chain, street)
    settle(chain, hub)


def test_a_board_whose_power_fails_again_and_again_loses_and_doubles_nothing(chain, hub):
    chance = random.Random(7)
    for _ in range(3 * DOSE):
        before = confirmed(chain, hub.street)
        # At no particular moment: a device talks to the hub all the time.
        wait_until(lambda: False, chance.uniform(0.2, 3))
        hub.crash()
        assert wait_until(lambda was=before: confirmed(chain, hub.street) >= was + 2, WITHIN_S)
    settle(chain, hub)
