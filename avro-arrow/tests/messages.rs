//! Messages: tables of them; random ones, framed, damaged and interleaved, against the reference decoder; what is
//! refused, and that nothing else is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow_array::{Array, Int64Array, RecordBatch, StringViewArray};
use arrow_select::concat::concat_batches;
use avro_arrow::message::{Framing, IdWidth, MessageBatch, MessageDecoder, SchemaId, SchemaStore, ValueChecks};
use avro_arrow::schema::Schema;
use avro_arrow::{Error, ErrorKind, MessageEncoder, Options, Program, Strings};
use avro_testing::oracle::{on_some_cpu, reference_batch};
use avro_testing::{check_all, check_seeds, corrupt, random_options, random_rows, random_schema, wire};
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const EVENT: &str = r#"{"type": "record", "name": "Event", "namespace": "shop", "fields": [
    {"name": "id", "type": "long"},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["VIEW", "BUY"]}},
    {"name": "amount", "type": ["null", "double"]},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "names", "type": {"type": "map", "values": "int"}}]}"#;

// Written by fastavro 1.13.1: (1, BUY, 2.5, [a, bc], {é: -3}), (-70000000000, VIEW, null, [], {}), and with null as the
// second branch (2, BUY, null, [x], {}); the two fingerprints are fastavro's too.
const DATUM_1: &str = "0202020000000000000440040261046263000204c3a90500";
const DATUM_2: &str = "ffef99c5890400000000";
const DATUM_3: &str = "0402020202780000";
const EVENT_RABIN: u64 = u64::from_le_bytes([0xfd, 0xa1, 0x22, 0xac, 0xff, 0x96, 0x71, 0xe9]);
const FLIPPED_RABIN: u64 = u64::from_le_bytes([0xab, 0xbd, 0x13, 0x33, 0x3b, 0xef, 0x1c, 0xad]);

fn bytes(hex: &str) -> Vec<u8> {
    let hex: Vec<char> = hex.chars().filter(|c| *c != ' ').collect();
    hex.chunks(2).map(|two| u8::from_str_radix(&two.iter().collect::<String>(), 16).unwrap()).collect()
}

fn schema(json: &str) -> Schema {
    Schema::parse(json, &Default::default()).unwrap()
}

/// The record with null as the other branch.
fn flipped_event() -> String {
    EVENT.replace(r#"["null", "double"]"#, r#"["double", "null"]"#)
}

/// Knows [`EVENT`] by all kinds of ids that end in 1, and the same with null last by those that end in 2.
fn events() -> SchemaStore {
    let mut store = SchemaStore::single(schema(EVENT));
    for (n, json) in [(1u8, EVENT), (2, &flipped_event())] {
        store.insert_rabin(schema(json));
        store.insert(SchemaId::Number(n.into()), schema(json));
        store.insert(SchemaId::Guid([[0; 15].as_slice(), &[n]].concat().try_into().unwrap()), schema(json));
    }
    store
}

/// The rows of these datums by the reference decoder, of datums with these writers' schemas.
fn rows_of<'a>(options: &Options, datums: impl Iterator<Item = (&'a Schema, &'a [u8])>) -> Option<RecordBatch> {
    let rows: Vec<_> = datums.map(|(schema, datum)| row_of(schema, options, datum).unwrap()).collect();
    rows.first().map(|first| concat_batches(&first.schema(), &rows).unwrap())
}

/// The row of a datum by the reference decoder, unless it is damaged.
fn row_of(schema: &Schema, options: &Options, datum: &[u8]) -> Option<RecordBatch> {
    reference_batch(schema, options, &[(1, datum.to_vec())])
}

