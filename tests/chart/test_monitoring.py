"""What Prometheus Operator makes of the chart is what the alerts and the board go by."""

import pytest
import yaml

from chart.rendering import Document, documents, examples, of_kind, pods
from support.prometheus import FOLDER


@pytest.fixture
def found() -> list[Document]:
    return documents(*examples()["monitoring"])


def test_the_alerts_are_those_that_are_tested(found: list[Document]) -> None:
    [rule] = of_kind("PrometheusRule", found).values()
    assert rule["spec"] == yaml.load((FOLDER / "alerts.yml").read_text(), yaml.CSafeLoader)
    assert rule["metadata"]["labels"]["release"] == "prometheus"


def test_each_service_is_a_job_of_its_own(found: list[Document]) -> None:
    [monitor] = (one for name, one in of_kind("PodMonitor", found).items() if name == "tminus")
    label = monitor["spec"]["jobLabel"]
    jobs = {pod["metadata"]["labels"].get(label) for _, pod in pods(found)}
    assert {"scheduler", "coordinator", "frontend", "auditor"} <= jobs
