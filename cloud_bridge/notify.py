"""Tells systemd (or the demo chain) that a daemon of the bridge is ready: sd_notify over NOTIFY_SOCKET."""

import os
import socket


def notify(state: str) -> None:
    """Send READY=1 or STOPPING=1; nothing happens where nobody listens."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.send(state.encode())
