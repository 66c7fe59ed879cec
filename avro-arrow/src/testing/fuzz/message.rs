//! Messages in: each is the row that the reference decoder makes of it, or none, whatever the others are.

use super::block::{is_small, parse, schema_of};
use super::{Input, limits, patch, rng_of};
use crate::error::Error;
use crate::exec::CpuKind;
use crate::message::{Framing, IdWidth, MessageDecoder, SchemaId, SchemaStore, ValueChecks};
use crate::options::Options;
use crate::program::Program;
use crate::reference::{decode_rows, to_batch};
use crate::schema::Schema;
use crate::testing::{Rng, evolved_schema, random_rows};
use arrow_array::RecordBatch;
use arrow_schema::Schema as ArrowSchema;
use arrow_select::concat::concat_batches;
use std::sync::Arc;

/// Many enough to be several blocks, so that there are several lanes.
const TIMES: usize = 70;

/// Bytes of messages, after which there are no more: they would only take longer.
const BYTES_MAX: usize = 16 << 10;

/// The fuzz target for messages. Three lines have the schema of the first writer, of the second, and the reader's
/// (empty: none); then come a byte of options and one that says how messages are framed, and messages until the end.
/// Each begins with a byte of what it is: 1, of the second writer; 2, a random row of the next byte as a seed, else as
/// many bytes as it says; 4, changed as the next three bytes say; 8, there many times; 16, without a frame.
///
/// # Panics
/// Where a message is not the row that it is to the reference decoder, or is a row though it is none to that.
pub fn message(bytes: &[u8]) {
    let mut input = Input(bytes);
    let Some(first) = schema_of(input.line()) else { return };
    let Some(second) = changed(input.line(), &first) else { return };
    let reader_schema = match input.line() {
        [] => None,
        line => changed(line, &first),
    };
    let options = Options { reader_schema, ..input.options() };
    let how = input.byte();
    let framings = [
        Framing::SingleObject,
        Framing::Confluent,
        Framing::Apicurio(IdWidth::Four),
        Framing::Apicurio(IdWidth::Eight),
        Framing::Bare,
    ];
    let framing = framings.get(usize::from(how & 7) % framings.len()).copied().unwrap_or(Framing::Bare);
    let options = Options { batch_size: if how & 8 > 0 { 3 } else { 8192 }, ..options };
    let writers = [first, second];
    let ids = if how & 16 > 0 { [[1; 16], [2; 16]].map(SchemaId::Guid) } else { [1, 2].map(SchemaId::Number) };
    let ids = match framing {
        Framing::SingleObject => [0, 1].map(|at: usize| SchemaId::Rabin(writers.get(at).map_or(0, Schema::rabin))),
        Framing::Confluent => ids,
        Framing::Apicurio(_) => [1, 2].map(SchemaId::Number),
        Framing::Bare => [SchemaId::Unnamed; 2],
    };
    let messages = messages_of(&mut input, framing, &writers, ids);

    let programs = writers.each_ref().map(|writer| Program::compile(writer, &options).ok().map(Arc::new));
    let Some(want) = wanted(&messages, framing, ids, &programs) else { return };
    let mut runs: Vec<_> = CpuKind::all().into_iter().map(|cpu| (cpu, ValueChecks::OnFlush)).collect();
    runs.extend(CpuKind::all().first().map(|cpu| (*cpu, ValueChecks::OnDecode)));
    for (cpu, checks) in runs {
        let mut store = SchemaStore::new();
        for (id, writer) in ids.iter().zip(&writers) {
            store.insert(*id, writer.clone());
        }
        let decoder = MessageDecoder::new(framing, store, &options).with_checks(checks);
        cpu.force(|| compare(decoder, &messages, &want, options.batch_size));
    }
}

/// The schema in a line, or a change to this one.
fn changed(line: &[u8], schema: &Schema) -> Option<Schema> {
    parse(line).or_else(|| Schema::parse(&evolved_schema(&mut rng_of(line), schema.json())?, &limits()).ok())
}

