"""The ESP32 hub. Runs on MicroPython; its wire format, drivers and hub logic are the gateway's, unchanged."""
