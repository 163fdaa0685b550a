# ruff: noqa: F821 (MicroPython's manifest tool provides these names and runs this file alone)
"""What a board gets from the gateway's tree: the same import paths as on the Raspberry Pi."""

module("gateway/__init__.py", base_path="..")
package("gateway/wire", base_path="..")
package("gateway/drivers", base_path="..")