fn messages_of(input: &mut Input<'_>, framing: Framing, writers: &[Schema; 2], ids: [SchemaId; 2]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut n_bytes = 0;
    while !input.0.is_empty() && messages.len() < 2 * TIMES && n_bytes < BYTES_MAX {
        let (what, n) = (input.byte(), input.byte());
        let [first, second] = writers;
        let (writer, [first_id, second_id]) = (if what & 1 > 0 { second } else { first }, ids);
        let mut message = Vec::new();
        if what & 16 == 0 {
            let id = if what & 1 > 0 { second_id } else { first_id };
            let written = framing.write_prefix(id, &mut message);
            assert!(
                written.is_ok() && framing.split(&message).is_ok_and(|(found, rest)| found == id && rest.is_empty())
            );
        }
        match what & 2 > 0 {
            true => message.extend(random_rows(&mut Rng::new(n.into()), writer, 1)),
            false => message.extend((0..n).map_while(|_| (!input.0.is_empty()).then(|| input.byte()))),
        }
        if what & 4 > 0 {
            patch(&mut message, &[input.byte(), input.byte(), input.byte()]);
        }
        let times = if what & 8 > 0 && message.len() * TIMES < BYTES_MAX { TIMES } else { 1 };
        n_bytes += message.len() * times;
        messages.extend(std::iter::repeat_n(message, times));
    }
    messages
}

/// What the messages are: the numbers of those that are rows, and the rows. None if they are too large to compare.
struct Wanted {
    numbers: Vec<u64>,
    batch: Option<RecordBatch>,
}

fn wanted(
    messages: &[Vec<u8>],
    framing: Framing,
    ids: [SchemaId; 2],
    programs: &[Option<Arc<Program>>; 2],
) -> Option<Wanted> {
    let mut first: Option<&Arc<Program>> = None;
    let (mut numbers, mut batches) = (Vec::new(), Vec::new());
    let mut before: Option<&[u8]> = None;
    for (number, message) in (0..).zip(messages) {
        let Ok((id, datum)) = framing.split(message) else { continue };
        // Of two schemas with one id, the second counts.
        let program = ids.iter().zip(programs).rfind(|(of, _)| **of == id).and_then(|(_, program)| program.as_ref());
        let Some(program) = program else { continue };
        let first = *first.get_or_insert(program);
        let limits = &program.options.limits;
        if !same_columns(first.arrow_schema(), program.arrow_schema()) || datum.len() > limits.block_bytes {
            continue;
        }
        let Ok(row) = decode_rows(&program.plan, datum, 1, limits) else { continue };
        if before.replace(message) != Some(message) && !is_small(program, &[(1, datum.to_vec())]) {
            return None;
        }
        numbers.push(number);
        // Enums of two writers may have other symbols, and be columns of one type: each row is made by its own plan.
        batches.push(to_batch(&program.plan, row));
    }
    let batches: crate::Result<Vec<RecordBatch>> = batches.into_iter().collect();
    assert!(batches.is_ok(), "rows that make no batch: {batches:?}");
    let batch = batches.ok().zip(first).map(|(batches, first)| concat_batches(first.arrow_schema(), &batches));
    assert!(batch.as_ref().is_none_or(|batch| batch.is_ok()), "rows that make no batch: {batch:?}");
    Some(Wanted { numbers, batch: batch.and_then(|batch| batch.ok()) })
}

/// Whether rows of both can be in one batch.
fn same_columns(first: &ArrowSchema, other: &ArrowSchema) -> bool {
    let columns = |schema: &ArrowSchema| -> Vec<_> {
        let fields = schema.fields().iter();
        fields.map(|field| (field.name().clone(), field.data_type().clone(), field.is_nullable())).collect()
    };
    columns(first) == columns(other)
}

fn compare(mut decoder: MessageDecoder, messages: &[Vec<u8>], want: &Wanted, batch_size: usize) {
    let said: Vec<Error> = messages.iter().filter_map(|message| decoder.decode(message).err()).collect();
    let (mut numbers, mut batches, mut n_refused) = (Vec::new(), Vec::new(), said.len());
    while let Some(found) = decoder.flush() {
        assert!(found.batch.num_rows() == found.messages.len() && found.messages.len() <= batch_size);
        numbers.extend(found.messages);
        batches.push(found.batch);
        n_refused += found.rejected.len();
        assert!(found.rejected.iter().chain(&said).all(|error| error.position().message.is_some()));
    }
    assert_eq!(numbers, want.numbers, "the messages that are rows");
    assert_eq!(n_refused + numbers.len(), messages.len(), "messages that are neither rows nor refused");
    let found = batches.first().map(|first| concat_batches(&first.schema(), &batches));
    match (found, &want.batch) {
        (Some(Ok(found)), Some(want)) => {
            assert_eq!(found.columns(), want.columns());
            let valid = found.columns().iter().all(|column| column.to_data().validate_full().is_ok());
            assert!(valid && found.num_rows() == want.num_rows());
        }
        (found, _) => assert!(found.is_none_or(|found| found.is_ok_and(|found| found.num_rows() == 0))),
    }
}
