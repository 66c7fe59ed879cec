//! Damaged files are refused with an error that says what is wrong, and files that were cut short with one that says
//! so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use avro_arrow::{Decoder, ErrorKind, Options};
use avro_testing::check_all;
use avro_testing::ways::block_ends;
use std::time::{Duration, Instant};
use support::ways::{Outcome, WAYS, Way, assert_prefix, header_and_program, pieces, ranges, whole};
use support::{Case, cases};

#[test]
fn damaged_files_are_refused() {
    let mut wrong = Vec::new();
    for Case { name, file, beside } in cases("corrupt", "txt") {
        let fragment = beside.trim_end_matches('\n');
        for batch_size in [1, 8192] {
            let options = Options::default().with_batch_size(batch_size);
            for way in WAYS.into_iter().chain([Way::Reference]) {
                let start = Instant::now();
                let outcome = way.read(&file, &options);
                let seconds = start.elapsed();
                match outcome.error {
                    None => wrong.push(format!("{name}, {way}: read without an error")),
                    // The slow decoder finds the same damage, but may find it elsewhere.
                    Some(error) if way != Way::Reference && !error.to_string().contains(fragment) => {
                        wrong.push(format!("{name}, {way}: `{error}` does not contain `{fragment}`"));
                    }
                    Some(_) if seconds > Duration::from_secs(30) => wrong.push(format!("{name}, {way}: {seconds:?}")),
                    Some(_) => {}
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn skipped_values_are_checked_enough_to_find_the_next() {
    // Damage that changes where values end is found whichever columns are wanted.
    let moved = [
        "value-varint-overlong",
        "value-string-beyond-block",
        "value-string-length-negative",
        "value-union-branch-2",
        "value-array-cut",
        "value-double-cut",
        "value-recursive-branch",
        "rows-too-few",
        "rows-too-many",
        "rows-stray-byte",
    ];
    let cases: Vec<Case> = cases("corrupt", "txt").into_iter().filter(|case| moved.contains(&&*case.name)).collect();
    assert_eq!(cases.len(), moved.len());
    check_all(cases, |Case { name, file, .. }| {
        let options = Options::default().with_projection(Some(vec!["a".into()]));
        for way in [Way::Reader, Way::Reference] {
            assert!(way.read(&file, &options).error.is_some(), "{name}, {way}: read without an error");
        }
    });
}

#[test]
fn damaged_files_are_refused_in_ranges_too() {
    let options = Options::default();
    let mut missed = Vec::new();
    for Case { name, file, .. } in cases("corrupt", "txt") {
        // What is wrong with a header does not come to ranges.
        let Ok((header, program)) = header_and_program(&file, &options) else { continue };
        let end = file.len() as u64;
        for at in 0..=end {
            let (outcome, _) = ranges(&file, &header, &program, &[0, at, end]);
            if outcome.error.is_none() {
                missed.push(format!("{name}, ranges that meet at {at} of {end}"));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn cut_files_are_refused() {
    let options = Options::default();
    for Case { name, file, .. } in cases("valid", "json") {
        let want = whole(&name, &file, &options);
        let ends = block_ends(&file);
        let (header, program) = header_and_program(&file, &options).unwrap();
        for cut in cuts(&ends) {
            let part = &file[..cut];
            let what = format!("{name}, cut at {cut} of {}", file.len());
            let check = |way: &str, outcome: Outcome| {
                let what = format!("{what}, {way}");
                let n_rows = assert_prefix(&what, &outcome.batches, &want) as u64;
                match (outcome.error, ends.iter().find(|(end, _)| *end == cut)) {
                    (None, Some((_, rows))) => assert_eq!(n_rows, *rows, "{what}"),
                    (Some(error), Some(_)) => panic!("{what}, at the end of a block: {error}"),
                    (None, None) => panic!("{what}: read without an error"),
                    (Some(error), None) => {
                        let before = ends.iter().rev().find(|(end, _)| *end <= cut).map_or(0, |(_, rows)| *rows);
                        assert!(n_rows <= before, "{what}: rows of a block that is not there");
                        let empty = cut == 0 && matches!(error.kind(), ErrorKind::NotAvro { .. });
                        assert!(empty || matches!(error.kind(), ErrorKind::Truncated { .. }), "{what}: {error}");
                    }
                }
            };
            check("reader", Way::Reader.read(part, &options));
            if part.len() as u64 >= header.len {
                check("decoder", pieces(part, usize::MAX, Decoder::new(&header, program.clone())));
                // Whoever knows how long the file is to be may say so: then it may not even end behind a block.
                let range = Decoder::for_range(&header, program.clone(), 0..file.len() as u64, file.len() as u64);
                let outcome = pieces(part, usize::MAX, range);
                assert_eq!(outcome.error.is_none(), cut == file.len(), "{what}, range");
            }
        }
    }
}

/// Where to cut a file: at each byte of the header and of the last two blocks, and at every seventh between.
fn cuts(ends: &[(usize, u64)]) -> impl Iterator<Item = usize> + '_ {
    let (first, last) = (ends[0].0, ends[ends.len() - 1].0);
    let near_end = ends[ends.len().saturating_sub(3)].0.max(last.saturating_sub(2000));
    (0..=last).filter(move |cut| {
        *cut <= first + 200 || *cut >= near_end || cut % 7 == 0 || ends.iter().any(|(end, _)| end == cut)
    })
}