/// All batches put together, with the messages of the rows, and what was rejected.
fn all(decoder: &mut MessageDecoder, batch_size: usize) -> (Option<RecordBatch>, Vec<u64>, Vec<Error>) {
    let (mut batches, mut messages, mut rejected) = (vec![], vec![], vec![]);
    while let Some(rows) = decoder.flush() {
        assert!(rows.batch.num_rows() <= batch_size);
        assert_eq!(rows.batch.num_rows(), rows.messages.len());
        for column in rows.batch.columns() {
            column.to_data().validate_full().unwrap();
        }
        messages.extend(rows.messages);
        rejected.extend(rows.rejected);
        batches.push(rows.batch);
    }
    assert!(decoder.is_empty() && decoder.flush().is_none());
    let whole = batches.first().map(|first| concat_batches(&first.schema(), &batches).unwrap());
    (whole, messages, rejected)
}

#[test]
fn decode_reads_each_framing() {
    // Prefixes of messages of `EVENT`, and of the same with null last.
    let cases: [(Framing, &str, &str); 6] = [
        (Framing::SingleObject, "c301 fda122acff9671e9", "c301 abbd13333bef1cad"),
        (Framing::Confluent, "00 00000001", "00 00000002"),
        (Framing::Confluent, "01 00000000000000000000000000000001", "01 00000000000000000000000000000002"),
        (Framing::Apicurio(IdWidth::Eight), "00 0000000000000001", "00 0000000000000002"),
        (Framing::Apicurio(IdWidth::Four), "00 00000001", "00 00000002"),
        (Framing::Bare, "", ""),
    ];
    let (event, flipped) = (schema(EVENT), schema(&flipped_event()));
    check_all(cases, |(framing, first, second)| {
        let mut datums = vec![(first, DATUM_1, &event), (first, DATUM_2, &event)];
        if framing != Framing::Bare {
            datums.extend([(second, DATUM_3, &flipped), (first, DATUM_1, &event)]);
        }
        let mut decoder = MessageDecoder::new(framing, events(), &Options::default());
        for (number, (prefix, datum, _)) in (0..).zip(&datums) {
            assert_eq!(decoder.decode(&bytes(&format!("{prefix}{datum}"))).unwrap(), number);
            assert_eq!(decoder.len() as u64, number + 1);
        }
        let raw: Vec<_> = datums.iter().map(|(_, datum, schema)| (*schema, bytes(datum))).collect();
        let want = rows_of(&Options::default(), raw.iter().map(|(schema, datum)| (*schema, datum.as_slice())));
        let (batch, messages, rejected) = all(&mut decoder, 8192);
        assert_eq!((batch, messages), (want, (0..datums.len() as u64).collect()), "{framing:?}");
        assert!(rejected.is_empty());
    });
    assert_eq!((event.rabin(), flipped.rabin()), (EVENT_RABIN, FLIPPED_RABIN));
}

#[test]
fn damaged_messages_are_rejected_and_others_kept() {
    let cases = [
        ("00 00000003 00", "schema id 3 is unknown (message 1)"),
        (
            "c301 fda122acff9671e9 00",
            "not a message in Confluent's framing: this is Avro's single-object encoding (message 1, offset in message 0)",
        ),
        ("00 000000", "a message in Confluent's framing is longer than 4 bytes (message 1, offset in message 0)"),
        ("", "a message in Confluent's framing is longer than 0 bytes (message 1, offset in message 0)"),
        ("00 00000001", "a value runs past the end of its message (field id, message 1, offset in message 5)"),
        ("00 00000001 0206", "enum has no symbol 3 (field kind, message 1, offset in message 6)"),
        (
            "00 00000001 020200020261",
            "a value runs past the end of its message (field tags, message 1, offset in message 11)",
        ),
        ("00 00000001 0202000202ff0000", "a string is not valid UTF-8 (field tags[], message 1, offset in message 9)"),
        ("00 00000001 020200000000", "1 byte is left in the message after its value (message 1, offset in message 10)"),
        // As long as two messages.
        (
            "00 00000001 02020000000202000000",
            "5 bytes are left in the message after its value (message 1, offset in message 10)",
        ),
    ];
    let good = bytes(&format!("00 00000001 {DATUM_1}"));
    let datum = bytes(DATUM_1);
    let event = schema(EVENT);
    for checks in [ValueChecks::OnFlush, ValueChecks::OnDecode] {
        for (hex, want) in cases {
            // Few messages are one block, and many are several.
            for n_good in [1, 200] {
                let mut decoder =
                    MessageDecoder::new(Framing::Confluent, events(), &Options::default()).with_checks(checks);
                decoder.decode(&good).unwrap();
                let said = decoder.decode(&bytes(hex)).err();
                for _ in 0..n_good {
                    decoder.decode(&good).unwrap();
                }
                let (batch, messages, rejected) = all(&mut decoder, 8192);
                let errors: Vec<String> = said.iter().chain(&rejected).map(ToString::to_string).collect();
                assert_eq!(errors, [want]);
                assert!(checks == ValueChecks::OnFlush || rejected.is_empty());
                assert_eq!(messages, std::iter::once(0).chain(2..n_good + 2).collect::<Vec<_>>());
                let rows = std::iter::repeat_n((&event, datum.as_slice()), messages.len());
                assert_eq!(batch, rows_of(&Options::default(), rows), "{hex}");
            }
        }
    }
}

