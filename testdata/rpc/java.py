"""Calls between `avro-sql rpc` and Java's avro-ipc, both ways, over HTTP and over its sockets.

    pip download --no-deps pyspark==4.3.0      # 456 MB; unpack its jars
    python3 testdata/rpc/java.py target/debug/avro-sql path/to/jars

It needs a JDK of version 17. It prints a line for each call; `java.txt` has those that were made with avro-ipc 1.12.1.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
FILE = str(HERE / "sensors.avpr")
ROWS = [{"sensor": "a", "value": 1.5, "unit": None}, {"sensor": "b", "value": -2.0, "unit": {"string": "C"}}]


def older(folder):
    """A protocol with a field less, which the other side does not know."""
    protocol = json.loads(pathlib.Path(FILE).read_text())
    del protocol["types"][0]["fields"][2]
    path = pathlib.Path(folder) / "older.avpr"
    path.write_text(json.dumps(protocol))
    return str(path)


def main(command, jars):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["javac", "-nowarn", "-cp", f"{jars}/*", "-d", folder, str(HERE / "Peer.java")], check=True)
        java = ["java", "-cp", f"{folder}:{jars}/*", "Peer"]
        for scheme in ["http", "tcp"]:
            to_java(command, java, scheme, older(folder))
            from_java(command, java, scheme, older(folder))


def to_java(command, java, scheme, other):
    server = subprocess.Popen([*java, scheme, FILE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    url = server.stdout.readline().strip()

    def run(what, *arguments):
        ran = subprocess.run([command, *arguments], capture_output=True, text=True, timeout=600)
        print(f"to Java, {scheme}, {what}: {(ran.stdout or ran.stderr).strip()!r}".replace(url, "URL"))

    ran = subprocess.run([command, "rpcprotocol", url], capture_output=True, text=True, timeout=600)
    print(f"to Java, {scheme}, protocol: {json.loads(ran.stdout)['protocol']}")
    for protocol, kind in [(FILE, "same"), (other, "older")]:
        rows = ROWS if kind == "same" else [{key: row[key] for key in ("sensor", "value")} for row in ROWS]
        calls = [
            ("describe", {"sensor": "a"}),
            ("latest", {"n": 2}),
            ("store", {"readings": rows}),
            ("log", {"line": "x"}),
            ("latest", {"n": 1001}),
            ("describe", {"sensor": "?"}),
        ]
        for message, parameters in calls:
            data = json.dumps(parameters)
            run(f"{kind} {message} {len(data)} bytes", "rpcsend", url, protocol, message, "-data", data)
    server.terminate()
    server.wait()


def from_java(command, java, scheme, other):
    overload = '{"org.example.Overload": {"retry_after": 3}}'
    rows = json.dumps(ROWS)
    calls = [
        ("same", "describe", {"sensor": "a"}, ["-data", '"the sensor a"']),
        ("same", "latest", {"n": 2}, ["-data", rows]),
        ("older", "latest", {"n": 2}, ["-data", rows]),
        ("same", "store", {"readings": ROWS}, ["-data", "2"]),
        ("same", "log", {"line": "x"}, []),
        ("same", "latest", {"n": 2}, ["--error", overload]),
        ("same", "latest", {"n": 2}, ["--error", '{"string": "no readings"}']),
    ]
    for kind, message, parameters, answer in calls:
        listen = [command, "rpcreceive", f"{scheme}://127.0.0.1:0", FILE, message, *answer]
        server = subprocess.Popen(listen, stdout=subprocess.PIPE, text=True)
        port = server.stdout.readline().removeprefix("Port: ").strip()
        protocol = FILE if kind == "same" else other
        call = [*java, "call", protocol, f"{scheme}://127.0.0.1:{port}", message, json.dumps(parameters)]
        ran = subprocess.run(call, capture_output=True, text=True, timeout=600)
        received = server.stdout.read().strip()
        server.wait()
        last = (ran.stdout or ran.stderr).strip().splitlines()[-1:]
        print(f"from Java, {scheme}, {kind} {message}: {last} {received!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
