"""Omron blood pressure monitors that keep their records in a memory which is read by address.

Sources: userx14/omblepy@708c13e deviceSpecific/, eigger/hass-omron@0467b76 device_catalog.py and @0aeb8bd
model_aliases.py. Only a model whose layout is known is read: with another one's, numbers would come out that
nobody measured.
"""

# model: form of its records (omron_records.py), where those of user 1 (and 2) begin, slots of each user,
# bytes of a slot, bytes of a read, and whether a key opens it. Those without are of the newer stack: a bond
# and a token are enough, and there is one channel each way. HEM-9601T is tried on no monitor yet.
_MODELS = {
    "HEM-6161T": ("be14-short-year", (0x02E8,), 30, 14, 0x10, True),
    "HEM-6232T": ("be14-no-flags", (0x02E8, 0x0860), 100, 14, 0x38, True),
    "HEM-6401T": ("bytes", (0x1350,), 100, 16, 0x10, True),
    "HEM-6410T": ("bytes", (0x5590,), 100, 32, 0x10, True),
    "HEM-7142T2": ("le14", (0x02E8,), 14, 14, 0x2C, False),
    "HEM-7143T1": ("le14", (0x02E8,), 30, 14, 0x2C, False),
    "HEM-7143T2": ("le14", (0x02E8,), 30, 14, 0x2C, False),
    "HEM-7146T2": ("le14", (0x02E8,), 30, 14, 0x2C, False),
    "HEM-7150T": ("le16", (0x0098,), 60, 16, 0x10, True),
    "HEM-7155T": ("le16", (0x0098, 0x0458), 60, 16, 0x10, True),
    "HEM-716BT2": ("le14", (0x02E8,), 30, 14, 0x2C, False),
    "HEM-7188T1": ("le16", (0x01C4,), 30, 16, 0x38, False),
    "HEM-7191T1": ("le16", (0x01C4,), 60, 16, 0x38, False),
    "HEM-7196T1": ("le16", (0x01C4, 0x0584), 60, 16, 0x38, False),
    "HEM-7280T": ("be14", (0x02AC, 0x0824), 100, 14, 0x38, True),
    "HEM-7322T": ("be14", (0x02AC, 0x0824), 100, 14, 0x38, True),
    "HEM-7342T": ("le16", (0x0098, 0x06D8), 100, 16, 0x10, True),
    "HEM-7361T": ("le16", (0x0098, 0x06D8), 100, 16, 0x10, True),
    "HEM-7380T1": ("le16", (0x01C4, 0x0804), 100, 16, 0x38, False),
    "HEM-7530T": ("be14-short-year", (0x02E8,), 90, 14, 0x10, True),
    "HEM-7600T": ("be14", (0x02AC,), 100, 14, 0x38, True),
    "HEM-9601T": ("le24", (0x041A,), 350, 24, 0x2C, True),
}
# What monitors call themselves instead. "M7 Intelli IT" and "M4 Intelli IT" are two models each: left out.
_OTHER_NAMES = {
    "BP4350": "HEM-6232T",
    "BP7000": "HEM-7600T",
    "BP7150": "HEM-7142T2",
    "BP7250": "HEM-7150T",
    "BP7450": "HEM-7342T",
    "BP7900": "HEM-7530T",
    "Complete": "HEM-7530T",
    "EVOLV": "HEM-7600T",
    "Evolv": "HEM-7600T",
    "M2 Intelli IT": "HEM-7143T1",
    "M2 Intelli IT+": "HEM-7146T2",
    "M2+": "HEM-7188T1",
    "M300 Intelli IT": "HEM-7143T1",
    "M4 Connect AFib": "HEM-7196T1",
    "M500 Intelli IT": "HEM-7361T",
    "M7 Intelli IT AFib": "HEM-7380T1",
    "M700 Intelli IT": "HEM-7322T",
    "MIT5s": "HEM-7280T",
    "NightView": "HEM-9601T",
    "RS3 Intelli IT": "HEM-6161T",
    "RS7 Intelli IT": "HEM-6232T",
    "X2 Smart": "HEM-7143T2",
    "X2 Smart+": "HEM-7146T2",
    "X2+": "HEM-7188T1",
    "X4 Connect AFib": "HEM-7196T1",
    "X7 Smart": "HEM-7361T",
    "X7 Smart AFib": "HEM-7380T1",
}


class Model:
    """One model: the form and size of its records, and where they lie.

    users: how many people have records of their own. has_key: a key of this hub opens the memory.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.form, self._starts, self._slots, self.size, self._block, self.has_key = _MODELS[name]
        self.users = len(self._starts)

    def reads(self) -> list[tuple[int, int]]:
        """(address, bytes) of every read that all records need, one user after the other."""
        whole = self._slots * self.size
        return [
            (start + at, min(self._block, whole - at))
            for start in self._starts
            for at in range(0, whole, self._block)
        ]

    def place(self, address: int) -> tuple[int, int]:
        """(user, bytes into a record) at an address; user 0 outside all records."""
        for index, start in enumerate(self._starts):
            if start <= address < start + self._slots * self.size:
                return index + 1, (address - start) % self.size
        return 0, 0


def model_named(text: str) -> Model | None:
    """The model of a Model Number String (2A24), None when its layout is not known.

    "HEM-7322T-E" is a HEM-7322T: one mark and where it is sold. More may be another model: "HEM-7155T_K4-D".
    """
    text = _OTHER_NAMES.get(text, text)
    for name in _MODELS:
        rest = text[len(name) :]
        region = rest[1:].replace("_", "-")
        if text.startswith(name) and (not rest or (rest[0] in "-_" and region and "-" not in region)):
            return Model(name)
    return None
