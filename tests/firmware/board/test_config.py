"""The hub's configuration on the board."""

import json
import os

from firmware import config

GOOD = {
    "hub": "hub-0002",
    "host": "127.0.0.1",
    "port": 8883,
    "state_key": "0f" * 32,
    "devices": [
        {"driver": "blood-pressure", "address": "f0:5a:01:02:03:04", "bond": True, "users": "1:1234,2:9"},
        {"driver": "nonin-serial", "uart": 1},
    ],
}


def refused(change, key):
    row = dict(GOOD)
    row.update(change)
    try:
        config.Config(row)
    except config.ConfigError as error:
        assert error.code in ("config-key", "config-syntax"), error.code
        assert key in error.detail, error.detail
        return
    raise AssertionError("accepted: " + str(change))


def test_a_good_one():
    made = config.Config(GOOD)
    cuff, oximeter = made.devices
    assert (made.hub, made.port, made.state_key) == ("hub-0002", 8883, b"\x0f" * 32)
    assert (cuff.address, cuff.bond, cuff.users) == ("F0:5A:01:02:03:04", True, ((1, 1234), (2, 9)))
    assert (oximeter.uart, oximeter.address, oximeter.bond) == (1, "", False)
    assert made.zone == config.ZONE and made.first_delay_s == 60
    assert made.updates == ""


def test_what_is_wrong_is_named():
    for key in GOOD:
        refused({key: None}, key)
    refused({"hub": "not/a hub"}, "hub")
    refused({"port": True}, "port")
    refused({"port": 70000}, "port")
    refused({"state_key": "0f" * 31}, "state_key")
    refused({"state_key": "zz" * 32}, "state_key")
    refused({"colour": "red"}, "colour")
    for place in (
        "releases.example",
        "releases.example/x/",
        "a:b/",
        ":443/",
        "a:443",
        "a:443/x",
        "a:70000/",
        5,
    ):
        refused({"updates": place}, "updates")
    refused({"ntp": [1]}, "ntp")
    for device, key in (
        (1, "devices"),
        ({}, "driver"),
        ({"driver": "no-such-driver", "uart": 1}, "driver"),
        ({"driver": "blood-pressure"}, "address"),
        ({"driver": "blood-pressure", "uart": 1, "address": "F0:5A:01:02:03:04"}, "address"),
        ({"driver": "blood-pressure", "address": "F0:5A:01:02:03"}, "address"),
        ({"driver": "blood-pressure", "address": "F0:5A:01:02:03:0G"}, "address"),
        ({"driver": "nonin-serial", "uart": -2}, "uart"),
        ({"driver": "nonin-serial", "uart": 1, "users": "x"}, "users"),
        ({"driver": "nonin-serial", "uart": 1, "extra": 1}, "extra"),
    ):
        refused({"devices": [device]}, key)


def test_files():
    folder = "/tmp/meethub-config-%s" % os.urandom(6).hex()
    os.mkdir(folder)
    try:
        assert config.load(folder) is None
        for data in (b"\xff\xfe", b"{", b"[]", b""):
            with open(folder + "/config.json", "wb") as file:
                file.write(data)
            try:
                config.load(folder)
                raise AssertionError(data)
            except config.ConfigError as error:
                assert error.code == "config-syntax"
        with open(folder + "/config.json", "w") as file:
            json.dump(GOOD, file)
        assert config.load(folder).hub == "hub-0002"
    finally:
        os.remove(folder + "/config.json")
        os.rmdir(folder)
