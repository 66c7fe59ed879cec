//! The message decoder: turns messages into batches of rows, and rejects damaged ones.

use super::chunk::{Chunk, Failed, Filling, WriterProgram};
use super::{Framing, SchemaId, SchemaStore};
use crate::codec::block_bytes_max;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::program::{Program, Starts};
use crate::schema::Schema;
use arrow_array::RecordBatch;
use arrow_schema::{Schema as ArrowSchema, SchemaRef};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Bytes of the messages that are decoded together, unless a single message is larger.
const CHUNK_BYTES_MAX: usize = 8 << 20;

/// Decodes messages to batches of rows, in the order of the messages, whatever schemas they were written with.
///
/// With [`Options::reader_schema`], batches have its columns. Without one they have the columns of the first message's
/// schema, and messages whose columns differ are rejected.
///
/// A message is one row, or it is rejected with an error and gives no row. Other messages are not affected. An error
/// in the frame or the schema is returned at once. An error in the datum is found when rows are requested, as many
/// datums are decoded faster together than one by one ([`ValueChecks`]).
///
/// See [`message`](crate::message) for an example.
#[derive(Debug)]
pub struct MessageDecoder {
    framing: Framing,
    store: SchemaStore,
    options: Options,
    checks: ValueChecks,
    /// Each schema once, in the order of their first messages.
    writers: Vec<WriterProgram>,
    ids: HashMap<SchemaId, Usable>,
    /// The id of the last message, which the next one mostly has too.
    last: Option<(SchemaId, usize)>,
    n_messages: u64,
    filling: Filling,
    /// Chunks that make whole batches.
    full: VecDeque<Chunk>,
}

/// When the datums of messages are validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ValueChecks {
    /// When rows are requested, all at once; errors are in [`MessageBatch::rejected`].
    #[default]
    OnFlush,
    /// When a message is added, so that its error is returned. Each datum is read twice, the first time slowly
    /// (measured in `benches/benches/messages.rs`).
    OnDecode,
}

/// The rows and the errors of some messages.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct MessageBatch {
    /// The rows of the valid messages.
    pub batch: RecordBatch,
    /// For each row, the index of its message, as [`MessageDecoder::decode`] returned it.
    pub messages: Vec<u64>,
    /// The errors of the other messages, in the order of their [indexes](crate::Position::message).
    pub rejected: Vec<Error>,
}

/// Whether messages of a schema can be decoded.
#[derive(Debug)]
enum Usable {
    Yes(usize),
    No(Arc<Error>),
}

impl MessageDecoder {
    /// Creates a decoder for messages in this framing, whose schemas are in `store`.
    pub fn new(framing: Framing, store: SchemaStore, options: &Options) -> MessageDecoder {
        MessageDecoder {
            framing,
            store,
            options: options.clone(),
            checks: ValueChecks::default(),
            writers: Vec::new(),
            ids: HashMap::new(),
            last: None,
            n_messages: 0,
            filling: Filling::default(),
            full: VecDeque::new(),
        }
    }

    /// Sets when datums are validated; the default is [`ValueChecks::OnFlush`].
    #[must_use]
    pub fn with_checks(self, checks: ValueChecks) -> MessageDecoder {
        MessageDecoder { checks, ..self }
    }

    /// Returns the schema store, to which schemas may be added.
    pub fn store_mut(&mut self) -> &mut SchemaStore {
        &mut self.store
    }

