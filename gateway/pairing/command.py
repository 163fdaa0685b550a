"""`meethub-gateway pair`: finds devices, lets a person choose one, pairs it, writes its entry."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from gateway.config import BluetoothEntry, Config, load
from gateway.control import Channel, Row
from gateway.pairing.entry import entry_text, write_entry
from gateway.pairing.reach import desk_of
from gateway.pairing.steps import steps_for
from gateway.pairing.words import YES, word
from gateway.radio import Backend
from gateway.wire.catalogue import spoken
from gateway.wire.errors import MeethubError

EVERY_S = 10.0  # how often it says how long it still looks


@dataclass
class Wish:
    """What was asked for. Without address the devices in the air are told, and a person may choose."""

    config: Path
    address: str = ""
    driver: str = ""
    seconds: float = 60
    json: bool = False
    backend: Backend | None = None


class PairError(MeethubError):
    """No device was paired."""


async def pair(wish: Wish) -> None:
    """Runs the command; MeethubError when nothing was found or paired."""
    config = load(wish.config)
    if config.adapter == "none":
        raise PairError("radio-not-configured", str(wish.config))
    async with desk_of(config, wish.backend) as channel:
        await _Conversation(wish, config, channel).run()


class _Conversation:
    """One run of the command: what the desk says goes to the person, what the person types to the desk."""

    def __init__(self, wish: Wish, config: Config, channel: Channel) -> None:
        self._wish = wish
        self._channel = channel
        self._language = spoken(dict(os.environ))
        self._configured = {entry.address: entry.driver for entry in config.bluetooth}
        self._found: dict[str, Row] = {}
        self._events: asyncio.Queue[Row | str | None] = asyncio.Queue()
        self._question = ""  # that the desk has asked and nobody has answered yet
        self._typing = False
        self._line = b""  # typed, and not ended yet

    async def run(self) -> None:
        """Until a device is paired, or the devices in the air were told. MeethubError otherwise."""
        hearing = asyncio.ensure_future(self._keep_hearing())
        try:
            await self._run(self._wish.address.upper())
        finally:
            self._untype()
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _run(self, address: str) -> None:
        driver = self._wish.driver or self._configured.get(address, "")
        if not (address and driver):
            address = await self._chosen(address)
            if not address:
                return
            driver = driver or self._configured.get(address) or self._found[address]["drivers"][0]
        await self._pair(address, driver)

    async def _keep_hearing(self) -> None:
        """What the desk says, as it comes."""
        while (row := await self._channel.hear()) is not None:
            self._events.put_nowait(row)
        self._events.put_nowait({"event": "failed", "code": "daemon-unreachable", "detail": "it hung up"})

    def _type(self) -> None:
        """From now on what is typed comes as well."""
        if not self._typing:
            self._typing = True
            try:
                asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._typed)
            except OSError:  # a file or nothing: it is there at once and cannot be waited for
                while self._typing:
                    self._typed()

    def _typed(self) -> None:
        """Some bytes of standard input: whole lines become events, its end the last."""
        data = os.read(sys.stdin.fileno(), 1024)
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._events.put_nowait(line.decode(errors="replace").strip())
        if not data:
            self._untype()
            self._events.put_nowait(None)

    def _untype(self) -> None:
        if self._typing:
            self._typing = False
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())

    async def _next(self, within_s: float | None = None) -> Row | str | None:
        """A row of the desk, a typed line, None when nobody types any more. TimeoutError."""
        async with asyncio.timeout(within_s):
            event = await self._events.get()
        if isinstance(event, dict):
            if event.get("event") == "failed":
                raise PairError(str(event["code"]), str(event["detail"]))
            if self._wish.json:
                print(json.dumps(event), flush=True)
        return event

    async def _chosen(self, address: str) -> str:
        """The address of the device to pair: the wished one once it is heard, or the one a person chose.

        "" when devices were only to be told. PairError("device-not-found").
        """
        self._say("searching")
        self._channel.say({"do": "find"})
        asks = not address and not self._wish.json and sys.stdin.isatty()
        if asks:
            self._say("choose")
            self._type()
        now = asyncio.get_running_loop().time
        end = now() + self._wish.seconds
        while (left := end - now()) > 0:
            try:
                event = await self._next(min(left, EVERY_S))
            except TimeoutError:
                self._say("left", round(max(end - now(), 0)))
                continue
            choice = self._heard(event) if isinstance(event, dict) else self._choice(event or "")
            if choice and (choice == address or (asks and isinstance(event, str))):
                return choice
        if address or not self._found:
            raise PairError("device-not-found", address)
        self._say("how", f"meethub-gateway pair --address {next(iter(self._found))}")
        return ""

    def _heard(self, row: Row) -> str:
        """The address of a device that is in the air."""
        if row.get("event") != "found":
            return ""
        address = str(row["address"])
        if address not in self._found:
            self._found[address] = row
            bonded = word("bonded", self._language) if row["bonded"] else ""
            told = (row["name"] or "-", ", ".join(row["drivers"]), row["rssi"], bonded)
            self._say("found", len(self._found), address, *told)
        return address

    def _choice(self, line: str) -> str:
        """The address that a typed line means, by its number in the list or itself."""
        places = {str(number): address for number, address in enumerate(self._found, 1)}
        choice = places.get(line, line.upper())
        if choice in self._found:
            return choice
        if line:
            self._say("no-such", line)
        return ""

    async def _pair(self, address: str, driver: str) -> None:
        name = self._found[address]["name"] if address in self._found else ""
        self._say("do")
        self._steps(driver, name)
        self._channel.say({"do": "pair", "address": address, "driver": driver})
        try:
            while True:
                event = await self._next()
                if not isinstance(event, dict):
                    self._answer(event)
                elif event.get("event") == "paired":
                    break
                else:
                    self._obey(event)
        except PairError:
            self._say("help")
            self._steps(driver, name)
            raise
        self._tell(event)

    def _obey(self, row: Row) -> None:
        event = row.get("event")
        if event == "pairing":
            self._say("pairing", row["address"], row["driver"])
        elif event == "asks":
            self._question = row["question"]
            self._say(self._question, row.get("passkey", ""))
            self._type()
        elif event == "shows":
            self._say("shows", row["passkey"])
        elif event == "unasked":
            self._question = ""
            self._say("unasked")

    def _answer(self, line: str | None) -> None:
        """A typed line answers the question there is; None: nobody types any more."""
        question, self._question = self._question, ""
        if question == "same":
            self._channel.say({"answer": line is not None and line.lower() in YES})
        elif question:
            self._channel.say({"answer": line})

    def _tell(self, row: Row) -> None:
        """What was paired, and what is left to do."""
        entry = BluetoothEntry(row["address"], row["driver"], bond=row["bond"])
        written = write_entry(self._wish.config, entry)
        if self._wish.json:
            done = {"written": written, "config": str(self._wish.config), "entry": entry_text(entry)}
            print(json.dumps({"event": "configured", **done}), flush=True)
            return
        told = filter(None, (row["manufacturer"], row["model"] or row["name"], row["address"]))
        self._say("paired", " ".join(told))
        if not row["bond"]:
            self._say("without")
        self._say("written" if written else "add", self._wish.config)
        if not written:
            print(entry_text(entry))
        self._say("listening" if row["listening"] else "start")
        self._say("bind", row["identity"])

    def _steps(self, driver: str, name: str) -> None:
        for step in steps_for(driver, name).on_the_way(self._language):
            self._print("  - " + step)

    def _say(self, name: str, *about: object) -> None:
        self._print(word(name, self._language, *about))

    def _print(self, line: str) -> None:
        """For people; in JSON the rows say it all."""
        if not self._wish.json:
            print(line, flush=True)
