"""Updates a board from a web server: HOST PORT [CA CERTIFICATE KEY], files named; says what became of it.

The release that the server offers is update_bench's number 2; `write FOLDER` puts it there first.
"""

import sys

import tls
from update_bench import Board, Offer

import firmware.update
from firmware.update import BLOCKS, IMAGE, LIST, MANIFEST
from firmware.update_http import HttpSource, context
from firmware.update_manifest import UpdateError


def write(folder):
    offer = Offer(2, size=5 * 4096)
    files = ((IMAGE, offer.image), (BLOCKS, offer.blocks), (LIST, offer.listed()), (MANIFEST, offer.raw()))
    for name, data in files:
        with open(folder + "/" + name, "wb") as file:
            file.write(data)


def contents(*names):
    for name in names:
        with open(name, "rb") as file:
            yield file.read()


def stranger(authority):
    """A client without a certificate."""
    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = tls.CERT_REQUIRED
    made.load_verify_locations(*contents(authority))
    return made


def main():
    host, port, limit_ms, *files = sys.argv[1:]
    board = Board()
    board.start()
    firmware.update.BLOCK_MS = int(limit_ms)
    made = None
    if files:
        made = stranger(files[0]) if files[1] == "-" else context(*contents(*files))
    source = HttpSource(host, int(port), "/esp32s3/", made)
    while True:
        try:
            ready = board.update(source)
        except UpdateError as error:
            print("refused", error.code, error.detail)
        else:
            print("ready" if ready else "nothing")
        command = sys.stdin.readline().strip()
        if command == "again":
            board.start()
        else:
            break
    board.start()
    print("runs", board.runs(board.first, Offer(2, size=5 * 4096)))


if sys.argv[1] == "write":
    write(sys.argv[2])
else:
    main()
