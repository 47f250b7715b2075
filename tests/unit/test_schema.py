"""The committed JSON Schema is the one of the types."""

from pathlib import Path

from protocol import schema


def test_the_schema_in_docs_has_not_drifted() -> None:
    committed = Path(__file__).parents[2] / "docs" / "schema.json"
    assert committed.read_text() == schema.text(), "run `make schema`"
