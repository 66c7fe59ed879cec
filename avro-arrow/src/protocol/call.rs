//! Calls: a message of a protocol with its encoded parameters.

use super::datum::array_of_rows;
use super::declaration::Protocol;
use super::wire::{Metadata, put_bytes, put_metadata};
use crate::error::Result;
use crate::json::{Encoder, Form};
use crate::limits::Limits;
use crate::schema::Schema;
use arrow_array::RecordBatch;

/// A call of a message, with its parameters in Avro's binary encoding.
#[derive(Debug, Clone)]
pub struct Call {
    message: String,
    metadata: Metadata,
    parameters: Vec<u8>,
}

impl Call {
    /// Makes a call from a JSON object with the parameters by their names.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::UnknownMessage`](crate::ErrorKind::UnknownMessage) if the protocol has no such message,
    /// and as [`Encoder::encode`] does.
    pub fn from_json(protocol: &Protocol, message: &str, json: &str, form: Form, limits: &Limits) -> Result<Call> {
        let parameters = encode(&protocol.message(message)?.request, json, form, limits)?;
        Ok(Call { message: message.to_owned(), metadata: Metadata::new(), parameters })
    }

    /// Makes a call from rows, for a message whose one parameter is an array. Columns are found by the names of the
    /// fields of its items.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::UnknownMessage`](crate::ErrorKind::UnknownMessage) if the protocol has no such message,
    /// with [`ErrorKind::Argument`](crate::ErrorKind::Argument) if its parameters are not one array or the columns do
    /// not fit, and with [`ErrorKind::Unwritable`](crate::ErrorKind::Unwritable) if a value does not.
    pub fn from_batches(protocol: &Protocol, message: &str, rows: &[RecordBatch], limits: &Limits) -> Result<Call> {
        let parameters = array_of_rows(&protocol.message(message)?.request, rows, limits)?;
        Ok(Call { message: message.to_owned(), metadata: Metadata::new(), parameters })
    }

    /// Makes a call of no message. It performs a handshake, and so tells whether a server is there.
    // SPEC: Call Format: "the empty string may be used as a “ping” message".
    pub fn ping() -> Call {
        Call { message: String::new(), metadata: Metadata::new(), parameters: Vec::new() }
    }

    /// Returns the call with this metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Call {
        Call { metadata, ..self }
    }

    /// Returns the name of the message; it is empty for a [`ping`](Self::ping).
    pub fn message(&self) -> &str {
        &self.message
    }

    // SPEC: Call Format: metadata, the message name, the parameters.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_metadata(&self.metadata, out);
        put_bytes(self.message.as_bytes(), out);
        out.extend_from_slice(&self.parameters);
    }
}

/// Encodes JSON as a value of a schema.
pub(super) fn encode(schema: &Schema, json: &str, form: Form, limits: &Limits) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Encoder::new(schema, form, limits).encode(json, schema.root(), &mut bytes)?;
    Ok(bytes)
}
