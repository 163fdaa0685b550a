"""The setup page as a phone without anything but a browser meets it: over real sockets, from outside."""

import os
import random
import re
import socket
import struct
import time

import pytest

from gateway.wire.catalogue import CODES
from tests.firmware.portal_fixtures import ADDRESS, HOME, OPEN, Page, Portal


@pytest.fixture
def portal(tmp_path):
    portal = Portal(tmp_path)
    yield portal
    portal.close()
    assert not [line for line in portal.said if "Traceback" in line or "Error" in line], portal.said


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    portal = Portal(tmp_path_factory.mktemp("portal"))
    yield portal
    portal.close()
    assert not [line for line in portal.said if "Traceback" in line], portal.said


def wait(done, seconds=10):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_phone_puts_the_hub_on_the_wifi_and_the_window_shuts_and_nothing_of_it_is_printed(portal):
    page = portal.page()
    portal.submit(page, network=b"Thuis".hex(), password="verkeerd1")
    answer = portal.submit(page, network=b"Thuis".hex(), password="geheim123")
    assert answer.status_code == 200
    assert "Het is gelukt" in Page(answer.text).roles["status"]
    assert portal.until("shut")[1] == "True"
    assert portal.access_point()["up"] is False
    for secret in ("Thuis", "verkeerd1", "geheim123", page.hidden["token"], portal.access_point()["key"]):
        assert not [line for line in portal.said if secret in line]
    with pytest.raises(ConnectionError), socket.create_connection(("127.0.0.1", portal.port), timeout=1):
        pass


def test_the_page_tells_that_it_tries_before_it_knows(portal):
    portal.routers({**HOME, "ms": 1500})
    page = portal.page()
    body = f"token={page.hidden['token']}&network={b'Thuis'.hex()}&password=geheim123".encode()
    head = f"POST / HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", portal.port), timeout=10) as line:
        line.sendall(head + body)
        began, heard = time.monotonic(), b""
        while b"probeert het nu" not in heard:
            heard += line.recv(4096)
        assert time.monotonic() - began < 1
        while piece := line.recv(4096):
            heard += piece
    assert time.monotonic() - began > 1
    assert b"Het is gelukt" in heard


def test_a_phone_that_lost_the_network_meanwhile_finds_the_outcome(portal):
    page = portal.page()
    for password, role, words in (("verkeerd1", "alert", "klopt niet"), ("geheim123", "status", "gelukt")):
        with socket.create_connection(("127.0.0.1", portal.port), timeout=5) as line:
            line.sendall(_post(page, f"network={b'Thuis'.hex()}&password={password}"))
            heard = b""
            while b"probeert" not in heard:
                heard += line.recv(4096)
        wait(lambda role=role, words=words: words in portal.page().roles.get(role, ""))


WRONG = [
    ({"network": b"Thuis".hex(), "password": "verkeerd1"}, "wifi-password-wrong"),
    ({"network": b"Thuis".hex(), "password": "kort"}, "wifi-input"),
    ({"network": "", "password": "geheim123"}, "wifi-input"),
    ({"password": "geheim123"}, "wifi-input"),
    ({"other": "Weg", "password": "geheim123"}, "wifi-not-found"),
]


def test_what_went_wrong_is_said_and_the_choice_is_kept(portal):
    page = portal.page()
    for fields, code in WRONG:
        page = Page(portal.submit(page, **fields).text)
        assert CODES[code][1] in page.roles["alert"]
        assert code in page.roles["alert"]
        ticked = [one["value"] for one in page.radios if "checked" in one]
        if fields.get("network"):
            assert ticked == [fields["network"]]
        if fields.get("other"):
            assert {"name": "other", "value": "Weg"}.items() <= page.all("input")[-2].items()
    done = Page(portal.submit(page, network=b"Thuis".hex(), password="geheim123").text)
    assert "Het is gelukt" in done.roles["status"]


def test_an_address_that_the_router_does_not_give(tmp_path):
    portal = Portal(tmp_path, routers=[{**HOME, "mute": True}])
    page = portal.page()
    with pytest.raises(Exception, match="timed out"):  # the hub waits half a minute for it
        portal.raw(_post(page, f"network={b'Thuis'.hex()}&password=geheim123"), wait_s=0.3)
    busy = portal.submit(page, network=b"Thuis".hex(), password="geheim123")
    assert busy.status_code == 503
    assert "portal-busy" in Page(busy.text).roles["alert"]
    portal.close()


def _post(page, body, host=ADDRESS):
    data = f"token={page.hidden['token']}&{body}".encode()
    return f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def test_a_wifi_that_is_typed_counts_before_one_that_is_ticked(portal):
    fields = {"network": b"Thuis".hex(), "other": "Café & <b>Bar</b> ", "password": ""}
    assert "Het is gelukt" in portal.submit(portal.page(), **fields).text
    assert "Caf\xe9".encode() in (portal.data / "wifi").read_bytes()


