"""How a hub gets onto somebody's Wi-Fi: stored networks always, the rest only while a person sets it up."""

import sys

_ALWAYS = ("credentials", "wifi")


def drop_rare() -> None:
    """What only an open window needs leaves the memory; the next window loads it again."""
    package = sys.modules[__name__]
    for name in list(sys.modules):
        room = name[len(__name__) + 1 :]
        if name.startswith(__name__ + ".") and room not in _ALWAYS:
            sys.modules.pop(name)
            delattr(package, room)