#[test]
fn damaged_message_does_not_affect_others() {
    let framing = Framing::SingleObject;
    let mut good = vec![];
    framing.write_prefix(SchemaId::Rabin(EVENT_RABIN), &mut good).unwrap();
    good.extend(bytes(DATUM_1));
    let cuts = (0..good.len()).map(|len| good[..len].to_vec());
    let changes = (0..good.len()).flat_map(|at| {
        [0x01, 0x80, 0xff, 0x7f].map(|change| {
            let mut message = good.clone();
            message[at] ^= change;
            message
        })
    });
    let more = (0..good.len()).map(|at| [&good[..at], &good[at..at + 1], &good[at..]].concat());
    let damaged: Vec<Vec<u8>> = cuts.chain(changes).chain(more).collect();
    assert!(damaged.len() > 200);

    let options = Options::default();
    let event = schema(EVENT);
    let mut decoder = MessageDecoder::new(framing, events(), &options);
    // All in one, each between good ones, whose numbers are even.
    let (mut n_refused, mut wanted) = (0, vec![]);
    for (number, message) in (0..).step_by(2).zip(&damaged) {
        assert_eq!(decoder.decode(&good).unwrap(), number);
        wanted.extend([number, number + 1]);
        let is_row = framing
            .split(message)
            .is_ok_and(|(id, datum)| id == SchemaId::Rabin(EVENT_RABIN) && row_of(&event, &options, datum).is_some());
        if !is_row {
            wanted.pop();
            n_refused += 1;
        }
        if let Err(error) = decoder.decode(message) {
            assert_eq!(error.position().message, Some(number + 1));
            n_refused -= 1;
        }
    }
    let (batch, messages, rejected) = all(&mut decoder, 8192);
    assert_eq!(messages, wanted);
    assert_eq!(rejected.len(), n_refused);
    assert!(rejected.iter().all(|error| error.is_corrupt() && error.position().message.is_some_and(|m| m % 2 == 1)));
    let batch = batch.unwrap();
    let first = batch.slice(0, 1);
    for (row, _) in wanted.iter().enumerate().filter(|(_, number)| *number % 2 == 0) {
        assert_eq!(batch.slice(row, 1), first);
    }
}

/// The schema with null at the other place in unions of two: other bytes for the same columns.
fn flip(json: &mut Json) {
    match json {
        Json::Array(parts) => {
            if let [a, b] = parts.as_mut_slice()
                && (a == "null" || b == "null")
            {
                std::mem::swap(a, b);
            }
            parts.iter_mut().for_each(flip);
        }
        Json::Object(parts) => parts.values_mut().for_each(flip),
        _ => {}
    }
}

