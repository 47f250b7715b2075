"""What the release builds: an image of every service, on the port that Compose gives it."""

import re

from support import ROOT

BUILT = r'\{service: (\w+), port: "(\d+)"\}'
COMPOSED = r'args: \{SERVICE: (\w+), PORT: "(\d+)"\}'


def test_every_service_is_released() -> None:
    released = re.findall(BUILT, (ROOT / ".github" / "workflows" / "images.yml").read_text())
    composed = re.findall(COMPOSED, (ROOT / "docker-compose.yml").read_text())
    assert sorted(released) == sorted(composed)
    assert {service for service, _ in released} == {
        package.parent.name for package in (ROOT / "services").glob("*/pyproject.toml")
    }
