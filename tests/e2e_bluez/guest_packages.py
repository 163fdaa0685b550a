"""Copies the packages that the gateway and its virtual devices need out of this environment: what is locked, no more.

.venv/bin/python tests/e2e_bluez/guest_packages.py DESTINATION
"""

import shutil
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

NEEDED = ("bleak", "bumble", "cryptography", "dbus-fast", "paho-mqtt", "pyserial", "structlog")


def closure(names: tuple[str, ...]) -> dict[str, Distribution]:
    """These packages and all that they need here."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name not in found:
            found[name] = distribution(name)
            needs = [Requirement(line) for line in found[name].requires or ()]
            waiting += [
                need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})
            ]
    return found


def copy(package: Distribution, destination: Path) -> None:
    for file in package.files or ():
        if ".." not in file.parts:  # commands stand in ../../../bin
            target = destination / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(file.locate()).exists():
                shutil.copy2(file.locate(), target)


if __name__ == "__main__":
    for package in closure(NEEDED).values():
        copy(package, Path(sys.argv[1]))
