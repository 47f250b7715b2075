"""The image's health check: asks the service in this container whether it is ready.

It runs every few seconds in every container, so it imports nothing that is slow to start.
"""

import os
import socket
import sys


def is_ready(port: int, is_tls: bool) -> bool:
    """Whether `/readyz` on the loopback interface answers 200; raises OSError if nobody listens."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as plain:
        connection = _encrypted(plain) if is_tls else plain
        connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        # A service that is stopping closes the connection without a response.
        return connection.recv(1024).split(b" ", 2)[1:2] == [b"200"]


def _encrypted(plain: socket.socket) -> socket.socket:
    import ssl

    # The certificate names the public host, not the loopback interface used here.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


if __name__ == "__main__":
    try:
        sys.exit(not is_ready(int(os.environ["PORT"]), bool(os.environ.get("TLS_CERT"))))
    except OSError as error:
        sys.exit(str(error))
