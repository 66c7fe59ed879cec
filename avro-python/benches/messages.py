"""Times `MessageDecoder` against fastavro on batches of 8,192 messages of ten fields in Confluent's framing.

Build with `maturin develop --profile dist` first: other builds are several times slower.
"""

from __future__ import annotations

import io
import struct
import time

import fastavro
import pyarrow as pa

import avro_sql

FIELDS = [{"name": f"n{at}", "type": "long"} for at in range(5)]
FIELDS += [{"name": f"s{at}", "type": "string"} for at in range(3)]
FIELDS += [{"name": "d", "type": "double"}, {"name": "o", "type": ["null", "int"]}]
SCHEMA = {"type": "record", "name": "Event", "fields": FIELDS}


def message(at: int) -> bytes:
    """Returns a message."""
    out = io.BytesIO(struct.pack(">bI", 0, 7))
    out.seek(5)
    row = {f"n{n}": at * (n + 1) for n in range(5)} | {f"s{n}": f"text {at % 97} {n}" for n in range(3)}
    fastavro.schemaless_writer(out, PARSED, {**row, "d": at * 0.5, "o": at if at % 2 else None})
    return out.getvalue()


PARSED = fastavro.parse_schema(SCHEMA)


def main() -> None:
    """Runs the comparison; both give the same table."""
    messages = [message(at) for at in range(8_192)]
    decoder = avro_sql.MessageDecoder(schemas={7: SCHEMA})

    def ours() -> pa.Table:
        return decoder.decode(messages).to_pyarrow()

    def rows() -> list[object]:
        return [fastavro.schemaless_reader(io.BytesIO(each[5:]), PARSED, None) for each in messages]

    assert ours().to_pylist() == rows()
    for name, way in [("avro-sql to pyarrow", ours), ("fastavro to dicts", rows)]:
        times = []
        for _ in range(20):
            start = time.perf_counter()
            way()
            times.append(time.perf_counter() - start)
        print(f"{name:24} {min(times) * 1e3:8.2f} ms  {len(messages) / min(times):12,.0f} messages a second")


if __name__ == "__main__":
    main()
