"""A hub with its setup page open on loopback, and how a phone would see it."""

import json
import os
import selectors
import socket
import subprocess
import time
from html.parser import HTMLParser

import httpx2

from tests.firmware.conftest import ROOT, micropython

ADDRESS = "192.168.4.1"
HOME = {"ssid": "Thuis", "key": "geheim123", "rssi": -50}
OPEN = {"ssid": "Café & <b>Bar</b>", "key": "", "security": 0, "rssi": -65}
STRANGE = {"hex": "ff22e280ae3e", "key": "12345678", "rssi": -85}


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as line:
        line.bind(("127.0.0.1", 0))
        return line.getsockname()[1]


class Portal:
    """A process with the page. `said`: its lines."""

    def __init__(
        self, folder, *, open_ms=60000, patience_ms=8000, routers=(HOME, OPEN, STRANGE), heap="256k"
    ):
        self.board, self.data, self.air = folder / "board", folder / "data", folder / "air.json"
        self.board.mkdir(exist_ok=True)
        self.data.mkdir(exist_ok=True)
        self.routers(*routers)
        self.port, self.names_port = free_port(), free_port(socket.SOCK_DGRAM)
        words = [str(self.data), str(open_ms), str(self.port), str(self.names_port), str(patience_ms)]
        self.process = subprocess.Popen(
            [micropython(), "-X", f"heapsize={heap}", "tests/firmware/board/run_portal.py", *words],
            cwd=ROOT,
            env={
                **os.environ,
                "MICROPYPATH": "firmware/virtual:.:.frozen",
                "MEETHUB_BOARD": str(self.board),
                "MEETHUB_WIFI": str(self.air),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = [self.process.stdout.readline()]
        assert self.said[0].startswith("open"), self.said + self.process.stdout.readlines()

    def routers(self, *routers):
        new = self.air.with_suffix(".new")
        new.write_text(json.dumps(routers))
        new.rename(self.air)

    def access_point(self):
        return json.loads((self.board / "access_point").read_text())

    def ask(self, method="GET", path="/", *, host=ADDRESS, headers=None, **rest):
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx2.request(method, url, headers={"Host": host, **(headers or {})}, timeout=20, **rest)

    def page(self, path="/", **rest):
        return Page(self.ask(path=path, **rest).text)

    def submit(self, page, path="/?lang=nl", **fields):
        return self.ask("POST", path, data={**page.hidden, **fields})

    def raw(self, data, *, wait_s=5, shut=False):
        """What comes back for these bytes, until the hub closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait_s) as line:
            try:
                line.sendall(data)
                if shut:
                    line.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: line.recv(65536), b""))
            except ConnectionError:
                return b""

    def name(self, query, wait_s=1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(wait_s)
            line.sendto(query, ("127.0.0.1", self.names_port))
            try:
                return line.recv(1024)
            except TimeoutError:
                return None

    def until(self, word, seconds=20):
        """The first line with this word."""
        end = time.monotonic() + seconds
        watch = selectors.DefaultSelector()
        watch.register(self.process.stdout, selectors.EVENT_READ)
        while True:
            assert watch.select(end - time.monotonic()), self.said
            line = self.process.stdout.readline()
            assert line, self.said
            self.said.append(line)
            if line.startswith(word):
                return line.split()

    def close(self):
        if not self.process.stdout.closed:
            self.process.kill()
            self.said += self.process.communicate()[0].splitlines()


class Page(HTMLParser):
    """Of a page: elements (tag, attributes), text, the hidden fields, and the text of what stands in an alert."""

    _VOID = ("meta", "input", "br", "link", "img")

    def __init__(self, text):
        super().__init__()
        self.source, self.elements, self.words, self.style = text, [], [], ""
        self._open, self.labelled, self.roles = [], {}, {}
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open[-1][0] == tag, (tag, self._open)
        self._open.pop()

    def handle_data(self, data):
        tags = [tag for tag, _ in self._open]
        if tags[-1:] == ["style"]:
            self.style += data
            return
        self.words.append(data)
        for tag, attributes in self._open:
            if tag == "label":
                self.labelled[attributes.get("for", "")] = data
            if "role" in attributes:
                self.roles[attributes["role"]] = self.roles.get(attributes["role"], "") + data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def hidden(self):
        return {one["name"]: one["value"] for one in self.all("input") if one["type"] == "hidden"}

    @property
    def radios(self):
        return [one for one in self.all("input") if one["type"] == "radio"]
