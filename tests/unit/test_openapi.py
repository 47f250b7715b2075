"""The API's description can be made from the types, and is of the routes that there are."""

import json

import pytest

import frontend.app
import frontend.settings
from frontend import openapi

PATHS = json.loads(openapi.document())["paths"]
BELOW = "/api/rooms/{room}/countdown"


def test_the_description_is_of_every_route_of_the_api_and_of_no_other() -> None:
    app = frontend.app.create_app(frontend.settings.Settings())
    routes = {
        (route.resource.canonical, route.method.lower())
        for route in app.router.routes()
        if route.resource and route.method not in ("HEAD", "OPTIONS")
    }
    api = {(path, method) for path, method in routes if path.startswith("/api/")}
    described = {
        (path, method) for path, its in PATHS.items() for method in its if method != "parameters"
    }
    assert api - {("/api/openapi.json", "get")} == described


def test_the_description_names_the_answers_that_have_nothing_to_do_with_the_operation() -> None:
    for path, its in PATHS.items():
        for method, operation in its.items():
            if method == "parameters":
                continue
            codes = set(operation["responses"])
            assert {"429", "503"} <= codes, path
            assert {"400", "408", "413"} & codes == (
                {"400", "408", "413"} if "requestBody" in operation else set()
            ), path


def test_the_description_names_every_answer_of_a_start() -> None:
    assert {"201", "409", "422", "503"} <= set(PATHS[BELOW]["post"]["responses"])


@pytest.mark.parametrize(
    ("doing", "answer"), [("hold", "Held"), ("resume", "Resumed"), ("adjust", "Adjusted")]
)
def test_the_description_names_every_answer_of_a_change(doing: str, answer: str) -> None:
    responses = PATHS[f"{BELOW}/{doing}"]["post"]["responses"]
    schema = responses["200"]["content"]["application/json"]["schema"]["$ref"]
    assert schema.endswith(f"/{answer}")
    assert {"404", "409", "422", "503"} <= set(responses)
