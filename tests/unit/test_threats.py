"""docs/threats.md names tests that exist, and no bound without one."""

import re

import pytest

from chaos.scenarios import LOCAL
from support import ROOT

TEXT = (ROOT / "docs" / "threats.md").read_text()
REQUIREMENTS = ROOT / "requirements"
NAMED = sorted(set(re.findall(r"`(tests/\S+?)::(\w+)`", TEXT)))
SCENARIOS = sorted(set(re.findall(r"`make chaos SCENARIO=(\S+?)`", TEXT)))
BOUNDS = [line for line in TEXT.splitlines() if re.match(r"\| [STRIDE](, [STRIDE])* \|", line)]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_that_is_named_exists(name: str) -> None:
    assert name in {scenario.name for scenario in LOCAL}


def test_every_bound_names_what_shows_it() -> None:
    assert len(BOUNDS) > 25
    for line in BOUNDS:
        shown_by = line.split(" | ")[-1]
        assert "::test_" in shown_by or "make chaos SCENARIO=" in shown_by, line


@pytest.mark.parametrize("lock", [lock.stem for lock in REQUIREMENTS.glob("*.in")])
def test_every_requirement_is_pinned_with_its_hashes(lock: str) -> None:
    text = (REQUIREMENTS / f"{lock}.txt").read_text().replace("\\\n", " ")
    requirements = [
        line for line in text.splitlines() if line and not line.lstrip().startswith("#")
    ]
    assert requirements
    for requirement in requirements:
        assert re.match(r"\S+==\S+ ", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement
