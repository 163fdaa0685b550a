"""One family of errors for each boundary; every error carries a stable code of the catalogue."""


class MeethubError(Exception):
    """Something that a person or a machine must act on; never raised itself.

    `code` is stable and stands in the catalogue with a plain sentence and who must act; `detail` says
    what was seen, for people who look closer. It never holds a reading or a name.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code + (": " + detail if detail else ""))
        self.code = code
        self.detail = detail


class DecodeError(MeethubError):
    """A device sent bytes that its specification does not allow."""


class WireError(MeethubError):
    """Bytes of the wire format do not have the form that docs/wire-format.md gives."""
