"""The words of meethub-bridge: its commands and their options. Knows nothing of what they do."""

import argparse
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

STDIN = "-"
DATA = Path("/var/lib/meethub-bridge")


class _Commands:
    """The parser, filled command by command."""

    def __init__(self) -> None:
        self.shared = argparse.ArgumentParser(add_help=False)
        self.shared.add_argument("--json", action="store_true", help="machine-readable output")
        self.shared.add_argument("--data", type=Path, default=DATA, help=f"the bridge's directory ({DATA})")
        self.parser = argparse.ArgumentParser(prog="meethub-bridge", description="The bridge.")
        self.commands = self.parser.add_subparsers(required=True, metavar="command")

    def add(self, name: str, text: str, *options: tuple[str, dict[str, Any]]) -> None:
        added = self.commands.add_parser(name, parents=[self.shared], help=text, description=text)
        added.set_defaults(command=name)
        for option, settings in options:
            added.add_argument(option, **settings)


def parser() -> argparse.ArgumentParser:
    """All commands with their options; `command` is the name of the one that was chosen."""
    must: dict[str, Any] = {"required": True}
    file: dict[str, Any] = {"type": Path}
    commands = _Commands()
    add = commands.add
    add("run", "Run the bridge until it is told to stop.")
    add("callout", "Run the service that tells the broker who may connect.")
    add(
        "verify",
        "Say of an envelope whether it holds and why not, and show what stands in it.",
        ("file", {**file, "help": "an upward message: bytes or hex"}),
        ("--key", {**file, "help": "the hub's public key (raw, hex or PEM); otherwise the registry's"}),
        ("--hub", {"help": "the hub's id; otherwise the registry's"}),
    )
    add(
        "trace",
        "Show a reading's journey: each step, where it is now, what is wrong, who must act.",
        ("reading", {"help": "the short measurement key (12 hex digits)"}),
    )
    add(
        "map",
        "Turn reading JSON lines into FHIR Bundles, one a line.",
        ("--render", {"choices": ("r4",), "default": "r4", "help": "which rendering"}),
        ("file", {"nargs": "?", "type": _readable, "default": Path(STDIN), "help": "default: stdin"}),
    )
    add("held", "List the readings that wait for somebody, and for whom.")
    add(
        "bind",
        "Say whose a device is, from when on. Readings that waited for this go on.",
        ("--device", {**must, "help": "identity (meethub-gateway devices)"}),
        ("--citizen", {**must, "help": "pseudonym (meethub-bridge citizen)"}),
        ("--slot", {"type": int, "help": "user slot of the device"}),
        ("--from", {"dest": "start", "type": _moment, "help": "default: now"}),
        ("--to", {"dest": "end", "type": _moment, "help": "default: open"}),
        ("--mode", {"choices": ("alone", "slots", "shared"), "default": "alone", "help": "who uses it"}),
    )
    add(
        "answer",
        "Answer a question that `held` shows; the reading goes on accordingly.",
        ("question", {"type": bytes.fromhex, "help": "the question's id"}),
        ("word", {"help": "the answer (docs/operating.md)"}),
        ("--citizen", {"help": "pseudonym, where the answer is a person"}),
    )
    add(
        "confirm",
        "Say that a hub which forked is in the right hands; what was held of it goes on.",
        ("hub", {"help": "hub id"}),
    )
    add(
        "follow",
        "Print each step of each reading as it happens.",
        ("--since", {"type": _moment, "help": "begin with the steps since then"}),
    )
    _add_repair(commands)
    _add_administration(add)
    return commands.parser


def _add_repair(commands: _Commands) -> None:
    must: dict[str, Any] = {"required": True}
    add = commands.add
    add(
        "retry",
        "Deliver again what a receiver refused of a reading, after its cause is mended.",
        ("reading", {"help": "the short measurement key (12 hex digits)"}),
    )
    add(
        "quarantine",
        "List the messages that are kept aside, and who must act.",
        ("--hub", {"help": "hub id"}),
    )
    add(
        "replay",
        "Take in once more what is kept aside, after its cause is mended.",
        ("number", {"type": int, "help": "as `quarantine` shows it"}),
    )
    add(
        "unbind",
        "Say that a device measures a citizen no longer. What is not delivered yet is decided again.",
        ("--device", {**must, "help": "identity (meethub-gateway devices)"}),
        ("--citizen", {**must, "help": "pseudonym"}),
        ("--at", {"type": _moment, "help": "since when; default: now"}),
    )
    add(
        "suspend",
        "Keep what a hub sends and deliver nothing of it, until `confirm`.",
        ("hub", {"help": "hub id"}),
    )
    add("revoke", "Put a hub out of use for good, with its key and certificates; or one certificate.")
    what = commands.commands.choices["revoke"].add_mutually_exclusive_group(required=True)
    what.add_argument("hub", nargs="?", help="hub id")
    what.add_argument("--certificate", type=bytes.fromhex, help="its SHA-256 fingerprint, in hex")


def _add_administration(add: Callable[..., None]) -> None:
    must: dict[str, Any] = {"required": True}
    port: dict[str, Any] = {"type": _port}
    add(
        "setup",
        "Make or renew what bridge and broker need: keys, certificates, database, broker configuration.",
        ("--host", {"default": "127.0.0.1", "help": "address the broker listens on"}),
        ("--name", {"action": "append", "default": [], "help": "host name in the broker's certificate"}),
        ("--mqtt-port", {**port, "default": 8883, "help": "MQTT over TLS, for hubs"}),
        ("--service-port", {**port, "default": 4222, "help": "for the callout service only"}),
    )
    add("household", "Add a household; prints its id.")
    add(
        "citizen",
        "Add a citizen to a household; prints the pseudonym.",
        ("--household", {**must, "help": "household id"}),
    )
    add(
        "receiver",
        "Name a PGO by its FHIR endpoint; prints its id.",
        ("--url", {**must, "help": "base URL"}),
        (
            "--conditional-create",
            {"choices": ("yes", "no"), "help": "whether it heeds If-None-Exist; default: yes"},
        ),
    )
    add(
        "link",
        "Let a citizen's readings go to a receiver.",
        ("--citizen", {**must, "help": "pseudonym"}),
        ("--receiver", {**must, "help": "receiver id"}),
        ("--patient", {**must, "help": "who the citizen is there: Patient/…"}),
    )
    add(
        "enrol",
        "Enrol a hub, or renew its certificate; prints what the hub needs.",
        ("request", {"type": Path, "help": "the JSON of meethub-gateway init"}),
        ("--household", {**must, "help": "household id"}),
    )


def _moment(text: str) -> int:
    """An ISO 8601 time in ms UTC; one without zone is taken in this machine's own."""
    try:
        moment = datetime.fromisoformat(text)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text} is no time such as 2026-03-04T07:15") from None


def _readable(text: str) -> Path:
    """A file that can be read; what is missing is wrong usage."""
    path = Path(text)
    if text != STDIN and (path.is_dir() or not os.access(path, os.R_OK)):
        raise argparse.ArgumentTypeError(f"{text} cannot be read")
    return path


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 16):
        raise argparse.ArgumentTypeError("1 to 65535")
    return int(text)
