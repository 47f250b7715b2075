"""The look: everything in its place on any screen, and no more weight than it needs."""

import re

import pytest
from playwright.sync_api import Page, Response, expect

from .conftest import Opening
from .stack import Stack
from .test_overlay import pixel
from .watching import number, wait_for, wait_green

SCREENS = [(320, 480), (390, 844), (844, 390), (1280, 800), (2560, 720), (3840, 2160)]
HEAVIEST_BYTES = 34_500

# The text's own box, which may be larger than the element's.
BOXES = """() => {
  const range = document.createRange();
  range.selectNodeContents(document.getElementById("number"));
  const box = ({left, top, right, bottom}) => ({left, top, right, bottom});
  return {
    text: box(range.getBoundingClientRect()),
    ring: box(document.getElementById("ring").getBoundingClientRect()),
    width: innerWidth, height: innerHeight, scroll: document.documentElement.scrollWidth,
  };
}"""


# Turns the ring of a run that is over to where so much of it is left.
TURN = """(left) => {
  for (const animation of document.getAnimations())
    if (animation.effect.target.id.startsWith("arc"))
      animation.currentTime = (1 - left) * animation.effect.getTiming().duration;
}"""


@pytest.mark.parametrize("size", SCREENS, ids=lambda size: f"{size[0]}x{size[1]}")
def test_nothing_is_cut_off(
    stack: Stack, room: str, open_page: Opening, size: tuple[int, int]
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    pages = {
        view: open_page(stack.page(room, view), viewport=viewport)
        for view in ("", "?view=stage", "?view=overlay")
    }
    for page in pages.values():
        wait_green(page)
    stack.start(room, **{"from": 12})
    for view, page in pages.items():
        expect(number(page)).to_have_text(re.compile(r"^1[0-2]$"))
        seen = page.evaluate(BOXES)
        for box in (seen["text"], seen["ring"]):
            assert box["left"] >= 0
            assert box["top"] >= 0
            assert box["right"] <= seen["width"]
            assert box["bottom"] <= seen["height"]
        assert seen["scroll"] <= seen["width"]
        # The number stands inside the ring, and fills it.
        ring = seen["ring"]["right"] - seen["ring"]["left"]
        text = seen["text"]["right"] - seen["text"]["left"]
        assert 0.6 < text / ring < 0.85
        if view:
            assert ring > 0.9 * min(size)


@pytest.mark.parametrize(("first", "query"), [(86_400, ""), (86_400, "?format=clock"), (600, "")])
def test_long_numbers_stay_inside_the_ring(
    stack: Stack, room: str, open_page: Opening, first: int, query: str
) -> None:
    page = open_page(stack.page(room, query))
    wait_green(page)
    stack.start(room, **{"from": first})
    expect(number(page)).to_have_text(re.compile(r"\d"))
    seen = page.evaluate(BOXES)
    ring = seen["ring"]["right"] - seen["ring"]["left"]
    assert seen["text"]["right"] - seen["text"]["left"] < 0.87 * ring


def test_the_number_does_not_jump_from_ten_to_nine(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    stack.start(room)

    def middle_and_height() -> tuple[float, float]:
        box = page.evaluate(BOXES)["text"]
        return (box["left"] + box["right"]) / 2, box["bottom"] - box["top"]

    wait_for(page, "10")
    ten = middle_and_height()
    wait_for(page, "9")
    assert middle_and_height() == pytest.approx(ten, abs=0.6)


def test_the_ring_runs_down_between_two_numbers(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    stack.start(room, **{"from": 3, "interval_ms": 2000})
    wait_for(page, "3")
    turned = "getComputedStyle(document.getElementById('arc-cap')).transform"
    before = page.evaluate(turned)
    page.wait_for_timeout(300)
    assert page.evaluate(turned) != before
    expect(number(page)).to_have_text("3")


@pytest.mark.chromium  # as in test_overlay.py, a screenshot is measured
def test_at_its_end_the_ring_is_drawn_at_the_top_alone(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room, "?view=stage"), viewport={"width": 400, "height": 400})
    wait_green(page)
    stack.start(room)
    wait_for(page, "9")
    stack.ask("DELETE", f"/api/rooms/{room}/countdown")
    expect(page.locator("#caption")).to_have_text("cancelled")
    box = page.locator("#ring").bounding_box()
    assert box is not None
    middle = round(box["x"] + box["width"] / 2)
    rim = round(box["width"] * 0.025)
    reader = open_page("about:blank")
    for left in (0.006, 0.003, 0.001):
        page.evaluate(TURN, left)
        picture = page.screenshot()
        bare = pixel(reader, picture, round(box["x"]) + rim, middle)
        bottom = round(box["y"] + box["height"]) - rim
        assert all(pixel(reader, picture, middle + x, bottom) == bare for x in range(-3, 3))
        assert pixel(reader, picture, middle, round(box["y"]) + rim) != bare


def test_reduced_motion_is_respected(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room), reduced_motion="reduce")
    wait_green(page)
    stack.start(room, **{"from": 2, "interval_ms": 1500})
    wait_for(page, "1")
    running = "document.getAnimations().filter((one) => one.playState === 'running').length"
    assert page.evaluate(running) == 0
    wait_for(page, "0")
    assert page.evaluate(running) == 0


def test_the_whole_page_is_light(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page("about:blank")
    weights: list[int] = []

    def weigh(response: Response) -> None:
        weights.append(response.request.sizes()["responseBodySize"])

    page.on("response", weigh)
    page.goto(stack.page(room), wait_until="networkidle")
    wait_green(page)
    assert len(weights) > 10
    assert sum(weights) < HEAVIEST_BYTES


def test_it_needs_nothing_from_elsewhere(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(stack.page(room), wait_until="networkidle")
    assert all(url.startswith(stack.address) for url in asked)


def test_controls_step_back_while_nobody_moves(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    stack.start(room)
    expect(page.locator("#panel")).to_have_css("opacity", "0")
    page.mouse.move(200, 200)
    expect(page.locator("#panel")).to_have_css("opacity", "1")


def luminance(page: Page, css: str) -> float:
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", css)[:3])

    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_look_follows_the_system(
    stack: Stack, room: str, open_page: Opening, scheme: str
) -> None:
    page = open_page(stack.page(room), color_scheme=scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(page, paper) > 0.5) == (scheme == "light")
