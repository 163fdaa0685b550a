"""Reading lines into Bundles: one line out for each line in, in order, whatever stands in it."""

import io
from typing import Any

import pytest
import simplejson
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_bridge.fhir import RenderError
from cloud_bridge.mapping import RECEIVED_NOTE, map_lines, reading_of
from tests.cloud_bridge.fhir_fixtures import oximetry, pressure

Said = dict[str, Any]
RECEIVED = "2026-11-22T12:00:00+01:00"


def said(**changes: Any) -> Said:
    start = pressure().reading.json() | {"received_at": RECEIVED, "citizen": "Patient/p1"}
    return start | changes


def mapped(*lines: str) -> tuple[bool, list[Said]]:
    out = io.StringIO()
    good = map_lines(lines, "r4", out)
    return good, [simplejson.loads(line, use_decimal=True) for line in out.getvalue().splitlines()]


def one(line: Said) -> Said:
    good, (bundle,) = mapped(simplejson.dumps(line))
    assert good
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    return bundle


def first(line: Said) -> Said:
    resource: Said = one(line)["entry"][0]["resource"]
    return resource


def test_a_line_gives_a_bundle_of_all_its_parts() -> None:
    bundle = one(said(device={"manufacturer": "Maker", "serial": "S1"}))
    assert len(bundle["entry"]) == 2
    assert len({entry["fullUrl"] for entry in bundle["entry"]}) == 2
    assert all(entry["fullUrl"].startswith("urn:uuid:") for entry in bundle["entry"])
    assert bundle["entry"][0]["resource"]["contained"][0]["manufacturer"] == "Maker"


def test_digits_stand_in_the_text_as_they_came() -> None:
    out = io.StringIO()
    assert map_lines([simplejson.dumps(said())], "r4", out)
    assert '"value": 120.0,' in out.getvalue()
    assert '"value": 93.50,' in out.getvalue()


def test_the_same_line_gives_the_same_bundle() -> None:
    assert one(said()) == one(said())
    assert one(said(measurement_key="00" * 32)) != one(said(measurement_key="01" * 32))


@pytest.mark.parametrize(
    ("changes", "effective", "by_arrival"),
    [
        ({"device_time": "2026-11-22T11:58:30"}, "2026-11-22T11:58:30+01:00", False),
        ({"device_time": "2026-11-22T11:45:00"}, "2026-11-22T11:45:00+01:00", False),
        ({"device_time": "2026-11-22T11:44:59"}, "2026-11-22T12:00:00+01:00", True),
        ({"device_time": "2026-11-22T12:10:00"}, "2026-11-22T12:00:00+01:00", False),  # never after arrival
        ({"device_time": "2015-01-01T00:00:00"}, "2026-11-22T12:00:00+01:00", True),
        ({"device_time": None}, "2026-11-22T12:00:00+01:00", True),
        (
            {"device_time": "2026-11-22T10:58:30", "context": {"device-time": "utc"}},
            "2026-11-22T11:58:30+01:00",
            False,
        ),
        (
            {"device_time": "2026-11-22T10:59:00", "received_at": "2026-11-22T11:00:00.250Z"},
            "2026-11-22T11:59:00+01:00",
            False,
        ),
        ({"received_at": "2026-11-22T11:00:00.250Z"}, "2026-11-22T12:00:00.250+01:00", True),
    ],
)
def test_the_time_of_a_line(changes: Said, effective: str, by_arrival: bool) -> None:
    resource = first(said(**changes))
    assert resource["effectiveDateTime"] == effective
    note = resource.get("note", [{"text": ""}])
    assert len(note) == 1
    assert (RECEIVED_NOTE in note[0]["text"]) == by_arrival


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "[]",
        "nonsense",
        "[" * 100_000,
        '{"kind": ' + "9" * 10_000 + "}",
        " " * (1 << 21),
        simplejson.dumps(said(received_at=None)),
        simplejson.dumps(said(received_at="2026-11-22T12:00:00")),
        simplejson.dumps(said(received_at="2026-11-22")),
        simplejson.dumps(said(received_at="2026-02-30T12:00:00Z")),
        simplejson.dumps(said(citizen=5)),
        simplejson.dumps(said(citizen=None)),
        simplejson.dumps(said(kind="")),
        simplejson.dumps(said(origin="guess")),
        simplejson.dumps(said(final="yes")),
        simplejson.dumps(said(notes=[1])),
        simplejson.dumps(said(values=None)),
        simplejson.dumps(said(values=["120"])),
        simplejson.dumps(said(values=[{"name": "systolic", "unit": "mm[Hg]"}])),
        simplejson.dumps(
            said(values=[{"name": "systolic", "unit": "mm[Hg]", "value": "1", "absent": "error"}])
        ),
        simplejson.dumps(said(values=[{"name": "systolic", "unit": "mm[Hg]", "value": 120}])),
        simplejson.dumps(said(values=[{"name": "systolic", "unit": "mm[Hg]", "value": "1e3"}])),
        simplejson.dumps(
            said(values=[{"name": "systolic", "unit": "mm[Hg]", "value": "1", "comparator": "?"}])
        ),
        simplejson.dumps(said(device_time="2026-11-22")),
        simplejson.dumps(said(device_time="2026-11-22T11:00:00Z")),
        simplejson.dumps(said(device_time="2026-13-22T11:00:00")),
        simplejson.dumps(said(device=["x"])),
        simplejson.dumps(said(device={"model": 5})),
        simplejson.dumps(said(measurement_key="zz")),
        simplejson.dumps(said(user="1")),
        simplejson.dumps(said(context={"meal": 1})),
        simplejson.dumps(said(context=[1])),
    ],
)
def test_a_bad_line_gives_an_error_line(line: str) -> None:
    good, (answer,) = mapped(line)
    assert not good
    assert answer["error"]["code"] == "line-unfit"
    assert list(answer["error"]) == ["code", "message"]


def test_order_is_kept_and_one_bad_line_takes_no_other() -> None:
    lines = [simplejson.dumps(said()), "x", simplejson.dumps(said(kind="activity")), simplejson.dumps(said())]
    good, answers = mapped(*lines)
    assert not good
    assert [answer.get("error", {}).get("code") for answer in answers] == [
        None,
        "line-unfit",
        "kind-unknown",
        None,
    ]


def test_an_unknown_rendering_is_refused() -> None:
    with pytest.raises(RenderError) as caught:
        map_lines([], "r9", io.StringIO())
    assert caught.value.code == "rendering-unknown"


@pytest.mark.parametrize("what", [pressure(), oximetry()])
def test_a_reading_survives_its_own_json(what: Any) -> None:
    assert reading_of(what.reading.json()).wire() == what.reading.wire()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([*said(), "device", "measurement_key", "user"]), JSON, max_size=4),
    st.text(),
)
@settings(max_examples=200, deadline=None)
def test_any_line_gives_one_line(changes: Said, line: str) -> None:
    _, answers = mapped(simplejson.dumps(said(**changes)), line, simplejson.dumps(said()))
    assert len(answers) == 3
    assert all(("error" in answer) != ("entry" in answer) for answer in answers)
    assert "entry" in answers[2]
