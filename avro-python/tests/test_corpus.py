"""Files of many writers, if there are any beside the workspace: their values are those that fastavro reads."""

from __future__ import annotations

import json
import math
import os
import pathlib

import fastavro
import pyarrow as pa
import pytest
from conftest import TESTDATA, WORKSPACE

import avro_sql

CORPUS = WORKSPACE.parent / "shared/data/avro"
FILES = sorted([*(TESTDATA / "valid").glob("*.avro"), *(CORPUS.rglob("*.avro") if CORPUS.is_dir() else [])])
SIZE_MAX = 2_000_000

# Types of which fastavro and Arrow have different Python values, and what fastavro reads otherwise than Avro says.
LOGICAL = ("duration", "time-", "timestamp", "local-", "date", "uuid", "decimal")


def plain(value: object) -> object:
    """Returns a value with one form of what compares unequal."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if value == {}:
        return []  # in a union, pyarrow has one form of empty maps and arrays
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def as_maps(value: object, kind: pa.DataType) -> object:
    """Returns the value of a column with dicts for maps."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return {key: as_maps(item, kind.item_type) for key, item in value}
    if pa.types.is_struct(kind):
        return {name: as_maps(value[name], kind.field(name).type) for name in value}
    if pa.types.is_union(kind) and isinstance(value, list) and all(isinstance(item, tuple) for item in value):
        return dict(value)
    if pa.types.is_list(kind):
        return [as_maps(item, kind.value_type) for item in value]
    return value


def comparable(text: str) -> bool:
    """Whether both have one form of all values. A record inside itself is JSON text in Arrow."""
    has_logical = any(f'"logicalType": "{name}' in text or f'"logicalType":"{name}' in text for name in LOGICAL)
    return not has_logical and not is_recursive(json.loads(text), ())


def is_recursive(schema: object, around: tuple[str, ...]) -> bool:
    """Whether a record is inside itself, by simple names."""
    if isinstance(schema, str):
        return schema.rsplit(".", 1)[-1] in around
    if isinstance(schema, list):
        return any(is_recursive(branch, around) for branch in schema)
    if not isinstance(schema, dict):
        return False
    inside = (*around, schema["name"].rsplit(".", 1)[-1]) if schema.get("type") in ("record", "error") else around
    parts = [schema.get("items"), schema.get("values"), *(field["type"] for field in schema.get("fields", ()))]
    if isinstance(schema.get("type"), (dict, list)):
        parts.append(schema["type"])
    return any(is_recursive(part, inside) for part in parts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: os.path.relpath(path, WORKSPACE.parent))
def test_values(path: pathlib.Path):
    if path.stat().st_size > SIZE_MAX:
        pytest.skip("large")
    try:
        with path.open("rb") as file:
            reader = fastavro.reader(file)
            text, expected = reader.metadata["avro.schema"], list(reader)
    except Exception as error:
        pytest.skip(f"fastavro: {error}")
    scan = avro_sql.read_avro(path, unions="dense", enums="string", options={"partitions": "ignore"})
    if not comparable(text):
        assert scan.to_pyarrow().num_rows == len(expected)
        return
    table = scan.to_pyarrow()
    columns = [[as_maps(v, field.type) for v in table[at].to_pylist()] for at, field in enumerate(table.schema)]
    rows = [dict(zip(table.column_names, row)) for row in zip(*columns)] if columns else [{}] * table.num_rows
    if not expected or not isinstance(expected[0], dict) or table.column_names == ["value"] != list(expected[0]):
        expected = [{"value": row} for row in expected]
    assert plain(rows) == plain(expected)
