"""Pins of ESP32-DevKitC V4. Made from hardware/boards/esp32_devkit.toml: change that."""

HARDWARE = "esp32-devkit"
LIGHT = ("lamp", 27)
BUTTON = (0, 0)
UARTS = {2: (25, 26)}
