"""Drives the registry of avro-registry's tests with confluent-kafka's own client (`pip install
"confluent-kafka[avro,schemaregistry]"`), so that the stub answers as a registry does.

    cargo build -p avro-registry --example registry_stub
    python3 testdata/registry_stub.py target/debug/examples/registry_stub [target/debug/avro-sql]

With the command's path, avro-sql also reads what confluent-kafka registered and serialized, and the other way around.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import uuid

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

ITEM = json.dumps({"type": "record", "name": "shop.Item", "fields": [{"name": "sku", "type": "string"}]})
ORDER = json.dumps(
    {
        "type": "record",
        "name": "shop.Order",
        "fields": [{"name": "id", "type": "long"}, {"name": "items", "type": {"type": "array", "items": "shop.Item"}}],
    }
)


def fails(code, call, *arguments):
    try:
        call(*arguments)
    except SchemaRegistryError as error:
        assert error.error_code == code, error
    else:
        raise AssertionError(f"{call.__name__}{arguments} did not fail with {code}")


def check(url):
    client = SchemaRegistryClient({"url": url})
    assert client.get_subjects() == []
    item = client.register_schema("items-value", Schema(ITEM, "AVRO"))
    assert client.register_schema("items-value", Schema(ITEM, "AVRO")) == item
    reference = SchemaReference(name="shop.Item", subject="items-value", version=1)
    order = Schema(ORDER, "AVRO", [reference])
    order_id = client.register_schema("orders-value", order)
    assert order_id != item and client.get_subjects() == ["items-value", "orders-value"]

    # Another client, whose cache is empty.
    client = SchemaRegistryClient({"url": url})
    found = client.get_schema(order_id)
    assert json.loads(found.schema_str) == json.loads(ORDER) and found.schema_type == "AVRO"
    assert [(r.name, r.subject, r.version) for r in found.references] == [("shop.Item", "items-value", 1)]
    newest = client.get_latest_version("orders-value")
    assert (newest.subject, newest.version, newest.schema_id) == ("orders-value", 1, order_id)
    assert client.get_schema_by_guid(newest.guid).schema_str == newest.schema.schema_str
    assert client.get_version("orders-value", 1).schema_id == order_id
    assert client.get_versions("orders-value") == [1]
    assert client.lookup_schema("orders-value", order).version == 1

    assert client.get_compatibility() == "BACKWARD"
    wider = json.loads(ITEM)
    wider["fields"].append({"name": "price", "type": "double"})
    assert not client.test_compatibility("items-value", Schema(json.dumps(wider), "AVRO"))
    fails(409, client.register_schema, "items-value", Schema(json.dumps(wider), "AVRO"))
    wider["fields"][-1]["default"] = 0.0
    assert client.test_compatibility("items-value", Schema(json.dumps(wider), "AVRO"))
    client.set_compatibility("orders-value", "NONE")
    assert client.get_compatibility("orders-value") == "NONE"

    fails(42201, client.register_schema, "bad", Schema('{"type": "nonsense"}', "AVRO"))
    fails(40403, client.get_schema, 99)
    fails(40401, client.get_latest_version, "nobody")
    fails(40402, client.get_version, "orders-value", 9)

    # A deleted version is gone from lists, and is there for those who refer to it.
    client.register_schema("old-value", Schema('"int"', "AVRO"))
    assert client.delete_subject("old-value") == [1]
    assert client.get_subjects() == ["items-value", "orders-value"]
    fails(40401, SchemaRegistryClient({"url": url}).get_versions, "old-value")

    # The serializer and the deserializer, with references.
    serialize = AvroSerializer(client, order, conf={"auto.register.schemas": False})
    context = SerializationContext("orders", MessageField.VALUE)
    value = {"id": 7, "items": [{"sku": "a"}, {"sku": "b"}]}
    message = serialize(value, context)
    assert message[:5] == b"\0" + order_id.to_bytes(4, "big"), message
    assert AvroDeserializer(client)(message, context) == value
    return message


def check_command(url, command, message, folder):
    """What confluent-kafka registered and serialized, read by the command; and the other way around."""
    environment = {**os.environ, "SCHEMA_REGISTRY_URL": url}

    def run(*arguments, code=0):
        done = subprocess.run([command, *arguments], env=environment, cwd=folder, capture_output=True, text=True)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stdout + done.stderr

    def rows(sql, *options):
        return json.loads(run("--json", *options, "-c", sql))

    def file(name, schema):
        pathlib.Path(folder, name).write_text(schema if isinstance(schema, str) else json.dumps(schema))
        return name

    # What confluent-kafka registered.
    client = SchemaRegistryClient({"url": url})
    newest = client.get_latest_version("orders-value")
    order_id = newest.schema_id
    assert run("registry", "subjects") == "subject\nitems-value\norders-value\n"
    [version] = json.loads(run("registry", "versions", "orders-value", "--format", "json"))
    assert [version[key] for key in ("version", "id", "name")] == [1, order_id, "shop.Order"], version
    whole = json.loads(run("registry", "get", "orders-value"))
    assert whole["fields"][1]["type"]["items"]["name"] == "Item", whole
    for name in ("orders-value@1", str(order_id), newest.guid):
        assert json.loads(run("registry", "get", name)) == whole, name
    assert json.loads(run("registry", "get", "orders-value", "--raw")) == json.loads(ORDER)

    # What its serializer wrote, by id and by GUID.
    value = {"id": 7, "items": [{"sku": "a"}, {"sku": "b"}]}
    by_guid = b"\1" + uuid.UUID(newest.guid).bytes + message[5:]
    options = f"registry => '{url}', subject => 'orders-value'"
    for bytes_ in (message, by_guid):
        assert rows(f"SELECT from_avro(x'{bytes_.hex()}', {options}) AS o") == [{"o": value}]
        [found] = rows(f"SELECT avro_to_json(x'{bytes_.hex()}', registry => '{url}') AS o")
        assert json.loads(found["o"]) == value, found

    # Schemas that the command registers, with the references that the options name, or whole.
    wider = json.loads(ITEM)
    wider["fields"].append({"name": "price", "type": "double"})
    answer = run("registry", "compat", "items-value", file("bad.avsc", wider), code=1)
    assert "price" in answer and "BACKWARD" in answer, answer
    assert "409" in run("registry", "register", "items-value", "bad.avsc", code=1)
    wider["fields"][-1]["default"] = 0.0
    assert run("registry", "compat", "items-value", file("good.avsc", wider)) == ""
    assert run("registry", "register", "items-value", "good.avsc").startswith("subject,version,id\nitems-value,2,")
    item_id = client.get_latest_version("items-value").schema_id
    for bad in ("bad.avsc", "good.avsc"):
        pathlib.Path(folder, bad).unlink()
    file("order.avsc", ORDER)
    run("registry", "register", "carts-value", "order.avsc", "--reference", "shop.Item=items-value@2")
    run("registry", "register", "whole-value", "order.avsc", "--import", file("item.avsc", ITEM))
    [reference] = client.get_latest_version("carts-value").schema.references
    assert (reference.name, reference.subject, reference.version) == ("shop.Item", "items-value", 2)
    registered = client.get_latest_version("whole-value").schema
    assert not registered.references and json.loads(registered.schema_str) == whole, registered

    # Messages that the command writes.
    sql = f"SELECT to_avro('b', '\"string\"', id => {item_id}) AS m"
    item = bytes.fromhex(rows(sql)[0]["m"].removeprefix("\\x")) + bytes(8)
    context = SerializationContext("items", MessageField.VALUE)
    assert AvroDeserializer(SchemaRegistryClient({"url": url}))(item, context) == {"sku": "b", "price": 0.0}

    # Files by the schemas of subjects.
    run("random", "item.avsc", "items.avro", "--count", "3")
    for subject, columns in [("items-value", {"sku", "price"}), ("items-value@1", {"sku"})]:
        found = rows("SELECT * FROM 'items.avro'", "--reader-schema", f"registry:{subject}")
        assert len(found) == 3 and set(found[0]) == columns, found

    # What a registry does not have.
    assert "no subject nobody" in run("registry", "get", "nobody", code=1)
    unknown = f"x'00000000ff02', {options}"
    assert rows(f"SELECT avro_error({unknown}) AS why") == [{"why": "schema id 255 is unknown"}]
    assert rows(f"SELECT from_avro({unknown}, on_error => 'null') AS o") == [{"o": None}]
    assert "schema id 255 is unknown" in run("-c", f"SELECT from_avro({unknown}) AS o", code=1)


def main(stub, command=None):
    command = command and os.path.abspath(command)
    server = subprocess.Popen([stub], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        message = check(url)
        if command:
            with tempfile.TemporaryDirectory() as folder:
                check_command(url, command, message, folder)
    finally:
        server.stdin.close()
        server.wait(10)
    print("the stub answers confluent-kafka as a registry does" + ("; avro-sql and confluent-kafka read what the other wrote" if command else ""))


if __name__ == "__main__":
    main(*sys.argv[1:])
