"""`setup` as docs/operating.md writes it: the bridge reaches its own broker, hubs by the name they know."""

import json

import pytest

from cloud_bridge.__main__ import main
from cloud_bridge.administration import Place, opened
from cloud_bridge.authority import speaks_for
from cloud_bridge.intake import Intake, IntakeSettings
from gateway.simulator.process import Program, free_port, listening, wait_until


@pytest.fixture
def bridge(tmp_path):
    ports = [str(free_port()), str(free_port())]
    words = ["setup", "--data", str(tmp_path), "--host", "0.0.0.0", "--name", "bridge.example.org"]
    assert main([*words, "--mqtt-port", ports[0], "--service-port", ports[1]]) == 0
    return Place(tmp_path)


def test_the_certificate_names_the_host_and_loopback(bridge):
    assert speaks_for(bridge.broker / "server.pem", ["bridge.example.org", "127.0.0.1"])
    assert not speaks_for(bridge.broker / "server.pem", ["other.example.org"])


def test_another_name_gives_another_certificate(bridge):
    port = str(bridge.settings()["port"])
    words = ["setup", "--data", str(bridge.directory), "--host", "0.0.0.0", "--name", "other.example.org"]
    assert main([*words, "--mqtt-port", port, "--service-port", str(free_port())]) == 0
    assert speaks_for(bridge.broker / "server.pem", ["other.example.org"])


def test_the_callout_port_is_not_open_to_the_world(bridge):
    configuration = (bridge.broker / "nats.conf").read_text()
    assert 'listen: "127.0.0.1:' in configuration.split("mqtt {")[0]
    assert "127.0.0.1" in json.loads((bridge.broker / "ports.json").read_text())["service"]


def test_the_bridge_reaches_its_own_broker(bridge, tmp_path):
    import sys
    from pathlib import Path

    port = int(bridge.settings()["port"])
    nats = str(Path(sys.executable).with_name("nats-server"))
    # on loopback only: the test suite opens nothing to the world
    file = bridge.broker / "nats.conf"
    file.write_text(file.read_text().replace("0.0.0.0", "127.0.0.1"))
    broker = Program("broker", [nats, "-c", str(file)], tmp_path / "nats.log", lambda: listening(port))
    command = [sys.executable, "-m", "cloud_bridge", "callout", "--data", str(tmp_path)]
    callout = Program("callout", command, tmp_path / "callout.log")
    place = bridge.identity
    settings = IntakeSettings(str(bridge.settings()["host"]), port, place.ca, place.certificate, place.key)
    intake = Intake(settings, lambda _: None)
    broker.start()
    try:
        callout.start()
        intake.start()
        assert wait_until(lambda: intake.connected, 20)
    finally:
        intake.stop()
        callout.stop()
        broker.stop()


def test_a_reader_that_leaves_is_no_fault_of_the_directory(bridge):
    with pytest.raises(BrokenPipeError), opened(bridge.directory):
        raise BrokenPipeError
