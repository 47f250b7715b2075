"""The JSON Schemas of Kubernetes for kubeconform, from the package kubernetes-validate."""

import json

from chart.rendering import NEWEST, OLDEST, TOOLS

SOURCE = TOOLS / "python" / "kubernetes_validate" / "kubernetes-json-schema"
SCHEMAS = TOOLS / "schemas"


def main() -> None:
    """Copy two versions, changed so that they refer to one another as files, not on the web."""
    for version in (OLDEST, NEWEST):
        folder = SCHEMAS / f"v{version}"
        folder.mkdir(parents=True, exist_ok=True)
        for file in (SOURCE / f"v{version}-local-strict").glob("*.json"):
            schema = json.loads(
                file.read_text().replace("/api/_definitions.json#", "_definitions.json#")
            )
            schema.pop("$id", None)
            (folder / file.name).write_text(json.dumps(schema))


if __name__ == "__main__":
    main()
