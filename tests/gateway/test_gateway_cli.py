"""meethub-gateway as people and scripts use it: help, JSON, exit codes, one plain sentence for an error."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from cloud_bridge.authority import Authority
from gateway.__main__ import OK, PROBLEM, UNREACHABLE, USAGE, main
from gateway.drivers import all_drivers
from gateway.outbox import Outbox
from gateway.signer import Signer
from gateway.simulator.process import Program, free_port
from gateway.wire.catalogue import CODES
from gateway.wire.state import NEVER
from tests.gateway.config_fixtures import write
from tests.gateway.hub_fixtures import record_bytes
from tests.gateway.hub_tls import Installed, Server
from tests.gateway.outbox_fixtures import Bench

SCRIPT = str(Path(sys.executable).with_name("meethub-gateway"))
COMMANDS = ("run", "decode", "outbox", "doctor", "init", "devices", "pair")
VISIT = json.dumps({"driver": "blood-pressure", "received": [["2a35", record_bytes().hex()]]})


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    yield
    structlog.reset_defaults()  # a daemon that was started here has set its own


@pytest.fixture
def run(capsys):
    """Run a command in this process: (exit code, stdout, stderr)."""

    def run(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stopped:  # argparse's way out
            code = stopped.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def script(*words, **how):
    return subprocess.run([SCRIPT, *words], capture_output=True, text=True, timeout=60, check=False, **how)


@pytest.fixture
def hub(tmp_path):
    return Installed(tmp_path, Authority.open(tmp_path / "authority"), free_port())


# --- what every command has ---


def test_help_names_every_command(run):
    code, out, _ = run("--help")
    assert code == OK
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(run, name):
    code, out, _ = run(name, "--help")
    assert code == OK
    assert "--json" in out
    assert out.count("\n") > 3


@pytest.mark.parametrize(
    "words", [(), ("no-such-command",), ("outbox", "--no-such-option"), ("outbox", "--limit", "x")]
)
def test_wrong_usage_is_2(run, words):
    code, out, err = run(*words)
    assert (code, out) == (USAGE, "")
    assert "usage: meethub-gateway" in err


@pytest.mark.parametrize("name", ["run", "outbox", "doctor", "devices", "init"])
def test_without_a_configuration_file_one_plain_sentence(run, tmp_path, name):
    code, out, err = run(name, "--config", tmp_path / "none.toml")
    assert code == PROBLEM
    said = out if name == "doctor" else err
    assert CODES["config-unreadable"][2] in said
    assert "Who must act: installer." in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["run", "outbox", "devices", "init"])
def test_an_error_as_json(run, tmp_path, name):
    code, out, err = run(name, "--json", "--config", write(tmp_path, "[hub]\n"))
    assert (code, err) == (PROBLEM, "")
    error = json.loads(out)["error"]
    assert set(error) == {"code", "who", "nl", "en", "detail"}
    assert error["code"] == "config-key"
    assert error["nl"] == CODES["config-key"][1]


def test_an_error_in_the_language_of_the_terminal(run, tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "nl_NL.UTF-8")
    _, _, err = run("outbox", "--config", tmp_path / "none.toml")
    assert CODES["config-unreadable"][1] in err
    assert "Wie moet iets doen: installer." in err


def test_help_loads_nothing_heavy():
    """`--help` must be quick on a hub: no radio, no MQTT, no cryptography."""
    code = "import sys, gateway.__main__ as g\ntry: g.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = done.stdout.splitlines()[-1]
    assert not [
        name for name in ("bleak", "paho", "cryptography", "sqlite3", "structlog") if f"'{name}'" in loaded
    ]


# --- run ---


def test_the_daemon_loads_only_what_it_needs():
    """x509 alone is 6 MB, and only enrolment needs it; the command line's parts are not the daemon's."""
    code = "import sys, gateway.daemon; print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    heavy = (
        "cryptography.x509",
        "sqlalchemy",
        "alembic",
        "bumble",
        "httpx2",
        "nats",
        "gateway.simulator",
        "gateway.decode",
    )
    assert not [name for name in heavy if f"'{name}'" in done.stdout]


def test_the_daemon_runs_says_that_it_is_ready_and_stops_cleanly(hub, tmp_path):
    log = tmp_path / "log"
    daemon = Program("gateway", [SCRIPT, "run", "--config", str(hub.config)], log)
    daemon.start()
    second = script("run", "--config", hub.config)
    assert (second.returncode, second.stderr.splitlines()[-1].startswith(CODES["outbox-in-use"][2])) == (
        PROBLEM,
        True,
    )
    os.kill(daemon.process.pid, signal.SIGTERM)
    assert daemon.process.wait(10) == OK
    said = log.read_text()
    assert "Traceback" not in said
    assert "uplink-unreachable" in said, "nobody listens on that port"


def test_a_data_directory_that_cannot_be_written_is_said(run, hub):
    for place in hub.data.iterdir():
        place.unlink()
    hub.data.rmdir()
    hub.data.write_text("in the way")
    for name in ("run", "devices", "init"):
        code, _, err = run(name, "--config", hub.config)
        assert code == PROBLEM
        assert "data-not-writable" in err or "key-not-written" in err


# --- decode ---


def test_decode_lists_all_drivers(run):
    names = [driver.name for driver in all_drivers()]
    assert run("decode", "--list")[:2] == (OK, "".join(name + "\n" for name in names))
    assert json.loads(run("decode", "--list", "--json")[1]) == names


def test_decode_one_line_for_each_line_through_the_script():
    lines = [VISIT, "no json", '{"driver": "no-such"}', "", VISIT]
    done = script("decode", "--jsonl", input="\n".join(lines) + "\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (OK, "")
    assert [bool(answer["readings"]) for answer in answers] == [True, False, False, False, True]
    assert [answer["error"] and answer["error"]["code"] for answer in answers] == [
        None,
        "line-invalid",
        "driver-unknown",
        "line-invalid",
        None,
    ]


def test_decode_strict_tells_errors_in_the_exit_code(tmp_path, run):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text(VISIT + "\n")
    bad.write_text(VISIT + "\nno json\n")
    assert run("decode", "--jsonl", "--strict", good)[0] == OK
    assert run("decode", "--jsonl", "--strict", bad)[0] == PROBLEM
    assert run("decode", "--jsonl", bad)[0] == OK


def test_decode_of_a_file_that_is_not_there_is_wrong_usage(run, tmp_path):
    assert run("decode", "--jsonl", tmp_path / "none")[0] == USAGE


def test_decode_of_bytes_that_are_no_text_still_answers_line_by_line():
    done = subprocess.run(
        [SCRIPT, "decode", "--jsonl"],
        input=b"\xff\xfe\n" + VISIT.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == OK
    assert [bool(json.loads(line)["readings"]) for line in done.stdout.splitlines()] == [False, True]


def test_decode_of_nothing_says_nothing():
    done = script("decode", "--jsonl", input="")
    assert (done.returncode, done.stdout, done.stderr) == (OK, "", "")


def test_decode_answers_at_once_and_an_early_end_of_input_is_an_end():
    """A program that asks visit by visit reads each answer before it asks again."""
    process = subprocess.Popen(
        [SCRIPT, "decode", "--jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(3):
        process.stdin.write(VISIT + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["readings"]
    process.stdin.write(VISIT[:20])  # and then the other side dies in the middle of a line
    process.stdin.close()
    assert json.loads(process.stdout.readline())["error"]["code"] == "line-invalid"
    assert process.stdout.read() == ""
    assert process.wait(10) == OK
    assert process.stderr.read() == ""
    process.stdout.close()
    process.stderr.close()


def test_decode_into_a_pipe_that_closes_early_ends_quietly(tmp_path):
    visits = tmp_path / "visits"
    visits.write_text((VISIT + "\n") * 5000)
    process = subprocess.Popen(
        [SCRIPT, "decode", "--jsonl", str(visits)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == OK
    assert process.stderr.read() == b""
    process.stderr.close()


# --- outbox ---


def test_outbox_before_anything_was_stored(run, hub):
    (hub.data / "outbox.sqlite").unlink()
    code, out, err = run("outbox", "--config", hub.config)
    assert (code, out) == (PROBLEM, "")
    assert CODES["outbox-missing"][2] in err
    assert not (hub.data / "outbox.sqlite").exists(), "looking makes nothing"


@pytest.fixture
def filled(tmp_path, hub):
    """Three envelopes: one accepted, one refused for good, one waiting."""
    bench = Bench(tmp_path / "other")
    for _ in range(3):
        bench.seal()
    bench.outbox.apply(bench.state(1, refused=[bench.refusal(2, NEVER)]), set())
    bench.outbox.close()
    bench.path.replace(hub.data / "outbox.sqlite")
    return hub


def test_outbox_shows_how_far_each_envelope_came(run, filled):
    code, out, _ = run("outbox", "--json", "--config", filled.config)
    shown = json.loads(out)
    assert code == PROBLEM, "something is in quarantine"
    assert [(row["sequence"], row["stage"]) for row in shown["envelopes"]] == [
        (3, "sealed"),
        (2, "quarantined"),
        (1, "accepted"),
    ]
    assert shown["counts"]["quarantined"] == 1
    assert (
        len(json.loads(run("outbox", "--json", "--limit", "1", "--config", filled.config)[1])["envelopes"])
        == 1
    )


def test_outbox_for_people(run, filled):
    _, out, _ = run("outbox", "--config", filled.config)
    first, *rows = out.splitlines()
    assert "quarantined 1" in first
    assert len(rows) == 3


def test_outbox_beside_a_running_hub(run, hub):
    with closing(Outbox(hub.data / "outbox.sqlite", 8 << 20)):
        assert run("outbox", "--config", hub.config)[0] == OK


def test_a_damaged_outbox_is_said(run, hub):
    (hub.data / "outbox.sqlite").write_bytes(b"\xa5" * 10_000)
    code, _, err = run("outbox", "--config", hub.config)
    assert code == PROBLEM
    assert CODES["outbox-damaged"][2] in err


# --- doctor ---


def test_doctor_of_a_good_hub(run, tmp_path):
    authority = Authority.open(tmp_path / "authority")
    server = Server(authority, tmp_path / "server")
    hub = Installed(tmp_path, authority, server.port)
    code, out, _ = run("doctor", "--config", hub.config)
    server.close()
    assert code == OK
    assert all(line.startswith("ok ") for line in out.splitlines())


def test_doctor_with_a_bridge_out_of_reach_is_3(run, hub):
    code, out, _ = run("doctor", "--json", "--config", hub.config)
    assert code == UNREACHABLE
    assert [row["code"] for row in json.loads(out) if not row["good"]] == ["bridge-unreachable"]


def test_doctor_says_a_problem_and_who_must_act(run, hub):
    (hub.folder / "ttyOX").unlink()
    _, out, _ = run("doctor", "--config", hub.config)
    (line,) = [line for line in out.splitlines() if "serial-port-missing" in line]
    assert line.startswith("PROBLEM devices: ")
    assert "Who must act: installer." in line


# --- init and devices ---


def test_init_makes_keys_and_prints_what_the_bridge_needs(run, tmp_path):
    code, out, _ = run("init", "--hub", "hub-7", "--data", tmp_path / "data")
    request = json.loads(out)
    assert code == OK
    assert request["hub"] == "hub-7"
    assert request["public_key"] == Signer.open(tmp_path / "data").public_key.hex()
    assert "BEGIN CERTIFICATE REQUEST" in request["certificate_request"]
    assert request["certificate"] == "due"
    assert "PRIVATE" not in out
    again = json.loads(run("init", "--hub", "hub-7", "--data", tmp_path / "data")[1])
    assert again["public_key"] == request["public_key"]


def test_init_with_a_configuration_knows_its_certificate(run, hub):
    code, out, _ = run("init", "--config", hub.config)
    assert (code, json.loads(out)["certificate"]) == (OK, "good")
    hub.certify(days_ago=70)
    assert json.loads(run("init", "--config", hub.config)[1])["certificate"] == "due"


@pytest.mark.parametrize("words", [("--hub", "hub-7"), ("--data", "data")])
def test_init_needs_both_or_neither(run, words):
    code, _, err = run("init", *words)
    assert (code, err) == (USAGE, "Give --hub and --data together, or neither.\n")


def test_init_refuses_a_name_that_is_no_hub_id(run, tmp_path):
    code, _, err = run("init", "--hub", "hub/7", "--data", tmp_path / "data")
    assert code == PROBLEM
    assert CODES["hub-id"][2] in err


def test_devices_lists_the_identities_that_bindings_name(run, hub):
    code, out, _ = run("devices", "--json", "--config", hub.config)
    rows = json.loads(out)
    assert code == OK
    assert rows[0] == {"driver": "blood-pressure", "identity": "bluetooth-C0FFEE000001", "by": "bluetooth"}
    assert json.loads(run("devices", "--json", "--config", hub.config)[1]) == rows
    assert rows[1]["identity"] in run("devices", "--config", hub.config)[1]
