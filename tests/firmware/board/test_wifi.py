"""Which networks a hub knows, and staying on one of them, in an air that the test changes."""

import asyncio
import json
import os

import network

from firmware.setup import wifi as room
from firmware.setup.credentials import WifiError
from firmware.setup.wifi import Wifi

FOLDER = "/tmp/meethub-wifi-%s" % os.urandom(6).hex()
HOME = {"ssid": "Thuis", "key": "geheim123", "rssi": -50}
SHED = {"ssid": "Schuur", "key": "schuurtje", "rssi": -80}
# A tenth of it for the tests.
room._TRY_MS, room._LOOK_MS, room._REST_S, room._LONGEST_REST_S, room._SETTLE_S = 1000, 20, 0.1, 0.4, 0.01


def air(*routers):
    with open(FOLDER + "/air.new", "w") as file:
        json.dump(list(routers), file)
    os.rename(FOLDER + "/air.new", FOLDER + "/air.json")


def fresh(*routers):
    """A hub just out of its box, in this air."""
    try:
        os.mkdir(FOLDER)
    except OSError:
        pass
    try:
        os.remove(FOLDER + "/wifi")
    except OSError:
        pass
    os.putenv("MEETHUB_WIFI", FOLDER + "/air.json")
    air(*routers)
    network.WLAN._made.clear()
    return Wifi(FOLDER)


def again():
    """The same hub after a power cut."""
    network.WLAN._made.clear()
    return Wifi(FOLDER)


