"""What the tests share."""

from __future__ import annotations

import io
import pathlib
from typing import Any

import fastavro
import pytest

WORKSPACE = pathlib.Path(__file__).resolve().parents[2]
TESTDATA = WORKSPACE / "testdata"

EVENT = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["view", "buy"]}},
        {"name": "user", "type": {"type": "record", "name": "User", "fields": [
            {"name": "name", "type": "string"},
            {"name": "age", "type": ["null", "int"], "default": None},
        ]}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "value", "type": ["null", "long", "string"], "default": None},
    ],
}


def event(at: int) -> dict[str, Any]:
    """Returns a row."""
    return {
        "id": at,
        "kind": ["view", "buy"][at % 2],
        "user": {"name": f"user {at % 100}", "age": None if at % 3 == 0 else at % 90},
        "tags": [f"t{n}" for n in range(at % 4)],
        "value": [None, at, f"text {at}"][at % 3],
    }


def container(schema: Any, rows: list[Any], codec: str = "null", **options: Any) -> bytes:
    """Returns an Avro file."""
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), rows, codec=codec, **options)
    return out.getvalue()


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    return [event(at) for at in range(10_000)]


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> str:
    """The path of a file of 10,000 rows in many blocks."""
    path = tmp_path_factory.mktemp("data") / "events.avro"
    path.write_bytes(container(EVENT, rows, codec="deflate", sync_interval=4_000))
    return str(path)
