"""Pins of MicroPython on Unix. Made from hardware/boards/unix.toml: change that."""

HARDWARE = "unix"
LIGHT = ("pixel", 48)
BUTTON = (0, 0)
UARTS = {1: (17, 18), 2: (4, 5)}
