"""Whether a server can be asked, on which it depends whether the locks are audited."""

import http.server
import threading

import reachable

from support.ports import free_port


def test_a_server_that_answers_is_reachable_whatever_it_says() -> None:
    handler = http.server.BaseHTTPRequestHandler  # answers 501 to everything
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        asked = threading.Thread(target=server.handle_request)
        asked.start()
        assert reachable.is_reachable(f"http://127.0.0.1:{server.server_port}/")
        asked.join()


def test_where_nobody_listens_there_is_nobody_to_ask() -> None:
    assert not reachable.is_reachable(f"http://127.0.0.1:{free_port()}/")
    assert not reachable.is_reachable("http://nowhere.invalid/")
