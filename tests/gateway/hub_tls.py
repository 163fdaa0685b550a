"""A hub's files as an installer leaves them, and a server that asks for its certificate, on loopback."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cloud_bridge.authority import Authority, identity, install, make_request
from gateway.outbox import Outbox
from gateway.signer import Signer, certificate_request
from tests.gateway.config_fixtures import TEXT, write


class Server:
    """Accepts TLS with a client certificate of this authority, and then says nothing, like a broker."""

    def __init__(self, authority: Authority, folder: Path, host: str = "127.0.0.1") -> None:
        place = identity(folder, "server")
        install(place, authority.issue_server(make_request(place.key, host), (host,)).pem, authority.pem)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(place.certificate, place.key)
        self._context.load_verify_locations(place.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with plain:
                plain.settimeout(5)
                try:
                    with self._context.wrap_socket(plain, server_side=True) as secured:
                        secured.recv(1)  # until the other side hangs up
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


class Installed:
    """A hub that is ready to run: keys, certificate, outbox, cable, configuration."""

    def __init__(self, folder: Path, authority: Authority, port: int) -> None:
        self.folder = folder
        self.authority = authority
        self.data = folder / "data"
        Signer.open(self.data)
        self.certify()
        (folder / "ca.pem").write_bytes(authority.pem)
        (folder / "ttyOX").touch()
        Outbox(self.data / "outbox.sqlite", 8 << 20).close()
        self.config = self.configure(port)

    def certify(self, *, days_ago: int = 0) -> None:
        """A certificate that was issued so long ago; it lives for 90 days."""
        request = certificate_request(self.data, "hub-1")
        issued = self.authority.issue_hub(request, "hub-1", datetime.now(UTC) - timedelta(days=days_ago))
        (self.folder / "hub.pem").write_bytes(issued.pem)

    def configure(self, port: int, host: str = "127.0.0.1") -> Path:
        text = TEXT.replace("port = 8883", f"port = {port}").replace('"127.0.0.1"', f'"{host}"')
        return write(self.folder, text.replace('"ttyOX"', f'"{self.folder}/ttyOX"'))
