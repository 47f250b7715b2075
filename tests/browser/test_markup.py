"""What strangers write is text, on every screen and in every form that comes back."""

import urllib.error
import urllib.parse
import urllib.request

import pytest
from playwright.sync_api import expect

from .conftest import Opening
from .stack import Stack
from .watching import wait_green

MARKUP = "<img src=x onerror=\"document.title='taken'\"></script><script>document.title='taken'"


def test_markup_in_a_message_is_shown_as_text(stack: Stack, room: str, open_page: Opening) -> None:
    pages = [open_page(stack.page(room)), open_page(stack.page(room, "?view=stage"))]
    for page in pages:
        wait_green(page)
    stack.send(room, MARKUP)
    expect(pages[0].locator("#messages")).to_contain_text(MARKUP)
    expect(pages[1].locator("#banner")).to_contain_text(MARKUP)
    for page in pages:
        assert page.locator("#messages img, #banner img").count() == 0
        assert "taken" not in page.title()


def test_markup_in_a_form_comes_back_as_text(stack: Stack, room: str) -> None:
    form = urllib.parse.urlencode({"from": MARKUP}).encode()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{stack.page(room)}/start", data=form, timeout=5)
    page = caught.value.read().decode()
    assert caught.value.code == 422
    assert "&lt;img src=x" in page
    assert "<img src=x" not in page
