"""Pins of ESP32-S3-DevKitC-1 v1.0. Made from hardware/boards/esp32_s3_devkitc_v1_0.toml: change that."""

HARDWARE = "esp32-s3-devkitc"
LIGHT = ("pixel", 48)
BUTTON = (0, 0)
UARTS = {1: (17, 18)}
