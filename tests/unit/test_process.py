"""A service as a process: how many files it may have open, how long it keeps an idle connection."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import coordinator.app
from coordinator.settings import Settings
from runtime.process import KEEPALIVE_SECONDS, UNLIMITED_FILES, raise_file_limit

FOR_EVER = 2**63 - 1
"""What stands for no limit on macOS."""


class System(SimpleNamespace):
    """A system's `resource`: its limits, and the most that it takes as a soft one."""

    RLIMIT_NOFILE = 7

    def __init__(self, soft: int, hard: int, most: int, infinity: int = FOR_EVER) -> None:
        super().__init__(limits=(soft, hard), most=most, RLIM_INFINITY=infinity)

    def getrlimit(self, kind: int) -> tuple[int, int]:
        assert kind == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, kind: int, limits: tuple[int, int]) -> None:
        assert kind == self.RLIMIT_NOFILE
        soft, hard = limits
        if soft == self.RLIM_INFINITY or not 0 <= soft <= self.most:
            raise ValueError("current limit exceeds maximum limit")
        self.limits = (soft, hard)


@pytest.mark.parametrize(
    ("system", "files"),
    [
        (System(1024, 4096, most=4096, infinity=-1), 4096),
        (System(1024, 1 << 20, most=1 << 20, infinity=-1), 1 << 20),
        (System(256, FOR_EVER, most=1 << 20), 65_536),
        (System(256, FOR_EVER, most=10_240), 10_240),
        (System(256, FOR_EVER, most=256), 256),
        (System(100_000, FOR_EVER, most=1 << 20), 100_000),
        (System(1024, -1, most=1 << 20, infinity=-1), 65_536),
        (System(-1, -1, most=1 << 20, infinity=-1), UNLIMITED_FILES),
        (System(FOR_EVER, FOR_EVER, most=1 << 20), UNLIMITED_FILES),
    ],
)
def test_the_file_limit_is_as_high_as_the_system_takes(
    monkeypatch: pytest.MonkeyPatch, system: System, files: int
) -> None:
    monkeypatch.setitem(sys.modules, "resource", system)
    assert raise_file_limit() == files


def test_a_system_without_file_limits_has_room_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert raise_file_limit() == UNLIMITED_FILES


@pytest.mark.parametrize("service", ["scheduler", "coordinator", "frontend", "auditor"])
def test_a_service_can_be_imported_where_there_are_no_file_limits(service: str) -> None:
    program = f"import sys; sys.modules['resource'] = None; import {service}.__main__"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_there_are_no_more_viewers_than_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules,
        "resource",
        System(256, 1064, most=1064),
    )
    # A quarter of the files are for connections that are not viewers yet.
    for asked, most in ((0, 734), (2, 2), (5000, 734)):
        assert coordinator.app._max_viewers(Settings(max_viewers=asked)) == most
    assert coordinator.app._max_viewers(Settings(max_connections=100)) == 900


def test_the_edge_lets_go_of_an_idle_connection_before_the_services_do() -> None:
    caddyfile = Path(__file__).parent.parent.parent / "deploy" / "Caddyfile"
    [seconds] = re.findall(r"^\s*keepalive (\d+)s$", caddyfile.read_text(), re.MULTILINE)
    assert int(seconds) < KEEPALIVE_SECONDS
