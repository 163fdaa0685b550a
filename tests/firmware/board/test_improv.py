"""The states of Improv without a carrier of its own, and whatever a client may say."""

import asyncio
import os
import random

from firmware.setup import improv
from firmware.setup.credentials import WifiError
from firmware.setup.improv import Improv

DOSE = int(os.getenv("MEETHUB_DOSE") or "1")


class Hub:
    """On the only network there is, after `ms`."""

    connected = False

    def __init__(self, ms=0):
        self.information = [b"Meethub", b"1.0.0", b"virtual", b"Meethub AB12"]
        self.hostname, self.name = b"meethub-AB12", b"Meethub AB12"
        self.ms = ms
        self.flashes = 0

    async def connect(self, ssid, password):
        await asyncio.sleep_ms(self.ms)
        if (ssid, password) != (b"Thuis", b"geheim123"):
            raise WifiError("wifi-password-wrong")
        self.connected = True

    async def scan(self):
        return [(b"Thuis", -50, 3), (b"Open", -60, 0)]

    def identify(self):
        self.flashes += 1

    def keep_names(self, hostname, name):
        self.hostname, self.name = hostname, name

    def urls(self):
        return []


class Client:
    """A carrier that remembers."""

    results_fit = 255

    def __init__(self):
        self.states, self.errors, self.results = [], [], []

    def state(self, number):
        self.states.append(number)

    def error(self, number):
        self.errors.append(number)

    def result(self, command, strings):
        self.results.append((command, strings))


GOOD = b"\x05Thuis\x09geheim123"
BAD = b"\x05Thuis\x09verkeerd1"


def made(ms=0, authorised_ms=60000):
    hub, client = Hub(ms), Client()
    machine = Improv(hub, authorised_ms)
    machine.carriers.append(client)
    return hub, machine, client


def obey(machine, client, *commands):
    async def go():
        for command, data in commands:
            await machine.obey(command, data, client)

    asyncio.run(go())


def test_without_a_finger_nothing_is_taken():
    hub, machine, client = made()
    obey(
        machine,
        client,
        (improv.WIFI, GOOD),
        (improv.HOSTNAME, b"x"),
        (improv.NAME, b"x"),
        (improv.HOSTNAME, b""),
    )
    assert client.errors == [0, 4] * 4
    assert (hub.connected, hub.name, client.results) == (False, b"Meethub AB12", [])


def test_without_a_finger_it_can_be_looked_at():
    hub, machine, client = made()
    obey(
        machine,
        client,
        (improv.IDENTIFY, b""),
        (improv.INFORMATION, b""),
        (improv.SCAN, b""),
        (improv.NAME, b""),
    )
    assert client.errors == [0] * 4
    assert hub.flashes == 1
    assert [command for command, _ in client.results] == [improv.INFORMATION, improv.SCAN, improv.NAME]


def test_the_way_to_provisioned():
    _hub, machine, client = made()
    machine.authorise()
    obey(machine, client, (improv.WIFI, BAD), (improv.WIFI, GOOD))
    assert client.states == [improv.AUTHORISED, 3, 2, 3, 4]
    assert client.errors == [0, 3, 0]
    assert client.results == [(improv.WIFI, [])]


def test_all_carriers_hear_the_state_and_only_who_asked_the_rest():
    _hub, machine, client = made()
    other = Client()
    machine.carriers.append(other)
    machine.authorise()
    obey(machine, client, (improv.WIFI, GOOD))
    assert other.states == client.states
    assert other.errors == other.results == []


def test_while_it_tries_it_takes_nothing_else():
    _hub, machine, client = made(ms=60)
    other = Client()
    machine.authorise()

    async def go():
        first = asyncio.create_task(machine.obey(improv.WIFI, GOOD, client))
        await asyncio.sleep_ms(10)
        await machine.obey(improv.WIFI, BAD, other)
        await machine.obey(improv.SCAN, b"", other)
        machine.authorise()
        assert machine.state == improv.PROVISIONING
        await first

    asyncio.run(go())
    assert other.errors == [0, improv.NOT_AUTHORISED, 0, improv.UNKNOWN]
    assert machine.state == improv.PROVISIONED


def test_the_minute_starts_anew_with_a_finger_a_failure_and_a_name():
    _hub, machine, client = made(authorised_ms=120)

    async def go():
        machine.authorise()
        for act in (machine.authorise, lambda: None):
            await asyncio.sleep_ms(80)
            machine.pass_time()
            assert machine.state == improv.AUTHORISED
            act()
        await machine.obey(improv.NAME, b"Keuken", client)
        await asyncio.sleep_ms(80)
        machine.pass_time()
        assert machine.state == improv.AUTHORISED
        await machine.obey(improv.WIFI, BAD, client)
        await asyncio.sleep_ms(80)
        machine.pass_time()
        assert machine.state == improv.AUTHORISED
        await asyncio.sleep_ms(60)
        machine.pass_time()
        assert machine.state == improv.LOCKED

    asyncio.run(go())


def test_a_cancelled_try_leaves_it_ready_for_another():
    _hub, machine, client = made(ms=500)
    machine.authorise()

    async def go():
        trying = asyncio.create_task(machine.obey(improv.WIFI, GOOD, client))
        await asyncio.sleep_ms(20)
        trying.cancel()
        try:
            await trying
        except asyncio.CancelledError:
            pass

    asyncio.run(go())
    assert machine.state == improv.AUTHORISED


def test_whatever_a_client_says():
    chance = random.Random(15) if hasattr(random, "Random") else random
    hub, machine, client = made()

    async def go():
        for number in range(1500 * DOSE):
            if number % 100 == 0:
                machine.state = chance.choice((improv.LOCKED, improv.AUTHORISED, improv.PROVISIONED))
            size = chance.choice((0, 1, 2, 5, 16, 40))
            data = bytes([chance.getrandbits(8) for _ in range(size)])
            if chance.getrandbits(2) == 0:
                data = chance.choice((GOOD, BAD, b"hub", b"\x03hub", "Café".encode()))
            client.errors, client.results, client.states = [], [], []
            await machine.obey(chance.choice((1, 2, 3, 4, 5, 6, 7, 9, 255)), data, client)
            assert client.errors[0] == 0
            assert len(client.errors) + len(client.results) <= 2
            assert machine.state in (improv.LOCKED, improv.AUTHORISED, improv.PROVISIONED)
            improv.checked_hostname(hub.hostname)
            improv.checked_name(hub.name)

    asyncio.run(go())
