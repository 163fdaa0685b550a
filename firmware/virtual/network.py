"""Wi-Fi without a radio: the air is a JSON file, named by MEETHUB_WIFI, read again at every look.

[{"ssid": "Thuis", "key": "geheim123", "rssi": -50, "security": 3, "gone": false, "mute": false, "ms": 20}, …]
gone: the router is off. mute: it lets in but gives no address. ms: how long joining takes. An SSID that is
not UTF-8 stands in "hex". Imitated from the ESP32's driver (MicroPython, ports/esp32/network_wlan.c), with
what hurts: connecting twice, a short key of an access point and setting one that is not up yet are OSErrors;
scanning while connecting finds nothing; status codes are the chip's.
An access point is not on any air: who wants to be its guest talks to the hub's ports on loopback. What it was
set to stands in the file `access_point` of MEETHUB_BOARD while it is up.
"""

import json
import os
import time

from machine import board_file

STA_IF, AP_IF = 0, 1
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
STAT_BEACON_TIMEOUT, STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD = 200, 201, 202
STAT_ASSOC_FAIL, STAT_HANDSHAKE_TIMEOUT = 203, 204
_STATE = "Wifi Internal State Error"
_said = {"country": "XX", "hostname": "mpy-esp32"}


def country(code=None):
    return _set("country", code)


def hostname(name=None):
    if name is not None and len(name) > 32:
        raise ValueError("hostname too long")
    return _set("hostname", name)


def _set(key, item):
    if item is None:
        return _said[key]
    _said[key] = item
    return None


def _air():
    path = os.getenv("MEETHUB_WIFI")
    if not path:
        return []
    with open(path) as file:
        return json.load(file)


def _name(router):
    return bytes.fromhex(router["hex"]) if "hex" in router else router["ssid"].encode()


def _bytes(text):
    return text.encode() if isinstance(text, str) else bytes(text or b"")


class WLAN:
    IF_STA, IF_AP = STA_IF, AP_IF
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0, 1, 2
    SEC_OPEN, SEC_WEP, SEC_WPA, SEC_WPA2, SEC_WPA_WPA2, SEC_WPA3 = 0, 1, 2, 3, 4, 6
    _made = {}

    def __new__(cls, interface=STA_IF):
        if interface not in cls._made:
            made = cls._made[interface] = object.__new__(cls)
            made._is_ap = interface == AP_IF
            made._active = False
            made._wanted = None
            made._settings = {"ssid": "ESP_010203", "key": "", "security": 0, "reconnects": -1, "pm": 1}
            made._joined = False
        return cls._made[interface]

    def __init__(self, interface=STA_IF):
        pass

    def active(self, on=None):
        if on is None:
            return self._active
        self._active = bool(on)
        if not on:
            self._wanted = None
        self._show()
        return None

    def config(self, name=None, **settings):
        if name is not None:
            return b"\x24\xec\x4a\x01\x02\x03" if name == "mac" else self._settings[name]
        if self._is_ap and not self._active:
            raise OSError("Wifi Invalid Mode")
        for key, item in settings.items():
            if key not in ("ssid", "key", "security", "channel", "pm", "reconnects", "txpower", "hidden"):
                raise ValueError("unknown config param")
            self._settings[key] = item
        if self._settings["security"] and len(_bytes(self._settings["key"])) < 8 and self._is_ap:
            raise OSError("Wifi Invalid Password")
        self._show()
        return None

    def connect(self, ssid=None, key=None, bssid=None):
        if not self._active:
            raise OSError("Wifi Not Started")
        if self.status() == STAT_CONNECTING:
            raise OSError(_STATE)
        self._wanted = _bytes(ssid), _bytes(key), time.ticks_ms()
        self._joined = False

    def disconnect(self):
        if not self._active:
            raise OSError("Wifi Not Started")
        self._wanted = None

    def isconnected(self):
        return self.status() == STAT_GOT_IP

    def status(self, name=None):
        if name == "rssi":
            return self._router().get("rssi", -60)
        if self._is_ap or self._wanted is None:
            return STAT_IDLE
        status = self._look()
        self._joined = self._joined or status == STAT_GOT_IP
        return status

    def _router(self):
        for router in _air():
            if _name(router) == self._wanted[0] and not router.get("gone"):
                return router
        return {}

    def _look(self):
        router, lost = self._router(), self._joined
        waited = time.ticks_diff(time.ticks_ms(), self._wanted[2])
        if lost and not router:
            self._wanted = self._wanted[0], self._wanted[1], time.ticks_ms()
            return STAT_CONNECTING if self._settings["reconnects"] else STAT_BEACON_TIMEOUT
        if waited < router.get("ms", 20) and not lost:
            return STAT_CONNECTING
        if not router:
            return STAT_NO_AP_FOUND
        if _bytes(router.get("key", "")) != self._wanted[1]:
            return STAT_WRONG_PASSWORD
        return STAT_CONNECTING if router.get("mute") else STAT_GOT_IP

    def scan(self):
        if not self._active:
            raise OSError("STA must be active")
        if self.status() == STAT_CONNECTING:
            return []
        here = [router for router in _air() if not router.get("gone")]
        return [
            (
                _name(r),
                b"\x02\x00\x00\x00\x00" + bytes([n]),
                1 + n,
                r.get("rssi", -60),
                r.get("security", 3),
                0,
            )
            for n, r in enumerate(here)
        ]

    def ifconfig(self, settings=None):
        if self._is_ap:
            return ("192.168.4.1", "255.255.255.0", "192.168.4.1", "0.0.0.0")
        if not self.isconnected():
            return ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")
        return ("192.168.1.50", "255.255.255.0", "192.168.1.1", "192.168.1.1")

    def ipconfig(self, name):
        return self.ifconfig()[:2] if name == "addr4" else None

    def _show(self):
        path = board_file("access_point")
        if not self._is_ap or not path:
            return
        with open(path + ".new", "w") as file:
            file.write(json.dumps(dict(self._settings, up=self._active)))
        os.rename(path + ".new", path)
