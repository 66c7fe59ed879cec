"""Avro container files, written three ways.

In: a schema, rows as Python values, options. Out: the bytes of a container file.

- `with_fastavro`: fastavro writes the whole file.
- `with_apache`: Apache's `avro` package writes the whole file.
- `by_hand`: this module writes the container, fastavro encodes the rows. For shapes that no library writes but that the
  specification allows (or, for `corrupt/`, forbids).
"""
import bz2, io, json, lzma, struct, zlib

import fastavro
import fastavro.schema

MAGIC = b"Obj\x01"
SYNC = bytes(range(0xA0, 0xB0))  # fixed, so that the files come out the same every time


def long(n):
    """The zig-zag varint of any integer, also one that no `long` can hold."""
    n = (n << 1) if n >= 0 else ((-n << 1) - 1)
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def blob(data):
    """Avro's `bytes` or `string`."""
    data = data.encode() if isinstance(data, str) else data
    return long(len(data)) + data


def encode(schema, row):
    """One value, by fastavro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), row)
    return out.getvalue()


def encode_all(schema, rows):
    schema = fastavro.parse_schema(schema)
    out = io.BytesIO()
    for row in rows:
        fastavro.schemaless_writer(out, schema, row)
    return out.getvalue()


def compress(codec, data):
    """A block's bytes as the codec stores them."""
    if codec in (None, "null"):
        return data
    if codec == "deflate":
        return zlib.compress(data, 6)[2:-4]
    if codec == "snappy":
        import cramjam
        return bytes(cramjam.snappy.compress_raw(data)) + struct.pack(">I", zlib.crc32(data))
    if codec == "zstandard":
        import zstandard
        return zstandard.ZstdCompressor(level=3).compress(data)
    if codec == "bzip2":
        return bz2.compress(data)
    if codec == "xz":
        return lzma.compress(data, check=lzma.CHECK_CRC32)
    raise ValueError(codec)


def header(schema, codec=None, metadata=(), raw_map=None, sync=SYNC):
    """Magic, metadata, sync marker. `schema` is JSON text or what `json.dumps` makes text of; None leaves it out.
    `raw_map` replaces the encoded metadata map."""
    if raw_map is None:
        entries = [] if schema is None else [("avro.schema", text(schema))]
        entries += [] if codec is None else [("avro.codec", codec)]
        entries += list(metadata)
        raw_map = long(len(entries)) + b"".join(blob(k) + blob(v) for k, v in entries) + b"\0" if entries else b"\0"
    return MAGIC + raw_map + sync


def text(schema):
    return schema if isinstance(schema, (str, bytes)) else json.dumps(schema)


def frame(count, stored, sync=SYNC):
    """A block as it stands in the file."""
    return long(count) + long(len(stored)) + stored + sync


def by_hand(schema, blocks, codec=None, metadata=(), raw_map=None):
    """`blocks` are (row count, plain bytes)."""
    return header(schema, codec, metadata, raw_map) + b"".join(frame(n, compress(codec, data)) for n, data in blocks)


def with_fastavro(schema, rows, codec="null", sync_interval=16000, metadata=None, appended=()):
    out = io.BytesIO()
    fastavro.writer(out, schema, rows, codec=codec, sync_interval=sync_interval, metadata=metadata, sync_marker=SYNC)
    for more in appended:  # fastavro appends to a stream that it can read back
        out = Appendable(out.getvalue())
        fastavro.writer(out, None, more, sync_interval=sync_interval)
    return out.getvalue()


def container(writer, schema, rows, codec, sync_interval):
    """The whole file, by one of fastavro's writers."""
    out = io.BytesIO()
    writer(out, schema, rows, codec=codec, sync_interval=sync_interval, sync_marker=SYNC)
    return out.getvalue()


class Appendable(io.BytesIO):
    """A stream that fastavro takes for a file opened for appending."""
    mode = "a+b"

    def __init__(self, data):
        super().__init__(data)
        self.seek(0, io.SEEK_END)


def with_apache(schema, rows, codec="null", rows_per_block=None):
    import avro.datafile, avro.io, avro.schema
    out = io.BytesIO()
    out.close = lambda: None  # the writer closes what it is given
    parsed = avro.schema.parse(json.dumps(schema))
    w = avro.datafile.DataFileWriter(out, avro.io.DatumWriter(), parsed, codec=codec)
    w.sync_marker = SYNC
    for i, row in enumerate(rows, 1):
        w.append(row)
        if rows_per_block and i % rows_per_block == 0:
            w.sync()
    w.flush()
    data = out.getvalue()
    return data if data else header(json.dumps(json.loads(str(parsed))), codec)  # it writes nothing at all for no rows
