"""Reading tests/vectors/wire/*.json on both interpreters."""

import json

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."


def vectors(name):
    """The rows of one file."""
    with open(_HERE + "/../vectors/wire/" + name + ".json") as file:  # noqa: PTH123 (MicroPython has no pathlib)
        return json.load(file)


def item(notation):
    """What a JSON notation stands for: "h'…'" is a byte string, all else itself."""
    if isinstance(notation, list):
        return [item(part) for part in notation]
    if isinstance(notation, str) and notation[:2] == "h'":
        return bytes.fromhex(notation[2:-1])
    return notation


def octets(text):
    return bytes.fromhex(text)


def refusal_code(call, *arguments):
    """The code with which a call refuses; None when it does not. Any other exception is a fault and passes."""
    from gateway.wire.errors import WireError

    try:
        call(*arguments)
    except WireError as error:
        return error.code
    return None
