"""Calls between `avro-sql rpc` and Apache's `avro.ipc` (`pip install avro==1.12.2`), both ways, over HTTP.

    python3 testdata/rpc/peers.py target/debug/avro-sql

It prints a line for each check, and exits with 1 if one fails.
"""

import http.server
import json
import pathlib
import subprocess
import sys
import threading

import avro.errors
import avro.ipc
import avro.protocol

from record import READINGS, Sensors

HERE = pathlib.Path(__file__).parent
FILE = HERE / "sensors.avpr"
SENSORS = avro.protocol.parse(FILE.read_text())
wrong = 0


def check(what, found, want):
    global wrong
    wrong += found != want
    print("ok   " if found == want else "WRONG", what, "" if found == want else f"{found!r}, expected {want!r}")


def older():
    """A client's protocol that the server does not know: without a field, and with a narrower parameter."""
    protocol = json.loads(FILE.read_text())
    del protocol["types"][0]["fields"][2]
    protocol["messages"]["store"]["response"] = "long"
    return json.dumps(protocol)


class Handler(http.server.BaseHTTPRequestHandler):
    """As avro's own example of a server, with one responder for all requests."""

    responder = Sensors(SENSORS)

    def do_POST(self):
        request = avro.ipc.FramedReader(self.rfile).read_framed_message()
        reply = self.responder.respond(request)
        self.send_response(200)
        self.send_header("Content-Type", "avro/binary")
        self.end_headers()
        avro.ipc.FramedWriter(self.wfile).write_framed_message(reply)

    def log_message(self, *_):
        pass


def to_python(command):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"

    def run(*arguments):
        ran = subprocess.run([command, *arguments], capture_output=True, text=True, timeout=60)
        return ran.stdout or ran.stderr

    def send(protocol, message, parameters):
        return run("rpcsend", url, str(protocol), message, "-data", json.dumps(parameters), "--plain")

    check("protocol of Python's server", json.loads(run("rpcprotocol", url)), json.loads(str(SENSORS)))
    # The first call with each protocol has a handshake with NONE, as texts are not those that Python makes.
    check("call", send(FILE, "describe", {"sensor": "a"}), '"the sensor a"\n')
    check("rows", json.loads(send(FILE, "latest", {"n": 2})), READINGS)
    check("records as parameters", send(FILE, "store", {"readings": READINGS}), "2\n")
    check("one-way", send(FILE, "log", {"line": "x"}), "")
    told = send(FILE, "describe", {"sensor": "?"})
    check("undeclared error", told, f"avro-sql: error: {url}: the server answered with an error: no such sensor\n")
    other = HERE / "older.avpr"
    other.write_text(older())
    try:
        rows = [{name: row[name] for name in ("sensor", "value")} for row in READINGS]
        check("older client, rows", json.loads(send(other, "latest", {"n": 2})), rows)
        check("older client, records as parameters", send(other, "store", {"readings": rows}), "2\n")
    finally:
        other.unlink()
    server.shutdown()


def from_python(command):
    def receive(protocol, message, parameters, *answer):
        server = subprocess.Popen(
            [command, "rpcreceive", "http://127.0.0.1:0/", str(FILE), message, *answer, "--plain"],
            stdout=subprocess.PIPE,
            text=True,
        )
        port = int(server.stdout.readline().removeprefix("Port: "))
        transceiver = avro.ipc.HTTPTransceiver("127.0.0.1", port)
        try:
            result = avro.ipc.Requestor(protocol, transceiver).request(message, parameters)
        except avro.errors.AvroRemoteException as e:
            result = e.args[0]
        transceiver.close()
        received = server.stdout.read()
        server.wait(timeout=60)
        return result, json.loads(received.removeprefix(message + "\t"))

    want = ("the sensor a", {"sensor": "a"})
    check("call from Python", receive(SENSORS, "describe", want[1], "-data", '"the sensor a"'), want)
    want = (READINGS, {"n": 2})
    check("rows to Python", receive(SENSORS, "latest", want[1], "-data", json.dumps(READINGS)), want)
    want = (2, {"readings": READINGS})
    check("records from Python", receive(SENSORS, "store", want[1], "-data", "2"), want)
    many = {"readings": [{"sensor": f"s{n}", "value": float(n), "unit": None} for n in range(5000)]}
    check("many frames from Python", receive(SENSORS, "store", many, "-data", "5000"), (5000, many))
    want = (None, {"line": "x"})
    check("one-way from Python", receive(SENSORS, "log", want[1]), want)
    want = ("no readings", {"n": 1})
    check("undeclared error to Python", receive(SENSORS, "latest", want[1], "--error", '"no readings"'), want)
    want = ({"retry_after": 3}, {"n": 1})
    check("declared error to Python", receive(SENSORS, "latest", want[1], "--error", '{"retry_after": 3}'), want)
    protocol = avro.protocol.parse(older())
    rows = [{name: row[name] for name in ("sensor", "value")} for row in READINGS]
    found = receive(protocol, "latest", {"n": 2}, "-data", json.dumps(READINGS))
    check("older Python client, rows", found, (rows, {"n": 2}))
    want = {"readings": [{**row, "unit": None} for row in rows]}
    check("older Python client, records", receive(protocol, "store", {"readings": rows}, "-data", "2"), (2, want))


if __name__ == "__main__":
    to_python(sys.argv[1])
    from_python(sys.argv[1])
    sys.exit(1 if wrong else 0)
