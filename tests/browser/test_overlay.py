"""Stage and overlay: nothing but the number and the ring, on real transparency."""

import base64

import pytest
from playwright.sync_api import Page, expect

from .conftest import Opening
from .stack import Stack
from .watching import light, wait_for, wait_green

ALPHA = """async ([picture, x, y]) => {
  const image = new Image();
  image.src = "data:image/png;base64," + picture;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return [...context.getImageData(x, y, 1, 1).data];
}"""


def pixel(reader: Page, picture: bytes, x: int, y: int) -> list[int]:
    """The red, green, blue and alpha of a pixel of a picture."""
    return list(reader.evaluate(ALPHA, [base64.b64encode(picture).decode(), x, y]))


@pytest.mark.chromium  # a screenshot with transparency
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_overlay_paints_no_background(
    stack: Stack, room: str, open_page: Opening, scheme: str
) -> None:
    page = open_page(stack.page(room, "?view=overlay"), color_scheme=scheme)
    wait_green(page)
    stack.start(room)
    wait_for(page, "8")
    picture = page.screenshot(omit_background=True)
    reader = open_page("about:blank")
    assert pixel(reader, picture, 5, 5)[3] == 0
    # Between the number and the ring there is the picture below, too.
    assert pixel(reader, picture, 640, 60)[3] == 0
    # The digits are white, with a dark line around them: an 8 has both in its middle column.
    column = [pixel(reader, picture, 640, y) for y in range(200, 600, 6)]
    assert any(rgba[3] == 255 and min(rgba[:3]) > 240 for rgba in column)
    assert any(rgba[3] == 255 and max(rgba[:3]) < 20 for rgba in column)


@pytest.mark.parametrize("view", ["stage", "overlay"])
def test_there_is_nothing_but_the_number_and_the_ring(
    stack: Stack, room: str, open_page: Opening, view: str
) -> None:
    page = open_page(stack.page(room, f"?view={view}"))
    wait_green(page)
    stack.start(room)
    wait_for(page, "9")
    assert page.locator("button, input, header, aside, a").count() == 0
    assert page.locator("main").inner_text().strip() == "9"
    # What is for those who listen takes no room.
    assert page.locator("#announcer").evaluate("(part) => part.offsetWidth") == 1


@pytest.mark.parametrize(
    ("stale", "opacity", "visibility"),
    [("keep", "1", "visible"), ("dim", "0.35", "visible"), ("hide", "1", "hidden")],
)
def test_what_is_stale_is_kept_dimmed_or_hidden_as_asked(
    own_stack: Stack, room: str, open_page: Opening, stale: str, opacity: str, visibility: str
) -> None:
    page = open_page(own_stack.page(room, f"?view=overlay&stale={stale}"))
    wait_green(page)
    own_stack.start(room)
    wait_for(page, "9")
    expect(page.locator("#dial")).to_have_css("opacity", "1")
    for coordinator in own_stack.coordinators:
        coordinator.kill()
    expect(page.locator("html")).to_have_attribute("data-doubt", "")
    assert light(page) == "estimating"
    expect(page.locator("#dial")).to_have_css("opacity", opacity)
    expect(page.locator("#dial")).to_have_css("visibility", visibility)


@pytest.mark.parametrize(
    ("query", "transform"),
    [("mirror=h", "matrix(-1, 0, 0, 1, 0, 0)"), ("mirror=v", "matrix(1, 0, 0, -1, 0, 0)")],
)
def test_it_can_be_mirrored(
    stack: Stack, room: str, open_page: Opening, query: str, transform: str
) -> None:
    page = open_page(stack.page(room, f"?view=stage&{query}"))
    expect(page.locator("#stage")).to_have_css("transform", transform)


def test_it_can_be_scaled(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room, "?view=overlay&scale=0.5"))
    half = page.locator("#dial").bounding_box()
    page.goto(stack.page(room, "?view=overlay"))
    whole = page.locator("#dial").bounding_box()
    assert half is not None
    assert whole is not None
    assert half["width"] == pytest.approx(whole["width"] / 2, abs=1)


def test_a_stage_shows_by_its_ring_that_it_estimates(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(own_stack.page(room, "?view=stage"))
    wait_green(page)
    own_stack.start(room)
    wait_for(page, "9")
    before = page.locator("#arc-first path").evaluate("(arc) => getComputedStyle(arc).stroke")
    for coordinator in own_stack.coordinators:
        coordinator.kill()
    expect(page.locator("html")).to_have_attribute("data-light", "estimating")
    expect(page.locator("#arc-first path")).not_to_have_css("stroke", before)
    expect(page.locator(".track")).not_to_have_css("stroke-dasharray", "none")


def test_what_is_not_known_in_the_address_costs_nothing(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room, "?view=cinema&scale=huge&mirror=x&stale=never"))
    expect(page.get_by_role("button", name="Start")).to_be_visible()


@pytest.mark.chromium  # headless Firefox has no wake lock
def test_the_screen_is_kept_awake_while_a_run_is_on(
    stack: Stack, room: str, open_page: Opening
) -> None:
    script = """
    window.locks = [];
    navigator.wakeLock.request = async (kind) => {
      const lock = {released: false, release: () => (lock.released = true)};
      window.locks.push(lock);
      return lock;
    };
    """
    page = open_page(stack.page(room, "?view=stage"), script)
    wait_green(page)
    assert page.evaluate("window.locks.length") == 0
    stack.start(room, **{"from": 2})
    wait_for(page, "1")
    assert page.evaluate("window.locks.map((lock) => lock.released)") == [False]
    wait_for(page, "0")
    assert page.evaluate("window.locks.map((lock) => lock.released)") == [True]


def test_f_fills_the_screen_and_gives_it_back(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room, "?view=stage"))
    wait_green(page)
    page.keyboard.press("f")
    expect(page.locator("html:fullscreen")).to_have_count(1)
    page.keyboard.press("f")
    expect(page.locator("html:fullscreen")).to_have_count(0)


def test_a_message_is_large_on_a_stage_with_the_time_beside_it(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room, "?view=stage"))
    wait_green(page)
    stack.start(room, **{"from": 60})
    wait_for(page, "59")
    for text in ("Hi", "Please " * 60, "a" + "\n" * 4000 + "z"):
        stack.send(room, text)
        banner = page.locator("#banner")
        expect(banner).to_have_text(" ".join(text.split()))
        assert banner.evaluate("(box) => box.scrollHeight <= box.clientHeight + 1")
        assert banner.evaluate("(box) => box.scrollWidth <= box.clientWidth + 1")
        dial, box = page.locator("#dial").bounding_box(), banner.bounding_box()
        assert dial is not None
        assert box is not None
        assert box["x"] + box["width"] <= dial["x"] + 1
        assert dial["width"] > 300
    expect(page.locator("#banner")).to_be_hidden(timeout=10_000)
