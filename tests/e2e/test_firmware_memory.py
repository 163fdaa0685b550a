"""The whole hub of a board, with TLS, signing and a cuff, in a small heap of 64-bit pointers.

About 25 KB of it are the virtual chip's modules, which a board has in its image and not in this heap.
"""

import re

import pytest

from firmware.workshop import here
from gateway.simulator.chain import Chain
from gateway.simulator.process import wait_until

pytestmark = [pytest.mark.chain, pytest.mark.timeout(600)]
HEAP = "288k"
READINGS = 20


def test_a_hub_with_a_cuff_lives_in_288_kilobytes(tmp_path, monkeypatch):
    monkeypatch.setattr(here, "HEAP", HEAP)
    chain = Chain(tmp_path, interval_s=30)
    chain.start()
    try:
        hub = here.HubHere(chain.directory, ("blood-pressure",), lambda *_: None, interval_s=1)
        hub.start()
        try:
            log = hub.directory / "log" / "hub.log"
            assert wait_until(lambda: accepted(log) >= READINGS, 120), log.read_text()[-2000:]
            assert "MemoryError" not in log.read_text()
        finally:
            hub.stop()
    finally:
        chain.stop()


def accepted(log):
    """How many envelopes the bridge has taken."""
    return sum(int(number) for number in re.findall(r"accepted=(\d+) ", log.read_text()))