#[test]
fn decode_of_random_messages_equals_reference() {
    let (mut rows, mut refused, mut several, mut resolved) = (0, 0, 0, 0);
    let mut number = 0;
    check_seeds(0..120, |rng| {
        number += 1;
        let json = random_schema(rng);
        let first = schema(&json);
        let Some(mut options) = random_options(rng, &first) else { return };
        let mut other: Json = serde_json::from_str(&json).unwrap();
        flip(&mut other);
        // Symbols and defaults may be flipped too; what cannot be a schema then is left out.
        let writers: Vec<Schema> =
            [Ok(first), Schema::parse(&other.to_string(), &Default::default())].into_iter().flatten().collect();
        let programs: Result<Vec<_>, _> = writers.iter().map(|schema| Program::compile(schema, &options)).collect();
        let Ok(programs) = programs else { return };
        let fields = |program: &Program| program.arrow_schema().fields().clone();
        let usable = programs.iter().take_while(|program| fields(program) == fields(&programs[0])).count();

        let n_messages = rng.pick(10, &[1, 3, 100, 200]);
        let damage = rng.pick(0, &[0, 2, 30]);
        let mut messages = vec![];
        for _ in 0..n_messages {
            let writer = rng.below(usable);
            let mut message = vec![];
            Framing::Confluent.write_prefix(SchemaId::Number(writer as u64), &mut message).unwrap();
            message.extend(random_rows(rng, &writers[writer], 1));
            if damage > 0 && rng.one_in(damage) {
                corrupt(rng, &mut message);
            }
            messages.push(message);
        }

        let (mut good, mut numbers) = (vec![], vec![]);
        let mut first = None;
        for (number, message) in (0u64..).zip(&messages) {
            let Ok((SchemaId::Number(id), datum)) = Framing::Confluent.split(message) else { continue };
            let Some(program) = programs.get(id as usize).filter(|_| (id as usize) < usable) else { continue };
            first.get_or_insert(program.arrow_schema().clone());
            let Some(row) = row_of(program.schema(), &options, datum) else { continue };
            good.push(row);
            numbers.push(number);
        }
        let want = first.map(|first| concat_batches(&first, &good).unwrap());

        for batch_size in [1, 7, 8192] {
            options.batch_size = batch_size;
            let mut store = SchemaStore::new();
            for (id, schema) in (0..).zip(&writers[..usable]) {
                store.insert(SchemaId::Number(id), schema.clone());
            }
            let checks = rng.pick(ValueChecks::OnFlush, &[ValueChecks::OnDecode]);
            let mut decoder = MessageDecoder::new(Framing::Confluent, store, &options).with_checks(checks);
            let n_refused = messages.iter().filter(|message| decoder.decode(message).is_err()).count();
            let (batch, found, rejected) = on_some_cpu(number, || all(&mut decoder, batch_size));
            assert_eq!(found, numbers, "{json}");
            assert_eq!(n_refused + rejected.len() + found.len(), messages.len());
            assert!(
                rejected.windows(2).all(|two| two[0].position().message < two[1].position().message)
                    || batch_size < 8192
            );
            match (batch, &want) {
                (Some(batch), Some(want)) => {
                    assert_eq!(batch.columns(), want.columns(), "{json}");
                    assert_eq!(batch.num_rows(), want.num_rows());
                }
                (None, _) => assert!(found.is_empty()),
                (Some(_), None) => panic!("rows of no schema"),
            }
            rows += found.len();
            refused += rejected.len();
        }
        several += usize::from(usable > 1);
        resolved += usize::from(usable > 1 && options.reader_schema.is_some());
    });
    println!(
        "{rows} rows, {refused} rejected, {several} schemas with several writers, {resolved} of them with a reader's"
    );
    // Guards against generators that stop making a kind of case: at most half of the 20,985 rows, 785 rejected
    // messages, 120 schemas with several writers and 43 with a reader's that these seeds have.
    assert!(rows > 5_000 && refused > 200 && several > 50 && resolved > 20, "{rows} {refused} {several} {resolved}");
}

