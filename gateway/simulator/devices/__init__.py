"""The virtual devices: one file each, listed in `gateway/simulator/catalogue.py`."""
