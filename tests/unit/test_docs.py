"""What the documents name exists, and what exists is in them: settings, metrics, make targets."""

import re

import msgspec
import pytest

import auditor.settings
import coordinator.settings
import frontend.settings
import scheduler.settings
from runtime.settings import Settings, secrets
from support import ROOT

TEXTS = {
    str(file.relative_to(ROOT)): file.read_text()
    for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/chart/*.md")]
}
OPERATIONS = TEXTS["docs/operations.md"]
BOUNDS: list[tuple[str, str]] = re.findall(r"\| `(MAX_\w+)` \| ([\d,]+)", OPERATIONS)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
METRICS = {
    name
    for code in ROOT.glob("*/*/src/**/*.py")
    for name in re.findall(r'"(tminus_\w+)"', code.read_text())
}
EXAMPLE: dict[str, str] = dict(
    re.findall(r"^#([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
)
SERVICES: list[type[Settings]] = [
    *(auditor.settings.Settings, coordinator.settings.Settings),
    *(frontend.settings.Settings, scheduler.settings.Settings),
]
DEFAULTS: dict[str, object] = {
    field.name.upper(): field.default
    for service in SERVICES
    for field in msgspec.structs.fields(service)
}
WITHOUT_ONE_DEFAULT = {"INSTANCE", "METRICS_PORT", "PORT"}


def anchors(text: str) -> set[str]:
    """Those that GitHub gives the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", it.lower()).replace(" ", "-") for it in headings}


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_to_a_file_or_a_heading(name: str) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", TEXTS[name]):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("name", TEXTS)
def test_every_make_target_exists(name: str) -> None:
    begins_a_command = r"(?:`|^)(?:[A-Z_]+=\S+ )*make ([a-z-]+)"
    assert set(re.findall(begins_a_command, TEXTS[name], re.MULTILINE)) <= TARGETS


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_every_setting_is_in_a_table_and_in_the_example_with_its_default(name: str) -> None:
    assert f"`{name}`" in TEXTS["README.md"] or f"| `{name}` |" in OPERATIONS
    default = DEFAULTS[name]
    if name not in WITHOUT_ONE_DEFAULT:
        assert EXAMPLE[name] == (f"{default:.0f}" if isinstance(default, float) else str(default))


@pytest.mark.parametrize(("name", "default"), BOUNDS)
def test_a_bound_has_the_default_that_is_documented(name: str, default: str) -> None:
    assert DEFAULTS[name] == int(default.replace(",", ""))


def test_nothing_is_in_the_example_that_nobody_reads() -> None:
    stacks = [ROOT / "docker-compose.yml", *ROOT.glob("deploy/*.yml"), *ROOT.glob("dev/*.py")]
    read_by_stacks = "".join(file.read_text() for file in stacks)
    files = {f"{name.upper()}_FILE" for service in SERVICES for name in secrets(service)}
    for name in EXAMPLE:
        assert name in DEFAULTS or name in files or re.search(rf"\b{name}\b", read_by_stacks), name


def test_every_metric_is_explained_and_every_metric_that_is_named_exists() -> None:
    exposed = {f"{name}_info" if name == "tminus_process" else name for name in METRICS}
    assert exposed <= set(re.findall(r"\btminus_\w+\b", OPERATIONS))
    for name, text in TEXTS.items():
        if name != "CHANGELOG.md":  # which also has those of earlier versions
            assert set(re.findall(r"\btminus_\w+\w", text)) <= exposed, name


def test_every_script_of_the_page_has_its_place_in_the_description() -> None:
    for script in ROOT.glob("services/frontend/src/frontend/static/*.js"):
        assert re.search(rf"`{script.stem}(\.js)?`", TEXTS["docs/page.md"]), script.name
