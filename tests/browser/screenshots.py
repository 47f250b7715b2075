"""Takes the pictures in docs/screenshots: `make screenshots`."""

import base64
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from .conftest import FLAGS, executable
from .stack import Stack, running
from .watching import wait_for, wait_green

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
# A picture behind the overlay: a stage at dusk, bright and dark in places.
PICTURE = """
<body style="margin: 0; background:
  radial-gradient(circle at 72% 28%, #ffe9b8 0 5%, transparent 24%),
  linear-gradient(#1d2b53 0 20%, #7e4a7a 45%, #f0925f 62%, #f6cf8e 68%, #23303a 68.2%, #101820)">
<img src="data:image/png;base64,PICTURE">
"""
DESKTOP, PHONE, HALL = (1280, 800), (390, 844), (1920, 1080)
ROOM = "keynote"
BOARD: dict[str, dict[str, object] | None] = {
    "keynote": {"from": 2730, "warning": 300, "danger": 60},
    "stage-2": {"from": 195, "warning": 300, "danger": 60},
    "studio-a": {"from": 48, "warning": 300, "danger": 60},
    "studio-b": {"from": 900},
    "panel": {"from": 1, "after_zero": "count"},
    "press": {"from": 1500},
    "workshop": {"from": 5400},
    "doors": {"from": 1200},
    "quiz": {"from": 1},
    "rehearsal": None,
    "green-room": {"from": 600},
    "backstage": None,
}
"""The rooms of the board, and how each run is started."""
MESSAGES = ["Doors are open, welcome", "Please find your seats", "Lights down"]


