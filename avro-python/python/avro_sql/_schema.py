"""Avro schemas: canonical form, fingerprints, compatibility, merging, and Arrow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import _native
from ._scan import SchemaLike

if TYPE_CHECKING:
    import pyarrow


class Mismatch(NamedTuple):
    """A reason why data cannot be read."""

    path: str
    """The path of the reader's field names, such as `a.b[].c`; empty for the outermost type."""
    reason: str
    """What does not match."""
    always: bool
    """Whether no value can be read, or only some."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class Schema:
    """A valid Avro schema."""

    def __init__(self, schema: SchemaLike | Schema | os.PathLike[str]) -> None:
        """Parses a schema: JSON, parsed JSON, or the path of a schema file.

        Raises:
            SchemaError: if it is not a schema.
        """
        self._native = _native.Schema(json_of(schema))

    @classmethod
    def _of(cls, native: _native.Schema) -> Schema:
        schema = cls.__new__(cls)
        schema._native = native
        return schema

    @classmethod
    def from_arrow(cls, schema: Any) -> Schema:
        """Returns the schema of files with the columns of an object with `__arrow_c_schema__`."""
        return cls._of(_native.Schema.from_arrow(schema))

    @classmethod
    def merge(
        cls, schemas: Mapping[str, SchemaLike | Schema] | Iterable[SchemaLike | Schema], *, widen: bool = False
    ) -> Schema:
        """Merges schemas, in the order in which they were written, to one that reads data of all of them.

        Args:
            schemas: the schemas, with names for messages if it is a dict.
            widen: whether types that Avro cannot promote to each other become wider types and unions.

        Raises:
            SchemaError: if two types cannot be merged.
        """
        if isinstance(schemas, Mapping):
            pairs = [(name, json_of(schema)) for name, schema in schemas.items()]
        else:
            pairs = [(f"schema {at}", json_of(schema)) for at, schema in enumerate(schemas)]
        return cls._of(_native.Schema.merge(pairs, widen))

    @property
    def json(self) -> str:
        """The schema as JSON text."""
        return self._native.json()

    def to_python(self) -> Any:
        """Returns the schema as parsed JSON."""
        return json.loads(self.json)

    @property
    def canonical_form(self) -> str:
        """The Parsing Canonical Form."""
        return self._native.canonical_form()

    def fingerprint(self, algorithm: Literal["rabin", "md5", "sha256"] = "rabin") -> bytes:
        """Returns a fingerprint of the canonical form. The bytes of Rabin's are little-endian, as in messages."""
        if algorithm == "rabin":
            return self._native.rabin().to_bytes(8, "little")
        if algorithm == "md5":
            return bytes(self._native.md5())
        if algorithm == "sha256":
            return bytes(self._native.sha256())
        raise ValueError(f"fingerprint: expected 'rabin', 'md5' or 'sha256', found {algorithm!r}")

    def compat(self, reader: SchemaLike | Schema) -> list[Mismatch]:
        """Returns why `reader` cannot read data of this schema, by Avro's rules. An empty list means that it can."""
        other = reader if isinstance(reader, Schema) else Schema(reader)
        return [Mismatch(*found) for found in self._native.mismatches(other._native)]

    @property
    def arrow(self) -> pyarrow.Schema:
        """The Arrow columns of data of this schema."""
        import pyarrow

        return pyarrow.schema(self._native.columns())

    def __arrow_c_schema__(self) -> object:
        return self._native.columns().__arrow_c_schema__()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)

    def __repr__(self) -> str:
        return f"Schema({self.json!r})"


def json_of(schema: Any) -> str:
    """Returns a schema as JSON text. A path of a schema file is read."""
    if isinstance(schema, Schema):
        return schema.json
    if isinstance(schema, os.PathLike) or (isinstance(schema, str) and schema.endswith((".avsc", ".json"))):
        with open(schema, encoding="utf-8") as file:
            return file.read()
    if isinstance(schema, str):
        # A name alone, such as `long`, is a schema in Python and JSON text only in quotes.
        return schema if schema.lstrip().startswith(("{", "[", '"')) else json.dumps(schema.strip())
    return json.dumps(schema)
