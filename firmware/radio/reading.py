"""What is read of a device before its first value."""

from firmware.radio.base import RadioError, SecurityNeededError
from firmware.radio.line import Line
from gateway.wire.measurement import Device

_MOST_TEXT = 64
_NO_ANSWER = ("device-silent", "pairing-needed", "pairing-failed")


async def maybe(line: Line, name: str) -> bytes | None:
    """A value that the device may lack or refuse; only the wish for a bond is passed on."""
    if not line.has(name):
        return None
    try:
        return await line.read(name)
    except SecurityNeededError:
        raise
    except RadioError as error:
        if line.gone or error.code in _NO_ANSWER:
            raise
        return None


async def device_of(line: Line) -> Device:
    """What the device says of itself (Device Information, 180A), as far as it does."""
    device = line.device
    about = Device(device.identity, address=device.address)
    about.manufacturer = await _text(line, "2a29")
    about.model = await _text(line, "2a24")
    about.serial = await _text(line, "2a25")
    about.firmware = await _text(line, "2a26")
    system_id = await maybe(line, "2a23")
    about.system_id = system_id.hex() if system_id else None
    return about


async def _text(line: Line, name: str) -> str | None:
    """Bytes that are no UTF-8 give no text."""
    try:
        words = (await maybe(line, name) or b"").decode()
    except UnicodeError:
        return None
    return words.strip("\0 ")[:_MOST_TEXT] or None


async def battery_of(line: Line) -> int | None:
    """Per cent."""
    battery = await maybe(line, "2a19")
    return battery[0] if battery and battery[0] <= 100 else None
