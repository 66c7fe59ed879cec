//! The decoder of messages: messages one by one in; batches of their rows, and what is wrong with the others, out.

use super::chunk::{Chunk, Failed, Filling, Writer};
use super::{Framing, SchemaId, SchemaStore};
use crate::codec::block_bytes_max;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::program::{Program, Starts};
use crate::schema::Schema;
use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema as ArrowSchema, SchemaRef};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Bytes of the messages that are decoded together, but for a single one that is larger.
const CHUNK_BYTES_MAX: usize = 8 << 20;

/// Decodes messages to batches of rows, in the order of the messages, whatever schemas they were written with.
///
/// With [`Options::reader_schema`], batches have its columns. Without one they have those of the first message's schema, and
/// messages whose own are others are refused.
///
/// A message is a row, or, if anything is wrong with it, none: it is then refused with an error that says so, and all others
/// stay what they are. What is wrong with its frame or schema is said at once, and what is wrong inside of its datum when rows are
/// asked for, since many datums are decoded faster together than one by one ([`ValueChecks`]).
///
/// See [`message`](crate::message) for an example.
#[derive(Debug)]
pub struct MessageDecoder {
    framing: Framing,
    store: SchemaStore,
    options: Options,
    checks: ValueChecks,
    /// Each schema once, in the order of their first messages.
    writers: Vec<Writer>,
    ids: HashMap<SchemaId, Usable>,
    /// The last message's, since the next one's is mostly the same.
    last: Option<(SchemaId, usize)>,
    n_messages: u64,
    filling: Filling,
    /// Those that make whole batches.
    full: VecDeque<Chunk>,
}

/// When the datums of messages are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ValueChecks {
    /// When rows are asked for, all at once: an error is in [`MessageBatch::rejected`].
    #[default]
    OnFlush,
    /// Before a message is taken, so that its error is returned. Each datum is read twice, the first time slowly:
    /// `benches/benches/messages.rs` measures it.
    OnDecode,
}

/// What became of some messages.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct MessageBatch {
    /// The rows of those that are whole and right.
    pub batch: RecordBatch,
    /// For each row, the number of its message, as [`MessageDecoder::decode`] gave it.
    pub messages: Vec<u64>,
    /// What is wrong with the others, by the number of their message ([`Position::message`](crate::Position::message)).
    pub rejected: Vec<Error>,
}

/// Can messages of a schema be decoded?
#[derive(Debug)]
enum Usable {
    Yes(usize),
    No(Arc<Error>),
}

impl MessageDecoder {
    /// For messages in this framing, whose schemas the store has, to batches under these options.
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

    /// The same, but looking at datums then.
    #[must_use]
    pub fn with_checks(self, checks: ValueChecks) -> MessageDecoder {
        MessageDecoder { checks, ..self }
    }

    /// The schemas that it knows, to which more may be added.
    pub fn store_mut(&mut self) -> &mut SchemaStore {
        &mut self.store
    }

    /// The schema of the batches; none before the first message.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.writers.first().map(|writer| writer.program.arrow_schema())
    }

    /// The number of messages that wait for [`flush`](Self::flush).
    pub fn len(&self) -> usize {
        self.full.iter().map(Chunk::n_messages).sum::<usize>() + self.filling.n_messages
    }

    /// Does no message wait?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there enough for a batch of [`Options::batch_size`] rows, or for as many as should be decoded together? All messages
    /// are kept in memory until they are asked for.
    pub fn is_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// Takes a message, and gives its number: how many messages there were before, those that were refused among them.
    ///
    /// # Errors
    /// Where the message is refused. All that were taken before and that come after are not affected.
    /// [`ErrorKind::NotFramed`] and [`ErrorKind::ShortMessage`] where it is not in the framing,
    /// [`ErrorKind::UnknownSchema`] and [`ErrorKind::UnusableSchema`] where its schema is not there or of no use,
    /// [`ErrorKind::Resolver`] where the schema could not be looked up: the same message may succeed later,
    /// [`ErrorKind::Limit`] where it is larger than [`Limits::block_bytes`](crate::Limits::block_bytes) allows;
    /// with [`ValueChecks::OnDecode`], also what is wrong with its datum.
    pub fn decode(&mut self, message: &[u8]) -> Result<u64> {
        let number = self.next_number();
        let taken = match self.framing.split(message) {
            Ok((id, datum)) => self.take(number, id, datum, message.len() - datum.len()),
            Err(error) => Err(error),
        };
        taken.map_err(|error| error.at(|position| position.message = Some(number)))
    }

    /// Takes a bare datum whose schema's id is said elsewhere, such as in a header beside the message.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_as(&mut self, id: SchemaId, datum: &[u8]) -> Result<u64> {
        let number = self.next_number();
        self.take(number, id, datum, 0).map_err(|error| error.at(|position| position.message = Some(number)))
    }

    /// The rows of the next messages, at most [`Options::batch_size`], fewer where they are large; none if no message waits.
    /// A batch has no rows if all its messages are rejected. To be called until there are none: this never fails, since whatever
    /// is wrong is wrong with a message.
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
                    // Good ones that are too much together for a limit on blocks.
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

    // Inlined with what it calls, it takes 33 ns a message instead of 36 (`benches/benches/messages.rs`).
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

    /// The index of the writer with this id.
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

    /// The index of the writer with this schema, which may have several ids.
    fn add_writer(&mut self, schema: &Schema) -> Result<usize> {
        let known = self.writers.iter().position(|writer| writer.program.schema().json() == schema.json());
        if let Some(known) = known {
            return Ok(known);
        }
        let program = Program::compile_with(schema, &self.options, Starts::Written)?;
        if let Some(first) = self.schema() {
            same_columns(first, program.arrow_schema())?;
        }
        self.writers.push(Writer::new(program));
        Ok(self.writers.len() - 1)
    }
}

const HINT: &str = "a reader's schema can make them one";

/// Fails where rows of these schemas cannot be in one batch.
fn same_columns(first: &ArrowSchema, other: &ArrowSchema) -> Result<()> {
    let (n_first, n_other) = (first.fields().len(), other.fields().len());
    if n_first != n_other {
        return Err(Error::argument(format!(
            "it has {n_other} columns, and the messages before have {n_first}; {HINT}"
        )));
    }
    for (a, b) in first.fields().iter().zip(other.fields()) {
        if a.name() != b.name() || a.data_type() != b.data_type() || a.is_nullable() != b.is_nullable() {
            let text = |field: &arrow_schema::Field| {
                let null = if field.is_nullable() { ", nullable" } else { "" };
                format!("`{}` ({}{null})", field.name(), field.data_type())
            };
            let what = format!("it has the column {}, where the messages before have {}; {HINT}", text(b), text(a));
            return Err(Error::argument(what));
        }
    }
    Ok(())
}

/// By their messages.
fn sort(rejected: &mut [Error]) {
    rejected.sort_by_key(|error| error.position().message);
}

#[cold]
fn disagreement() -> Error {
    let what = "the program found damage where the reference decoder found none".to_string();
    ErrorKind::Arrow(ArrowError::ComputeError(what)).into()
}
