"""Avro files as Arrow data, for every dataframe library, and SQL over them.

    >>> import avro_sql
    >>> scan = avro_sql.read_avro("events/*.avro", columns=["id", "user.name"], where="kind = 'buy'")
    >>> frame = scan.to_polars()
"""

from ._datafusion import AvroTableFactory
from ._messages import Decoded, MessageDecoder, MessageEncoder, Messages
from ._native import __version__
from ._polars import scan_avro
from ._scan import Scan, read_avro
from ._schema import Mismatch, Schema
from ._sql import Connection, Result, connect, sql
from ._table import Batch, Rows
from ._write import write_avro
from .errors import (
    AccessError,
    AvroError,
    DataError,
    InternalError,
    LimitError,
    NotFoundError,
    QueryError,
    SchemaError,
    StorageError,
)

__all__ = [
    "AccessError",
    "AvroError",
    "AvroTableFactory",
    "Batch",
    "Connection",
    "DataError",
    "Decoded",
    "InternalError",
    "LimitError",
    "MessageDecoder",
    "MessageEncoder",
    "Messages",
    "Mismatch",
    "NotFoundError",
    "QueryError",
    "Result",
    "Rows",
    "Scan",
    "Schema",
    "SchemaError",
    "StorageError",
    "__version__",
    "connect",
    "read_avro",
    "scan_avro",
    "sql",
    "write_avro",
]