#[test]
fn encoded_rows_of_random_schemas_decode_to_the_same_batch() {
    let (mut rows, mut prefixed) = (0, 0);
    check_seeds(0..120, |rng| {
        let schema = schema(&random_schema(rng));
        let options = Options::default().with_batch_size(1 << 16);
        let Ok(program) = Program::compile(&schema, &options) else { return };
        let bare = (Framing::Bare, SchemaId::Unnamed);
        let others = [
            (Framing::Confluent, SchemaId::Number(7)),
            (Framing::Apicurio(IdWidth::Eight), SchemaId::Number(7)),
            (Framing::SingleObject, SchemaId::Rabin(schema.rabin())),
        ];
        let (framing, id) = rng.pick(bare, &others);
        let decode = |messages: &mut dyn Iterator<Item = Vec<u8>>| {
            let mut store = SchemaStore::new();
            store.insert(id, schema.clone());
            let mut decoder = MessageDecoder::new(framing, store, &options);
            for message in messages {
                decoder.decode(&message).unwrap();
            }
            let (batch, found, rejected) = all(&mut decoder, 1 << 16);
            assert!(rejected.is_empty(), "{rejected:?}");
            (batch, found.len())
        };
        let n_messages = rng.pick(10, &[1, 3, 300]);
        let messages = (0..n_messages).map(|_| {
            let mut message = vec![];
            framing.write_prefix(id, &mut message).unwrap();
            message.extend(random_rows(rng, &schema, 1));
            message
        });
        let messages: Vec<_> = messages.collect();
        let (Some(batch), _) = decode(&mut messages.iter().cloned()) else { return };
        let arrow = program.arrow_schema().clone();
        let encoder = match MessageEncoder::new(&arrow, Some(&schema), framing, id, &options.limits) {
            Ok(encoder) => encoder,
            // Names that only the writer rejects.
            Err(error) => return assert!(matches!(error.kind(), ErrorKind::Argument { .. }), "{error}"),
        };
        let encoded = encoder.encode(&batch).unwrap();
        assert_eq!(encoded.len(), batch.num_rows());
        assert_eq!(encoded.null_count(), 0);
        let (again, n) = decode(&mut encoded.iter().flatten().map(<[u8]>::to_vec));
        assert_eq!(n, batch.num_rows());
        assert_eq!(again.unwrap().columns(), batch.columns(), "{}", schema.json());
        rows += n;
        prefixed += usize::from(framing != Framing::Bare);
    });
    assert!(rows > 2_000 && prefixed > 40, "{rows} {prefixed}");
}

