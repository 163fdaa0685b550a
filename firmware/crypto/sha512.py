"""SHA-512 of whoever has it: hashlib on a PC, our own machine code on the hub."""

try:
    from hashlib import sha512
except ImportError:
    from firmware.crypto.sha512_viper import Sha512 as sha512  # type: ignore[assignment]  # noqa: N813

__all__ = ["sha512"]
