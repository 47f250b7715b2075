"""The chart is well formed, is what Kubernetes knows, and renders what was looked at."""

import subprocess

import pytest

from chart.golden import GOLDEN, goldens
from chart.rendering import CHART, NEWEST, OLDEST, TOOLS, examples, helm, render

SCHEMA = TOOLS / "schemas/{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json"
WITHOUT_SCHEMA = "PodMonitor,PrometheusRule,HTTPRoute"
"""Kinds that are no part of Kubernetes."""


@pytest.mark.parametrize("name", examples())
def test_helm_has_nothing_to_say_against_it(name: str) -> None:
    options = [f"--kube-version={NEWEST}", *examples()[name]]
    result = helm("lint", "--strict", str(CHART), *options)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(version: str) -> None:
    options = ["-strict", "-kubernetes-version", version, "-skip", WITHOUT_SCHEMA]
    result = subprocess.run(
        [TOOLS / "kubeconform", *options, "-schema-location", SCHEMA],
        input="\n---\n".join(render(*one, version=version) for one in examples().values()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "name", ["default.yaml", *(f"{one}.diff" for one in examples() if one != "default")]
)
def test_it_renders_what_was_looked_at(name: str) -> None:
    """If the change is meant: `make golden`, and look at the difference."""
    assert goldens()[name] == (GOLDEN / name).read_text()


def test_nothing_else_was_looked_at() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == set(goldens())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("ingress.enabled=true", "page.host is not set"),
        ("ingress.enabled=true,gateway.enabled=true", "choose one"),
        ("auditor.canary=true", "page.host is not set"),
        ("gateway.enabled=true,page.host=a.example", "gateway.parentRefs is not set"),
        ("sockets.mode=direct,page.host=a.example", "sockets.direct.host is not set"),
        (
            "sockets.mode=direct,page.host=a.example,sockets.direct.host=b.example",
            "sockets.direct.tlsSecret is not set",
        ),
        ("nats.config.cluster.enabled=false", "stream.replicas is 3, and NATS has 1 server"),
        ("nats.enabled=false", "bus.url is not set"),
        ("global.tminus.passwords=", "'/global/tminus/passwords'"),
        ("control.secret=", "'/control/secret'"),
        ("coordinator.env.MAX_VIEWERS=5", "got number, want string"),
        ("sokets.mode=direct", "additional properties 'sokets' not allowed"),
        ("coordinator.seccompProfile.type=Localhost", "missing property 'localhostProfile'"),
        ("nats.enabled=false,bus.url=nats://scheduler:secret@nats:4222", "'/bus/url'"),
    ],
)
def test_what_does_not_go_together_is_said(settings: str, reason: str) -> None:
    with pytest.raises(RuntimeError) as failure:
        render(f"--set={settings}")
    assert reason in str(failure.value)


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"requires kubeVersion: >=1\.30"):
        render(version="1.29.0")
