"""The API's description can be made from the types."""

import json

from frontend import openapi


def test_the_description_names_every_answer_of_a_start() -> None:
    paths = json.loads(openapi.document())["paths"]
    [start] = [path["post"] for name, path in paths.items() if name.endswith("/countdown")]
    assert {"201", "409", "422", "503"} <= set(start["responses"])
