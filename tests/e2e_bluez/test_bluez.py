"""The gateway on real BlueZ, D-Bus and kernel, in a small machine under QEMU: `make e2e-bluez`."""

import importlib
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUN = ["sh", "tests/e2e_bluez/run-vm.sh"]


async def test_what_runs_in_the_machine_fits_the_code(monkeypatch, tmp_path):
    """Where the machine is not run, its programs must not rot."""
    monkeypatch.syspath_prepend(HERE)
    house, world, steps = (importlib.import_module(name) for name in ("house", "world", "hub_steps"))
    (tmp_path / "hub").mkdir(mode=0o700)
    built = house.House(tmp_path / "hub", [], None)
    assert built.readings() == []
    assert {built.facts(house.METER).busy, built.facts(house.CODED_METER).busy} == {False}
    built.outbox.close()
    world.World(tmp_path / "world")
    assert all(callable(step) for _, step in (*steps.STEPS, steps.LAST_STEP))


@pytest.mark.timeout(1200)
def test_pairs_reads_and_survives_what_happens_to_bluez():
    if os.environ.get("MEETHUB_BLUEZ") != "1":
        pytest.skip("takes minutes: make e2e-bluez (or MEETHUB_BLUEZ=1)")
    reason = subprocess.run([*RUN, "need"], cwd=ROOT, capture_output=True, text=True, check=True)
    if reason.stdout.strip():
        pytest.skip(reason.stdout.strip())
    # What it prints goes where pytest's own output goes; a failing run says where its log stands.
    assert subprocess.run(RUN, cwd=ROOT, check=False).returncode == 0, "see build/e2e-bluez.log"