    /// Returns the Arrow schema of the batches. Without a reader's schema it is `None` until the first message.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.writers.first().map(|writer| writer.program.arrow_schema())
    }

    /// Returns the index that the next message will have.
    pub fn next_index(&self) -> u64 {
        self.n_messages
    }

    /// Returns the number of messages that wait for [`flush`](Self::flush).
    pub fn len(&self) -> usize {
        self.full.iter().map(Chunk::n_messages).sum::<usize>() + self.filling.n_messages
    }

    /// Whether no message waits for [`flush`](Self::flush).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether enough messages wait for a batch of [`Options::batch_size`] rows, or for as many as should be decoded
    /// together. All messages are kept in memory until [`flush`](Self::flush).
    pub fn is_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// Adds a message and returns its index, which counts all messages before it, rejected ones included.
    ///
    /// # Errors
    /// Fails if the message is rejected. Other messages are not affected.
    ///
    /// - [`ErrorKind::NotFramed`] and [`ErrorKind::ShortMessage`]: the message is not in the framing.
    /// - [`ErrorKind::UnknownSchema`] and [`ErrorKind::UnusableSchema`]: its schema id is unknown, or the schema
    ///   cannot be used.
    /// - [`ErrorKind::Resolver`]: the schema could not be looked up. A retry may succeed.
    /// - [`ErrorKind::Limit`]: the message is larger than [`Limits::block_bytes`](crate::Limits::block_bytes).
    /// - With [`ValueChecks::OnDecode`], any error in its datum.
    pub fn decode(&mut self, message: &[u8]) -> Result<u64> {
        self.decode_in(self.framing, message)
    }

    /// Adds a message in a framing of its own, such as one that [`Framing::detect`] returned.
    ///
    /// # Errors
    /// Fails as [`decode`](Self::decode) does.
    pub fn decode_in(&mut self, framing: Framing, message: &[u8]) -> Result<u64> {
        let number = self.next_number();
        let taken = match framing.split(message) {
            Ok((id, datum)) => self.take(number, id, datum, message.len() - datum.len()),
            Err(error) => Err(error),
        };
        taken.map_err(|error| error.at(|position| position.message = Some(number)))
    }

    /// Adds a bare datum whose schema id comes from elsewhere, such as a header beside the message.
    ///
    /// # Errors
    /// Fails as [`decode`](Self::decode) does.
    pub fn decode_as(&mut self, id: SchemaId, datum: &[u8]) -> Result<u64> {
        let number = self.next_number();
        self.take(number, id, datum, 0).map_err(|error| error.at(|position| position.message = Some(number)))
    }

    /// Returns the rows of the next messages, at most [`Options::batch_size`] and fewer where they are large; `None`
    /// if no message waits. Call it until it returns `None`.
    ///
    /// A batch has no rows if all its messages are rejected. This never fails, as every error belongs to a message.
    pub fn flush(&mut self) -> Option<MessageBatch> {
        let mut rejected = Vec::new();
        while let (Some(chunk), Some(schema)) = (self.next_chunk(), self.schema().cloned()) {
            match chunk.decode(&mut self.writers, &schema) {
                Ok(batch) => {
                    sort(&mut rejected);
                    return Some(MessageBatch { batch, messages: chunk.numbers(), rejected });
                }
                Err(Failed::TooLarge(error)) => self.halve(chunk, error, &mut rejected),
                Err(Failed::Damaged) => match chunk.checked(&mut self.writers) {
                    Ok((good, errors)) => {
                        rejected.extend(errors);
                        if good.n_messages() == 0 {
                            break;
                        }
                        self.full.push_front(good);
                    }
                    // Valid messages that are together too large for the limit on blocks.
                    Err(chunk) => self.halve(chunk, disagreement(), &mut rejected),
                },
            }
        }
        if rejected.is_empty() {
            return None;
        }
        sort(&mut rejected);
        let schema = self.schema().cloned().unwrap_or_else(|| Arc::new(ArrowSchema::empty()));
        Some(MessageBatch { batch: RecordBatch::new_empty(schema), messages: vec![], rejected })
    }

    fn next_number(&mut self) -> u64 {
        let number = self.n_messages;
        self.n_messages += 1;
        number
    }

    fn next_chunk(&mut self) -> Option<Chunk> {
        self.full.pop_front().or_else(|| (self.filling.n_messages > 0).then(|| self.filling.take()))
    }

    /// Decodes the halves of a chunk next. A single message is rejected.
    fn halve(&mut self, chunk: Chunk, error: Error, rejected: &mut Vec<Error>) {
        match chunk.halves() {
            Ok((first, second)) => {
                self.full.push_front(second);
                self.full.push_front(first);
            }
            Err(number) => rejected.push(error.at(|position| position.message = number)),
        }
    }

    // Inlining this function with its callees saves 3 of 36 ns per message (`benches/benches/messages.rs`).
    #[inline]
    fn take(&mut self, number: u64, id: SchemaId, datum: &[u8], prefix: usize) -> Result<u64> {
        let writer = match self.last {
            Some((last, writer)) if last == id => writer,
            _ => self.writer_of(id)?,
        };
        let max = block_bytes_max(&self.options.limits);
        if datum.len() > max {
            let limit = ErrorKind::Limit { limit: "block_bytes", value: datum.len() as u64, max: max as u64 };
            return Err(limit.into());
        }
        if self.checks == ValueChecks::OnDecode
            && let Some(error) = self.writers.get(writer).and_then(|writer| writer.check(datum, prefix))
        {
            return Err(error);
        }
        if self.filling.n_messages > 0 && self.filling.n_bytes + datum.len() > CHUNK_BYTES_MAX {
            self.full.push_back(self.filling.take());
        }
        self.filling.push(writer, number, prefix, datum);
        if self.filling.n_messages >= self.options.batch_size.max(1) {
            self.full.push_back(self.filling.take());
        }
        Ok(number)
    }

    /// Returns the index of the writer with this id.
    fn writer_of(&mut self, id: SchemaId) -> Result<usize> {
        if !self.ids.contains_key(&id) {
            let schema = self.store.get(id)?;
            let usable = self.add_writer(&schema).map_or_else(|error| Usable::No(Arc::new(error)), Usable::Yes);
            self.ids.insert(id, usable);
        }
        match self.ids.get(&id) {
            Some(Usable::Yes(writer)) => {
                self.last = Some((id, *writer));
                Ok(*writer)
            }
            Some(Usable::No(error)) => {
                Err(ErrorKind::UnusableSchema { id: id.to_string(), error: Arc::clone(error) }.into())
            }
            None => Err(ErrorKind::UnknownSchema { id: id.to_string() }.into()),
        }
    }

    /// Returns the index of the writer with this schema, which may have several ids.
    fn add_writer(&mut self, schema: &Schema) -> Result<usize> {
        let known = self.writers.iter().position(|writer| writer.program.schema().json() == schema.json());
        if let Some(known) = known {
            return Ok(known);
        }
        let program = Program::compile_with(schema, &self.options, Starts::Written)?;
        if let Some(first) = self.schema() {
            same_columns(first, program.arrow_schema())?;
        }
        self.writers.push(WriterProgram::new(program));
        Ok(self.writers.len() - 1)
    }
}

const HINT: &str = "a reader's schema can unify them";

/// Fails if rows of these schemas cannot be in one batch.
fn same_columns(first: &ArrowSchema, other: &ArrowSchema) -> Result<()> {
    let (n_first, n_other) = (first.fields().len(), other.fields().len());
    if n_first != n_other {
        return Err(Error::argument(format!("it has {n_other} columns, but earlier messages have {n_first}; {HINT}")));
    }
    for (a, b) in first.fields().iter().zip(other.fields()) {
        if a.name() != b.name() || a.data_type() != b.data_type() || a.is_nullable() != b.is_nullable() {
            let text = |field: &arrow_schema::Field| {
                let null = if field.is_nullable() { ", nullable" } else { "" };
                format!("`{}` ({}{null})", field.name(), field.data_type())
            };
            let what = format!("it has the column {}, where earlier messages have {}; {HINT}", text(b), text(a));
            return Err(Error::argument(what));
        }
    }
    Ok(())
}

/// Sorts by the index of the message.
fn sort(rejected: &mut [Error]) {
    rejected.sort_by_key(|error| error.position().message);
}

#[cold]
fn disagreement() -> Error {
    Error::internal("the program found damage where the reference decoder found none")
}
