"""The chart as Helm renders it, whole or by documents."""

import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from support import ROOT
from support.skip import skip

CHART = ROOT / "deploy" / "chart"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
TOOLS = ROOT / ".venv" / "tools"
"""Where the Makefile puts Helm, kubeconform and the schemas."""
NEWEST, OLDEST = "1.37.0", "1.30.0"
"""The versions of Kubernetes that the chart is checked for."""

Document = dict[str, Any]


def helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Helm in the repository; skips the test if it is not there."""
    program = TOOLS / "helm"
    if not program.exists():
        skip("no Helm: `make chart` builds it, with Go")
    return subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@cache
def render(*options: str, version: str = NEWEST) -> str:
    """The documents of a release `tminus` in the namespace `tminus`; raises RuntimeError."""
    command = ["template", "tminus", str(CHART), "--namespace=tminus"]
    result = helm(*command, f"--kube-version={version}", *options)
    if result.returncode:
        raise RuntimeError(result.stderr)
    return result.stdout


@cache
def documents(*options: str) -> list[Document]:
    """The same, read; to look at only."""
    return [one for one in yaml.load_all(render(*options), yaml.CSafeLoader) if one]


def examples() -> dict[str, list[str]]:
    """The options of each rendering that is checked, by its name."""
    return {"default": []} | {file.stem: [f"--values={file}"] for file in EXAMPLES}


def of_kind(kind: str, found: list[Document]) -> dict[str, Document]:
    """Those of a kind, by name."""
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


def pods(found: list[Document]) -> Iterator[tuple[str, Document]]:
    """Every pod, with the name of what makes it: its labels and its spec."""
    yield from of_kind("Pod", found).items()
    yield from lasting_pods(found)


def lasting_pods(found: list[Document]) -> Iterator[tuple[str, Document]]:
    """Without those of `helm test`, which end."""
    for one in found:
        if "template" in one.get("spec", {}):
            yield one["metadata"]["name"], one["spec"]["template"]


def environment(container: Document, secrets: Mapping[str, str]) -> dict[str, str]:
    """A container's variables as Kubernetes sets them, with `secrets` as the Secrets' keys."""
    given: dict[str, str] = {}
    for one in container.get("env", []):
        if reference := one.get("valueFrom", {}).get("secretKeyRef"):
            given[one["name"]] = secrets[reference["key"]]
            continue
        value = str(one.get("value", ""))
        for name, known in given.items():
            value = value.replace(f"$({name})", known)
        given[one["name"]] = value
    return given
