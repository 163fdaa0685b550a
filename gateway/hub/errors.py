"""The errors of what the machine gives the hub: its store and its keys."""

from gateway.wire.errors import MeethubError


class OutboxError(MeethubError):
    """The hub's own store cannot do what was asked; nothing of it was acknowledged."""


class SignerError(MeethubError):
    """A key of this hub cannot be read or written."""