@pytest.mark.parametrize(
    ("accepts", "language"),
    [
        ("nl-NL,nl;q=0.9,en;q=0.8", "nl"),
        ("en-GB,en;q=0.9,nl;q=0.5", "en"),
        ("de-DE,de;q=0.9,en;q=0.5", "en"),
        ("de", "nl"),
        ("", "nl"),
        ("en;q=abc,nl;q=0.1", "nl"),
        ("en;q=0", "nl"),
        (",;,;q=,=,en", "en"),
    ],
)
def test_the_language_is_the_phones(shared, accepts, language):
    page = shared.page(headers={"Accept-Language": accepts})
    assert page.all("html") == [{"lang": language}]
    other = "en" if language == "nl" else "nl"
    (link,) = [one for one in page.all("a") if one.get("hreflang") == other]
    switched = shared.page(link["href"], headers={"Accept-Language": accepts})
    assert switched.all("html") == [{"lang": other}]
    (form,) = switched.all("form")
    assert shared.submit(switched, form["action"]).text.count(f"lang={other}>") == 1


PROBES = [
    ("connectivitycheck.gstatic.com", "/generate_204"),
    ("captive.apple.com", "/hotspot-detect.html"),
    ("www.msftconnecttest.com", "/connecttest.txt"),
    ("detectportal.firefox.com", "/canonical.html"),
    ("nmcheck.gnome.org", "/check_network_status.txt"),
    ("evil.example", "/"),
]


@pytest.mark.parametrize(("host", "path"), PROBES)
def test_what_phones_ask_to_find_the_internet_leads_to_the_page(shared, host, path):
    answer = shared.ask(path=path, host=host)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"http://{ADDRESS}/"
    assert answer.text == ""


def test_a_head_has_no_body(shared):
    answer = shared.ask("HEAD")
    assert (answer.status_code, answer.text) == (200, "")


def test_names_of_networks_are_text_and_nothing_else(shared):
    page = shared.page()
    shown = " ".join(page.words)
    assert "Café & <b>Bar</b>, goed genoeg, geen wachtwoord" in shown
    assert '?"???>, zwak' in shown
    assert not page.all("b")
    assert [one["value"] for one in page.radios] == [
        b"Thuis".hex(),
        OPEN["ssid"].encode().hex(),
        "ff22e280ae3e",
        "",
    ]


def test_no_network_in_the_air_still_lets_one_be_typed(tmp_path):
    portal = Portal(tmp_path, routers=[])
    try:
        page = portal.page()
        assert [one["value"] for one in page.radios] == [""]
        portal.routers(HOME)
        assert "Het is gelukt" in portal.submit(page, other="Thuis", password="geheim123").text
    finally:
        portal.close()


# Forged and hostile.


@pytest.mark.parametrize("token", [{}, {"token": ""}, {"token": "0" * 16}])
def test_a_form_of_another_page_is_refused(shared, token):
    answer = shared.ask("POST", data={"network": b"Thuis".hex(), "password": "geheim123", **token})
    assert answer.status_code == 403
    assert "portal-stale" in Page(answer.text).roles["alert"]
    assert not (shared.data / "wifi").exists()


