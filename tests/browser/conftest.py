"""Real browsers and the real services. Synchronous: Playwright runs a loop of its own."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright

from support.cores import pinned_program
from support.skip import skip

from . import firefox
from .stack import Stack, running

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SYSTEM_BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
ACTION_MS = 15_000

ABOUT_NETWORK = (
    "Failed to load resource",
    "WebSocket connection to",
    "Access to fetch at",
    "Firefox can’t establish a connection",  # noqa: RUF001
    "The connection to ws",
    "The Same Origin Policy disallows reading",
)

# Keeps every number that the page shows, with the moment it did.
RECORD = """
window.shown = [];
addEventListener("DOMContentLoaded", () => {
  const number = document.getElementById("number");
  if (!number) return;
  const record = () => window.shown.push([number.textContent, Date.now()]);
  record();
  new MutationObserver(record).observe(number, {childList: true, subtree: true});
});
"""

Opening = Callable[..., Page]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--browser", choices=["chromium", "firefox"], default="chromium")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "chromium: needs what only Chromium has")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--browser") != "chromium":
        items[:] = [item for item in items if item.get_closest_marker("chromium") is None]


def executable(playwright: Playwright) -> str:
    for name in SYSTEM_BROWSERS:
        if path := shutil.which(name):
            return path
    downloaded = playwright.chromium.executable_path
    if not Path(downloaded).exists():
        skip("no Chromium: install your system's, or run `playwright install chromium`")
    return downloaded


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(
    playwright: Playwright, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("browser")
    browser = launch(playwright, pytestconfig.getoption("--browser"), folder)
    yield browser
    browser.close()


def launch(playwright: Playwright, name: str, folder: Path, core: int | None = None) -> Browser:
    """Chromium or Firefox, on one core if it is named; `folder` must stay for as long as it
    runs."""
    if name == "chromium":
        program = pinned_program(executable(playwright), core, folder)
        return playwright.chromium.launch(executable_path=program, args=FLAGS)
    found = firefox.executable(folder)
    if found is None:
        skip("no Firefox: install your system's")
    program = pinned_program(f"{found}", core, folder)
    return playwright.firefox.launch(channel="moz-firefox", executable_path=program)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for all tests that leave it whole; each has a room of its own."""
    with running(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack for a test that breaks it."""
    with running(tmp_path) as stack:
        yield stack


@pytest.fixture
def token_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack that may be controlled with a token only."""
    with running(tmp_path, CONTROL_TOKEN="open sesame") as stack:
        yield stack


@pytest.fixture
def room() -> str:
    return f"room-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def names() -> list[str]:
    """Two rooms of the test's own."""
    tail = uuid.uuid4().hex[:8]
    return [f"quiz-{tail}", f"launch-{tail}"]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opening]:
    """Opens an address in a browser of its own; an error in the page fails the test."""
    with opening(browser) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def module_open(browser: Browser) -> Iterator[Opening]:
    """The same for what several tests of a module look at."""
    with opening(browser) as open_page:
        yield open_page


@contextmanager
def opening(browser: Browser) -> Iterator[Opening]:
    contexts = []
    errors: list[str] = []

    def on_error(text: str) -> None:
        # Whether an address answers is what a test is about; that the page is sound, never.
        if not text.startswith(ABOUT_NETWORK):
            errors.append(text)

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            on_error(message.text)

    def open_page(address: str, script: str = "", **options: object) -> Page:
        size = {"viewport": {"width": 1280, "height": 800}}
        context = browser.new_context(**(size | options))  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(ACTION_MS)
        if options.get("java_script_enabled", True):
            context.add_init_script(RECORD + script)
        page = context.new_page()
        page.on("pageerror", lambda error: on_error(str(error)))
        page.on("console", on_console)
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors
