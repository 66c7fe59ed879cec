"""The exceptions of this package. All are `AvroError`; each is a built-in exception, too."""

from __future__ import annotations


class AvroError(Exception):
    """A failure. Each attribute is `None` where it is not known.

    Attributes:
        path: the file, as a path or URL.
        block: the index of the block in the file, from 0.
        row: the index of the row in its block, from 0.
        offset: the offset in the file; inside a compressed block, the offset at which the block starts.
        field: the path of field names to the value, such as `a.b[].c`.
        message_index: the index of the message, for `MessageDecoder`.
    """

    path: str | None
    block: int | None
    row: int | None
    offset: int | None
    field: str | None
    message_index: int | None

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        block: int | None = None,
        row: int | None = None,
        offset: int | None = None,
        field: str | None = None,
        message_index: int | None = None,
    ) -> None:
        super().__init__(message)
        self.path = path
        self.block = block
        self.row = row
        self.offset = offset
        self.field = field
        self.message_index = message_index

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NotFoundError(AvroError, FileNotFoundError):
    """A file, directory or object does not exist."""


class AccessError(AvroError, PermissionError):
    """A file or object may not be read or written."""


class StorageError(AvroError, OSError):
    """Reading or writing failed otherwise."""


class DataError(AvroError, ValueError):
    """A file or message is damaged, or not Avro."""


class SchemaError(AvroError, ValueError):
    """A schema is invalid, or cannot be used for these data."""


class LimitError(AvroError, ValueError):
    """Data exceed a limit, or a query its memory."""


class QueryError(AvroError, ValueError):
    """A statement or an argument is wrong."""


class InternalError(AvroError, RuntimeError):
    """A bug of this package. Please report it."""
