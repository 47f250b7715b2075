"""The alerts: they parse, fire when they should and not otherwise, and each is explained."""

import re
import subprocess

import pytest

from support import ROOT
from support.prometheus import FOLDER, program

ALERTS = re.findall(r"- alert: (\w+)", (FOLDER / "alerts.yml").read_text())
DOCS = (ROOT / "docs" / "observability.md").read_text()


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
    ids=lambda arguments: arguments[-1],
)
def test_promtool_finds_nothing_wrong(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_and_has_a_paragraph_to_act_by() -> None:
    tested = (FOLDER / "alerts_test.yml").read_text()
    links = re.findall(r"runbook: docs/observability.md#(\w+)", (FOLDER / "alerts.yml").read_text())
    assert links == [alert.lower() for alert in ALERTS]
    for alert in ALERTS:
        assert f"### {alert}\n" in DOCS, alert
        assert re.search(rf"\b{alert}\b", tested), alert


def test_no_alert_goes_by_what_screens_say() -> None:
    """Anybody may be a screen, and report anything."""
    assert "tminus_screen" not in (FOLDER / "alerts.yml").read_text()
