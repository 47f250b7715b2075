"""The board's structure. Grafana reads it, and a test of the stack runs its queries."""

import json
import re

from support import ROOT
from support.prometheus import FOLDER

BOARD = json.loads((FOLDER / "grafana" / "dashboards" / "tminus.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
ROWS = [panel for panel in BOARD["panels"] if panel["type"] == "row"]
WIDTH = 24
"""Of Grafana's grid."""


def test_each_panel_has_an_id_of_its_own() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_each_panel_says_what_it_shows_and_in_which_unit() -> None:
    for panel in PANELS:
        title = panel["title"]
        assert title
        assert panel["description"].endswith("."), title
        assert panel["fieldConfig"]["defaults"]["unit"], title
    titles = [panel["title"] for panel in BOARD["panels"]]
    assert len(set(titles)) == len(titles)


def test_each_query_is_of_the_datasource_that_the_board_is_given() -> None:
    [variable] = BOARD["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        assert panel["datasource"] == source, panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == source
            assert target["expr"]
            assert target["legendFormat"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]


def test_what_is_drawn_over_time_goes_by_the_interval_of_the_page() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            over = re.findall(r"\[(.+?)\]", target["expr"])
            assert set(over) <= {"$__rate_interval", "$__range"}, panel["title"]


def test_the_panels_lie_side_by_side_and_no_two_share_a_place() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    last = max(y for _, y in taken)
    assert taken == {(x, y) for x in range(WIDTH) for y in range(last + 1)}


def test_the_rows_follow_a_countdown_through_the_stack() -> None:
    words = [row["title"].split(" · ")[0] for row in ROWS]
    assert words == [
        *("Asked", "Due → emitted → stored → sent", "Stored", "Followed", "Sent", "Seen"),
        *("Proved", "Refused", "Beneath"),
    ]


def test_nobody_can_sign_in_to_the_board() -> None:
    stack = (ROOT / "docker-compose.yml").read_text()
    _, grafana, *_ = re.split(r"^  grafana:\n|^networks:\n", stack, flags=re.MULTILINE)
    settings = dict(re.findall(r"^      (GF_\w+): (.+)$", grafana, flags=re.MULTILINE))
    assert settings["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == '"true"'
    assert settings["GF_AUTH_DISABLE_LOGIN_FORM"] == '"true"'
    assert settings["GF_AUTH_BASIC_ENABLED"] == '"false"'
    assert settings["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert 'ports: ["127.0.0.1:' in grafana
    assert "profiles: [observability]" in grafana
