"""Asks the NTP server on this port of loopback, and prints the time it told or the code of what went wrong."""

import asyncio
import sys

from firmware.ntp import NtpError, ask

try:
    print(asyncio.run(ask("127.0.0.1", int(sys.argv[1]))))
except NtpError as error:
    print(error.code)