def test_a_form_sent_under_another_name_is_refused(shared):
    page = shared.page()
    answer = shared.raw(_post(page, f"network={b'Thuis'.hex()}&password=geheim123", host="evil.example"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert not (shared.data / "wifi").exists()


HOST = b"Host: 192.168.4.1\r\n"
HOSTILE = [
    (b"\r\n\r\n", 400),
    (b"GET\r\n\r\n", 400),
    (b"GET / HTTP/9.9 more\r\n\r\n", 400),
    (b"GET / FTP/1.1\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nno colon here\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : 192.168.4.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 5000, 413),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 413),
    (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2000 + b"\r\n", 413),
    (b"PUT / HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    (b"CONNECT a:443 HTTP/1.1\r\n\r\n", 405),
    (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    (b"GET /../../wifi HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    (b"GET /setup-key HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    (b"GET /\xff\xfe%00 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n" + b"a" * 1000000, 413),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n", 413),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1e3\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\n%zz", 403),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\na=%zz", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\na=%4", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 7\r\n\r\na=1&a=2", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 18\r\n\r\na&b&c&d&e&f&g&h&ij", 400),
]


@pytest.mark.parametrize(("data", "status"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_request_gets_a_page_with_a_code(shared, data, status):
    answer = shared.raw(data)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    page = Page(answer.split(b"\r\n\r\n", 1)[1].decode())
    assert re.search(r"portal-[a-z-]+", page.roles["alert"])[0] in CODES
    assert b"lang=nl" in shared.raw(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")


def test_bad_hex_in_the_choice_is_a_bad_request(shared):
    for choice in ("zz", "f", "%FF%FE", "é"):
        answer = shared.submit(shared.page(), network=choice, password="geheim123")
        assert answer.status_code == 400, choice


def test_headers_that_keep_others_out(shared):
    headers = shared.ask().headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_slow_and_silent_guests_are_shown_out_and_do_not_stop_others(tmp_path):
    portal = Portal(tmp_path, patience_ms=700)
    lines = [socket.create_connection(("127.0.0.1", portal.port), timeout=5) for _ in range(3)]
    try:
        lines[1].sendall(b"GET / HT")
        lines[2].sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 50\r\n\r\ntoken=")
        assert portal.ask().status_code == 200
        for line in lines:
            answer = b"".join(iter(lambda line=line: line.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.1 408 ")
    finally:
        for line in lines:
            line.close()
        portal.close()
    assert not [line for line in portal.said if "Traceback" in line]


def test_a_crowd_is_turned_away_and_the_page_is_there_again_afterwards(portal):
    lines = [socket.create_connection(("127.0.0.1", portal.port), timeout=5) for _ in range(12)]
    time.sleep(0.3)
    turned_away = 0
    for line in lines:
        line.setblocking(False)
        try:
            turned_away += line.recv(1) == b""
        except BlockingIOError:
            pass
        except ConnectionError:
            turned_away += 1
    assert turned_away == 8
    for line in lines:
        line.close()
    wait(lambda: portal.raw(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n").startswith(b"HTTP/1.1 200"))


def test_a_guest_that_never_reads_the_answer(shared):
    for _ in range(3):
        line = socket.create_connection(("127.0.0.1", shared.port), timeout=5)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        line.close()
    assert shared.ask().status_code == 200


def test_any_bytes_at_all(portal, dose):
    """Good requests, changed at random: an answer of HTTP or a closed line, and the page goes on."""
    chance = random.Random(20261122)
    good = [data for data, _ in HOSTILE if len(data) < 400]
    good += [b"GET /?lang=en&scan=1 HTTP/1.1\r\n" + HOST + b"Accept-Language: nl;q=0.1,en\r\n\r\n"]
    for _ in range(150 * dose):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.choice((0, 0, 1, 5))] = chance.randbytes(chance.choice((0, 1, 2)))
        answer = portal.raw(bytes(data), shut=True)
        assert answer == b"" or re.match(rb"HTTP/1\.1 [2345]\d\d ", answer), bytes(data)
    assert portal.ask().status_code == 200
    assert not (portal.data / "wifi").exists()


def test_many_visits_leave_no_trace_in_the_heap(tmp_path, dose):
    portal = Portal(tmp_path, open_ms=1500 + 1500 * dose, heap="160k")
    for _ in range(100 * dose):
        portal.raw(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    before, after = int(portal.said[0].split()[1]), int(portal.until("shut", 20 + 2 * dose)[2])
    assert after <= before + 1024
    assert int(portal.until("heap")[1]) < 8192
    portal.close()


# The names.


def question(name, kind=1, ident=7, flags=0x0100):
    labels = b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0"
    return struct.pack(">HHHHHH", ident, flags, 1, 0, 0, 0) + labels + struct.pack(">HH", kind, 1)


def test_every_name_leads_here(shared):
    for name in (b"captive.apple.com", b"a", b"www.example.org"):
        asked = question(name)
        answer = shared.name(asked)
        assert struct.unpack(">HHHHHH", answer[:12]) == (7, 0x8400, 1, 1, 0, 0)
        assert answer[12 : len(asked)] == asked[12:]
        assert answer[-4:] == socket.inet_aton(ADDRESS)
        assert answer[-6:-4] == b"\0\4"


def test_there_is_no_address_of_ipv6(shared):
    answer = shared.name(question(b"captive.apple.com", kind=28))
    assert struct.unpack(">HHHHHH", answer[:12]) == (7, 0x8400, 1, 0, 0, 0)


def test_what_is_no_question_stays_unanswered(shared):
    for data in (
        b"",
        b"\0",
        bytes(12),
        question(b"a")[:-1],
        question(b"a", flags=0x8180),
        question(b"a" * 64),
        bytes(600),
    ):
        assert shared.name(data, 0.15) is None
    assert shared.name(question(b"still.there"))


# The setup network.


def test_the_setup_network_is_locked_with_this_hubs_own_key(portal, tmp_path):
    point = portal.access_point()
    assert (point["up"], point["ssid"], point["security"]) == (True, "Meethub-AB12", 3)
    assert re.fullmatch(r"[a-hjkmnp-z2-9]{4}-[a-hjkmnp-z2-9]{4}-[a-hjkmnp-z2-9]{4}", point["key"])
    assert (portal.data / "setup-key").read_text() == point["key"]
    portal.close()
    again = Portal(tmp_path)
    assert again.access_point()["key"] == point["key"]
    again.close()
    other = tmp_path / "other"
    other.mkdir()
    another = Portal(other)
    assert another.access_point()["key"] != point["key"]
    another.close()


def test_the_window_shuts_by_itself_and_takes_the_network_down(tmp_path):
    portal = Portal(tmp_path, open_ms=700)
    assert portal.until("shut")[1] == "False"
    assert portal.access_point()["up"] is False
    portal.until("heap")
    assert portal.process.wait(5) == 0
    portal.close()


@pytest.fixture
def dose():
    return int(os.environ.get("MEETHUB_DOSE", "1"))