#[test]
fn unusable_schema_is_resolved_once() {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let store = SchemaStore::new().with_resolver(move |id| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(match id {
            SchemaId::Number(1) => Some(schema(EVENT)),
            SchemaId::Number(2) => Some(schema(r#"{"type": "record", "name": "R", "fields": []}"#)),
            SchemaId::Number(3) => Some(schema(&EVENT.replace(r#""long""#, r#""int""#))),
            // The text of 1, by another id.
            SchemaId::Number(4) => Some(schema(EVENT)),
            _ => None,
        })
    });
    let mut decoder = MessageDecoder::new(Framing::Confluent, store, &Options::default());
    assert!(decoder.schema().is_none());
    let cases = [
        (1, ""),
        (
            2,
            "schema id 2 cannot be used: it has 0 columns, but earlier messages have 5; a reader's schema can unify them (message 1)",
        ),
        (
            3,
            "schema id 3 cannot be used: it has the column `id` (Int32), where earlier messages have `id` (Int64); a reader's schema can unify them (message 2)",
        ),
        (
            2,
            "schema id 2 cannot be used: it has 0 columns, but earlier messages have 5; a reader's schema can unify them (message 3)",
        ),
        (4, ""),
        (5, "schema id 5 is unknown (message 5)"),
        (5, "schema id 5 is unknown (message 6)"),
        (1, ""),
    ];
    check_all(cases, |(id, want)| {
        let message = [&[0, 0, 0, 0, id], bytes(DATUM_1).as_slice()].concat();
        let found = decoder.decode(&message).map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(found, want);
    });
    assert_eq!(asked.load(Ordering::Relaxed), 5);
    assert_eq!(decoder.schema().unwrap().fields().len(), 5);
    assert_eq!(all(&mut decoder, 8192).1, [0, 4, 7]);
}

#[test]
fn reader_schema_unifies_writers() {
    let record = |fields: &str| schema(&format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#));
    let mut store = SchemaStore::new();
    for (id, fields) in [
        (1, r#"{"name": "id", "type": "int"}, {"name": "who", "type": "string"}"#),
        (
            2,
            r#"{"name": "name", "type": ["null", "string"]}, {"name": "gone", "type": "bytes"}, {"name": "id", "type": "long"}"#,
        ),
        (3, r#"{"name": "id", "type": "string"}, {"name": "name", "type": "string"}"#),
    ] {
        store.insert(SchemaId::Number(id), record(fields));
    }
    let reader = r#"{"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"], "aliases": ["who"]},
        {"name": "place", "type": "string", "default": "somewhere over the rainbow"}"#;
    let options = Options::default().with_reader_schema(Some(record(reader)));
    let mut decoder = MessageDecoder::new(Framing::Confluent, store, &options);
    let messages =
        ["00 00000001 0e 0461 62", "00 00000002 02 0463 64 0201 10", "00 00000001 09 00", "00 00000002 00 00 03"];
    for message in messages {
        decoder.decode(&bytes(message)).unwrap();
    }
    let error = decoder.decode(&bytes("00 00000003 0231 00")).unwrap_err().to_string();
    assert!(error.starts_with("schema id 3 cannot be used: ") && error.ends_with(" (message 4)"), "{error}");
    decoder.decode(&bytes("00 00000002 04")).unwrap();

    let (batch, messages, rejected) = all(&mut decoder, 8192);
    let batch = batch.unwrap();
    assert_eq!(batch.schema().fields().iter().map(|field| field.name()).collect::<Vec<_>>(), ["id", "name", "place"]);
    let ids = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
    assert_eq!(ids.values().as_ref(), [7, 8, -5, -2]);
    let texts = |column: usize| {
        let texts = batch.column(column).as_any().downcast_ref::<StringViewArray>().unwrap();
        texts.iter().map(|text| text.unwrap_or("null").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts(1), ["ab", "cd", "", "null"]);
    assert_eq!(texts(2), ["somewhere over the rainbow"; 4]);
    assert_eq!(messages, [0, 1, 2, 3]);
    assert_eq!(rejected[0].to_string(), "union has no branch 2 (field name, message 5, offset in message 5)");
}

#[test]
fn decode_as_takes_id_of_caller() {
    let mut decoder = MessageDecoder::new(Framing::Bare, events(), &Options::default());
    decoder.decode_as(SchemaId::Number(2), &bytes(DATUM_3)).unwrap();
    decoder.decode(&bytes(DATUM_1)).unwrap();
    let (id, nothing) = Framing::Confluent
        .split(&bytes("01 00000000000000000000000000000001"))
        .map(|(id, rest)| (id, rest.len()))
        .unwrap();
    assert_eq!(nothing, 0);
    decoder.decode_as(id, &bytes(DATUM_2)).unwrap();
    decoder.decode_as(id, &bytes("0206")).unwrap();
    let error = decoder.decode_as(SchemaId::Number(9), &bytes(DATUM_2)).unwrap_err();
    assert_eq!(error.to_string(), "schema id 9 is unknown (message 4)");
    let (_, messages, rejected) = all(&mut decoder, 8192);
    assert_eq!(messages, [0, 1, 2]);
    assert_eq!(rejected[0].to_string(), "enum has no symbol 3 (field kind, message 3, offset in message 1)");
}

#[test]
fn flush_gives_batches_of_batch_size() {
    let options = Options::default().with_batch_size(100);
    let mut decoder = MessageDecoder::new(Framing::Bare, events(), &options);
    let mut sizes = vec![];
    for number in 0..250 {
        assert_eq!(decoder.is_full(), number >= 100);
        decoder.decode(&bytes(DATUM_1)).unwrap();
    }
    assert_eq!(decoder.len(), 250);
    while let Some(rows) = decoder.flush() {
        sizes.push(rows.batch.num_rows());
        assert_eq!(decoder.len(), 250 - sizes.iter().sum::<usize>());
    }
    assert_eq!(sizes, [100, 100, 50]);

    // And without columns.
    let options = options.with_projection(Some(vec![]));
    let mut decoder = MessageDecoder::new(Framing::Confluent, events(), &options);
    for number in 0..150 {
        let (id, datum) = if number % 3 == 0 { (1, DATUM_1) } else { (2, DATUM_3) };
        decoder.decode(&[&[0, 0, 0, 0, id], bytes(datum).as_slice()].concat()).unwrap();
    }
    let rows: Vec<_> = std::iter::from_fn(|| decoder.flush()).map(|rows| rows.batch.num_rows()).collect();
    assert_eq!(rows, [100, 50]);
}

#[test]
fn message_beyond_limit_is_rejected() {
    let mut options = Options::default().with_strings(Strings::Utf8);
    options.limits.block_bytes = 1000;
    options.limits.zero_width_items = 50;
    options.limits.batch_bytes = 100_000;
    let json = r#"{"type": "record", "name": "R", "fields": [
        {"name": "nulls", "type": {"type": "array", "items": "null"}},
        {"name": "wide", "type": ["null", {"type": "fixed", "name": "F", "size": 20000}]},
        {"name": "text", "type": "bytes"}]}"#;
    let mut decoder = MessageDecoder::new(Framing::Bare, SchemaStore::single(schema(json)), &options);
    // 40 nulls each: more than 50 only together. 20 kB of a null each: more than 100 kB only together.
    let good = [bytes("50 00 00"), bytes("c801"), vec![7; 100]].concat();
    let too_many = [bytes("66 00 00"), bytes("00")].concat();
    let too_long = [bytes("00 00"), bytes("f00f"), vec![7; 1016]].concat();
    let mut n_rows = 0;
    for _ in 0..30 {
        n_rows += 3;
        (0..3).for_each(|_| assert!(decoder.decode(&good).is_ok()));
        decoder.decode(&too_many).unwrap();
        let error = decoder.decode(&too_long).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit { limit: "block_bytes", value: 1020, max: 1000 }), "{error}");
    }
    let (batch, messages, rejected) = all(&mut decoder, 4);
    assert_eq!((batch.unwrap().num_rows(), messages.len(), rejected.len()), (n_rows, n_rows, 30));
    let is_limit =
        |error: &Error| matches!(error.kind(), ErrorKind::Limit { limit: "zero_width_items", value: 51, .. });
    assert!(rejected.iter().all(is_limit), "{}", rejected[0]);

    // A row that is too much for itself.
    options.limits.batch_bytes = 10_000;
    let mut decoder = MessageDecoder::new(Framing::Bare, SchemaStore::single(schema(json)), &options);
    decoder.decode(&good).unwrap();
    let (_, messages, rejected) = all(&mut decoder, 4);
    assert!(messages.is_empty());
    assert!(matches!(rejected[0].kind(), ErrorKind::Limit { limit: "batch_bytes", .. }), "{}", rejected[0]);
    assert_eq!(rejected[0].position().message, Some(0));
}

#[test]
fn flush_of_many_bytes_gives_several_batches() {
    let store = SchemaStore::single(schema("\"bytes\""));
    let mut decoder = MessageDecoder::new(Framing::Bare, store, &Options::default());
    // 3 MiB each, and one of 20 MiB.
    let mut sizes = vec![3 << 20; 7];
    sizes.insert(4, 20 << 20);
    for &size in &sizes {
        decoder.decode(&wire::bytes(&vec![1; size])).unwrap();
    }
    let rows: Vec<_> = std::iter::from_fn(|| decoder.flush()).map(|rows| rows.messages).collect();
    assert_eq!(rows, [vec![0, 1], vec![2, 3], vec![4], vec![5, 6], vec![7]]);
}

#[test]
fn decoder_and_batch_are_send() {
    fn is_send<T: Send>() {}
    is_send::<MessageDecoder>();
    is_send::<MessageBatch>();
}
