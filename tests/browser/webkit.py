"""WebKit as it comes: WebKitGTK's MiniBrowser on its own display, driven over W3C WebDriver."""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

from support.cores import pinned
from support.ports import free_port

DRIVER = "WebKitWebDriver"
LIBRARIES = [Path("/usr/lib"), Path("/usr/libexec")]
SECONDS = 15.0
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class WebDriverError(Exception):
    """The driver refused a command; its text says why."""


class WebKitPage:
    """A page in a browser of its own."""

    def __init__(self, session: str) -> None:
        self._session = session

    def goto(self, address: str) -> None:
        _ask("POST", f"{self._session}/url", {"url": address})

    def evaluate(self, function: str) -> object:
        """The result of a JavaScript function without arguments; a promise is waited for."""
        script = f"""
        const done = arguments[0];
        Promise.resolve(({function})()).then(
            (value) => done({{value}}), (error) => done({{error: `${{error}}`}}));
        """
        body = {"script": script, "args": []}
        answer = _ask("POST", f"{self._session}/execute/async", body)
        assert isinstance(answer, dict)
        if "error" in answer:
            raise WebDriverError(answer["error"])
        return answer.get("value")

    def text(self, selector: str) -> str:
        return str(self.evaluate(f"() => document.querySelector({json.dumps(selector)}).innerText"))

    def click(self, selector: str) -> None:
        """Click as a person does: the element must be in sight."""
        using = {"using": "css selector", "value": selector}
        element = _ask("POST", f"{self._session}/element", using)
        assert isinstance(element, dict)
        _ask("POST", f"{self._session}/element/{element[_ELEMENT]}/click", {})

    def wait_for(self, function: str, seconds: float = SECONDS) -> None:
        """Wait until a JavaScript function is true."""
        until = time.monotonic() + seconds
        while not self.evaluate(function):
            assert time.monotonic() < until, f"never true: {function}"
            time.sleep(0.02)


def program() -> Path | None:
    """The MiniBrowser of the newest WebKitGTK; None if it, its driver or a display is missing."""
    if not (shutil.which(DRIVER) and shutil.which("Xvfb")):
        return None
    found = (path for folder in LIBRARIES for path in folder.glob("**/webkit2gtk-4*/MiniBrowser"))
    return max(found, default=None)


@contextmanager
def opening(
    browser: Path, cores: Sequence[int | None] = (None,)
) -> Iterator[Callable[[str], WebKitPage]]:
    """Opens addresses, each in a browser of its own, since a driver has one session.

    The browsers take turns on `cores`, each on one of them.
    """
    turns = cycle(cores)
    with ExitStack() as cleanup:
        display = cleanup.enter_context(_display())

        def open_page(address: str) -> WebKitPage:
            page = cleanup.enter_context(_session(browser, display, next(turns)))
            page.goto(address)
            return page

        yield open_page


@contextmanager
def _display() -> Iterator[str]:
    read, write = os.pipe()
    screen = ["-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    command = ["Xvfb", "-displayfd", f"{write}", *screen]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as process:
        os.close(write)
        try:
            with os.fdopen(read) as numbers:
                yield f":{numbers.readline().strip()}"
        finally:
            process.terminate()


@contextmanager
def _session(browser: Path, display: str, core: int | None) -> Iterator[WebKitPage]:
    address = f"http://127.0.0.1:{(port := free_port())}"
    environ = os.environ | {"DISPLAY": display, "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1"}
    options = {"binary": f"{browser}", "args": ["--automation"]}
    capabilities = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
    command = pinned([DRIVER, f"--port={port}"], core)
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_ready(address)
            answer = _ask("POST", f"{address}/session", {"capabilities": capabilities})
            assert isinstance(answer, dict)
            session = f"{address}/session/{answer['sessionId']}"
            try:
                _ask("POST", f"{session}/timeouts", {"script": 30_000})
                yield WebKitPage(session)
            finally:
                _ask("DELETE", session)
        finally:
            process.terminate()


def _wait_until_ready(address: str) -> None:
    until = time.monotonic() + SECONDS
    while True:
        try:
            _ask("GET", f"{address}/status")
            return
        except OSError:
            assert time.monotonic() < until, "the driver does not answer"
            time.sleep(0.02)


def _ask(method: str, address: str, body: object = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as error:
        raise WebDriverError(error.read().decode()) from None
