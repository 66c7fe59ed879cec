//! Where the rows of batches are, as the decoder says it, against where they were put: blocks of all sizes, by filters,
//! byte ranges, batch sizes, around damage, and where no column is wanted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, RecordBatch};
use avro_arrow::{
    DecodeResult, Decoder, FilterProgram, Limits, OnCorruptBlock, Options, Program, RowRange, container::Header,
};
use avro_testing::Rng;
use avro_testing::wire::{block, bytes, file, long};
use std::sync::Arc;

const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "id", "type": "long"}, {"name": "text", "type": "string"}, {"name": "ok", "type": "boolean"}]}"#;

/// Where a row is: its block, the block's offset, and its index in the file.
type Place = (u64, u64, u64);

/// A file whose `id`s are the indices of its rows, with the place of each. The booleans of some blocks are damaged.
struct Made {
    file: Vec<u8>,
    places: Vec<Place>,
    damaged: Vec<u64>,
}

fn make(seed: u64, damage: bool) -> Made {
    let mut rng = Rng::new(seed);
    let (mut blocks, mut rows_of, mut damaged, mut id) = (vec![], vec![], vec![], 0);
    for index in 0..60 {
        // Most are gathered, some stand for themselves, some are decoded in parts.
        let (n_rows, len) = match rng.below(12) {
            0 => (0, 0),
            1 => (rng.below(2000) + 200, 5),
            2 => (rng.below(40) + 20, 60_000),
            3 => (30_000, 40),
            _ => (rng.below(30) + 1, 30),
        };
        let bad = damage && n_rows > 0 && rng.one_in(5);
        let mut data = vec![];
        for row in 0..n_rows {
            data.extend(long(id + row as i64));
            data.extend(bytes(&vec![b'x'; rng.below(len + 1)]));
            data.push(if bad && row == n_rows / 2 { 2 } else { 1 });
        }
        if bad {
            damaged.push(index);
        }
        id += n_rows as i64;
        rows_of.push(n_rows);
        blocks.push(block(n_rows as i64, &data));
    }
    let file = file(SCHEMA, "null", &blocks);
    let mut offset = Header::parse(&file, &Limits::default()).unwrap().unwrap().len;
    let mut places = vec![];
    for (index, (block, n_rows)) in blocks.iter().zip(rows_of).enumerate() {
        for _ in 0..n_rows {
            places.push((index as u64, offset, places.len() as u64));
        }
        offset += block.len() as u64;
    }
    Made { file, places, damaged }
}

/// Each batch with the places of its rows.
fn batches(mut decoder: Decoder, file: &[u8], piece: usize) -> Vec<(RecordBatch, Vec<Place>)> {
    let start = decoder.first_offset() as usize;
    let mut pieces = file[start..].chunks(piece);
    let mut batches = vec![];
    loop {
        let needs_data = loop {
            let batch = match decoder.try_decode().unwrap() {
                DecodeResult::Batch(batch) => batch,
                result => break matches!(result, DecodeResult::NeedsData(_)),
            };
            let runs = decoder.row_positions().iter();
            let place = |run: &RowRange, i: usize| (run.block, run.offset, run.row + i as u64);
            let places: Vec<Place> = runs.flat_map(|run| (0..run.n_rows).map(|i| place(run, i))).collect();
            assert_eq!(places.len(), batch.num_rows(), "each row has one place");
            assert!(decoder.row_positions().iter().all(|run| run.n_rows > 0));
            batches.push((batch, places));
        };
        if !needs_data {
            return batches;
        }
        match pieces.next() {
            Some(piece) => decoder.feed(piece.to_vec().into()),
            None => decoder.finish(),
        }
    }
}

fn ids(batch: &RecordBatch) -> Vec<i64> {
    batch["id"].as_primitive::<Int64Type>().values().to_vec()
}

fn options(batch_size: usize, projection: &[&str], damage: OnCorruptBlock) -> Options {
    let projection = Some(projection.iter().map(|name| (*name).to_owned()).collect());
    Options::default().with_batch_size(batch_size).with_projection(projection).with_on_corrupt_block(damage)
}

fn decoder(file: &[u8], options: &Options) -> (Header, Arc<Program>) {
    let header = Header::parse(file, &options.limits).unwrap().unwrap();
    let program = Arc::new(Program::compile(&header.schema, options).unwrap());
    (header, program)
}

/// A filter of ids that selects `density` of a thousand, and all of some stretches.
fn selects(density: i64) -> impl Fn(i64) -> bool + Clone + Send + 'static {
    move |id| match density {
        1001 => (id / 5000) % 2 == 0 || id % 1000 == 0,
        density => (id * 7919) % 1000 < density,
    }
}

