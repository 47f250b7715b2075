"""Who reaches whom: the ways in from outside, and the network policies."""

from collections import defaultdict

import pytest

import coordinator.settings
import frontend.settings
from auditor.canary.page import target_at
from chart.rendering import Document, documents, environment, examples, lasting_pods, of_kind
from coordinator.app import create_app
from runtime.settings import load

SECRETS = defaultdict(lambda: "0" * 32, LINK_KEYS=f"key:{'0' * 32}")


def page_settings(found: list[Document]) -> frontend.settings.Settings:
    """Those of the frontend."""
    deployment = of_kind("Deployment", found)["tminus-frontend"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return load(frontend.settings.Settings, environment(container, SECRETS))


def coordinator_paths() -> set[str]:
    app = create_app(coordinator.settings.Settings())
    return {resource.canonical for resource in app.router.resources()}


def example(name: str) -> list[Document]:
    return documents(*examples()[name])


def test_an_ingress_leads_the_page_s_sockets_to_coordinators() -> None:
    found = example("ingress")
    (rule,) = of_kind("Ingress", found)["tminus"]["spec"]["rules"]
    ways = {one["path"]: one["backend"]["service"]["name"] for one in rule["http"]["paths"]}
    settings = page_settings(found)
    assert ways == {
        settings.socket_path: "tminus-coordinator",
        settings.socket_path.replace("/ws/", "/sse/"): "tminus-coordinator",
        settings.base_path: "tminus-frontend",
    }
    # The ingress removes the base path, and what is left is the coordinators' own.
    sockets = {path.removeprefix(settings.base_path) for path in ways if "connect" in path}
    assert sockets <= coordinator_paths()


def test_a_route_leads_the_page_s_sockets_to_coordinators() -> None:
    found = example("gateway")
    settings = page_settings(found)
    rules = of_kind("HTTPRoute", found)["tminus"]["spec"]["rules"]
    ways = {}
    for rule in rules:
        (match,), (filter_,), (backend,) = rule["matches"], rule["filters"], rule["backendRefs"]
        path = filter_["urlRewrite"]["path"]
        rewritten = path.get("replaceFullPath") or path["replacePrefixMatch"]
        ways[match["path"]["value"]] = (backend["name"], rewritten)
    assert ways == {
        settings.socket_path: ("tminus-coordinator", "/ws/connect"),
        settings.socket_path.replace("/ws/", "/sse/"): ("tminus-coordinator", "/sse/connect"),
        settings.base_path: ("tminus-frontend", "/"),
    }
    assert {"/ws/connect", "/sse/connect"} <= coordinator_paths()


def test_direct_sockets_go_to_the_balancer_s_name() -> None:
    found = example("direct")
    settings = page_settings(found)
    assert settings.socket_hosts("countdown.example.org") == ["sockets.example.org"]
    assert settings.socket_path in coordinator_paths()
    balancer = of_kind("Service", found)["tminus-sockets"]["spec"]
    assert (balancer["type"], balancer["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    deployment = of_kind("Deployment", found)["tminus-coordinator"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = environment(container, SECRETS)
    # Strangers reach them, and nobody's word counts on whom they speak for.
    assert "TRUSTED_PROXIES" not in given
    assert given["ALLOWED_ORIGINS"] == "https://countdown.example.org"
    (mount,) = container["volumeMounts"]
    assert given["TLS_CERT"].startswith(mount["mountPath"])


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ("sockets.direct.port=8443", "sockets.example.org:8443"),
        ("page.https=false,ingress.tlsSecret=,sockets.direct.port=80", "sockets.example.org"),
    ],
)
def test_a_port_is_named_unless_it_is_the_scheme_s(settings: str, host: str) -> None:
    found = documents(*examples()["direct"], f"--set={settings}")
    assert page_settings(found).ws_host == host


def test_every_pod_has_a_policy_for_both_directions() -> None:
    for name in ("default", "ingress", "direct", "balancer", "monitoring"):
        found = example(name)
        policies = of_kind("NetworkPolicy", found).values()
        for owner, pod in lasting_pods(found):
            labels = pod["metadata"]["labels"].items()
            (policy,) = (
                one["spec"]
                for one in policies
                if one["spec"]["podSelector"]["matchLabels"].items() <= labels
            )
            assert policy["policyTypes"] == ["Ingress", "Egress"], owner


def sources(found: list[Document], policy: str) -> dict[str, list[Document] | None]:
    """Who may come in, by port; None is anybody."""
    rules = of_kind("NetworkPolicy", found)[policy]["spec"].get("ingress", [])
    return {port["port"]: rule.get("from") for rule in rules for port in rule["ports"]}


def test_only_the_ingress_reaches_what_is_behind_the_page() -> None:
    found = example("ingress")
    controller = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}}
    ]
    assert sources(found, "tminus-frontend")["http"] == controller
    assert sources(found, "tminus-coordinator")["http"] == controller
    assert "http" not in sources(found, "tminus-scheduler")


def test_anybody_reaches_coordinators_with_direct_sockets() -> None:
    found = documents(*examples()["direct"], f"--values={_file('ingress')}", *examples()["direct"])
    assert sources(found, "tminus-frontend")["http"] is not None
    assert sources(found, "tminus-coordinator")["http"] is None


def test_only_the_monitoring_namespace_reads_metrics() -> None:
    found = documents()
    monitoring = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    for policy in ("tminus-scheduler", "tminus-coordinator", "tminus-frontend"):
        assert sources(found, policy)["metrics"] == monitoring
    assert sources(found, "tminus-bus")["monitor"] == monitoring
    closed = documents("--set-json=networkPolicy.monitoring=[]")
    assert "metrics" not in sources(closed, "tminus-scheduler")


def test_only_an_auditor_with_a_canary_goes_anywhere() -> None:
    def goes_anywhere(found: list[Document], policy: str) -> bool:
        return {} in of_kind("NetworkPolicy", found)[policy]["spec"]["egress"]

    assert goes_anywhere(example("balancer"), "tminus-auditor")
    assert not goes_anywhere(example("balancer"), "tminus-frontend")
    assert not goes_anywhere(example("ingress"), "tminus-auditor")


@pytest.mark.parametrize("name", ["ingress", "gateway", "direct", "balancer"])
def test_helm_tests_the_page_by_its_address(name: str) -> None:
    found = example(name)
    (container,) = of_kind("Pod", found)["tminus-canary"]["spec"]["containers"]
    *program, address = container["command"]
    assert program == ["python", "-m", "auditor.canary"]
    token = environment(container, SECRETS)["CONTROL_TOKEN"]
    target = target_at(address, room="quiz", token=token)
    base_path = page_settings(found).base_path
    assert str(target.page) == f"https://countdown.example.org{base_path}/r/quiz"
    assert target.token == token


def test_only_services_reach_the_bus_and_only_servers_its_routes() -> None:
    found = documents()
    services = {"app.kubernetes.io/name": "tminus", "app.kubernetes.io/instance": "tminus"}
    assert sources(found, "tminus-bus")["nats"] == [{"podSelector": {"matchLabels": services}}]
    (servers,) = sources(found, "tminus-bus")["cluster"] or []
    nats = of_kind("StatefulSet", found)["tminus-nats"]["spec"]["template"]["metadata"]["labels"]
    assert servers["podSelector"]["matchLabels"].items() <= nats.items()


def _file(name: str) -> str:
    return examples()[name][0].removeprefix("--values=")
