"""Where hubs are made: building, flashing and signing on a PC with CPython. Nothing of it is on a board."""
