"""Whose a reading is: certain, or asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_bridge.measured import Interval
from cloud_bridge.people import (
    ALONE,
    AMBIGUOUS,
    BEFORE_BINDING,
    MODES,
    NO_BINDING,
    NO_RECEIVER,
    PAUSED,
    SHARED,
    SHARED_DEVICE,
    SLOTS,
    Binding,
    may_go,
    whose,
)

ANNA, BERT = "citizen-anna", "citizen-bert"
AT = Interval(1000, 1000)


@pytest.mark.parametrize(
    ("mode", "slot", "placed", "bindings", "expected"),
    [
        (ALONE, None, AT, [], NO_BINDING),
        (ALONE, None, AT, [Binding(ANNA, None, 0, None)], ANNA),
        (ALONE, 2, AT, [Binding(ANNA, None, 0, None)], ANNA),  # one person; the number says nothing
        (ALONE, None, AT, [Binding(ANNA, None, 1000, None)], ANNA),
        (ALONE, None, AT, [Binding(ANNA, None, 1001, None)], BEFORE_BINDING),
        (ALONE, None, AT, [Binding(ANNA, None, 0, 1000)], NO_BINDING),
        (ALONE, None, AT, [Binding(ANNA, None, 0, 1001)], ANNA),
        (ALONE, None, Interval(999, 1001), [Binding(ANNA, None, 1000, None)], BEFORE_BINDING),
        (ALONE, None, Interval(900, 1001), [Binding(ANNA, None, 0, 1000)], NO_BINDING),
        (ALONE, None, AT, [Binding(ANNA, None, 0, None), Binding(BERT, None, 0, None)], AMBIGUOUS),
        (ALONE, None, AT, [Binding(ANNA, None, 0, 500), Binding(BERT, None, 500, None)], BERT),
        (ALONE, None, Interval(400, 600), [Binding(ANNA, None, 0, 500), Binding(BERT, None, 500, None)],
         AMBIGUOUS),
        (ALONE, None, AT, [Binding(ANNA, None, 0, None), Binding(ANNA, None, 5, None)], ANNA),
        (ALONE, None, AT, [Binding(ANNA, 1, 0, None)], NO_BINDING),
        (SLOTS, 1, AT, [Binding(ANNA, 1, 0, None), Binding(BERT, 2, 0, None)], ANNA),
        (SLOTS, 2, AT, [Binding(ANNA, 1, 0, None), Binding(BERT, 2, 0, None)], BERT),
        (SLOTS, 3, AT, [Binding(ANNA, 1, 0, None), Binding(BERT, 2, 0, None)], NO_BINDING),
        (SLOTS, None, AT, [Binding(ANNA, 1, 0, None), Binding(BERT, None, 0, None)], NO_BINDING),
        (SLOTS, 1, AT, [Binding(ANNA, 1, 2000, None)], BEFORE_BINDING),
        (SHARED, None, AT, [Binding(ANNA, None, 0, None)], SHARED_DEVICE),
        (SHARED, 1, AT, [Binding(ANNA, 1, 0, None)], SHARED_DEVICE),
    ],
)  # fmt: skip
def test_whose(mode, slot, placed, bindings, expected):
    found = whose(mode, slot, placed, bindings)
    assert (found.citizen or found.code) == expected


@given(
    st.sampled_from(MODES),
    st.one_of(st.none(), st.integers(0, 3)),
    st.tuples(st.integers(0, 50), st.integers(0, 50)),
    st.lists(
        st.builds(
            Binding,
            st.sampled_from([ANNA, BERT]),
            st.one_of(st.none(), st.integers(0, 3)),
            st.integers(0, 50),
            st.one_of(st.none(), st.integers(0, 60)),
        ),
        max_size=5,
    ),
)
def test_nobody_gets_a_reading_that_could_be_another_persons(mode, slot, moments, bindings):
    """A citizen comes out only when every binding that could be meant, by any of its moments, says so."""
    placed = Interval(min(moments), max(moments))
    found = whose(mode, slot, placed, bindings)
    assert (found.citizen is None) != (found.code is None)
    if found.citizen is None:
        return
    assert mode != SHARED
    named = [one for one in bindings if one.slot == (slot if mode == SLOTS else None)]
    for at in range(placed.low_ms, placed.high_ms + 1):
        assert any(
            one.citizen == found.citizen and one.from_ms <= at and (one.to_ms is None or at < one.to_ms)
            for one in named
        )
    assert not any(one.holds(placed) and one.citizen != found.citizen for one in named)


@pytest.mark.parametrize(
    ("paused", "receivers", "code"),
    [(False, 1, None), (True, 1, PAUSED), (True, 0, PAUSED), (False, 0, NO_RECEIVER)],
)
def test_may_it_go(paused, receivers, code):
    assert may_go(paused=paused, receivers=receivers) == code
