"""Programs of the chain as real processes: ready when they say so, stopped for good, never in silence."""

import socket
import sys

import pytest

from gateway.simulator import process
from gateway.simulator.process import ChainError, Program, free_port, listening, wait_until

NOTIFY = """
import os, signal, socket, sys
print("began", flush=True)
channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
channel.connect(os.environ["NOTIFY_SOCKET"])
"""
READY = NOTIFY + "channel.send(b'READY=1')\nsignal.pause()\n"
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY


@pytest.fixture
def program(tmp_path):
    """Makes programs of Python text; none of them outlives the test."""
    made = []

    def make(text, **more):
        made.append(Program("probe", [sys.executable, "-c", text], tmp_path / "log" / "probe.log", **more))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def test_a_program_is_ready_when_it_says_so(program):
    one = program(READY)
    one.start()
    assert one.alive()
    one.stop()
    assert not one.alive()
    assert one.tail() == "began"


def test_other_words_to_systemd_are_not_ready(program, monkeypatch):
    monkeypatch.setattr(process, "READY_WITHIN_S", 0.3)
    one = program(NOTIFY + "channel.send(b'STATUS=starting')\nsignal.pause()\n")
    with pytest.raises(ChainError, match="probe did not start"):
        one.start()
    assert not one.alive(), "what did not get ready is not left behind"


def test_a_program_that_dies_at_its_start_is_said_with_its_last_words(program):
    one = program("print('first line')\nraise SystemExit('no such file')\n")
    with pytest.raises(ChainError) as caught:
        one.start()
    assert "probe did not start; the last lines of" in str(caught.value)
    assert sorted(str(caught.value).splitlines()[1:]) == ["first line", "no such file"]


def test_a_program_without_notification_is_ready_when_its_port_is_open(program):
    port = free_port()
    text = f"import socket, signal\ns = socket.create_server(('127.0.0.1', {port}))\nsignal.pause()\n"
    one = program(text, ready=lambda: listening(port))
    assert not listening(port)
    one.start()
    assert listening(port)
    one.stop()
    assert not listening(port)


def test_a_program_that_ignores_the_request_is_made_to_stop(program, monkeypatch):
    monkeypatch.setattr(process, "STOP_WITHIN_S", 0.3)
    one = program(DEAF)
    one.start()
    one.stop()
    assert one.process.returncode == -9


def test_its_children_go_with_it(program, tmp_path):
    port = free_port()
    child = f"import socket, signal; s = socket.create_server(('127.0.0.1', {port})); signal.pause()"
    text = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {child!r}])\n" + READY
    one = program(text, ready=lambda: listening(port))
    one.start()
    one.kill()
    assert wait_until(lambda: not listening(port), 5)


def test_a_killed_program_can_be_started_again_and_its_log_goes_on(program):
    one = program(READY)
    one.start()
    first = one.process.pid
    one.kill()
    assert not one.alive()
    one.start()
    assert one.process.pid != first
    assert one.tail() == "began\nbegan"


def test_stopping_what_never_ran_or_is_over_does_nothing(program):
    one = program("")
    one.stop()
    one.kill()
    assert not one.alive()
    with pytest.raises(ChainError):
        one.start()
    one.stop()
    one.stop()


def test_the_tail_is_short_and_survives_any_bytes(program, tmp_path):
    one = program(READY)
    one.log.parent.mkdir()
    one.log.write_bytes(b"\xff\xfe broken\n" + b"".join(b"line %d\n" % n for n in range(50)))
    assert one.tail(3) == "line 47\nline 48\nline 49"


def test_a_free_port_is_free():
    port = free_port()
    assert not listening(port)
    with socket.create_server(("127.0.0.1", port)):
        assert listening(port)


def test_waiting_ends_when_it_holds_when_time_is_up_and_when_all_is_lost():
    calls = iter([False, False, True])
    assert wait_until(lambda: next(calls), 5)
    assert not wait_until(lambda: False, 0.1)
    assert not wait_until(lambda: False, 60, alive=lambda: False)
    assert wait_until(lambda: True, 0)
