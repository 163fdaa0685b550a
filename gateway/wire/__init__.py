"""The wire format: what hub and bridge agree on, the same on CPython and MicroPython.

Rules of this room: no radio, clock, file, thread or key in here; it imports nothing of the project
but itself. What is written stands in docs/wire-format.md.
"""