#[test]
fn row_positions_count_from_the_file() {
    for (seed, batch_size, piece) in
        [(1, 8192, 1 << 20), (2, 1000, 70_000), (3, 100, usize::MAX), (4, 7, 1000), (5, 1, 1 << 16)]
    {
        let made = make(seed, false);
        for projection in [&["id"][..], &["text", "id", "ok"]] {
            let (header, program) = decoder(&made.file, &options(batch_size, projection, OnCorruptBlock::Error));
            let mut seen = 0;
            for (batch, places) in batches(Decoder::new(&header, program).with_row_positions(), &made.file, piece) {
                for (id, place) in ids(&batch).into_iter().zip(places) {
                    assert_eq!((id, place), (seen as i64, made.places[seen]), "seed {seed}");
                    seen += 1;
                }
            }
            assert_eq!(seen, made.places.len());
        }
    }
}

#[test]
fn row_positions_of_counted_rows() {
    let made = make(6, false);
    for batch_size in [8192, 100, 7] {
        let (header, program) = decoder(&made.file, &options(batch_size, &[], OnCorruptBlock::Error));
        let all = batches(Decoder::new(&header, program).with_row_positions(), &made.file, 1 << 16);
        let places: Vec<Place> = all.into_iter().flat_map(|(_, places)| places).collect();
        assert_eq!(places, made.places);
    }
}

#[test]
fn row_positions_of_selected_rows() {
    for (seed, batch_size) in [(7, 8192), (8, 1000), (9, 64)] {
        let made = make(seed, false);
        for density in [0, 1, 30, 400, 950, 1000, 1001] {
            let is_selected = selects(density);
            let expected: Vec<Place> =
                made.places.iter().copied().filter(|(_, _, row)| is_selected(*row as i64)).collect();
            for projection in [&["id", "text"][..], &["text"], &[]] {
                let (header, program) = decoder(&made.file, &options(batch_size, projection, OnCorruptBlock::Error));
                let filter_program = FilterProgram::compile(&program, &["id".to_owned()]).unwrap();
                let is_selected = is_selected.clone();
                let filter = move |columns: &RecordBatch| {
                    Ok(ids(columns).into_iter().map(|id| Some(is_selected(id))).collect::<BooleanArray>())
                };
                let decoder = Decoder::new(&header, program).with_filter(&filter_program, filter).with_row_positions();
                let mut found = vec![];
                for (batch, places) in batches(decoder, &made.file, 1 << 18) {
                    if projection.contains(&"id") {
                        assert!(ids(&batch).into_iter().eq(places.iter().map(|(_, _, row)| *row as i64)));
                    }
                    found.extend(places);
                }
                assert_eq!(found, expected, "seed {seed}, density {density}, {projection:?}");
            }
        }
    }
}

/// A range knows the offsets of its blocks; it counts them and their rows from its own first.
#[test]
fn row_positions_in_byte_ranges() {
    let made = make(10, false);
    let len = made.file.len() as u64;
    for n in [2, 5, 40] {
        let mut seen = 0;
        for i in 0..n {
            let range = len * i / n..len * (i + 1) / n;
            let (header, program) = decoder(&made.file, &options(1000, &["id"], OnCorruptBlock::Error));
            let decoder = Decoder::for_range(&header, program, range, len).with_row_positions();
            let first = made.places.get(seen).copied().unwrap_or_default();
            for (batch, places) in batches(decoder, &made.file, 1 << 16) {
                for (id, (block, offset, row)) in ids(&batch).into_iter().zip(places) {
                    let expected = made.places[seen];
                    // Blocks without bytes do not tell whose they are.
                    assert!(block <= expected.0 - first.0 + 60);
                    assert_eq!((id as u64, offset, row), (expected.2, expected.1, expected.2 - first.2));
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, made.places.len());
    }
}

#[test]
fn row_positions_around_damage() {
    for (seed, batch_size) in [(11, 8192), (12, 500), (13, 20)] {
        let made = make(seed, true);
        assert!(!made.damaged.is_empty());
        let expected: Vec<Place> =
            made.places.iter().copied().filter(|(block, _, _)| !made.damaged.contains(block)).collect();
        for density in [1000, 50] {
            let is_selected = selects(density);
            let (header, program) = decoder(&made.file, &options(batch_size, &["ok", "id"], OnCorruptBlock::Skip));
            let filter_program = FilterProgram::compile(&program, &["id".to_owned()]).unwrap();
            let mut decoder = Decoder::new(&header, program);
            if density < 1000 {
                let is_selected = is_selected.clone();
                decoder = decoder.with_filter(&filter_program, move |columns: &RecordBatch| {
                    Ok(ids(columns).into_iter().map(|id| Some(is_selected(id))).collect::<BooleanArray>())
                });
            }
            let mut found = vec![];
            for (batch, places) in batches(decoder.with_row_positions(), &made.file, 1 << 17) {
                assert!(ids(&batch).into_iter().eq(places.iter().map(|(_, _, row)| *row as i64)));
                found.extend(places);
            }
            let expected: Vec<Place> =
                expected.iter().copied().filter(|(_, _, row)| is_selected(*row as i64)).collect();
            assert_eq!(found, expected, "seed {seed}, density {density}");
        }
    }
}
