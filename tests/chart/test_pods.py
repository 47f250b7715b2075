"""What holds for every pod, however the chart is set up, NATS's own included."""

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

import auditor.settings
import coordinator.settings
import frontend.settings
import scheduler.settings
from chart.rendering import (
    Document,
    documents,
    environment,
    examples,
    lasting_pods,
    of_kind,
    pods,
    render,
)
from runtime.settings import Settings, load

KINDS: dict[str, type[Settings]] = {
    "scheduler": scheduler.settings.Settings,
    "coordinator": coordinator.settings.Settings,
    "frontend": frontend.settings.Settings,
    "auditor": auditor.settings.Settings,
}
SECRETS = defaultdict(lambda: "0" * 32, LINK_KEYS=f"key:{'0' * 32}")
SECRET_NAME = re.compile(r"PASSWORD|TOKEN|KEYS|ROUTE")
EVERY = pytest.mark.parametrize("name", examples())


def containers(found: list[Document]) -> Iterator[tuple[str, Document]]:
    for owner, pod in pods(found):
        for container in pod["spec"]["containers"]:
            yield f"{owner}/{container['name']}", container


def services(found: list[Document]) -> dict[str, Document]:
    """The pods of our own services, by service."""
    return {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod
        for _, pod in lasting_pods(found)
        if pod["metadata"]["labels"]["app.kubernetes.io/name"] == "tminus"
    }


def selects(selector: Document, pod: Document) -> bool:
    labels: dict[str, str] = pod["metadata"]["labels"]
    wanted: dict[str, str] = selector["matchLabels"]
    return wanted.items() <= labels.items()


@EVERY
def test_every_pod_is_restricted(name: str) -> None:
    """As Pod Security's level `restricted` wants, and more."""
    found = documents(*examples()[name])
    for owner, pod in pods(found):
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, owner
        assert context["runAsUser"] == 10001, owner
        assert context["seccompProfile"]["type"] in ("RuntimeDefault", "Localhost"), owner
        assert pod["spec"]["automountServiceAccountToken"] is False, owner
        assert pod["spec"]["enableServiceLinks"] is False, owner
    for owner, container in containers(found):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, owner


@EVERY
def test_every_container_has_a_share_of_the_node(name: str) -> None:
    for owner, container in containers(documents(*examples()[name])):
        resources = container["resources"]
        assert {"cpu", "memory"} <= resources["requests"].keys(), owner
        assert "memory" in resources["limits"], owner
        assert "cpu" not in resources["limits"], f"{owner} would be throttled, and late"


@EVERY
def test_no_token_is_mounted_by_an_account(name: str) -> None:
    accounts = of_kind("ServiceAccount", documents(*examples()[name]))
    assert accounts
    for account in accounts.values():
        assert account["automountServiceAccountToken"] is False


@EVERY
def test_a_lost_bus_makes_pods_unready_and_kills_none(name: str) -> None:
    for service, pod in services(documents(*examples()[name])).items():
        (container,) = pod["spec"]["containers"]
        paths = {
            probe: container[probe]["httpGet"]["path"]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert paths == {
            "startupProbe": "/healthz",
            "livenessProbe": "/healthz",
            "readinessProbe": "/readyz",
        }, service


@EVERY
def test_a_pod_that_ends_has_the_time_for_it(name: str) -> None:
    """The address leaves the proxies first; then the service has ten seconds."""
    for service, pod in services(documents(*examples()[name])).items():
        (container,) = pod["spec"]["containers"]
        waits = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod["spec"]["terminationGracePeriodSeconds"] > waits + 10, service
        assert bool(waits) == (service in ("coordinator", "frontend")), service


@EVERY
def test_every_pod_has_a_disruption_budget_that_lets_a_node_be_drained(name: str) -> None:
    found = documents(*examples()[name])
    budgets = of_kind("PodDisruptionBudget", found).values()
    for owner, pod in lasting_pods(found):
        (budget,) = (one for one in budgets if selects(one["spec"]["selector"], pod))
        assert budget["spec"]["maxUnavailable"] == 1, owner


@EVERY
def test_every_pod_is_spread_over_nodes(name: str) -> None:
    for owner, pod in lasting_pods(documents(*examples()[name])):
        constraints = pod["spec"]["topologySpreadConstraints"]
        assert "kubernetes.io/hostname" in [one["topologyKey"] for one in constraints], owner
        assert all(selects(one["labelSelector"], pod) for one in constraints), owner


@EVERY
def test_no_secret_is_in_the_chart(name: str) -> None:
    found = documents(*examples()[name])
    assert not of_kind("Secret", found)
    for owner, container in containers(found):
        for one in container.get("env", []):
            if SECRET_NAME.search(one["name"]) and "value" in one:
                value = re.sub(r"\$\(\w+\)", "", one["value"])
                assert value in ('""', "none") or value.startswith('"nats://cluster:@'), owner


@EVERY
def test_services_understand_their_settings(name: str) -> None:
    for service, pod in services(documents(*examples()[name])).items():
        (container,) = pod["spec"]["containers"]
        given = environment(container, SECRETS)
        unknown = {one.lower() for one in given} - set(KINDS[service].__struct_fields__)
        assert not unknown, service
        # Files of the pod.
        given = {key: value for key, value in given.items() if not key.startswith("TLS_")}
        settings = load(KINDS[service], given)
        assert settings.app_env == "production"
        assert settings.metrics_port not in (0, settings.port)
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        assert ports == {"http": settings.port, "metrics": settings.metrics_port}


def test_a_setting_may_be_given_or_replaced() -> None:
    found = documents(
        "--set-string=coordinator.env.MAX_VIEWERS=500,coordinator.env.LOG_LEVEL=DEBUG",
        "--set=scheduler.env.NATS_PASSWORD.valueFrom.secretKeyRef.name=other",
    )
    (container,) = services(found)["coordinator"]["spec"]["containers"]
    given = environment(container, SECRETS)
    assert (given["MAX_VIEWERS"], given["LOG_LEVEL"]) == ("500", "DEBUG")
    (container,) = services(found)["scheduler"]["spec"]["containers"]
    references = [one["valueFrom"] for one in container["env"] if one["name"] == "NATS_PASSWORD"]
    assert references[0]["secretKeyRef"]["name"] == "other"


@EVERY
def test_names_say_nothing_of_a_namespace(name: str) -> None:
    assert not [one for one in documents(*examples()[name]) if "namespace" in one["metadata"]]


def test_releases_do_not_meet() -> None:
    """Nothing of another release in the same namespace has the same name, or is selected."""
    for one in documents():
        assert one["metadata"]["name"].startswith("tminus"), one["kind"]
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "tminus"


def test_the_default_is_production() -> None:
    assert render() == render("--set=nats.config.cluster.replicas=3,stream.replicas=3")
