//! Files made to hang, to crash or to eat memory: each line of testdata/hostile/table.tsv, read strictly and around the
//! damage. How long the command takes for them, and how much memory, is for its own tests; those too large to keep,
//! too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use avro_arrow::{OnCorruptBlock, Options, ReaderBuilder};
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};
use support::ways::Way;

/// A line of the table.
struct Line {
    file: String,
    strict: String,
    lenient: String,
}

fn lines() -> Vec<Line> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/hostile/table.tsv");
    let text = fs::read_to_string(table).unwrap();
    let line = |line: &str| match line.split('\t').collect::<Vec<_>>()[..] {
        [file, _, strict, lenient, _] => Line { file: file.into(), strict: strict.into(), lenient: lenient.into() },
        _ => panic!("{line}"),
    };
    text.lines().skip(1).map(line).collect()
}

/// Rows and entries of the list, or the error of the header.
fn lenient(file: &[u8], threads: usize) -> String {
    let builder = ReaderBuilder::new().with_on_corrupt_block(OnCorruptBlock::Skip);
    let found = |rows: usize, skipped: usize| format!("{rows} rows, {skipped} skipped");
    match threads {
        0 => builder.build(file).map(|mut reader| {
            let rows = reader.by_ref().map(|batch| batch.unwrap().num_rows()).sum();
            found(rows, reader.damage().len())
        }),
        n => builder.build_parallel(Cursor::new(file.to_vec()), n).map(|mut reader| {
            let rows = reader.by_ref().map(|batch| batch.unwrap().num_rows()).sum();
            found(rows, reader.damage().len())
        }),
    }
    .unwrap_or("error".to_string())
}

#[test]
fn hostile_files_give_the_right_rows_or_the_right_error() {
    let mut wrong = Vec::new();
    let mut slowest = (Duration::ZERO, String::new());
    let lines = lines();
    assert!(lines.len() > 50);
    for Line { file, strict, lenient: around } in lines {
        if file.starts_with("made/") {
            continue;
        }
        let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(&file)).unwrap();
        for way in [Way::Reader, Way::Parallel(2), Way::Pieces(1000)] {
            let start = Instant::now();
            let outcome = way.read(&bytes, &Options::default());
            let found = match &outcome.error {
                Some(error) => format!("error: {error}"),
                None => format!("{} rows", outcome.n_rows()),
            };
            let right = match strict.strip_prefix("error: ") {
                Some(fragment) => outcome.error.is_some() && found.contains(fragment),
                None => found == strict,
            };
            if !right {
                wrong.push(format!("{file}, {way}: {found}, not {strict}"));
            }
            slowest = slowest.max((start.elapsed(), file.clone()));
        }
        for threads in [0, 2] {
            let start = Instant::now();
            let found = lenient(&bytes, threads);
            if found != around {
                wrong.push(format!("{file}, {threads} threads, around the damage: {found}, not {around}"));
            }
            slowest = slowest.max((start.elapsed(), file.clone()));
        }
    }
    println!("{slowest:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A second, where nothing else runs and all is optimised.
    assert!(slowest.0 < Duration::from_secs(30), "{slowest:?}");
}
