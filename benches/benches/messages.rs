//! Messages of about a hundred bytes in Confluent's framing, in memory: an iteration decodes 8,192 of them to a batch,
//! or to values where an engine has no batches. What came of it is in `benches/README.md`.
#![allow(missing_docs, clippy::unwrap_used)]

use arrow_avro::reader::ReaderBuilder;
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore as ArrowAvroStore};
use avro_arrow::message::{Framing, MessageDecoder, SchemaId, SchemaStore, ValueChecks};
use avro_arrow::schema::Schema;
use avro_arrow::{Limits, Options};
use avro_benches::avro_writer::Encoder;
use avro_benches::random::Random;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MESSAGES: usize = 8_192;

const SCHEMA: &str = r#"{"type": "record", "name": "Event", "fields": [
    {"name": "id", "type": "long"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "session", "type": "string"},
    {"name": "user", "type": "UNION_LONG"},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["VIEW", "CART", "BUY", "REFUND"]}},
    {"name": "path", "type": "string"},
    {"name": "amount", "type": "UNION_DOUBLE"},
    {"name": "quantity", "type": "int"},
    {"name": "country", "type": "string"},
    {"name": "mobile", "type": "boolean"}]}"#;

/// The schema, with unions that have null first or last: other bytes, the same columns.
fn schema(null_first: bool) -> String {
    let union = |name: &str| match null_first {
        true => format!("[\"null\", \"{name}\"]"),
        false => format!("[\"{name}\", \"null\"]"),
    };
    SCHEMA.replace("\"UNION_LONG\"", &union("long")).replace("\"UNION_DOUBLE\"", &union("double"))
}

/// Makes the message of this number, equal at each call.
fn message(number: usize, id: u64, null_first: bool) -> Vec<u8> {
    let mut random = Random::new(number as u64);
    let mut datum = Encoder::default();
    let (null, value) = if null_first { (0, 1) } else { (1, 0) };
    datum.long(10_000_000 + number as i64);
    datum.long(1_700_000_000_000_000 + random.below(1 << 40) as i64);
    datum.string(&format!("{:016x}-{:012x}", random.below(u64::MAX), random.below(1 << 48)));
    if random.below(4) > 0 {
        datum.branch(value);
        datum.long(random.below(1 << 20) as i64);
    } else {
        datum.branch(null);
    }
    datum.long(random.below(4) as i64);
    datum.string(&format!("/shop/{}/item-{}", random.below(100), random.below(1_000_000)));
    if random.below(2) > 0 {
        datum.branch(value);
        datum.double(random.below(100_000) as f64 / 100.0);
    } else {
        datum.branch(null);
    }
    datum.long(random.below(20) as i64);
    datum.string(["DE", "FR", "US", "IN"][random.below(4) as usize]);
    datum.boolean(random.below(2) > 0);
    let mut message = Vec::new();
    Framing::Confluent.write_prefix(SchemaId::Number(id), &mut message).unwrap();
    message.extend(datum.into_bytes());
    message
}

fn ours(checks: ValueChecks, messages: &[Vec<u8>]) -> impl FnMut() {
    let mut store = SchemaStore::new();
    for (id, null_first) in [(1, true), (2, false)] {
        store.insert(SchemaId::Number(id), Schema::parse(&schema(null_first), &Limits::default()).unwrap());
    }
    let mut decoder = MessageDecoder::new(Framing::Confluent, store, &Options::default()).with_checks(checks);
    move || {
        for message in messages {
            let _ = decoder.decode(message);
        }
        let rows = decoder.flush().unwrap();
        black_box(&rows);
    }
}

fn messages(criterion: &mut Criterion) {
    let one: Vec<Vec<u8>> = (0..MESSAGES).map(|number| message(number, 1, true)).collect();
    let two = (0..MESSAGES).map(|number| message(number, 1 + number as u64 % 2, number % 2 == 0));
    let two: Vec<Vec<u8>> = two.collect();
    let mut damaged = one.clone();
    for message in damaged.iter_mut().step_by(1000) {
        message.pop();
    }
    let bytes: usize = one.iter().map(Vec::len).sum();
    println!("{} bytes a message", bytes / MESSAGES);

    let mut group = criterion.benchmark_group("messages");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    let mut time = |name: &str, mut run: Box<dyn FnMut() + '_>| {
        group.bench_function(name, |bencher| bencher.iter(&mut run));
    };
    time("ours", Box::new(ours(ValueChecks::OnFlush, &one)));
    time("ours, checked on decode", Box::new(ours(ValueChecks::OnDecode, &one)));
    time("ours, two writers in turns", Box::new(ours(ValueChecks::OnFlush, &two)));
    time("ours, 9 of 8192 damaged", Box::new(ours(ValueChecks::OnFlush, &damaged)));

    let mut store = ArrowAvroStore::new_with_type(FingerprintAlgorithm::Id);
    store.set(Fingerprint::Id(1), AvroSchema::new(schema(true))).unwrap();
    let mut decoder =
        ReaderBuilder::new().with_writer_schema_store(store).with_batch_size(MESSAGES).build_decoder().unwrap();
    let run = || {
        for message in &one {
            assert_eq!(decoder.decode(message).unwrap(), message.len());
        }
        let batch = decoder.flush().unwrap().unwrap();
        assert_eq!(black_box(batch).num_rows(), MESSAGES);
    };
    time("arrow-avro", Box::new(run));

    let parsed = apache_avro::Schema::parse_str(&schema(true)).unwrap();
    let run = || {
        for message in &one {
            let mut datum = &message[5..];
            #[allow(deprecated)]
            black_box(apache_avro::from_avro_datum(&parsed, &mut datum, None).unwrap());
            assert!(datum.is_empty());
        }
    };
    time("apache-avro, values", Box::new(run));
}

criterion_group! {
    name = all;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .configure_from_args();
    targets = messages
}
criterion_main!(all);
