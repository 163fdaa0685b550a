"""A TLS connection by the key that this hub made: `run_signer_tls.py HOST PORT CERTIFICATE KEY CA`, all files DER."""

import socket
import ssl
import sys


def content(path):
    with open(path, "rb") as file:
        return file.read()


host, port, certificate, key, ca = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(cadata=content(ca))
context.load_cert_chain(content(certificate), content(key))
link = socket.socket()
link.connect(socket.getaddrinfo(host, int(port))[0][-1])
link = context.wrap_socket(link, server_hostname="localhost")
link.write(b"who am I?")
print(link.read(100).decode())
