"""Plans a query over very many objects of an S3 bucket, which a small server here pretends to have.

usage: many_objects.py AVRO_SQL FILE.avro [--objects 100000] [--workers 0] [--sql "EXPLAIN SELECT count(*) FROM 's3://bucket/t/'"] [OPTION..]

Every object has the bytes of FILE.avro. Prints the requests, the seconds and the peak memory of AVRO_SQL. Further options
go to AVRO_SQL.

With --workers N, AVRO_SQL gets N loopback addresses as its workers. One worker process answers at all of them, behind a proxy
that counts the bytes sent to it."""

import argparse
import asyncio
import collections
import functools
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

PAGE = 1000


class Server:
    def __init__(self, data, objects):
        self.data = data
        self.keys = [f"t/day={n // 1000:04}/part-{n:07}.avro" for n in range(objects)]
        self.requests = collections.Counter()
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self.run, args=(ready,), daemon=True).start()
        ready.wait()

    def run(self, ready):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.connection, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    async def connection(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                writer.write(self.answer(method, target, headers))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, method, target, headers):
        path, _, query = target.partition("?")
        parameters = urllib.parse.parse_qs(query)
        if "list-type" in parameters:
            self.requests["LIST"] += 1
            return response(200, self.page(parameters), {"Content-Type": "application/xml"})
        self.requests[method] += 1
        if not path.endswith(".avro"):
            return response(404, b"")
        fields = {"ETag": '"1"', "Last-Modified": "Sat, 28 Nov 2026 00:00:00 GMT", "Accept-Ranges": "bytes"}
        if method == "HEAD":
            return response(200, b"", fields | {"Content-Length": str(len(self.data))})
        wanted = headers.get("range", "").removeprefix("bytes=")
        if not wanted:
            return response(200, self.data, fields)
        start, _, end = wanted.partition("-")
        start, end = int(start), min(int(end or len(self.data) - 1), len(self.data) - 1)
        fields["Content-Range"] = f"bytes {start}-{end}/{len(self.data)}"
        return response(206, self.data[start : end + 1], fields)

    @functools.cache
    def below(self, prefix, delimiter):
        keys = [key for key in self.keys if key.startswith(prefix)]
        if delimiter:
            directories = {key[: key.index("/", len(prefix)) + 1] for key in keys if "/" in key[len(prefix) :]}
            keys = sorted(directories) + [key for key in keys if "/" not in key[len(prefix) :]]
        return keys

    def page(self, parameters):
        """A page of a listing, of the objects below a prefix or of the directories in it."""
        prefix, delimiter = (parameters.get(name, [""])[0] for name in ("prefix", "delimiter"))
        keys = self.below(prefix, delimiter)
        first = int(parameters.get("continuation-token", ["0"])[0])
        page = keys[first : first + PAGE]
        entries = "".join(
            f"<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"
            if key.endswith("/")
            else f"<Contents><Key>{key}</Key><LastModified>2026-11-28T00:00:00.000Z</LastModified><ETag>&quot;1&quot;</ETag>"
            f"<Size>{len(self.data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key in page
        )
        more = first + PAGE < len(keys)
        token = f"<NextContinuationToken>{first + PAGE}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><Name>bucket</Name><Prefix>{prefix}</Prefix><KeyCount>{len(page)}</KeyCount>"
            f"<MaxKeys>{PAGE}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"
        ).encode()


def response(status, body, fields={}):
    fields = {"Content-Length": str(len(body))} | fields
    lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Workers:
    """One worker behind many loopback addresses (127.1.0.1 and so on), and what is sent to it."""

    def __init__(self, program, count, loop, environment):
        self.sent = 0
        listener = asyncio.run_coroutine_threadsafe(asyncio.start_server(self.connection, "0.0.0.0", 0), loop).result()
        port = listener.sockets[0].getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.behind = free.getsockname()[1]
        command = [program, "worker", "--listen", f"127.0.0.1:{self.behind}", "--quiet"]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        self.file = tempfile.NamedTemporaryFile("w", suffix=".txt")
        self.file.write("".join(f"127.1.{n >> 8}.{n & 255}:{port}\n" for n in range(1, count + 1)))
        self.file.flush()
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.behind)).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    sys.exit(f"the worker ended with code {self.process.returncode}")
                time.sleep(0.05)

    async def connection(self, reader, writer):
        there, here = await asyncio.open_connection("127.0.0.1", self.behind)

        async def pump(source, sink, counts):
            try:
                while data := await source.read(1 << 16):
                    self.sent += len(data) if counts else 0
                    sink.write(data)
                    await sink.drain()
            except ConnectionError:
                pass
            sink.close()

        await asyncio.gather(pump(reader, here, True), pump(there, writer, False))


def main():
    arguments = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    arguments.add_argument("program")
    arguments.add_argument("file")
    arguments.add_argument("--objects", type=int, default=100_000)
    arguments.add_argument("--workers", type=int, default=0)
    arguments.add_argument("--sql", default="EXPLAIN SELECT count(*) FROM 's3://bucket/t/'")
    options, more = arguments.parse_known_args()
    with open(options.file, "rb") as file:
        server = Server(file.read(), options.objects)
    environment = os.environ | {
        "AWS_ENDPOINT": f"http://127.0.0.1:{server.port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
    }
    workers = None
    if options.workers:
        workers = Workers(options.program, options.workers, server.loop, environment)
        more += ["--workers-file", workers.file.name]
    started = time.perf_counter()
    command = [options.program, "--no-progress", *more, "-c", options.sql]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    if workers:
        workers.process.kill()
    if done.returncode:
        sys.exit(done.stderr)
    print(done.stdout[:2000])
    requests = ", ".join(f"{count} {name}" for name, count in sorted(server.requests.items()))
    sent = f", {workers.sent / 1e6:.2f} MB sent to {options.workers} workers" if workers else ""
    print(f"{options.objects} objects: {seconds:.2f} s, {memory:.0f} MiB, {requests}{sent}")


if __name__ == "__main__":
    main()
