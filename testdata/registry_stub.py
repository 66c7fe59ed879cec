"""Drives the registry of avro-registry's tests with confluent-kafka's own client (`pip install
"confluent-kafka[avro,schemaregistry]"`), so that the stub answers as a registry does.

    cargo build -p avro-registry --example registry_stub
    python3 testdata/registry_stub.py target/debug/examples/registry_stub [target/debug/avro-sql]

With the command's path, what confluent-kafka registered and serialized is also read by avro-sql.
"""

import json
import os
import subprocess
import sys

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


def check_command(url, command, message):
    environment = {**os.environ, "SCHEMA_REGISTRY_URL": url}

    def run(*arguments):
        done = subprocess.run([command, *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("registry", "subjects") == "subject\nitems-value\norders-value\n"
    whole = json.loads(run("registry", "get", "orders-value"))
    assert whole["fields"][1]["type"]["items"]["name"] == "Item", whole
    sql = f"from_avro(x'{message.hex()}', framing => 'confluent', registry => '{url}', subject => 'orders-value')"
    rows = json.loads(run("--json", "-c", f"SELECT {sql} AS o"))
    assert rows == [{"o": {"id": 7, "items": [{"sku": "a"}, {"sku": "b"}]}}], rows


def main(stub, command=None):
    server = subprocess.Popen([stub], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        message = check(url)
        if command:
            check_command(url, command, message)
    finally:
        server.stdin.close()
        server.wait(10)
    print("the stub answers confluent-kafka as a registry does" + ("; avro-sql reads it too" if command else ""))


if __name__ == "__main__":
    main(*sys.argv[1:])
