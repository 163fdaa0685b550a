"""What systemd hears of the daemon, on a real datagram socket."""

import socket

import pytest

from gateway.notify import notify, watchdog_interval_s


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    """A socket as systemd gives it to a service of type notify."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


@pytest.mark.parametrize("state", ["READY=1", "WATCHDOG=1", "STOPPING=1"])
def test_systemd_hears_it(systemd, state):
    assert notify(state)
    assert systemd.recv(4096) == state.encode()


def test_an_abstract_socket_is_heard_as_well(monkeypatch, tmp_path):
    name = f"meethub-test-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        assert notify("READY=1")
        assert listener.recv(4096) == b"READY=1"


def test_without_systemd_nothing_happens(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")


def test_a_listener_that_is_gone_harms_nobody(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


@pytest.mark.parametrize(
    ("said", "interval"),
    [
        (None, None),
        ("", None),
        ("0", None),
        ("soon", None),
        ("-5", None),
        ("60000000", 30.0),
        ("1000000", 0.5),
    ],
)
def test_the_watchdog_hears_us_twice_as_often_as_it_asks(monkeypatch, said, interval):
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    if said is not None:
        monkeypatch.setenv("WATCHDOG_USEC", said)
    assert watchdog_interval_s() == interval
