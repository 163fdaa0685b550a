"""What pairing writes into the configuration file: whole, checked, and nothing of a person's own lost."""

import stat

import pytest

from gateway.config import BluetoothEntry, load
from gateway.pairing.entry import entry_text, write_entry
from tests.gateway.config_fixtures import TEXT, write

NEW = BluetoothEntry("F0:5A:01:00:00:01", "weight-scale", bond=True)
OLD = "C0:FF:EE:00:00:01"  # stands in TEXT, for blood-pressure


def test_a_new_device_is_added_and_all_else_is_kept(tmp_path):
    path = write(tmp_path, "# mine\n" + TEXT + "\n[log]\nformat = 'json'  # as I like it\n")
    path.chmod(0o640)
    before = path.read_text()
    assert write_entry(path, NEW)
    assert path.read_text() == before + "\n" + entry_text(NEW)
    assert [(one.address, one.driver, one.bond) for one in load(path).bluetooth] == [
        (OLD, "blood-pressure", False),
        (NEW.address, "weight-scale", True),
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_again_changes_nothing(tmp_path):
    path = write(tmp_path)
    assert write_entry(path, NEW)
    before = path.read_text()
    assert write_entry(path, NEW)
    assert path.read_text() == before


@pytest.mark.parametrize("line", [f'address = "{OLD}"', f"  address='{OLD}'   # the cuff"])
def test_a_device_that_stands_there_is_marked_as_bonded(tmp_path, line):
    path = write(tmp_path, TEXT.replace(f'address = "{OLD}"', line))
    assert write_entry(path, BluetoothEntry(OLD, "blood-pressure", bond=True))
    assert load(path).bluetooth == (BluetoothEntry(OLD, "blood-pressure", bond=True),)
    assert line in path.read_text()


@pytest.mark.parametrize(
    "entry", [BluetoothEntry(OLD, "weight-scale"), BluetoothEntry(OLD, "thermometer", bond=True)]
)
def test_a_device_of_another_driver_is_left_to_a_person(tmp_path, entry):
    path = write(tmp_path)
    assert not write_entry(path, entry)
    assert path.read_text() == TEXT
    assert list(tmp_path.iterdir()) == [path]


def test_a_bond_that_was_written_by_a_person_is_left_to_a_person(tmp_path):
    path = write(tmp_path, TEXT.replace(f'address = "{OLD}"', f'address = "{OLD}"\nbond = false'))
    before = path.read_text()
    assert not write_entry(path, BluetoothEntry(OLD, "blood-pressure", bond=True))
    assert path.read_text() == before


def test_a_file_that_cannot_be_written_is_no_end(tmp_path):
    path = write(tmp_path)
    (tmp_path / (path.name + ".new")).mkdir()
    assert not write_entry(path, NEW)
    assert path.read_text() == TEXT


def test_the_entry_without_a_bond():
    assert entry_text(BluetoothEntry("AA:BB:CC:DD:EE:FF", "mi-scale")) == (
        '[[bluetooth.device]]\naddress = "AA:BB:CC:DD:EE:FF"\ndriver = "mi-scale"\n'
    )
