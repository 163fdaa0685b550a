"""The doctor finds what is wrong with a hub, says who must act, and finds nothing wrong with a good one."""

import socket
import ssl

import pytest

from cloud_bridge.authority import Authority
from gateway import doctor
from gateway.doctor import Finding, examine
from gateway.outbox import Outbox
from gateway.simulator.process import free_port
from gateway.wire.catalogue import CODES
from gateway.wire.state import NEVER
from tests.gateway.hub_tls import Installed, Server
from tests.gateway.outbox_fixtures import Bench

POINTS = ["configuration", "data directory", "outbox", "certificate", "devices", "broker"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.open(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, authority):
    server = Server(authority, tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture
def hub(tmp_path, authority, server):
    return Installed(tmp_path, authority, server.port)


def problems(hub):
    return {finding.point: finding.code for finding in examine(hub.config) if not finding.good}


def test_a_good_hub_is_good(hub):
    findings = examine(hub.config)
    assert [finding.point for finding in findings] == POINTS
    assert [finding.code for finding in findings] == [None] * len(POINTS)
    assert findings[-1].detail.startswith("reached, TLSv1.")


def test_a_running_hub_is_good_as_well(hub):
    outbox = Outbox(hub.data / "outbox.sqlite", 8 << 20)
    assert problems(hub) == {}
    outbox.close()


def test_a_broken_configuration_is_the_only_finding(hub):
    hub.config.write_text("[hub]\n")
    (finding,) = examine(hub.config)
    assert finding.code == "config-key"
    assert "gateway.toml:1" in finding.detail


def test_no_configuration(tmp_path):
    (finding,) = examine(tmp_path / "none.toml")
    assert finding.code == "config-unreadable"


@pytest.mark.parametrize("name", ["", "signing.key", "tls.key"])
def test_keys_that_others_can_read(hub, name):
    place = hub.data / name
    place.chmod(place.stat().st_mode | 0o044)
    found = next(finding for finding in examine(hub.config) if not finding.good)
    assert (found.point, found.code, found.detail) == ("data directory", "data-open-to-others", str(place))


def test_a_data_directory_that_is_gone(hub):
    hub.data.rename(hub.folder / "elsewhere")
    assert problems(hub) == {
        "data directory": "data-missing",
        "outbox": "outbox-missing",
        "broker": "uplink-identity-unreadable",
    }


def test_an_outbox_with_something_in_quarantine(tmp_path, hub):
    bench = Bench(tmp_path / "other")
    bench.seal()
    bench.outbox.apply(bench.state(0, refused=[bench.refusal(1, NEVER)]), set())
    bench.outbox.close()
    bench.path.replace(hub.data / "outbox.sqlite")
    assert problems(hub) == {"outbox": "outbox-quarantine"}


@pytest.mark.parametrize("damage", ["all", "half", "empty"])
def test_an_outbox_that_is_damaged(tmp_path, hub, damage):
    bench = Bench(tmp_path / "other")
    for _ in range(40):
        bench.seal(items=3, size=200)
    bench.outbox.rest()
    bench.outbox.close()
    whole = bench.path.read_bytes()
    (hub.data / "outbox.sqlite").write_bytes(
        {"all": b"x" * len(whole), "half": whole[:4096] + b"\xa5" * (len(whole) - 4096), "empty": b""}[damage]
    )
    assert problems(hub) == {"outbox": "outbox-damaged"}


@pytest.mark.parametrize(
    ("days_ago", "code"),
    [(0, None), (75, None), (80, "certificate-expires-soon"), (95, "certificate-expired")],
)
def test_a_certificate_that_ends(hub, days_ago, code):
    hub.certify(days_ago=days_ago)
    assert problems(hub).get("certificate") == code


def test_a_broker_that_refuses_the_certificate_is_noticed_after_the_handshake(hub):
    hub.certify(days_ago=95)
    assert problems(hub) == {"certificate": "certificate-expired", "broker": "bridge-tls"}


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_no_certificate(hub, content):
    place = hub.folder / "hub.pem"
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    assert problems(hub) == {"certificate": "certificate-missing", "broker": "uplink-identity-unreadable"}


def test_a_cable_that_is_not_plugged_in(hub):
    (hub.folder / "ttyOX").unlink()
    assert problems(hub) == {"devices": "serial-port-missing"}


def test_a_bridge_that_cannot_be_reached(hub):
    hub.config = hub.configure(free_port())
    assert problems(hub) == {"broker": "bridge-unreachable"}
    assert examine(hub.config)[-1].unreachable


def test_a_bridge_that_does_not_answer(hub, monkeypatch):
    monkeypatch.setattr(doctor, "REACH_WITHIN_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub.config = hub.configure(silent.getsockname()[1])
        assert problems(hub) == {"broker": "bridge-unreachable"}


def test_a_host_that_does_not_exist(hub):
    hub.config = hub.configure(8883, host="bridge.invalid")
    assert problems(hub) == {"broker": "bridge-unreachable"}


def test_a_bridge_of_another_authority_is_not_trusted(hub, tmp_path):
    stranger = Server(Authority.open(tmp_path / "strange"), tmp_path / "server")
    hub.config = hub.configure(stranger.port)
    assert problems(hub) == {"broker": "bridge-tls"}
    stranger.close()


def test_a_bridge_under_another_name_is_not_trusted(hub, server):
    hub.config = hub.configure(server.port, host="localhost")
    assert problems(hub) == {"broker": "bridge-tls"}


def test_every_finding_says_who_must_act_in_both_languages(monkeypatch):
    finding = Finding("devices", "serial-port-missing", "/dev/ttyUSB0")
    who, dutch, english = CODES["serial-port-missing"]
    assert finding.json() == {
        "point": "devices",
        "good": False,
        "detail": "/dev/ttyUSB0",
        "code": "serial-port-missing",
        "who": who,
        "nl": dutch,
        "en": english,
    }
    for language, words in (("nl_NL.UTF-8", dutch), ("en_GB.UTF-8", english), ("C", english)):
        monkeypatch.setenv("LC_ALL", language)
        assert words in finding.line()
        assert who in finding.line()


def test_tls_below_1_2_is_not_spoken(hub):
    assert doctor._identity(doctor.load(hub.config)).minimum_version >= ssl.TLSVersion.TLSv1_2
