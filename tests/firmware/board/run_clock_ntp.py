"""Asks the NTP server on this port of loopback, and prints the time it told or the code of what went wrong."""

import asyncio
import sys

from firmware import ntp

ntp._PATIENCE_MS = 500
try:
    print(asyncio.run(ntp.ask("127.0.0.1", int(sys.argv[1]))))
except ntp.NtpError as error:
    print(error.code)
