"""Records calls between a client and a server of Apache's `avro.ipc` (`pip install avro==1.12.2`).

    python3 testdata/rpc/record.py

It writes `exchanges.json`: for each case the two protocols as Python writes them, and the requests and replies of one
call, in hexadecimal digits and with their frames.
"""

import copy
import io
import json
import pathlib

import avro.errors
import avro.ipc
import avro.protocol

HERE = pathlib.Path(__file__).parent
READINGS = [{"sensor": "a", "value": 1.5, "unit": None}, {"sensor": "b", "value": -2.0, "unit": "C"}]


class Sensors(avro.ipc.Responder):
    def invoke(self, message, request):
        if message.name == "describe" and request["sensor"] == "?":
            raise avro.errors.AvroRemoteException("no such sensor")
        answers = {
            "describe": lambda: "the sensor " + request["sensor"],
            "latest": lambda: latest(request),
            "store": lambda: len(request["readings"]),
            "log": lambda: None,
        }
        return answers[message.name]()


def latest(request):
    rows = READINGS[: request["n"]]
    # Of the newer protocol.
    return [{**row, "note": request["unit"]} for row in rows] if "unit" in request else rows


class Recorder:
    """A transport to a responder in this process, which keeps the framed bytes."""

    def __init__(self, responder, name):
        self.responder, self.remote_name, self.messages = responder, name, []

    def transceive(self, request):
        reply = self.responder.respond(request)
        self.messages += [framed(request), framed(reply)]
        return reply


def framed(message):
    writer = avro.ipc.FramedWriter(io.BytesIO())
    writer.write_framed_message(message)
    return writer.writer.getvalue().hex()


def main():
    text = (HERE / "sensors.avpr").read_text()
    newer = json.loads(text)
    # Another parameter and another field, with defaults, and another message.
    newer["messages"]["latest"]["request"].append({"name": "unit", "type": "string", "default": "C"})
    newer["types"][0]["fields"].append({"name": "note", "type": "string", "default": ""})
    newer["messages"]["more"] = {"request": [], "response": "null"}
    # A wider type, and a message that the server no longer has.
    older = copy.deepcopy(json.loads(text))
    older["messages"]["store"]["response"] = "long"
    older["messages"]["gone"] = {"request": [], "response": "string"}
    protocols = {"sensors": text, "newer": json.dumps(newer), "older": json.dumps(older)}
    protocols = {name: avro.protocol.parse(text) for name, text in protocols.items()}
    long = [{"sensor": f"s{n}", "value": n / 4, "unit": "C" if n % 3 else None} for n in range(500)]

    # The case; the client's protocol and the server's; whether the server knows the client's, and the client the
    # server's; the message and its parameters.
    cases = [
        ("both", "sensors", "sensors", True, True, "describe", {"sensor": "a"}),
        ("none", "older", "sensors", False, False, "describe", {"sensor": "é"}),
        ("none-but-right-hash", "older", "sensors", False, True, "describe", {"sensor": "a"}),
        ("client", "older", "sensors", True, False, "describe", {"sensor": "a"}),
        ("rows", "sensors", "sensors", True, True, "latest", {"n": 2}),
        ("no-rows", "sensors", "sensors", True, True, "latest", {"n": 0}),
        ("rows-in-frames", "sensors", "sensors", True, True, "store", {"readings": long}),
        ("promoted-response", "older", "sensors", False, False, "store", {"readings": READINGS}),
        ("newer-server", "sensors", "newer", False, False, "latest", {"n": 2}),
        ("newer-client", "newer", "sensors", False, False, "latest", {"n": 1, "unit": "K"}),
        ("undeclared-error", "sensors", "sensors", True, True, "describe", {"sensor": "?"}),
        ("one-way", "sensors", "sensors", True, True, "log", {"line": "started"}),
        ("unknown-message", "older", "sensors", True, True, "gone", {}),
    ]
    out = []
    for name, client, server, client_known, server_known, message, parameters in cases:
        client, server = protocols[client], protocols[server]
        avro.ipc.REMOTE_HASHES.clear()
        avro.ipc.REMOTE_PROTOCOLS.clear()
        responder = Sensors(server)
        if client_known:
            responder.set_protocol_cache(client.md5, client)
        recorder = Recorder(responder, name)
        requestor = avro.ipc.Requestor(client, recorder)
        if server_known:
            requestor.remote_protocol, requestor.remote_hash = server, server.md5
        try:
            result = {"response": requestor.request(message, parameters)}
        except avro.errors.AvroRemoteException as e:
            result = {"error": str(e)}
        except avro.errors.AvroException as e:
            result = {"fails": str(e)}
        case = {"case": name, "client": str(client), "server": str(server), "client_known": client_known}
        case |= {"server_known": server_known, "message": message, "parameters": parameters, **result}
        out.append(case | {"messages": recorder.messages})
    lines = ",\n".join(json.dumps(case) for case in out)
    (HERE / "exchanges.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
