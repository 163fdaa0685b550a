"""A new driver to begin with: driver, virtual device and tests of an imaginary device, green at once.

For people who have a checkout; what is written is theirs to change. How to go on: docs/adding-a-driver.md.
"""

import keyword
import re
import uuid
from pathlib import Path
from string import Template

from gateway.drivers import driver_named
from gateway.wire.errors import MeethubError
from gateway.wire.measurement import Capture, Moment, RecordKey, measurement_key

_TEMPLATES = Path(__file__).with_name("templates")
_LONGEST = 24  # the templates' lines are made for that
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FILES = {
    "driver.txt": "gateway/drivers/{module}.py",
    "vectors.txt": "tests/vectors/{module}.json",
    "device.txt": "gateway/simulator/devices/{module}.py",
    "portable_test.txt": "tests/portable/test_{module}.py",
    "driver_test.txt": "tests/drivers/test_{module}.py",
    "device_test.txt": "tests/simulator/test_{module}.py",
}
_ENTRY = """\
    Entry(
        "$name",
        "",
        BLUETOOTH,
        "$module:Virtual$driver",
        ("temperature",),
    ),
"""


class ScaffoldError(MeethubError):
    """No driver could be begun; nothing was written."""


def new_driver(checkout: Path, name: str) -> list[Path]:
    """Writes the files of a driver of this name and enters it in both tables; the files, as they stand there.

    ScaffoldError: driver-name-unfit, driver-name-taken, no-checkout.
    """
    words = _words(name)
    files = {checkout / place.format(**words): _TEMPLATES / kind for kind, place in _FILES.items()}
    tables = _tables(checkout, words)
    if driver_named(name) is not None or any(path.exists() for path in files):
        raise ScaffoldError("driver-name-taken", name)
    for path, template in files.items():
        path.write_text(Template(template.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
    for path, text in tables.items():
        path.write_text(text, encoding="utf-8")
    return [*files, *tables]


def _words(name: str) -> dict[str, str]:
    """What stands for the name in the templates; new UUIDs of its own, as a maker would choose them."""
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST or keyword.iskeyword(module):
        raise ScaffoldError("driver-name-unfit", name[:40])
    characteristic = str(uuid.uuid4())
    return {
        "name": name,
        "module": module,
        "driver": "".join(part.capitalize() for part in name.split("-")),
        "service": str(uuid.uuid4()),
        "characteristic": characteristic,
        "measurement": _measurement(characteristic),
    }


def _measurement(characteristic: str) -> str:
    """The measurement key of the template's vector, as the tests of all vectors compute it."""
    key = RecordKey(characteristic, 1, bytes.fromhex("ea0703040f1e00"), bytes.fromhex("6e01"))
    nowhere = Capture(bytes(8), 0, Moment(bytes(8), 0, None, "none"))  # the record has a number of its own
    return measurement_key("vector-device", key, nowhere).hex()


def _tables(checkout: Path, words: dict[str, str]) -> dict[Path, str]:
    """Both tables with one more line, in alphabetical order where it matters."""
    drivers = checkout / "gateway/drivers/__init__.py"
    catalogue = checkout / "gateway/simulator/catalogue.py"
    try:
        texts = [path.read_text(encoding="utf-8") for path in (drivers, catalogue)]
    except OSError:
        raise ScaffoldError("no-checkout", str(checkout)) from None
    entry = Template(_ENTRY).substitute(words)
    line = Template("$name gateway.drivers.$module $driver\n").substitute(words)
    return {
        drivers: _inserted(texts[0], 'DRIVERS = """\\\n', line),
        catalogue: _inserted(texts[1], ")\nUSUAL", entry, before=True),
    }


def _inserted(text: str, place: str, line: str, *, before: bool = False) -> str:
    if place not in text:
        raise ScaffoldError("no-checkout", place.strip())
    return text.replace(place, line + place if before else place + line, 1)
