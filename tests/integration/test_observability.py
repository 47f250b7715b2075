"""A real Prometheus scrapes the stack during a countdown: the board and the alerts find data."""

import asyncio
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from support.observed import ERROR_MS, ROOM, TICKS, VIEWERS, WORKERS, Observed, observed
from support.prometheus import FOLDER, program

BOARD = json.loads((FOLDER / "grafana" / "dashboards" / "tminus.json").read_text())
QUERIES = sorted(
    {target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())}
    | {note["expr"] for note in BOARD["annotations"]["list"]} - {'ALERTS{alertstate="firing"}'}
)
"""Of the board; that of the alerts finds something only if all is not well."""
COMPARISON = re.compile(r"\s*[<>]=?\s*[\d.]+$")
"""The end of an alert's expression, without which it is what is compared."""
LABELS = {
    *("__name__", "job", "instance", "exported_instance", "service", "version"),
    *("code", "kind", "le", "outcome", "reason", "status", "subject", "type", "viewers", "worker"),
}
"""Of our metrics. None has a value that strangers choose, such as a room's name."""


EMITTED, STORED, SENT = (
    f"tminus_tick_{step}_late_seconds" for step in ("emitted", "stored", "sent")
)
FIGURES = {
    f"sum({EMITTED}_count)": TICKS,
    f"sum({STORED}_count)": TICKS,
    f"sum({SENT}_count)": 2 * TICKS,
    "sum(max_over_time(tminus_viewers[5m]))": 2 * VIEWERS,
    "sum(max_over_time(tminus_screens[5m]))": 2 * VIEWERS,
    "max(max_over_time(tminus_screen_error_seconds[5m]))": ERROR_MS / 1000,
    'sum(tminus_appends_total{outcome="stored"})': TICKS + 1,
    # A tick is emitted before it is stored, and before it is sent.
    f"sum({EMITTED}_sum) < bool sum({STORED}_sum)": 1,
    f"sum({EMITTED}_sum) < bool avg({SENT}_sum)": 1,
    "sum(tminus_ready)": 4 + WORKERS,
}
"""What Prometheus knows after a countdown with two coordinators."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """The stack after a countdown; the tests only look at it."""
    program("prometheus")
    with observed(tmp_path_factory.mktemp("observed")) as stack:
        asyncio.run(stack.count_down())
        stack.figures = stack.prometheus.settled(FIGURES)
        stack.auditor.start()
        yield stack


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_board_finds_data(stack: Observed, query: str) -> None:
    query = query.replace("$__rate_interval", "1m").replace("$__range", "5m")
    assert stack.prometheus.found(query)


def test_the_figures_are_those_of_the_countdown(stack: Observed) -> None:
    """Each tick once at each step: stored by one scheduler, sent by each coordinator."""
    assert stack.figures == FIGURES


def test_each_alert_is_evaluated_on_data_and_none_fires(stack: Observed) -> None:
    [group] = stack.prometheus.get("rules")["groups"]
    assert len(group["rules"]) == (FOLDER / "alerts.yml").read_text().count("- alert: ")
    for rule in group["rules"]:
        assert rule["health"] == "ok", rule["lastError"]
        assert rule["state"] != "firing", rule["name"]
        compared, count = COMPARISON.subn("", rule["query"])
        assert count == 1, rule["query"]
        assert stack.prometheus.found(compared), rule["name"]


def test_no_label_has_a_value_that_a_stranger_chooses(stack: Observed) -> None:
    everything = stack.prometheus.get("series", **{"match[]": '{__name__=~"tminus_.+"}'})
    assert {name for series in everything for name in series} <= LABELS
    assert not [series for series in everything if ROOM in json.dumps(series)]


@pytest.mark.parametrize("kind", ["scheduler", "coordinator", "frontend"])
def test_promtool_finds_nothing_wrong_with_the_metrics(stack: Observed, kind: str) -> None:
    """Names with their units, counters that are called so, and a help text for each."""
    with urllib.request.urlopen(f"http://{stack.targets[kind][0]}/metrics") as answer:
        metrics = answer.read()
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=metrics,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
