"""meethub-bridge as operators use it: help, JSON, exit codes, one plain sentence for an error; one real reading."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloud_bridge.__main__ import OK, PROBLEM, UNREACHABLE, USAGE, main
from cloud_bridge.administration import Place
from cloud_bridge.ledger import database as ledger_database
from cloud_bridge.ledger import measurements
from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.envelopes import Ledger
from gateway.daemon import enrolment_request
from gateway.simulator.process import Program, free_port
from gateway.wire import topics
from gateway.wire.catalogue import CODES
from gateway.wire.envelope import open_message
from tests.cloud_bridge.fhir_fixtures import pressure
from tests.gateway.hub_fixtures import CUFF, HUB, House, record_bytes

SCRIPT = str(Path(sys.executable).with_name("meethub-bridge"))
COMMANDS = (
    *("run", "callout", "verify", "trace", "map", "held", "bind", "answer", "confirm", "follow"),
    *("setup", "household", "citizen", "receiver", "link", "enrol"),
    *("retry", "quarantine", "replay", "unbind", "suspend", "revoke"),
)
# Each command that needs a bridge, with words that are right otherwise.
NEEDING = {
    "run": (),
    "callout": (),
    "verify": ("FILE",),
    "trace": ("0123456789ab",),
    "held": (),
    "bind": ("--device", "d", "--citizen", "c"),
    "answer": ("00", "same"),
    "confirm": ("hub-1",),
    "follow": (),
    "household": (),
    "citizen": ("--household", "h"),
    "receiver": ("--url", "https://pgo.example.org/fhir"),
    "link": ("--citizen", "c", "--receiver", "r", "--patient", "Patient/1"),
    "enrol": ("FILE", "--household", "h"),
    "retry": ("0123456789ab",),
    "quarantine": (),
    "replay": ("1",),
    "unbind": ("--device", "d", "--citizen", "c"),
    "suspend": ("hub-1",),
    "revoke": ("hub-1",),
}
ARRIVED_MS = 1_900_000_000_000


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


class Office:
    """A bridge that was set up, with one household, one enrolled hub, and what that hub sent."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "bridge"
        assert main(["setup", "--data", str(self.data), "--mqtt-port", str(free_port())]) == OK
        self.house = House(folder / "hub")

    @property
    def ledger(self) -> Path:
        return self.data / "ledger.sqlite"

    def take(self, messages: list[bytes]) -> None:
        database = Database(Place(self.data).database)
        ledger = Ledger(database, measurements.take_item, measurements.hold_forked)
        ledger.take_many([(HUB, raw, ARRIVED_MS) for raw in messages])
        database.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An office made once; its files are copied for each test."""
    folder = tmp_path_factory.mktemp("office")
    office = Office(folder)
    office.house.know()
    office.house.online()
    office.house.cuff(record_bytes(120), record_bytes(131, 1))
    office.house.settle()
    yield office
    office.house.outbox.close()


@pytest.fixture
def office(made, tmp_path, run):
    """A copy, with household and hub."""
    shutil.copytree(made.data, tmp_path / "bridge")
    office = Office.__new__(Office)
    office.data, office.house = tmp_path / "bridge", made.house
    office.household = answer(run("household", "--json", "--data", office.data))["household"]
    request = tmp_path / "request.json"
    request.write_text(json.dumps(enrolment_request(HUB, made.house.folder)))
    office.answer = answer(
        run("enrol", "--json", "--data", office.data, request, "--household", office.household)
    )
    return office


@pytest.fixture
def envelopes(made):
    """Upward messages of the hub, in chain order."""
    raws = {open_message(raw)[0].sequence: raw for raw in made.house.line.of(topics.ENVELOPE)}
    return [raws[number] for number in sorted(raws)]


@pytest.fixture
def public_key(made, tmp_path):
    place = tmp_path / "hub.pub"
    place.write_bytes(made.house.signer.public_key)
    return place


def answer(done):
    code, out, err = done
    assert (code, err) == (OK, ""), done
    return json.loads(out)


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


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("no-such-command",),
        ("trace",),
        ("bind", "--device", "d"),
        ("bind", "--device", "d", "--citizen", "c", "--from", "yesterday"),
        ("bind", "--device", "d", "--citizen", "c", "--mode", "both"),
        ("setup", "--mqtt-port", "65536"),
        ("setup", "--mqtt-port", "-1"),
        ("answer", "no-hex", "same"),
        ("revoke",),
        ("revoke", "hub-1", "--certificate", "00"),
        ("revoke", "--certificate", "no-hex"),
        ("replay", "first"),
        ("map", "--render", "stu3"),
        ("map", "/no/such/file"),
    ],
)
def test_wrong_usage_is_2(run, words):
    code, out, err = run(*words)
    assert (code, out) == (USAGE, "")
    assert "usage: meethub-bridge" in err


@pytest.mark.parametrize("name", sorted(NEEDING))
def test_without_a_bridge_one_plain_sentence_and_nothing_made(run, tmp_path, name):
    (tmp_path / "FILE").write_text("{}")
    words = [str(tmp_path / word) if word == "FILE" else word for word in NEEDING[name]]
    code, out, err = run(name, "--data", tmp_path / "none", *words)
    assert (code, out) == (PROBLEM, "")
    assert (
        err
        == f"{CODES['bridge-not-set-up'][2]} Who must act: operator. (bridge-not-set-up: {tmp_path}/none)\n"
    )
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", sorted(set(NEEDING) - {"run", "callout"}))
def test_an_error_as_json(run, tmp_path, name):
    (tmp_path / "FILE").write_text("{}")
    words = [str(tmp_path / word) if word == "FILE" else word for word in NEEDING[name]]
    code, out, err = run(name, "--json", "--data", tmp_path, *words)
    assert (code, err) == (PROBLEM, "")
    assert json.loads(out)["error"]["code"] == "bridge-not-set-up"


@pytest.mark.parametrize("name", ["trace", "held", "verify", "follow", "bind", "household", "run"])
def test_a_ledger_that_is_gone_is_not_replaced_by_an_empty_one(run, office, tmp_path, name):
    office.ledger.unlink()
    (tmp_path / "FILE").write_text("{}")
    words = [str(tmp_path / word) if word == "FILE" else word for word in NEEDING[name]]
    code, _, err = run(name, "--data", office.data, *words)
    assert code == PROBLEM
    assert CODES["ledger-unreadable"][2] in err
    assert not office.ledger.exists()


@pytest.mark.parametrize("name", ["trace", "held", "household"])
def test_a_ledger_that_is_damaged_is_said(run, office, name):
    office.ledger.write_bytes(b"\xa5" * 10_000)
    code, _, err = run(name, "--data", office.data, *NEEDING[name])
    assert (code, err.count("\n")) == (PROBLEM, 1)
    assert CODES["ledger-unreadable"][2] in err


def test_a_ledger_that_does_not_answer_is_3(run, office, monkeypatch):
    monkeypatch.setattr(ledger_database, "BUSY_S", 0)
    holder = sqlite3.connect(office.ledger, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    code, _, err = run("household", "--data", office.data)
    assert code == UNREACHABLE
    assert CODES["ledger-unreachable"][2] in err
    assert run("held", "--data", office.data)[0] == OK, "a look waits for nobody"
    holder.execute("ROLLBACK")
    holder.close()


def test_help_loads_nothing_heavy():
    code = "import sys, cloud_bridge.__main__ as b\ntry: b.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = done.stdout.splitlines()[-1]
    assert not [
        name for name in ("sqlalchemy", "paho", "cryptography", "httpx2", "nats") if f"'{name}'" in loaded
    ]


# --- setting up ---


def test_setup_twice_keeps_every_key(run, office):
    keys = {
        path: path.read_bytes() for path in office.data.rglob("*") if path.suffix in (".key", ".seed", ".pem")
    }
    assert run("setup", "--data", office.data)[0] == OK
    assert keys == {path: path.read_bytes() for path in keys}
    assert len(keys) > 5


def test_setup_leaves_no_key_open_to_others(office):
    for path in office.data.rglob("*"):
        if path.suffix in (".key", ".seed"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_setup_where_nothing_can_be_written(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, _, err = run("setup", "--data", tmp_path / "file" / "bridge")
    assert (code, err.count("\n")) == (PROBLEM, 1)
    assert "bridge-not-writable" in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("citizen", "--household", "household-none"), "unknown-name"),
        (("receiver", "--url", "http://pgo.example.org/fhir"), "receiver-address"),
        (("receiver", "--url", "https://user:secret@pgo.example.org/fhir"), "receiver-address"),
        (("receiver", "--url", "nonsense"), "receiver-address"),
        (("confirm", "hub-9"), "unknown-name"),
        (("answer", "00" * 16, "same"), "question-unknown"),
        (("bind", "--device", "d", "--citizen", "nobody"), "citizen-unknown"),
        (("trace", "0123456789ab"), "reading-unknown"),
        (("trace", "0123"), "reading-key-unfit"),
        (("trace", "not hex"), "reading-key-unfit"),
    ],
)
def test_what_does_not_exist_is_said(run, office, words, code):
    done, out, err = run(words[0], "--data", office.data, *words[1:])
    assert (done, out, err.count("\n")) == (PROBLEM, "", 1)
    assert CODES[code][2] in err
    assert "secret" not in err


def test_a_citizen_is_linked_to_a_receiver_once(run, office):
    citizen = answer(run("citizen", "--json", "--data", office.data, "--household", office.household))[
        "citizen"
    ]
    url = ("--url", "https://pgo.example.org/fhir")
    receiver = answer(run("receiver", "--json", "--data", office.data, *url))["receiver"]
    assert answer(run("receiver", "--json", "--data", office.data, *url))["receiver"] == receiver
    link = (
        "link",
        "--json",
        "--data",
        office.data,
        "--citizen",
        citizen,
        "--receiver",
        receiver,
        "--patient",
    )
    assert answer(run(*link, "Patient/1"))["receiver"] == receiver
    assert answer(run(*link, "Patient/1")), "the same again changes nothing"
    for patient, code in (
        ("Patient/2", "already-linked"),
        ("1", "subject-unfit"),
        ("Patient/a b", "subject-unfit"),
    ):
        done, out, _ = run(*link, patient)
        assert (done, json.loads(out)["error"]["code"]) == (PROBLEM, code)
    for wrong in (("no-one", receiver), (citizen, "nowhere")):
        words = ("--citizen", wrong[0], "--receiver", wrong[1], "--patient", "Patient/1")
        assert (
            json.loads(run("link", "--json", "--data", office.data, *words)[1])["error"]["code"]
            == "unknown-name"
        )


def test_enrolling_gives_the_hub_what_it_needs_and_no_secret(office):
    assert set(office.answer) == {"certificate", "ca", "state_key"}
    assert "PRIVATE" not in json.dumps(office.answer)
    assert len(bytes.fromhex(office.answer["state_key"])) == 32


def test_a_hub_whose_key_is_forked_can_have_its_certificate_renewed(run, office, tmp_path):
    with sqlite3.connect(office.ledger) as ledger:
        ledger.execute("UPDATE hub_keys SET status = 'forked'")
    ledger.close()
    enrol = ("enrol", "--json", "--data", office.data, tmp_path / "request.json")
    renewed = answer(run(*enrol, "--household", office.household))
    assert renewed["certificate"] != office.answer["certificate"]
    with sqlite3.connect(office.ledger) as ledger:
        assert ledger.execute("SELECT status FROM hub_keys").fetchall() == [("forked",)]
    ledger.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("{", "request-unreadable"),
        ("[]", "request-unreadable"),
        ('{"hub": "hub-1"}', "request-unreadable"),
        ({"public_key": "00"}, "request-unreadable"),
        ({"public_key": "no hex"}, "request-unreadable"),
        ({"hub": "hub/1"}, "hub-id-invalid"),
        ({"certificate_request": "none"}, "request-invalid"),
    ],
)
def test_a_request_that_is_none_is_refused_whole(run, office, tmp_path, change, code):
    request = tmp_path / "request.json"
    good = enrolment_request("hub-2", tmp_path / "hub-2")
    request.write_text(change if isinstance(change, str) else json.dumps(good | change))
    enrol = ("enrol", "--json", "--data", office.data, request, "--household", office.household)
    done, out, _ = run(*enrol)
    assert (done, json.loads(out)["error"]["code"]) == (PROBLEM, code)
    assert run("confirm", "--data", office.data, "hub-2")[0] == PROBLEM, "nothing of it was kept"


def test_enrolling_needs_a_household_that_exists(run, office, tmp_path):
    request = tmp_path / "request.json"
    words = ("enrol", "--json", "--data", office.data, request, "--household", "household-none")
    assert json.loads(run(*words)[1])["error"]["code"] == "unknown-name"
    request.unlink()
    assert json.loads(run(*words)[1])["error"]["code"] == "request-unreadable"


# --- verify ---


def verdict(run, *words):
    code, out, _ = run("verify", "--json", *words)
    return code, json.loads(out)


@pytest.mark.parametrize("form", ["raw", "hex", "pem"])
def test_verify_a_good_envelope_with_a_key(run, envelopes, public_key, tmp_path, form):
    file = tmp_path / "envelope"
    raw = public_key.read_bytes()
    if form == "hex":
        public_key.write_text(raw.hex() + "\n")
        file.write_text(envelopes[1].hex() + "\n")
    else:
        file.write_bytes(envelopes[1])
    if form == "pem":
        key = Ed25519PublicKey.from_public_bytes(raw)
        public_key.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    code, said = verdict(run, file, "--key", public_key, "--hub", HUB)
    assert (code, said["valid"], said["code"]) == (OK, True, None)
    (item,) = said["envelope"]["items"]
    assert item["follows_from_bytes"] is True
    assert item["reading"]["values"][0]["value"] == "120"
    assert item["frames"][0][2] == record_bytes(120).hex()
    assert item["measurement_key"].startswith(item["short"])


def test_verify_with_the_registrys_keys_needs_no_names(run, office, envelopes, tmp_path):
    file = tmp_path / "envelope"
    file.write_bytes(envelopes[0])
    code, said = verdict(run, file, "--data", office.data)
    assert (code, said["valid"]) == (OK, True)
    assert said["envelope"]["items"][0]["item"] == "status"


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda raw: raw[:-5] + bytes([raw[-5] ^ 1]) + raw[-4:], "disclosure-mismatch"),
        (lambda raw: raw[:-1], "disclosures-unreadable"),
        (lambda raw: raw[:60] + bytes([raw[60] ^ 1]) + raw[61:], "signature-invalid"),
        (lambda _: b"", "envelope-cbor"),
        (lambda _: b"just some text", "envelope-cbor"),
        (lambda _: bytes(200_000), "envelope-size"),
    ],
)
def test_verify_an_altered_envelope_says_why(run, envelopes, public_key, tmp_path, damage, code):
    file = tmp_path / "envelope"
    file.write_bytes(damage(envelopes[1]))
    done, said = verdict(run, file, "--key", public_key, "--hub", HUB)
    assert (done, said["valid"]) == (PROBLEM, False)
    assert code in (None, said["code"])
    who, dutch, english = CODES[said["code"]]
    assert (said["who"], said["nl"], said["why"]) == (who, dutch, english)


def test_verify_every_single_flipped_bit_is_noticed(run, envelopes, public_key, tmp_path):
    file = tmp_path / "envelope"
    for at in range(0, len(envelopes[1]), 7):
        altered = bytearray(envelopes[1])
        altered[at] ^= 1 << (at % 8)
        file.write_bytes(altered)
        done, said = verdict(run, file, "--key", public_key, "--hub", HUB)
        assert (done, said["valid"]) == (PROBLEM, False)


def test_verify_with_a_key_that_is_not_the_hubs(run, envelopes, tmp_path):
    file, key = tmp_path / "envelope", tmp_path / "key"
    file.write_bytes(envelopes[0])
    key.write_bytes(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    done, said = verdict(run, file, "--key", key, "--hub", HUB)
    assert (done, said["code"], said["checked"]) == (PROBLEM, "key-unknown", False)


def test_verify_for_a_hub_that_did_not_send_it(run, envelopes, public_key, office, tmp_path):
    file = tmp_path / "envelope"
    file.write_bytes(envelopes[0])
    assert verdict(run, file, "--key", public_key, "--hub", "hub-2")[1]["code"] == "signature-invalid"
    assert verdict(run, file, "--data", office.data, "--hub", "hub-2")[1]["code"] == "key-foreign"


def test_verify_with_a_key_nobody_registered(run, made, envelopes, tmp_path):
    file = tmp_path / "envelope"
    file.write_bytes(envelopes[0])
    assert verdict(run, file, "--data", made.data)[1]["code"] == "key-unknown"


@pytest.mark.parametrize(
    "content", [b"", b"short", b"-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"]
)
def test_verify_with_a_key_file_that_is_none(run, envelopes, tmp_path, content):
    file, key = tmp_path / "envelope", tmp_path / "key"
    file.write_bytes(envelopes[0])
    key.write_bytes(content)
    code, said = verdict(run, file, "--key", key, "--hub", HUB)
    assert (code, said["error"]["code"]) == (PROBLEM, "key-unreadable")


def test_verify_needs_the_hubs_name_with_a_key_and_a_file_that_is_there(run, envelopes, public_key, tmp_path):
    file = tmp_path / "envelope"
    file.write_bytes(envelopes[0])
    assert run("verify", file, "--key", public_key)[0] == USAGE
    code, said = verdict(run, tmp_path / "none", "--key", public_key, "--hub", HUB)
    assert (code, said["error"]["code"]) == (PROBLEM, "file-unreadable")


# --- one reading: held, bound, on its way ---


@pytest.fixture
def arrived(office, envelopes):
    office.take(envelopes)
    return office


def test_readings_without_a_binding_are_held_for_the_citizen(run, arrived):
    code, out, _ = run("held", "--json", "--data", arrived.data)
    rows = json.loads(out)
    assert code == PROBLEM
    assert [(row["code"], row["who"]) for row in rows] == [("no-binding", "patient")] * 2
    assert all(row["question"] for row in rows)
    code, out, _ = run("held", "--data", arrived.data)
    assert out.count(CODES["no-binding"][2]) == 2
    assert all(row["question"] in out for row in rows)


def test_trace_tells_where_a_reading_is_and_who_must_act(run, arrived, monkeypatch):
    short = json.loads(run("held", "--json", "--data", arrived.data)[1])[0]["reading"]
    code, out, _ = run("trace", "--json", "--data", arrived.data, short)
    told = json.loads(out)
    assert code == PROBLEM
    assert told["status"] == "held"
    assert told["troubles"][0]["who"] == "patient"
    assert [step["step"] for step in told["steps"]][:3] == ["captured", "sealed", "accepted"]
    for language, words in (("nl_NL", CODES["no-binding"][1]), ("en_GB", CODES["no-binding"][2])):
        monkeypatch.setenv("LC_ALL", language)
        assert words in run("trace", "--data", arrived.data, short)[1]
    assert run("trace", "--data", arrived.data, told["measurement_key"])[0] == PROBLEM, (
        "the whole key is good as well"
    )


def test_binding_the_device_lets_its_readings_go_on(run, arrived):
    citizen = answer(run("citizen", "--json", "--data", arrived.data, "--household", arrived.household))[
        "citizen"
    ]
    receiver = answer(run("receiver", "--json", "--data", arrived.data, "--url", "http://127.0.0.1:9/fhir"))[
        "receiver"
    ]
    answer(
        run(
            "link",
            "--json",
            "--data",
            arrived.data,
            "--citizen",
            citizen,
            "--receiver",
            receiver,
            "--patient",
            "Patient/1",
        )
    )
    bind = ("bind", "--json", "--data", arrived.data, "--device", CUFF.identity, "--citizen", citizen)
    said = answer(run(*bind, "--from", "2026-01-01T00:00:00+00:00"))
    assert said["readings_that_go_on"] == 2
    assert run("held", "--data", arrived.data)[:2] == (OK, "")
    assert answer(run(*bind, "--from", "2026-01-01T00:00:00+00:00"))["readings_that_go_on"] == 0


def test_a_question_is_answered_with_a_citizen(run, arrived):
    citizen = answer(run("citizen", "--json", "--data", arrived.data, "--household", arrived.household))[
        "citizen"
    ]
    first = json.loads(run("held", "--json", "--data", arrived.data)[1])[0]
    words = ("answer", "--json", "--data", arrived.data, first["question"], "mine", "--citizen")
    assert json.loads(run(*words, "citizen-none")[1])["error"]["code"] == "citizen-unknown"
    assert answer(run(*words, citizen))["word"] == "mine"
    rows = json.loads(run("held", "--json", "--data", arrived.data)[1])
    assert {row["reading"]: row["code"] for row in rows}[first["reading"]] == "no-receiver"


def test_follow_prints_steps_as_they_happen_until_it_is_told_to_stop(arrived, run, tmp_path):
    citizen = answer(run("citizen", "--json", "--data", arrived.data, "--household", arrived.household))[
        "citizen"
    ]
    process = subprocess.Popen(
        [SCRIPT, "follow", "--json", "--data", str(arrived.data), "--since", "2020-01-01"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = json.loads(process.stdout.readline())
    assert first["step"] == "captured"
    run(
        "bind",
        "--data",
        arrived.data,
        "--device",
        CUFF.identity,
        "--citizen",
        citizen,
        "--from",
        "2026-01-01T00:00:00+00:00",
    )
    codes = {None}
    while "no-receiver" not in codes:
        codes.add(json.loads(process.stdout.readline())["code"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == OK
    assert process.stderr.read() == ""
    process.stdout.close()
    process.stderr.close()


# --- map ---


def mapped(text):
    return subprocess.run(
        [SCRIPT, "map", "--render", "r4"], input=text, capture_output=True, text=True, timeout=60, check=False
    )


def test_map_turns_lines_into_bundles_through_the_script():
    facts = {"received_at": "2026-11-22T12:00:00+01:00", "citizen": "Patient/1"}
    line = json.dumps(pressure().reading.json() | facts)
    done = mapped(line + "\nno json\n" + line + "\n")
    answers = [json.loads(one) for one in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (PROBLEM, "")
    assert [one.get("resourceType") for one in answers] == ["Bundle", None, "Bundle"]
    assert answers[1]["error"]["code"] == "line-unfit"
    assert mapped(line + "\n").returncode == OK


def test_a_pipe_that_closes_early_ends_quietly(arrived):
    process = subprocess.Popen(
        [SCRIPT, "held", "--data", str(arrived.data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.wait(30) in (OK, PROBLEM)
    assert process.stderr.read() == b""
    process.stderr.close()


# --- what went wrong ---


def rows_of(office, sql):
    with sqlite3.connect(office.ledger) as ledger:
        rows = ledger.execute(sql).fetchall()
    ledger.close()
    return rows


def change(office, sql):
    with sqlite3.connect(office.ledger) as ledger:
        ledger.execute(sql)
    ledger.close()


def failed(done):
    return json.loads(done[1])["error"]["code"]


def test_what_is_kept_aside_is_listed_and_taken_in_when_its_cause_is_mended(run, office, envelopes):
    kid = office.house.signer.kid.hex()
    change(office, f"UPDATE hub_keys SET status = 'revoked' WHERE kid = x'{kid}'")
    office.take(envelopes[:1])
    code, out, _ = run("quarantine", "--json", "--data", office.data)
    (row,) = json.loads(out.splitlines()[-1])
    assert (code, row["code"], row["who"]) == (PROBLEM, "key-revoked", "operator")
    assert CODES["key-revoked"][2] in run("quarantine", "--data", office.data, "--hub", HUB)[1]
    assert run("quarantine", "--data", office.data, "--hub", "hub-9")[:2] == (OK, "")
    replay = ("replay", "--json", "--data", office.data)
    assert failed(run(*replay, row["number"])) == "key-revoked"
    change(office, f"UPDATE hub_keys SET status = 'live' WHERE kid = x'{kid}'")
    assert answer(run(*replay, row["number"]))["taken"] == "accepted"
    assert run("quarantine", "--data", office.data)[:2] == (OK, "")
    assert failed(run(*replay, 99)) == "quarantine-unknown"


def test_a_reading_that_was_refused_is_tried_again(run, arrived):
    test_binding_the_device_lets_its_readings_go_on(run, arrived)
    change(arrived, "UPDATE deliveries SET status = 'refused', code = 'receiver-refused'")
    reading = json.loads(run("held", "--json", "--data", arrived.data)[1])[0]["reading"]
    retry = ("retry", "--json", "--data", arrived.data)
    assert answer(run(*retry, reading))["resources_tried_again"] == 1
    assert answer(run(*retry, reading))["resources_tried_again"] == 0
    assert sorted(rows_of(arrived, "SELECT status FROM deliveries")) == [("refused",), ("waiting",)]
    assert failed(run(*retry, "000000000000")) == "reading-unknown"


def test_unbinding_a_device_lets_its_readings_wait(run, arrived):
    test_binding_the_device_lets_its_readings_go_on(run, arrived)
    ((citizen,),) = rows_of(arrived, "SELECT id FROM citizens")
    unbind = ("unbind", "--json", "--data", arrived.data, "--device", CUFF.identity, "--citizen", citizen)
    assert answer(run(*unbind, "--at", "2026-01-01T00:00:00+00:00"))["readings_that_wait"] == 2
    assert failed(run(*unbind, "--at", "2026-01-01T00:00:00+00:00")) == "binding-unknown"


def test_a_suspended_hub_waits_for_its_confirmation(run, office, envelopes):
    assert answer(run("suspend", "--json", "--data", office.data, HUB))
    office.take(envelopes)
    held = {row["code"] for row in json.loads(run("held", "--json", "--data", office.data)[1])}
    assert held == {"key-forked"}
    assert answer(run("confirm", "--json", "--data", office.data, HUB))
    held = {row["code"] for row in json.loads(run("held", "--json", "--data", office.data)[1])}
    assert held == {"no-binding"}
    assert failed(run("suspend", "--json", "--data", office.data, "hub-9")) == "hub-unknown"


def test_a_revoked_hub_counts_no_more(run, office):
    assert answer(run("revoke", "--json", "--data", office.data, HUB))["revoked"] == HUB
    assert rows_of(office, "SELECT status FROM hubs") == [("revoked",)]
    assert not rows_of(office, "SELECT * FROM certificates WHERE role = 'hub' AND revoked_ms IS NULL")
    assert failed(run("revoke", "--json", "--data", office.data, "hub-9")) == "hub-unknown"


def test_one_certificate_is_revoked_alone(run, office):
    query = "SELECT lower(hex(fingerprint)) FROM certificates WHERE role = 'hub' AND revoked_ms IS NULL"
    ((fingerprint,),) = rows_of(office, query)
    revoke = ("revoke", "--json", "--data", office.data, "--certificate")
    assert answer(run(*revoke, fingerprint))["revoked"] == fingerprint
    assert (rows_of(office, query), rows_of(office, "SELECT status FROM hubs")) == ([], [("active",)])
    assert failed(run(*revoke, "00" * 32)) == "unknown-name"


# --- the daemons ---


def test_the_bridge_runs_without_a_broker_and_stops_cleanly(office, tmp_path):
    daemon = Program("bridge", [SCRIPT, "run", "--data", str(office.data)], tmp_path / "log")
    daemon.start()
    os.kill(daemon.process.pid, signal.SIGTERM)
    assert daemon.process.wait(15) == OK
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said
    assert "intake-unreachable" in said


def test_a_ledger_that_is_damaged_stops_the_bridge_with_one_sentence(office):
    office.ledger.write_bytes(b"\xa5" * 10_000)
    done = subprocess.run(
        [SCRIPT, "run", "--data", str(office.data)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == PROBLEM
    assert CODES["ledger-unreadable"][2] in done.stderr
    assert "Traceback" not in done.stderr
