"""What tests ask of a page that they watch."""

from playwright.sync_api import Locator, Page, expect

# Script for a page: it waits a tenth of what it may until it tries to connect again, 1.5 s at most.
SOON = "Math.random = () => 0.1;"
DEFAULT_RUN = [f"{number}" for number in range(10, -1, -1)]


def number(page: Page) -> Locator:
    return page.locator("#number")


def wait_for(page: Page, text: str, seconds: float = 15) -> None:
    """Wait until the page shows this number."""
    expect(number(page)).to_have_text(text, timeout=seconds * 1000)


def wait_green(page: Page) -> None:
    """Wait until the page is connected and knows the time."""
    expect(page.locator("html")).to_have_attribute("data-light", "green", timeout=15_000)


def shown(page: Page) -> list[str]:
    """The numbers that the page has shown, in order."""
    return [text for text, _ in page.evaluate("window.shown") if text]


def words(page: Page) -> str:
    return page.locator("#status-words").inner_text()


def light(page: Page) -> str | None:
    """What the light says: green, amber, estimating or red."""
    return page.locator("html").get_attribute("data-light")
