"""The image's health check, as Docker runs it: an exit status, and a word on what is wrong."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

READY = Path(__file__).parent.parent.parent / "deploy" / "ready.py"


def check(port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(READY)],
        env={"PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


def answer(listener: socket.socket, words: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1024)
        connection.sendall(words)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 0),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1),
        (b"", 1),
        (b"HTTP/1.1", 1),
    ],
)
def test_a_service_is_ready_only_where_it_says_so(words: bytes, status: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = threading.Thread(target=answer, args=(listener, words))
        service.start()
        done = check(listener.getsockname()[1])
        service.join()
    assert (done.returncode, done.stderr) == (status, "")


def test_a_service_that_does_not_listen_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = check(port)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
