"""Messages of queues: single Avro values, with or without an id of their schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union, overload

from . import _native
from ._scan import SchemaLike, option_pairs
from ._schema import Schema, json_of
from ._table import Rows
from ._write import stream_to_write

if TYPE_CHECKING:
    import uuid

    import pyarrow

SchemaId = Union[int, str, None]
"""The id of a schema: a number, a GUID as text, or, without a framing, `None`."""


class Decoded(Rows):
    """The rows of the messages of one call, and what became of the others."""

    def __init__(
        self, batches: _native.Batches, indexes: Sequence[int], errors: list[tuple[int, Exception]]
    ) -> None:
        self._batches = batches
        self._indexes = indexes
        self._errors = errors

    def _open(self, *, plain_strings: bool, dense_unions: bool | None = None) -> _native.Stream:
        return self._batches.open(plain_strings)

    def _columns(self, *, plain_strings: bool, dense_unions: bool | None = None) -> _native.ArrowSchema:
        return self._batches.open(plain_strings).columns

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def indexes(self) -> Sequence[int]:
        """For each row, the index of its message."""
        return self._indexes

    @property
    def errors(self) -> list[tuple[int, Exception]]:
        """The index and the exception of each message that is not a row. `None`, a tombstone, is not an error."""
        return self._errors


class MessageDecoder:
    """Decodes messages to rows, in the order of the messages, whatever schemas they were written with.

        >>> decoder = MessageDecoder(framing="confluent", schemas={7: '{"type": "record", ...}'})
        >>> rows = decoder.decode([message.value() for message in consumer.consume(8192)])
        >>> rows.to_polars(), rows.errors
    """

    def __init__(
        self,
        reader_schema: SchemaLike | Schema | None = None,
        *,
        framing: Literal["confluent", "apicurio", "apicurio-4", "single-object", "bare"] = "confluent",
        schemas: Mapping[Any, SchemaLike | Schema]
        | Callable[[Any], SchemaLike | Schema | None]
        | Iterable[SchemaLike | Schema]
        | None = None,
        unions: Literal["struct", "dense"] = "struct",
        enums: Literal["dictionary", "string"] = "dictionary",
        options: Mapping[str, object] | None = None,
    ) -> None:
        """Makes a decoder, which is best used for many calls.

        Args:
            reader_schema: the schema of the rows. Default: the schema of the first message; messages with other columns
                are then errors.
            framing: how a message carries the id of its schema. `"apicurio"` has ids of 8 bytes, `"apicurio-4"` of 4;
                `"bare"` messages have no id.
            schemas: the schemas by id; or a function that returns the schema of an id, asked once for each id, or
                `None`; for `"single-object"` a list of schemas; for `"bare"` the schema of all messages, which may be
                left out if it is the reader's.
            unions: Arrow type of unions of several types.
            enums: Arrow type of enums.
            options: other read options by the names that SQL has for them.
        """
        known: list[tuple[object, str]] = []
        resolver: Callable[[object], str | None] | None = None
        if framing == "bare":
            schema = schemas if schemas is not None else reader_schema
            if schema is None:
                raise ValueError("MessageDecoder: bare messages have no id; pass their schema as schemas=")
            known.append((None, json_of(schema)))
        elif schemas is None:
            if framing != "single-object" or reader_schema is None:
                raise ValueError("MessageDecoder: pass schemas=, a dict of schemas by id or a function")
            known.append((None, json_of(reader_schema)))
        elif isinstance(schemas, Schema):
            raise TypeError("MessageDecoder: schemas= is a dict of schemas by id, a function or a list")
        elif isinstance(schemas, Mapping):
            known.extend((key, json_of(schema)) for key, schema in schemas.items())
        elif callable(schemas):
            resolver = resolver_of(schemas)
        elif framing == "single-object" and not isinstance(schemas, str):
            known.extend((None, json_of(schema)) for schema in schemas)
        else:
            raise TypeError("MessageDecoder: schemas= is a dict of schemas by id, or a function")
        reader = None if reader_schema is None else json_of(reader_schema)
        pairs = [("enums", enums), *option_pairs(options)]
        self._native = _native.MessageDecoder(framing, known, resolver, reader, pairs, unions == "dense")

    def decode(self, messages: Any) -> Decoded:
        """Decodes messages.

        Args:
            messages: a sequence of `bytes` and `None`, or an Arrow array of binary values, such as a column of pyarrow
                or a series of Polars.
        """
        batches, indexes, errors = self._native.decode(array_of(messages))
        return Decoded(batches, range(len(batches)) if indexes is None else indexes, errors)


class Messages(Sequence[bytes]):
    """Encoded messages: a sequence of `bytes`, and an Arrow array of binary values."""

    def __init__(self, native: _native.Encoded) -> None:
        self._native = native

    def __len__(self) -> int:
        return len(self._native)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        at = range(len(self))[index]
        return self._native.get(at) if isinstance(at, int) else [self._native.get(each) for each in at]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.to_list())

    def to_list(self) -> list[bytes]:
        """Returns the messages as a list."""
        return self._native.to_list()

    def to_pyarrow(self) -> pyarrow.BinaryArray:
        """Returns the messages as a `pyarrow.BinaryArray`, without a copy."""
        import pyarrow

        return pyarrow.array(self)

    def __arrow_c_schema__(self) -> object:
        return self._native.__arrow_c_schema__()

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        return self._native.__arrow_c_array__(requested_schema)

    def __repr__(self) -> str:
        return f"<avro_sql.Messages: {len(self)}>"


class MessageEncoder:
    """Encodes rows as messages, the reverse of `MessageDecoder`.

        >>> encoder = MessageEncoder(schema, id=7)
        >>> for message in encoder.encode(frame):
        ...     producer.produce("topic", message)
    """

    def __init__(
        self,
        schema: SchemaLike | Schema | None = None,
        *,
        framing: Literal["confluent", "apicurio", "apicurio-4", "single-object", "bare"] = "confluent",
        id: int | str | uuid.UUID | None = None,
    ) -> None:
        """Makes an encoder, which is best used for many calls.

        Args:
            schema: the Avro schema of the messages; columns are matched by name. Default: the schema that the rows were
                read with, or one of their types.
            framing: how a message carries the id of its schema, as of `MessageDecoder`.
            id: the id that the registry gave to the schema: a number, or Confluent's GUID. Messages in the framings
                `"single-object"` and `"bare"` have none.
        """
        self._native = _native.MessageEncoder(None if schema is None else json_of(schema), framing, id)

    def encode(self, rows: Any) -> Messages:
        """Encodes rows, one message for each, in their order.

        Args:
            rows: any object with `__arrow_c_stream__` (a frame of Polars or pandas, a table of pyarrow, a scan, the
                result of `sql`), or a list of dicts.

        Raises:
            QueryError: if the columns do not fit the schema.
            SchemaError: if the schema does not allow a value; `row` and `field` say which.
        """
        return Messages(self._native.encode(stream_to_write(rows)))

    @property
    def schema(self) -> Schema | None:
        """The schema of the messages. If none was given, that of the last rows, or `None` before the first."""
        text = self._native.schema()
        return None if text is None else Schema(text)


def resolver_of(function: Callable[[Any], Any]) -> Callable[[object], str | None]:
    """Returns the function with schemas as JSON."""

    def resolve(key: object) -> str | None:
        schema = function(key)
        return None if schema is None else json_of(schema)

    return resolve


def array_of(messages: Any) -> Any:
    """Returns messages as a list, or as one Arrow array."""
    if isinstance(messages, list) or hasattr(messages, "__arrow_c_array__"):
        return messages
    if hasattr(messages, "to_arrow"):
        messages = messages.to_arrow()
    if hasattr(messages, "combine_chunks"):
        messages = messages.combine_chunks()
    if hasattr(messages, "__arrow_c_array__"):
        return messages
    if hasattr(messages, "__arrow_c_stream__"):
        import pyarrow

        return pyarrow.chunked_array(messages).combine_chunks()
    return list(messages)