async def until(done, ms=5000):
    for _ in range(ms // 20):
        if done():
            return
        await asyncio.sleep_ms(20)
    raise AssertionError("too late")


def running(wifi, act):
    """Runs `act()` beside wifi.run()."""

    async def go():
        task = asyncio.create_task(wifi.run())
        try:
            await act()
        finally:
            task.cancel()

    asyncio.run(go())


def code_of(wifi, ssid, password):
    try:
        asyncio.run(wifi.try_new(ssid, password))
    except WifiError as error:
        return error.code
    return ""


def test_a_new_hub_knows_no_network_and_waits():
    wifi = fresh(HOME)
    assert (wifi.networks, wifi.connected, wifi.address) == ([], False, "0.0.0.0")

    async def act():
        await asyncio.sleep_ms(300)
        assert not wifi.connected
        assert wifi.lost_ms() >= 200

    running(wifi, act)


def test_what_was_tried_with_success_is_kept_and_found_again_at_boot():
    assert code_of(fresh(HOME), b"Thuis", b"geheim123") == ""
    wifi = again()
    assert wifi.networks == [(b"Thuis", b"geheim123")]

    async def act():
        await until(lambda: wifi.connected)
        assert wifi.lost_ms() == 0
        assert wifi.address == "192.168.1.50"

    running(wifi, act)


def test_why_a_network_was_not_entered():
    wifi = fresh(HOME, {"ssid": "Stom", "key": "12345678", "mute": True})
    assert code_of(wifi, b"Thuis", b"verkeerd1") == "wifi-password-wrong"
    assert code_of(wifi, b"Weg", b"verkeerd1") == "wifi-not-found"
    assert code_of(wifi, b"Stom", b"12345678") == "wifi-no-address"
    assert code_of(wifi, b"", b"12345678") == "wifi-input"
    assert code_of(wifi, b"Thuis", b"1234567") == "wifi-input"
    assert code_of(wifi, b"a" * 33, b"12345678") == "wifi-input"
    assert wifi.networks == []
    assert again().networks == []


def test_the_driver_refusing_is_a_code_too():
    wifi = fresh(HOME)
    before = network.WLAN.connect

    def refuses(self, *_, **__):
        raise OSError("Wifi Internal Error")

    network.WLAN.connect = refuses
    try:
        assert code_of(wifi, b"Thuis", b"geheim123") == "wifi-failed"
    finally:
        network.WLAN.connect = before


def test_a_wifi_that_fails_costs_the_old_one_nothing():
    wifi = fresh(HOME)
    assert code_of(wifi, b"Thuis", b"geheim123") == ""

    async def act():
        await until(lambda: wifi.connected)
        try:
            await wifi.try_new(b"Nieuw", b"nieuwnieuw")
            raise AssertionError("there is none")
        except WifiError as error:
            assert error.code == "wifi-not-found"
        await until(lambda: wifi.connected)

    running(wifi, act)
    assert again().networks == [(b"Thuis", b"geheim123")]


def test_the_old_one_is_used_again_when_the_new_one_goes():
    wifi = fresh(HOME, SHED)
    assert code_of(wifi, b"Thuis", b"geheim123") == code_of(wifi, b"Schuur", b"schuurtje") == ""
    assert [one[0] for one in wifi.networks] == [b"Schuur", b"Thuis"]

    async def act():
        await until(lambda: wifi.connected)
        air(HOME)
        await until(lambda: wifi.connected and wifi.networks[0][0] == b"Thuis", 8000)

    running(wifi, act)
    assert [one[0] for one in again().networks] == [b"Thuis", b"Schuur"]


def test_a_router_that_was_off_is_found_again():
    wifi = fresh(HOME)
    assert code_of(wifi, b"Thuis", b"geheim123") == ""

    async def act():
        await until(lambda: wifi.connected)
        air(dict(HOME, gone=True))
        await until(lambda: not wifi.connected)
        await until(lambda: wifi.lost_ms() > 500)
        air(HOME)
        await until(lambda: wifi.connected, 8000)
        assert wifi.lost_ms() == 0

    running(wifi, act)


def test_a_new_password_takes_the_place_of_the_old():
    wifi = fresh(HOME)
    assert code_of(wifi, b"Thuis", b"geheim123") == ""
    air(dict(HOME, key="anders123"))
    assert code_of(wifi, b"Thuis", b"anders123") == ""
    assert wifi.networks == again().networks == [(b"Thuis", b"anders123")]


def test_five_networks_are_kept_the_newest_first():
    routers = [{"ssid": "Net%d" % number, "key": "sleutel%d1" % number} for number in range(7)]
    wifi = fresh(*routers)
    for router in routers:
        assert code_of(wifi, router["ssid"].encode(), router["key"].encode()) == ""
    assert [one[0] for one in again().networks] == [b"Net%d" % number for number in (6, 5, 4, 3, 2)]


def test_names_that_are_no_text_and_keys_of_every_length():
    for ssid, key in (
        (b"\xff\x00\x01", b""),
        (b"a" * 32, b"k" * 64),
        ("Café".encode(), "wachtwoordé".encode()),
    ):
        router = {"hex": ssid.hex(), "key": key.decode(), "security": 3 if key else 0}
        assert code_of(fresh(router), ssid, key) == ""
        assert again().networks == [(ssid, key)]


def test_a_damaged_file_is_as_good_as_none():
    wifi = fresh(HOME)
    assert code_of(wifi, b"Thuis", b"geheim123") == ""
    wifi.keep_names(b"hub-keuken", b"Keuken")
    with open(FOLDER + "/wifi", "rb") as file:
        whole = file.read()
    whole_hub = (b"hub-keuken", b"Keuken", [(b"Thuis", b"geheim123")])
    for at in range(len(whole)):
        for damaged in (
            whole[:at],
            whole[:at] + b"\xff" + whole[at + 1 :],
            whole[:at] + b"\x00" + whole[at:],
        ):
            with open(FOLDER + "/wifi", "wb") as file:
                file.write(damaged)
            hub = again()
            for ssid, password in hub.networks:
                assert isinstance(ssid, bytes)
                assert isinstance(password, bytes)
    with open(FOLDER + "/wifi", "wb") as file:
        file.write(whole)
    hub = again()
    assert (hub.hostname, hub.name, hub.networks) == whole_hub


def test_scanning_finds_each_name_once_strongest_first():
    wifi = fresh(SHED, dict(HOME, rssi=-70), HOME, {"ssid": "", "key": ""}, {"hex": "0000", "key": ""})
    heard = asyncio.run(wifi.scan())
    assert heard == [(b"Thuis", -50, 3), (b"Schuur", -80, 3)]


def test_scanning_waits_until_a_joining_is_over():
    wifi = fresh(dict(HOME, ms=400))

    async def act():
        joining = asyncio.create_task(wifi.try_new(b"Thuis", b"geheim123"))
        await asyncio.sleep_ms(50)
        assert await wifi.scan()
        assert wifi.connected
        await joining

    asyncio.run(act())


def test_two_who_set_a_new_one_do_not_disturb_each_other():
    wifi = fresh(dict(HOME, ms=200), dict(SHED, ms=200))

    async def act():
        await asyncio.gather(wifi.try_new(b"Thuis", b"geheim123"), wifi.try_new(b"Schuur", b"schuurtje"))
        assert wifi.connected

    running(wifi, act)
    assert sorted([one[0] for one in wifi.networks]) == [b"Schuur", b"Thuis"]


def test_the_radio_knows_its_country_and_its_name():
    wifi = fresh(HOME)
    wifi.keep_names(b"hub-keuken", b"")
    assert network.country() == "NL"
    assert code_of(again(), b"Thuis", b"geheim123") == ""
    assert network.hostname() == "hub-keuken"


def test_nothing_grows_over_sixty_joinings():
    import gc

    wifi = fresh(dict(HOME, ms=0))
    room._LOOK_MS, before_look = 1, room._LOOK_MS

    async def act():
        sizes = []
        for _ in range(60):
            await wifi.try_new(b"Thuis", b"geheim123")
            gc.collect()
            sizes.append(gc.mem_alloc())
        assert max(sizes[30:]) <= max(sizes[:30]) + 256

    asyncio.run(act())
    room._LOOK_MS = before_look
