"""What a hub does to be enrolled: `run_signer.py FOLDER HUB` makes its keys; prints its key id and its request."""

import sys

from firmware.signer import Signer, certificate_request

folder, hub = sys.argv[1:]
signer = Signer.open(folder)
print(signer.public_key.hex(), signer.sign(b"proof").hex())
print(certificate_request(folder, hub).decode())
