"""Everything that a run has measured, kept in the cache so that the report can be written again."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.crowds import Idle, Joins, Pings, Rooms, Ticks
from bench.edges import Way
from bench.fanout import Crowd
from bench.lateness import Lateness
from bench.machine import CACHE
from bench.watched import Watched

FILE = CACHE / "results.json"


class Results(msgspec.Struct, kw_only=True):
    """One run of the benchmark."""

    taken_on: str = msgspec.field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d"))
    is_quick: bool = False
    is_pieced: bool = False
    """Whether parts were measured apart."""
    machine: dict[str, str] = {}
    left_out: dict[str, str] = {}
    failed: dict[str, str] = {}
    """Rounds that a server did not get through, and why."""
    crowds: dict[int, list[Crowd]] = {}
    """By viewers: the median round of each server."""
    joins: list[Joins] = []
    idle: list[Idle] = []
    pings: list[Pings] = []
    rooms: list[Rooms] = []
    ticks: list[Ticks] = []
    lateness: list[Lateness] = []
    ways: list[Way] = []
    watched: dict[str, Watched] = {}
    """By version: `now` and `before`."""
    watched_on: str = ""
    watched_rounds: int = 3

    def crowd(self, server: str, viewers: int) -> Crowd | None:
        """What was measured of a server with so many viewers."""
        return next(
            (crowd for crowd in self.crowds.get(viewers, []) if crowd.server == server), None
        )

    def save(self, file: Path = FILE) -> None:
        """Keep the results."""
        file.write_bytes(msgspec.json.format(msgspec.json.encode(self)))


def read(file: Path = FILE) -> Results:
    """The last run's results; empty ones where there was no run."""
    return msgspec.json.decode(file.read_bytes(), type=Results) if file.exists() else Results()
