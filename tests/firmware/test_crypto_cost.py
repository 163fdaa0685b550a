"""What a signature may cost: ratios of one run on one interpreter, and the memory of a hub's heap."""

import json

import pytest


def measured(on_board, *words, heap):
    return json.loads(on_board("tests/benchmarks/signing.py", *words, heap=heap).splitlines()[-1])


@pytest.fixture(scope="session")
def costs():
    """Kept once measured: it takes some seconds."""
    return {}


@pytest.fixture
def cost(on_board, costs):
    if not costs:
        costs.update(measured(on_board, heap="4M"))
    return costs


def test_the_comb_is_four_times_as_fast_as_double_and_add(cost):
    assert cost["comb, times as fast"] >= 4, cost


def test_a_signature_takes_no_more_than_55_percent_of_double_and_add(cost):
    """Of that multiplication alone, and so of a signature by it."""
    assert cost["signature / plain multiplication"] <= 0.55, cost
    assert cost["signature / plain signature"] <= 0.55, cost


def test_a_signature_leaves_less_garbage_than_double_and_add(cost):
    assert cost["garbage"]["signature"] <= 0.35 * cost["garbage"]["plain signature"], cost
    assert cost["garbage"]["signature"] <= 320_000, cost


@pytest.mark.parametrize("free", [10_000, 6_000])
def test_a_signature_needs_little_memory_at_once(on_board, free):
    """In a heap of 64 KB in which so much is free; numbers take twice as much here as on a board."""
    said = measured(on_board, "free", str(free), heap="64k")
    assert said["signed"]
    assert said["free"] <= free
