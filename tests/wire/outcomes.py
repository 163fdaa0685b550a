"""Run by both interpreters: says for each line "opener hex" of a file what becomes of these bytes.

One line each: "ok" with a hash of what was read, or the code of the error. Anything else is a traceback.
"""

import hashlib
import sys

sys.path.insert(0, sys.argv[1])

from gateway.wire import envelope, state
from gateway.wire.cbor import CborError, Tagged, decode, encode
from gateway.wire.errors import WireError


def spell(thing):
    """A form of any decoded item that is the same on both interpreters."""
    if isinstance(thing, dict):
        return "{" + ",".join([str(key) + ":" + spell(thing[key]) for key in sorted(thing)]) + "}"
    if isinstance(thing, list):
        return "[" + ",".join([spell(part) for part in thing]) + "]"
    if isinstance(thing, Tagged):
        return str(thing.tag) + "(" + spell(thing.value) + ")"
    return encode(thing).hex()


def read(opener, raw):
    if opener == "cbor":
        return spell(decode(raw)).encode()
    if opener == "message":
        sealed, disclosures = envelope.open_message(raw)
        return envelope.message(sealed.signed, disclosures) + b"%d" % sealed.sequence
    if opener == "signed":
        sealed = envelope.open_signed(raw)
        return sealed.hash + (sealed.contents.encode() if sealed.contents else b"")
    if opener == "disclosure":
        return encode(envelope.open_disclosure(raw).wire())
    if opener == "state":
        return state.open_state(raw)[2].encode()
    return (state.open_hello if opener == "hello" else state.open_key_request)(raw).encode()


def outcome(opener, raw):
    try:
        return "ok " + hashlib.sha256(read(opener, raw)).digest().hex()  # noqa: FURB181 (MicroPython has no hexdigest)
    except CborError:
        return "cbor"
    except WireError as error:
        return error.code


with open(sys.argv[2]) as lines:  # noqa: PTH123 (MicroPython has no pathlib)
    for line in lines:
        name, data = line.strip("\n").split(" ")
        print(outcome(name, bytes.fromhex(data)))
