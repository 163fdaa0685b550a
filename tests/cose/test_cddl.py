"""Every vector has the form that docs/wire-format.cddl gives, by an independent CDDL implementation."""

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.usefixtures("ask")
SCHEMA = str(ROOT / "docs" / "wire-format.cddl")
TYPES = ("reading-item", "addition", "part", "statement", "status", "lost", "next-key")

# Refused by rules that CDDL has no words for; docs/wire-format.md names each beside its field.
BEYOND_CDDL = {
    "previous-and-reason", "neither-previous-nor-reason", "clock-without-quality", "quality-without-clock",
    "reading-error-beside-reading", "reading-neither-reading-nor-error", "reading-without-frames", "reading-over-4-kib",
    "reading-30-february", "reading-29-february-2023", "reading-29-february-1900", "reading-year-zero", "reading-hour-24",
    "reading-context-key-twice", "reading-value-without-digits-or-reason", "reading-value-with-digits-and-reason",
    "reading-value-comparator-alone", "reading-long-evidence-frames-beside-evidence", "part-0-index-equals-count",
    "part-0-short-in-the-middle", "pause-names-something", "resume-names-nothing", "resume-names-a-measurement",
    "not-mine-names-a-pause", "answer-without-text", "mine-with-text", "lost-envelope-place-and-device",
    "lost-records-neither-place-nor-device", "state-key-twice", "state-hash-missing", "state-hash-at-zero",
    "state-settled-beyond-contiguous", "state-range-touching-contiguous", "state-range-backwards",
    "state-ranges-overlapping", "state-ranges-touching", "state-ranges-descending", "state-refusal-never-with-time",
    "disclosure-missing", "disclosures-swapped",
    "message-length-in-two-bytes", "message-indefinite", "payload-not-shortest", "disclosure-indefinite",
    "tag-in-two-bytes", "header-out-of-order",
}  # fmt: skip


def good(vectors):
    for row in vectors("readings"):
        yield row["name"], "reading", row["hex"]
    for row in vectors("items"):
        yield row["name"], TYPES[row["value"][0] - 1], row["hex"]
    for row in vectors("measurements"):
        yield row["name"], "measurement-key-input", row["hashed"]
    for row in vectors("envelopes"):
        yield row["name"], "message", row["message"]
    for row in vectors("states"):
        yield row["name"], "signed-state", row["signed"]
    others = vectors("others")
    for row in others["hellos"]:
        yield row["name"], "hello", row["hex"]
    for row in others["key_requests"]:
        yield row["name"], "key-request", row["hex"]
    yield "evidence", "evidence-whole", others["evidence"]["whole"]


def test_all_vectors_are_valid(ask, vectors):
    rows = [{"name": f"{rule} {name}", "rule": rule, "hex": text} for name, rule, text in good(vectors)]
    answer = ask("check_with_cddl.py", rows, SCHEMA)
    assert {name: wrong for name, wrong in answer.items() if wrong} == {}
    assert len(answer) == len(rows) > 30


def test_what_the_code_refuses_the_schema_refuses_too(ask, vectors):
    rules = {
        "message": "message", "complete": "message", "signed": "signed-envelope", "disclosure": "disclosure",
        "state": "signed-state", "hello": "hello", "key-request": "key-request",
    }  # fmt: skip
    rows = [
        {"name": row["name"], "rule": rules[row["opener"]], "hex": row["hex"] + "00" * row["zeros"]}
        for row in vectors("refused")
        if row["opener"] in rules
    ]
    answer = ask("check_with_cddl.py", rows, SCHEMA)
    assert {name for name, wrong in answer.items() if not wrong} == BEYOND_CDDL
