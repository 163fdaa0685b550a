"""Pins of ESP32-S3-DevKitC-1 v1.1. Made from hardware/boards/esp32_s3_devkitc.toml: change that."""

HARDWARE = "esp32-s3-devkitc"
LIGHT = ("pixel", 38)
BUTTON = (0, 0)
UARTS = {1: (17, 18)}
