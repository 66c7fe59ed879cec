//! Files read through filters: of the rows only those that a filter selects, by each way of reading; and the same
//! errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use arrow_array::{BooleanArray, RecordBatch};
use avro_arrow::{Decoder, FilterError, FilterProgram, Options, ReaderBuilder, RowFilter};
use std::io::Cursor;
use support::json::lines;
use support::ways::{Outcome, Way, assert_valid, header_and_program, outcome, pieces, whole};
use support::{Case, cases};

const FILTERED: [Way; 6] =
    [Way::Reader, Way::Parallel(1), Way::Parallel(3), Way::Pieces(3), Way::Pieces(1000), Way::Pieces(usize::MAX)];

/// What comes of reading a file through a filter of these columns.
fn read(
    way: Way,
    file: &[u8],
    options: &Options,
    columns: &[String],
    filter: impl RowFilter + Clone + 'static,
) -> Outcome {
    let builder = ReaderBuilder::new().with_options(options.clone()).with_row_filter(columns, filter.clone());
    match way {
        Way::Parallel(threads) => outcome(builder.build_parallel(Cursor::new(file.to_vec()), threads)),
        Way::Pieces(size) => match header_and_program(file, options) {
            Ok((header, program)) => {
                let filter_program = FilterProgram::compile(&program, columns).unwrap();
                pieces(file, size, Decoder::new(&header, program).with_filter(&filter_program, filter))
            }
            Err(error) => Outcome { batches: Vec::new(), error: Some(error) },
        },
        _ => outcome(builder.build(file)),
    }
}

/// Selects `density` of a thousand rows by their text, the same rows on every thread.
fn is_selected(line: &str, density: u64) -> bool {
    let hash = line
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    (hash >> 20) % 1000 < density
}

#[test]
fn files_give_the_rows_that_are_selected() {
    let (mut n_all, mut n_selected) = (0, 0);
    for Case { name, file, .. } in cases("valid", "json") {
        let all = whole(&name, &file, &Options::default());
        let names: Vec<String> = all.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        if distinct.len() < names.len() {
            continue;
        }
        let last = names.last().cloned().into_iter().collect();
        for (columns, density) in [(vec![], 0), (vec![], 1000), (last, 500), (names.clone(), 100), (names, 700)] {
            let looked_at = Options::default().with_projection(Some(columns.clone()));
            let looked_at = lines(&[whole(&name, &file, &looked_at)]);
            let wanted = lines(std::slice::from_ref(&all)).into_iter().zip(&looked_at);
            let wanted: Vec<String> =
                wanted.filter(|(_, line)| is_selected(line, density)).map(|(line, _)| line).collect();
            n_all += all.num_rows();
            n_selected += wanted.len();
            let filter = move |columns: &RecordBatch| -> Result<BooleanArray, FilterError> {
                Ok(lines(std::slice::from_ref(columns)).iter().map(|line| Some(is_selected(line, density))).collect())
            };
            for way in FILTERED {
                for batch_size in [1, 100, 8192] {
                    let what =
                        format!("{name}, {way}, filter of {columns:?}, {density} of 1000, batch size {batch_size}");
                    let options = Options::default().with_batch_size(batch_size);
                    let batches = read(way, &file, &options, &columns, filter).unwrap(&what);
                    assert_valid(&what, &batches);
                    assert!(batches.iter().all(|batch| (1..=batch_size).contains(&batch.num_rows())), "{what}");
                    assert_eq!(lines(&batches), wanted, "{what}");
                }
            }
        }
    }
    println!("{n_selected} rows of {n_all}");
    assert!(n_selected * 4 > n_all && n_selected * 4 < n_all * 3);
}

#[test]
fn damaged_files_are_refused_through_filters_too() {
    let mut wrong = Vec::new();
    for Case { name, file, beside } in cases("corrupt", "txt") {
        let fragment = beside.trim_end_matches('\n');
        for way in FILTERED {
            let filter = |columns: &RecordBatch| Ok(BooleanArray::from(vec![true; columns.num_rows()]));
            match read(way, &file, &Options::default(), &[], filter).error {
                Some(error) if error.to_string().contains(fragment) => {}
                error => wrong.push(format!("{name}, {way}: {error:?} is not `{fragment}`")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
