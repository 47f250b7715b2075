"""The canary's own parts: the page that an address leads to, and the server's clock."""

import pytest

from auditor.canary.clock import ServerClock
from auditor.canary.count import Terms, failures
from auditor.canary.page import target_at
from auditor.settings import Settings
from runtime.settings import SettingsError, load


def test_a_site_leads_to_a_room_that_nobody_guesses() -> None:
    one, other = target_at("http://localhost:8080/"), target_at("http://localhost:8080")
    assert one.room != other.room
    assert str(one.page) == f"http://localhost:8080/r/{one.room}"
    assert len(one.room) == len("canary-") + 16
    assert one.is_own
    assert target_at("https://example.org/tminus/").page.path.startswith("/tminus/r/canary-")


def test_a_room_s_address_leads_there_with_its_link_and_nothing_else() -> None:
    found = target_at("https://example.org/tminus/r/quiz?view=stage&link=abc", token="sesame")
    assert (found.room, found.token, found.is_own) == ("quiz", "abc", False)
    assert str(found.page) == "https://example.org/tminus/r/quiz?link=abc"
    assert target_at("http://localhost", room="quiz", token="none").token == ""


@pytest.mark.parametrize(
    "url", ["localhost:8080", "http://", "ftp://x", "http://x/r/A", "http://x/r/a.b"]
)
def test_what_leads_nowhere_is_a_setting_that_is_not_valid(url: str) -> None:
    with pytest.raises(SettingsError, match="CANARY_URL"):
        load(Settings, {"CANARY_URL": url})


def test_each_pong_bounds_the_server_s_clock_from_both_sides() -> None:
    clock = ServerClock()
    assert not clock.is_set
    clock.add(sent=0, server=1030, received=50)
    assert (clock.error_ms, clock.time(50)) == (25, 1055)
    clock.add(sent=100, server=1104, received=120)
    assert (clock.error_ms, clock.time(100)) == (10, 1094)
    clock.add(sent=200, server=9000, received=204)  # the server's clock was set
    assert (clock.error_ms, clock.time(202)) == (2, 9000)


ELEVEN = list(range(10, -1, -1))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([], "viewer 1 has got no tick within 13 s of the start"),
        (ELEVEN[:9], "viewer 1 has not got 1, 0 within 13 s of the start"),
        ([*ELEVEN[:3], *ELEVEN[4:]], "viewer 1 has not got 7"),
        ([*ELEVEN[:3], *ELEVEN[2:]], "viewer 1 has got 8 twice"),
        (
            [9, 10, *ELEVEN[2:]],
            f"viewer 1 has got the numbers in another order: {[9, 10, *ELEVEN[2:]]}",
        ),
    ],
)
def test_what_is_wrong_with_the_numbers_is_one_sentence(numbers: list[int], words: str) -> None:
    assert failures("viewer 1", numbers, Terms()) == [words]
    assert failures("viewer 1", ELEVEN, Terms()) == []
