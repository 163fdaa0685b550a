"""Pairing a Bluetooth device with this hub, with a person as witness.

window (which device may pair now), steps and words (what a person is told) ← agent (what BlueZ asks) ← desk
(one pairing from search to bond) ← reach (in the running daemon or without it) ← command (the command line);
entry writes the configuration.
"""
