"""The entry of a paired device in the configuration file, written so that nobody has to type an address."""

import contextlib
import os
import re
import shutil
from pathlib import Path

from gateway.config import BluetoothEntry, ConfigError, load


def entry_text(entry: BluetoothEntry) -> str:
    """The entry as it stands in the file."""
    lines = [f'address = "{entry.address}"', f'driver = "{entry.driver}"']
    return "\n".join(["[[bluetooth.device]]", *lines, *(["bond = true"] if entry.bond else [])]) + "\n"


def write_entry(path: Path, entry: BluetoothEntry) -> bool:
    """Puts the entry into the file, all or nothing; False when this user may not, or a person must decide.

    An entry of that address that is there keeps all else it says; one for another driver is left alone.
    """
    if _says(path, entry):
        return True
    text = path.read_text(encoding="utf-8")
    known = any(old.address == entry.address for old in load(path).bluetooth)
    changed = _with_bond(text, entry) if known else text.rstrip("\n") + "\n\n" + entry_text(entry)
    fresh = path.with_name(path.name + ".new")
    try:
        _write(fresh, changed, path)
        if not _says(fresh, entry):
            return False
        fresh.replace(path)
    except (OSError, ConfigError):
        return False
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
    return True


def _says(path: Path, entry: BluetoothEntry) -> bool:
    """Whether the file, good as a whole, has this device with this driver and this bond."""
    wanted = (entry.address, entry.driver, entry.bond)
    return wanted in [(old.address, old.driver, old.bond) for old in load(path).bluetooth]


def _with_bond(text: str, entry: BluetoothEntry) -> str:
    line = rf"^([ \t]*)address[ \t]*=[ \t]*[\"']{entry.address}[\"'].*$"
    return re.sub(line, r"\g<0>\n\g<1>bond = true", text, count=1, flags=re.MULTILINE)


def _write(fresh: Path, text: str, like: Path) -> None:
    """A file with the owner and the rights of `like`, on disk when this returns."""
    with fresh.open("w", encoding="utf-8") as file:
        old = like.stat()
        os.fchown(file.fileno(), old.st_uid, old.st_gid)
        shutil.copymode(like, fresh)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