def main() -> None:
    """Take every picture of one run, and those of a room before it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder)) as stack,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable(playwright), args=FLAGS)
        take(stack, browser)
        take_planned(stack, browser)
        take_board(stack, browser)
        browser.close()


def take(stack: Stack, browser: Browser) -> None:
    def opened(size: tuple[int, int], scheme: str, query: str = "") -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            device_scale_factor=1,
            locale="en-GB",
        )
        page = context.new_page()
        page.goto(stack.page(ROOM, query))
        wait_green(page)
        return page

    pages = {
        "desktop-light": opened(DESKTOP, "light"),
        "desktop-dark": opened(DESKTOP, "dark"),
        "phone-light": opened(PHONE, "light"),
        "phone-dark": opened(PHONE, "dark"),
        "stage-light": opened(HALL, "light", "?view=stage"),
        "stage-dark": opened(HALL, "dark", "?view=stage"),
    }
    overlay = opened(DESKTOP, "light", "?view=overlay&scale=0.7")

    def pictures(moment: str, names: list[str]) -> None:
        for name in names:
            pages[name].screenshot(path=FOLDER / f"{name}-{moment}.png")

    rooms = ["desktop-light", "desktop-dark", "phone-light", "phone-dark"]
    for text in MESSAGES:
        stack.send(ROOM, text)
    for name in rooms:
        expect(pages[name].locator("#messages li")).to_have_count(3)
    expect(pages["stage-dark"].locator("#banner")).to_be_hidden(timeout=10_000)
    pictures("ready", rooms)
    pages["phone-light"].get_by_text("Options").click()
    pictures("options", ["phone-light"])
    pages["phone-light"].get_by_text("Options").click()
    stack.start(ROOM)
    wait_for(pages["desktop-light"], "8")
    pictures("counting", list(pages))
    seen = overlay.screenshot(omit_background=True)
    picture = overlay.context.new_page()
    picture.set_content(PICTURE.replace("PICTURE", base64.b64encode(seen).decode()))
    picture.screenshot(path=FOLDER / "overlay-on-a-picture.png")
    stack.send(ROOM, "Please silence your phones")
    for page in pages.values():
        expect(page.locator("#banner")).to_be_visible()
    pictures("message", ["desktop-dark", "phone-light", "stage-light"])
    wait_for(pages["stage-dark"], "0")
    pages["stage-dark"].wait_for_timeout(600)
    pictures("zero", ["stage-dark", "stage-light", "phone-dark"])
    changes(stack, pages, pictures)
    stack.start(ROOM)
    wait_for(pages["stage-dark"], "9")
    for coordinator in stack.coordinators:
        coordinator.kill()
    for name in ("desktop-dark", "phone-light", "stage-dark"):
        expect(pages[name].locator("html")).to_have_attribute("data-light", "estimating")
        expect(pages[name].locator("#banner")).to_be_hidden()
    wait_for(pages["stage-dark"], "5")
    pictures("estimating", ["desktop-dark", "phone-light", "stage-dark"])
    for coordinator in stack.coordinators:
        coordinator.start()
        coordinator.wait_ready()
    wait_for(pages["stage-dark"], "0")


def changes(
    stack: Stack, pages: dict[str, Page], pictures: Callable[[str, list[str]], None]
) -> None:
    """Take the pictures of a run in its phases, held, and after zero."""

    def ask(what: str, words: str, **body: object) -> None:
        stack.ask("POST", f"/api/rooms/{ROOM}/countdown{what}", body)
        for page in pages.values():
            expect(page.locator("#caption")).to_have_text(re.compile(words))
            # The controls have faded after three seconds.
            page.mouse.move(5, 5)
            page.mouse.move(9, 9)
            expect(page.locator("html")).not_to_have_attribute("data-finale", "")
        pages["desktop-light"].wait_for_timeout(600)

    terms = {"from": 95, "warning": 95, "danger": 60, "after_zero": "count"}
    ask("", "soon over", **terms)
    pictures("warning", ["desktop-light", "stage-dark"])
    ask("/hold", "held for 0:01")
    pictures("held", ["desktop-dark", "phone-light", "stage-light"])
    ask("/resume", "soon over")
    ask("/adjust", "almost over", seconds=-40)
    pictures("danger", ["desktop-dark", "phone-light", "stage-light"])
    ask("/adjust", "over time", seconds=-60)
    pictures("overtime", ["desktop-light", "phone-dark", "stage-dark"])
    stack.ask("DELETE", f"/api/rooms/{ROOM}/countdown")


def take_planned(stack: Stack, browser: Browser) -> None:
    """Take the pictures of a planned hold, and of a run of days."""

    def opened(room: str, name: str, size: tuple[int, int], query: str = "") -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if "dark" in name else "light",
            device_scale_factor=1,
            locale="en-GB",
        )
        page = context.new_page()
        page.goto(stack.page(room, query))
        wait_green(page)
        return page

    holds = [{"at": 60, "for_ms": 600_000}, {"at": 20, "for_ms": 120_000}, {"at": 4}]
    stack.start("launch", **{"from": 60, "holds": holds})
    stack.start("mission", **{"from": 8_584_722})
    for room, name, size, query in [
        ("launch", "desktop-light-planned", DESKTOP, ""),
        ("launch", "phone-dark-planned", PHONE, ""),
        ("launch", "stage-dark-planned", HALL, "?view=stage"),
        ("mission", "desktop-light-days", DESKTOP, ""),
        ("mission", "phone-dark-days", PHONE, ""),
    ]:
        page = opened(room, name, size, query)
        page.wait_for_timeout(600)
        page.screenshot(path=FOLDER / f"{name}.png")
        page.context.close()


def take_board(stack: Stack, browser: Browser) -> None:
    """Take the pictures of a board, on which every state can be seen."""
    names = ",".join(BOARD)
    for room, terms in BOARD.items():
        if terms is not None:
            stack.start(room, **terms)
    stack.ask("POST", "/api/rooms/studio-b/countdown/hold", {})
    stack.ask("DELETE", "/api/rooms/green-room/countdown")
    screens = browser.new_context()
    for room in ("keynote", "keynote", "keynote", "stage-2", "studio-a", "studio-a"):
        screen = screens.new_page()
        screen.goto(stack.page(room, "?view=stage"))
        wait_green(screen)
    for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="dark" if scheme == "dark" else "light",
                device_scale_factor=1,
                has_touch=name == "phone",
                locale="en-GB",
            )
            page = context.new_page()
            page.goto(f"{stack.address}/rooms?names={names}&format=clock")
            wait_green(page)
            page.locator("#room-stage-2").focus()
            page.wait_for_timeout(3000)
            page.screenshot(path=FOLDER / f"{name}-{scheme}-board.png")


if __name__ == "__main__":
    main()
