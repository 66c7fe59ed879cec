//! The table of the functions.

use super::call::{CallConstants, PreparedCall};
use super::decoding::{Decoding, Reasons};
use super::encoding::Encoding;
use super::files::{FromFile, IdOf};
use super::json::{FromJson, ToJson};
use super::sources::Sources;
use datafusion::common::Result;

/// What the first argument of a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Bytes,
    Text,
    Anything,
}

/// A function.
pub(super) struct AvroDefinition {
    pub(super) name: &'static str,
    pub(super) usage: &'static str,
    pub(super) about: &'static str,
    pub(super) example: &'static str,
    pub(super) takes: Takes,
    pub(super) prepare: fn(&CallConstants, Sources) -> Result<Box<dyn PreparedCall>>,
}

pub(super) const FUNCTIONS: [AvroDefinition; 7] = [
    AvroDefinition {
        name: "from_avro",
        usage: "from_avro(bytes, schema, ..)",
        about: "The value of an Avro message: a record for a schema of a record. `schema` is JSON, or the path or URL \
            of a schema file or data file. Options: `framing`, `schemas`, `on_error`, `columns`, and those of reading.",
        example: "from_avro(x'0602', '{\"type\": \"record\", \"name\": \"R\", \"fields\": \
            [{\"name\": \"a\", \"type\": \"int\"}, {\"name\": \"b\", \"type\": \"int\"}]}')",
        takes: Takes::Bytes,
        prepare: Decoding::prepare,
    },
    AvroDefinition {
        name: "to_avro",
        usage: "to_avro(value[, schema], ..)",
        about: "A value as an Avro message. Without `schema` it is made of the type of the value. Options: `framing`, \
            `id`.",
        example: "hex(to_avro(named_struct('a', 3, 'b', 'x')))",
        takes: Takes::Anything,
        prepare: Encoding::prepare,
    },
    AvroDefinition {
        name: "avro_to_json",
        usage: "avro_to_json(bytes, schema, ..)",
        about: "The value of an Avro message as JSON. Options: `form` (`plain`, or `avro` for the encoding of the \
            specification), and those of from_avro.",
        example: "avro_to_json(x'04000261020600', '{\"type\": \"array\", \"items\": [\"string\", \"int\"]}')",
        takes: Takes::Bytes,
        prepare: ToJson::prepare,
    },
    AvroDefinition {
        name: "json_to_avro",
        usage: "json_to_avro(json, schema, ..)",
        about: "JSON as an Avro message. Options: `form` (`plain`, or `avro`), `framing`, `id`, `on_error`.",
        example: "hex(json_to_avro('[1, 2]', '{\"type\": \"array\", \"items\": \"int\"}'))",
        takes: Takes::Text,
        prepare: FromJson::prepare,
    },
    AvroDefinition {
        name: "from_avro_file",
        usage: "from_avro_file(bytes, schema, ..)",
        about: "The rows of an Avro file whose bytes are the value, as a list. Files are resolved to `schema`.",
        example: "",
        takes: Takes::Bytes,
        prepare: FromFile::prepare,
    },
    AvroDefinition {
        name: "avro_schema_id",
        usage: "avro_schema_id(bytes[, framing => 'auto'])",
        about: "The id of the schema of a message: a number, a GUID, or the hex digits of a fingerprint; null for a \
            message without an id.",
        example: "avro_schema_id(x'000000000702')",
        takes: Takes::Bytes,
        prepare: IdOf::prepare,
    },
    AvroDefinition {
        name: "avro_error",
        usage: "avro_error(bytes, schema, ..)",
        about: "Why a message cannot be decoded; null if it can. Options are those of from_avro.",
        example: "avro_error(x'0461', '\"string\"')",
        takes: Takes::Bytes,
        prepare: Reasons::prepare,
    },
];
