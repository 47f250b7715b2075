"""A real Prometheus, configured as it is deployed but for where its targets are and how often."""

import json
import re
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

from . import ROOT
from .ports import free_port
from .process import Process
from .skip import skip

FOLDER = ROOT / "deploy" / "observability"
START_SECONDS = 20.0
FIND_SECONDS = 20.0
LOOK_SECONDS = 0.05

Sample = tuple[dict[str, str], float]
"""The labels and the value of one series."""


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`; skips the test if this machine has none."""
    found = shutil.which(name)
    if found is None:
        skip(f"{name} is not installed")
    return found


class Prometheus(Process):
    """Scrapes `targets`, the addresses of each job, once a second."""

    def __init__(self, folder: Path, targets: Mapping[str, Sequence[str]]) -> None:
        self.port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(configuration(targets))
        command = [
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        super().__init__("prometheus", command, {}, folder)

    def wait_ready(self) -> None:
        """Wait until it answers queries."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=2).close()
            except OSError:
                assert self.is_running, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(LOOK_SECONDS)
            else:
                return

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API; an error fails the test."""
        query = urllib.parse.urlencode(parameters)
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Sample]:
        """The series of an expression now, those without a number left out."""
        found = self.get("query", query=expression)["result"]
        samples = [(one["metric"], float(one["value"][1])) for one in found]
        return [sample for sample in samples if not isnan(sample[1])]

    def found(self, expression: str) -> list[Sample]:
        """The series of an expression, as soon as there are any; fails if there never are."""
        deadline = time.monotonic() + FIND_SECONDS
        while not (samples := self.query(expression)):
            assert time.monotonic() < deadline, f"nothing is found by {expression}"
            time.sleep(LOOK_SECONDS)
        return samples

    def settled(self, expected: Mapping[str, float]) -> dict[str, float | None]:
        """The values of some expressions of one series, as soon as they are the expected ones, or
        else as they are at last."""
        deadline = time.monotonic() + FIND_SECONDS
        while True:
            values = {one: next((v for _, v in self.query(one)), None) for one in expected}
            if values == expected or time.monotonic() > deadline:
                return values
            time.sleep(LOOK_SECONDS)

    def until(self, expression: str, value: float) -> None:
        """Wait until an expression has a value; fails if it never has."""
        values = self.settled({expression: value})
        assert values[expression] == value, values


def configuration(targets: Mapping[str, Sequence[str]]) -> str:
    """The deployed configuration with these targets in the place of those of its jobs."""
    text = (FOLDER / "prometheus.yml").read_text()
    text = text.replace("[alerts.yml]", json.dumps([str(FOLDER / "alerts.yml")]))
    text = re.sub(r"_(interval|timeout): \d+s", r"_\1: 1s", text)
    head, *jobs = re.split(r"(?=  - job_name: )", text)
    return head + "".join(_static(job, targets) for job in jobs)


def _static(job: str, targets: Mapping[str, Sequence[str]]) -> str:
    name = re.findall(r"job_name: (\w+)", job)[0]
    found = f"static_configs: [{{targets: {json.dumps(list(targets.get(name, ())))}}}]"
    changed, count = re.subn(r"(dns_sd|static)_configs: .*", found, job)
    assert count == 1, job
    return changed
