//! Messages: decodes individual datums, as queues and logs carry them, with or without an id of their schema.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use avro_arrow::Options;
//! use avro_arrow::message::{Framing, MessageDecoder, SchemaId, SchemaStore};
//! use avro_arrow::schema::Schema;
//!
//! let options = Options::default();
//! let limits = options.limits.clone();
//! // The resolver, such as the client of a schema registry, is asked once for each id.
//! let store = SchemaStore::new().with_resolver(move |id| match id {
//!     SchemaId::Number(7) => {
//!         let fields = r#"[{"name": "id", "type": "long"}, {"name": "kind", "type": "string"}]"#;
//!         let schema = format!(r#"{{"type": "record", "name": "Event", "fields": {fields}}}"#);
//!         Ok(Some(Schema::parse(&schema, &limits)?))
//!     }
//!     _ => Ok(None),
//! });
//!
//! let mut decoder = MessageDecoder::new(Framing::Confluent, store, &options);
//! let messages: [&[u8]; 4] = [
//!     b"\0\0\0\0\x07\x02\x08VIEW", // id 1
//!     b"\0\0\0\0\x07\x04\x06BUY",  // id 2
//!     b"\0\0\0\0\x07\x06\x06BU",   // cut short
//!     b"\x05hello",                // something else
//! ];
//! for message in messages {
//!     if let Err(error) = decoder.decode(message) {
//!         assert_eq!(
//!             error.to_string(),
//!             "not a message in Confluent's framing: it starts with 05 68 65 6c 6c 6f \
//!              (message 3, offset in message 0)"
//!         );
//!     }
//! }
//! while let Some(rows) = decoder.flush() {
//!     assert_eq!(rows.batch.num_rows(), 2);
//!     assert_eq!(rows.messages, [0, 1]);
//!     assert_eq!(
//!         rows.rejected[0].to_string(),
//!         "a value runs past the end of its message (field kind, message 2, offset in message 6)"
//!     );
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Framing`] splits a message into its [`SchemaId`] and its datum, and writes the prefix of a datum.
//! - [`SchemaStore`] maps ids to schemas, and asks a [`ResolveSchema`] for unknown ids.
//! - [`MessageDecoder`] decodes messages to batches.

mod chunk;
mod decoder;
mod framing;
mod store;

pub use decoder::{MessageBatch, MessageDecoder, ValueChecks};
pub use framing::{Framing, IdWidth, SchemaId};
pub use store::{ResolveError, ResolveSchema, SchemaStore};
