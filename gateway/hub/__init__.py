"""The hub: its logic, which runs unchanged on a Pi and on an ESP32. `hub.py` joins it all.

What the machine gives it (a store, a key, a clock, an uplink) comes in from outside: `given.pyi` says what.
"""
