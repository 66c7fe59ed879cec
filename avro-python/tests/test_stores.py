"""Files on a web server: the way of all object stores."""

from __future__ import annotations

import http.server
import pathlib
import re
import threading

import polars as pl
import pytest

import avro_sql


@pytest.fixture
def server(events):
    """Serves the file of events with byte ranges; its attributes are the URL and the requests."""
    content = pathlib.Path(events).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.answer(with_body=False)

        def do_GET(self):
            self.answer(with_body=True)

        def answer(self, with_body):
            server.requests.append((self.command, self.path, self.headers.get("Range")))
            if self.path != "/events.avro":
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            first = int(found[1]) if found else 0
            last = min(int(found[2]) if found and found[2] else len(content) - 1, len(content) - 1)
            body = content[first : last + 1]
            self.send_response(206 if found else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("storage_options", [None, {"http.timeout": "20s"}, {"timeout": "20s"}])
def test_url(server, storage_options):
    scan = avro_sql.read_avro(f"{server.url}/events.avro", storage_options=storage_options)
    assert len(scan) == 10_000
    assert scan.to_pyarrow()["id"].to_pylist() == list(range(10_000))
    assert any(asked for _, _, asked in server.requests)
    lazy = avro_sql.scan_avro(f"{server.url}/events.avro", storage_options=storage_options)
    assert lazy.filter(pl.col("id") == 7).select("kind").collect().item() == "buy"
    connection = avro_sql.connect()
    connection.register("events", scan)
    assert connection.sql("SELECT count(*) FROM events").fetchall() == [(10_000,)]


def test_missing_object(server):
    with pytest.raises(OSError, match="nope.avro") as error:
        avro_sql.read_avro(f"{server.url}/nope.avro", storage_options={"max_retries": 0})
    assert isinstance(error.value, avro_sql.AvroError)


def test_no_secret_in_errors():
    for name, value in [("aws.secret_access_key", "s3cr3t"), ("secret_access_key", "s3cr3t")]:
        options = {name: value, "aws.endpoint": "http://127.0.0.1:1", "aws.region": "r", "aws.access_key_id": "a",
                   "aws.max_retries": "0", "aws.allow_http": "true"}
        with pytest.raises(avro_sql.AvroError) as error:
            avro_sql.read_avro("s3://bucket/x.avro", storage_options=options).to_pyarrow()
        assert "s3cr3t" not in str(error.value)
