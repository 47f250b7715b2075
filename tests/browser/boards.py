"""What tests of the board look at: its address, its cards, and their rooms."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from .stack import Stack


def address(stack: Stack, names: list[str], query: str = "") -> str:
    return f"{stack.address}/rooms?names={','.join(names)}{query}"


def card(page: Page, room: str) -> Locator:
    return page.locator(f"#room-{room}")


def shows(page: Page, room: str, digits: str | re.Pattern[str], status: str | None = None) -> None:
    """Wait until a card shows this."""
    expect(card(page, room).locator(".digits")).to_have_text(digits)
    if status is not None:
        expect(card(page, room)).to_have_attribute("data-status", status)


def state(stack: Stack, room: str) -> dict[str, Any]:
    return dict(stack.ask("GET", f"/api/rooms/{room}")[1]["state"])
