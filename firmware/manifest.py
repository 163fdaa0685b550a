# ruff: noqa: F821 (MicroPython's manifest tool provides these names and runs this file alone)
"""What a board gets, one list for `make firmware` and for MicroPython's own build; import paths stay.

Of the wire format all but the catalogue of error texts: a hub says codes, people read them elsewhere.
"""

WIRE = ("cbor", "cose", "envelope", "errors", "item", "items", "measurement", "reading", "records", "reports")

module("gateway/__init__.py", base_path="..")
package(
    "gateway/wire",
    files=["__init__.py", *[f"{name}.py" for name in (*WIRE, "shape", "state", "topics")]],
    base_path="..",
)
package("gateway/drivers", base_path="..")
package("gateway/hub", base_path="..")
package("firmware", files=None, base_path="..")
