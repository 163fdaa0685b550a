"""The board that this is: its pins, by the table made for it (firmware/boards), and what hangs on them.

Which board, /board.txt says; it is written with the boot file.
"""

from firmware import files

FILE = "board.txt"
USUAL = "esp32_s3_devkitc"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.light import Light
    from firmware.serial_cable import Port


class Board:
    """folder: where /board.txt stands. KeyError for a UART that the board does not have."""

    def __init__(self, folder: str) -> None:
        name = (files.read(folder + "/" + FILE) or USUAL.encode()).decode().strip()
        self.pins = __import__("firmware.boards." + name, None, None, ("HARDWARE",))
        self.hardware = self.pins.HARDWARE

    def light(self) -> "Light":
        from firmware.light import Light, lamp_on, neopixel_on

        kind, pin = self.pins.LIGHT
        return Light(neopixel_on(pin) if kind == "pixel" else lamp_on(pin))

    def button_is_down(self) -> "Callable[[], bool]":
        from firmware.button import button_on

        return button_on(self.pins.BUTTON[0])

    def uart(self, number: int) -> "Callable[..., Port]":
        """How to open that UART with a device's settings."""
        from firmware.serial_port import RX_BUFFER

        tx, rx = self.pins.UARTS[number]

        def opened(**settings: object) -> "Port":
            from machine import UART

            return UART(  # type: ignore[no-any-return]
                number, tx=tx, rx=rx, rxbuf=RX_BUFFER, timeout=0, **settings
            )

        return opened

    @property
    def label(self) -> str:
        """The end of the chip's own number: what a person reads on the label, to tell two hubs apart."""
        from machine import unique_id

        return str(unique_id().hex()[-4:])
