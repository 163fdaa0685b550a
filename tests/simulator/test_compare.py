"""The comparison of truth logs with Observations: what is missing, doubled or altered is seen."""

from collections import Counter

from gateway.simulator.catalogue import entries
from gateway.simulator.compare import SHOWN, Comparison, not_compared, sent_of
from gateway.simulator.truth import TruthLog


def observation(code, value, *more):
    return {
        "code": {"coding": [{"code": one} for one in (code, *more)]},
        "valueQuantity": {"value": value},
    }


async def test_what_devices_said_of_a_kind(tmp_path):
    """Of several devices and kinds; confirmed is sure, sent is possible, and measured alone is neither."""
    scale, other = (TruthLog(tmp_path / name / "truth.jsonl", name) for name in ("a", "b"))
    for values, events in (("70.0", ("sent", "confirmed", "sent")), ("71.0", ("sent",)), ("72.0", ())):
        number = scale.measured("weight", {"body-weight": values})
        for event in events:
            getattr(scale, event)(number)
    number = scale.measured("body-composition", {"body-fat": "20.0"})
    scale.confirmed(number)
    scale.sent(scale.no_reading())
    other.confirmed(other.measured("weight", {"body-weight": "80.0"}))
    said = [(one.values["body-weight"], one.sure) for one in sent_of(tmp_path, "weight")]
    assert said == [("70.0", True), ("71.0", False), ("80.0", True)]
    assert TruthLog(tmp_path / "a" / "truth.jsonl", "a").measured("weight", {}) == 6


def test_a_difference_has_a_name():
    sent = Counter({("97",): 2, ("96",): 1})
    rows = Comparison("x", sent, sent + Counter({("95",): 1}), Counter({("97",): 1, ("95",): 2}))
    assert (rows.confirmed, rows.missing, rows.unexplained) == (1, 2, 1)


def test_two_pulses_are_told_apart():
    observations = [
        observation("8867-4", "61", "149546"),
        observation("8867-4", "72", "149530"),
        observation("59408-5", "97"),
    ]
    cuff, oximetry = SHOWN["blood-pressure"], SHOWN["oximetry"]
    assert cuff[1].find(observations) == Counter({("61",): 1})
    assert [shown.find(observations) for shown in oximetry] == [Counter({("97",): 1}), Counter({("72",): 1})]


def test_a_kind_that_the_bridge_cannot_show_is_named():
    devices = entries(("cuff", "weight-scale"))
    made = {kind for entry in devices for kind in entry.kinds}
    assert not_compared(devices) == sorted(made - set(SHOWN))
