//! Every file of `testdata/valid` has the rows that stand beside it: by each way of reading, in batches of any size,
//! with each projection, and cut into any ranges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use avro_arrow::{Enums, Options, Strings};
use avro_testing::ways::block_ends;
use support::json::{assert_lines, lines, pick};
use support::ways::{WAYS, Way, assert_prefix, assert_valid, header_and_program, ranges, whole};
use support::{Case, cases};

const BATCH_SIZES: [usize; 4] = [1, 3, 100, 8192];

fn valid() -> Vec<Case> {
    cases("valid", "json")
}

#[test]
fn rows_are_those_beside_the_file() {
    let variants = [
        Options::default(),
        Options::default().with_strings(Strings::Utf8),
        Options::default().with_enums(Enums::String),
        Options::default().with_strings(Strings::Utf8).with_enums(Enums::String),
    ];
    for Case { name, file, beside } in valid() {
        let want: Vec<&str> = beside.lines().collect();
        for options in &variants {
            let what = format!("{name}, {:?}, {:?}", options.strings, options.enums);
            let batch = whole(&what, &file, options);
            assert_lines(&what, &lines(std::slice::from_ref(&batch)), &want);
            assert_valid(&what, &[batch]);
            let what = format!("{what}, reference");
            let batches = Way::Reference.read(&file, options).unwrap(&what);
            assert_lines(&what, &lines(&batches), &want);
        }
    }
}

#[test]
fn every_way_and_batch_size_gives_the_same_rows() {
    for Case { name, file, .. } in valid() {
        let want = whole(&name, &file, &Options::default());
        for batch_size in BATCH_SIZES {
            let options = Options::default().with_batch_size(batch_size);
            for way in WAYS {
                let what = format!("{name}, {way}, batch size {batch_size}");
                let batches = way.read(&file, &options).unwrap(&what);
                assert_eq!(assert_prefix(&what, &batches, &want), want.num_rows(), "{what}");
                assert_valid(&what, &batches);
                let sizes: Vec<usize> = batches.iter().map(|batch| batch.num_rows()).collect();
                assert!(sizes.iter().all(|n| (1..=batch_size).contains(n)), "{what}: batches of {sizes:?} rows");
                // Threads end a batch where their run of blocks ends; all other batches are full but the last.
                if !matches!(way, Way::Parallel(_)) {
                    assert_eq!(sizes.len(), want.num_rows().div_ceil(batch_size), "{what}: batches of {sizes:?} rows");
                }
            }
        }
    }
}

#[test]
fn projections_give_those_columns() {
    for Case { name, file, beside } in valid() {
        let rows: Vec<&str> = beside.lines().collect();
        let schema = whole(&name, &file, &Options::default()).schema();
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let reversed: Vec<&str> = columns.iter().rev().copied().collect();
        let mut projections = vec![reversed, vec![]];
        // A few hundred columns are all alike.
        projections.extend(columns.iter().step_by(columns.len() / 40 + 1).map(|column| vec![*column]));
        for projection in projections {
            let names = projection.iter().map(|name| name.to_string()).collect();
            let options = Options::default().with_projection(Some(names)).with_batch_size(100);
            let want: Vec<String> = rows.iter().map(|row| pick(row, &projection)).collect();
            let want: Vec<&str> = want.iter().map(String::as_str).collect();
            for way in [Way::Reader, Way::Parallel(2), Way::Pieces(3), Way::Reference] {
                let what = format!("{name}, {way}, columns {projection:?}");
                assert_lines(&what, &lines(&way.read(&file, &options).unwrap(&what)), &want);
            }
        }
    }
}

#[test]
fn ranges_give_every_row_once() {
    let mut mistaken = 0;
    for Case { name, file, .. } in valid() {
        let options = Options::default();
        let want = whole(&name, &file, &options);
        let (header, program) = header_and_program(&file, &options).unwrap();
        let end = file.len() as u64;
        let mut cuts: Vec<Vec<u64>> = [1, 2, 3, 7].map(|n| (0..=n).map(|i| end * i / n).collect()).to_vec();
        // Inside the first blocks each byte is a boundary, and also where the last block ends.
        let blocks = block_ends(&file);
        let some = blocks.iter().map(|(at, _)| *at as u64).find(|at| *at > 3000).unwrap_or(end);
        cuts.extend((0..=some).chain(end - 20..=end).map(|at| vec![0, at, end]));
        if end < 3000 {
            cuts.push((0..=end).collect());
        }
        for bounds in cuts {
            let what = format!("{name}, ranges between {bounds:?}");
            let (outcome, meet) = ranges(&file, &header, &program, &bounds);
            if name == "sync-in-data" && (!meet || outcome.error.is_some()) {
                // A whole block inside a value was taken for one, as it must be where nothing before it was read. It
                // shows.
                mistaken += 1;
                continue;
            }
            assert!(meet, "{what}: the spans do not meet");
            assert_eq!(assert_prefix(&what, &outcome.unwrap(&what), &want), want.num_rows(), "{what}");
        }
    }
    assert!(mistaken > 0, "the block inside a value is not tried");
}

#[test]
fn each_range_gives_the_blocks_that_begin_in_it() {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/valid/blocks-one-row.avro")).unwrap();
    let options = Options::default();
    let (header, program) = header_and_program(&file, &options).unwrap();
    let ends = block_ends(&file);
    assert!(ends.len() > 3);
    // The marker before a block begins 16 bytes before its end.
    for pair in ends.windows(2) {
        let (marker, next) = (pair[0].0 as u64 - 16, pair[1].0 as u64 - 16);
        for (range, rows) in
            [(marker..next, 1), (marker..marker + 1, 1), (marker + 1..next, 0), (marker + 1..next + 1, 1)]
        {
            let bounds = [range.start, range.end];
            let last = pair[1].0 == file.len() && range.start > marker;
            let (got, _) = ranges(&file, &header, &program, &bounds);
            assert_eq!(got.n_rows(), if last { 0 } else { rows }, "range {bounds:?}");
        }
    }
}
