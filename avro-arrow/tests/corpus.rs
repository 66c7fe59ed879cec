//! Files of foreign projects, where there are any: a folder `shared/data/avro` beside a folder around this workspace,
//! with a `MANIFEST.tsv` that says of each file whether it is valid, corrupt, or something else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use arrow_array::RecordBatch;
use avro_arrow::container::{Header, count_rows};
use avro_arrow::schema::Schema;
use avro_arrow::{Decoder, Enums, ErrorKind, Limits, Options, Strings, Unions};
use avro_testing::ways::block_ends;
use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use support::foreign_files;
use support::ways::{Way, assert_prefix, assert_valid, header_and_program, pieces, ranges, whole};

struct Entry {
    name: String,
    kind: String,
    /// Rows, where the manifest says so.
    n_rows: Option<usize>,
    file: Vec<u8>,
}

/// The files of these kinds.
fn entries(kinds: &[&str]) -> Vec<Entry> {
    let Some(folder) = foreign_files() else { return Vec::new() };
    let manifest = fs::read_to_string(folder.join("MANIFEST.tsv")).unwrap();
    let mut lines = manifest.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let heads = lines.next().unwrap();
    let column = |name: &str| heads.iter().position(|head| *head == name).unwrap();
    let (name, kind, records) = (column("file"), column("kind"), column("records"));
    let entries: Vec<Entry> = lines
        .filter(|line| kinds.contains(&line[kind]))
        .map(|line| Entry {
            name: line[name].to_string(),
            kind: line[kind].to_string(),
            n_rows: line[records].parse().ok(),
            file: fs::read(folder.join(line[name])).unwrap(),
        })
        .collect();
    assert!(!entries.is_empty(), "the manifest has no files of {kinds:?}");
    entries
}

/// Checks each of these files, and says of all that fail why.
fn check_each(kinds: &[&str], check: impl Fn(&Entry)) {
    let mut failed = Vec::new();
    for entry in entries(kinds) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&entry))) {
            let why = panic.downcast_ref::<String>().map_or("a panic", |text| text);
            failed.push(format!("{}: {}", entry.name, why.lines().next().unwrap_or_default()));
        }
    }
    assert!(failed.is_empty(), "{} files failed\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn valid_files_have_the_rows_that_the_reference_finds() {
    check_each(&["valid"], |Entry { name, file, n_rows, .. }| {
        let variant =
            Options::default().with_strings(Strings::Utf8).with_enums(Enums::String).with_unions(Unions::Struct);
        for options in [Options::default(), variant] {
            let batch = whole(name, file, &options);
            assert_valid(name, std::slice::from_ref(&batch));
            let slow = Way::Reference.read(file, &options).unwrap(name);
            assert_eq!(assert_prefix(name, &slow, &batch), batch.num_rows(), "rows of the reference");
            if let Some(n_rows) = n_rows {
                assert_eq!(batch.num_rows(), *n_rows, "rows in the manifest");
            }
            let counted = count_rows(&mut Cursor::new(file), &Limits::default());
            assert_eq!(counted.unwrap(), batch.num_rows() as u64, "rows counted");
        }
    });
}

#[test]
fn valid_files_have_the_same_rows_in_batches_of_any_size() {
    check_each(&["valid"], |Entry { name, file, .. }| {
        let want = whole(name, file, &Options::default());
        for batch_size in [1, 3, 100] {
            let options = Options::default().with_batch_size(batch_size);
            for way in [Way::Reader, Way::Parallel(2), Way::Pieces(1000)] {
                let what = format!("{way}, batch size {batch_size}");
                let batches = way.read(file, &options).unwrap(&what);
                assert_eq!(assert_prefix(&what, &batches, &want), want.num_rows(), "{what}");
                assert!(batches.iter().all(|batch| batch.num_rows() <= batch_size), "{what}");
            }
        }
    });
}

#[test]
fn valid_files_have_the_same_rows_in_ranges() {
    check_each(&["valid"], |Entry { name, file, .. }| {
        let want = whole(name, file, &Options::default());
        let (header, program) = header_and_program(file, &Options::default()).unwrap();
        let end = file.len() as u64;
        for n in [2, 3, 7, 50] {
            let bounds: Vec<u64> = (0..=n).map(|i| end * i / n).collect();
            let (outcome, meet) = ranges(file, &header, &program, &bounds);
            let what = format!("{n} ranges");
            assert!(meet, "{what}: the spans do not meet");
            assert_eq!(assert_prefix(&what, &outcome.unwrap(&what), &want), want.num_rows(), "{what}");
        }
    });
}

#[test]
fn each_column_alone_is_the_column_among_all() {
    check_each(&["valid"], |Entry { name, file, .. }| {
        let want = whole(name, file, &Options::default());
        for (at, field) in want.schema_ref().fields().iter().enumerate() {
            let first = want.schema_ref().index_of(field.name()).unwrap();
            if first != at {
                continue; // A name that is there twice means the first.
            }
            let options = Options::default().with_projection(Some(vec![field.name().clone()]));
            let got = whole(name, file, &options);
            assert_eq!(got.column(0), want.column(at), "column {}", field.name());
        }
        let none = Options::default().with_projection(Some(vec![]));
        let batches = Way::Reader.read(file, &none).unwrap("no columns");
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), want.num_rows(), "rows without columns");
    });
}

#[test]
fn valid_files_that_are_cut_are_refused() {
    check_each(&["valid"], |Entry { name, file, .. }| {
        let want = whole(name, file, &Options::default());
        let (header, program) = header_and_program(file, &Options::default()).unwrap();
        let ends = block_ends(file);
        // Each byte of a file, or, where that takes long, of the places where something begins or ends.
        let step = if file.len() > 20_000 { 97 } else { (ends.len() / 10).max(1) };
        let near = |cut: usize| ends.iter().any(|(end, _)| cut.abs_diff(*end) <= 2);
        for cut in (0..=file.len()).filter(|cut| cut % step == 0 || near(*cut)) {
            let part = &file[..cut];
            if (cut as u64) < header.len {
                let header = header_and_program(part, &Options::default());
                let kind = header.expect_err("an error").kind().to_string();
                assert!(cut == 0 || kind.contains("the file ends inside"), "cut at {cut}: {kind}");
                continue;
            }
            let outcome = pieces(part, usize::MAX, Decoder::new(&header, program.clone()));
            let n_rows = assert_prefix(name, &outcome.batches, &want) as u64;
            match (outcome.error, ends.iter().find(|(end, _)| *end == cut)) {
                (None, Some((_, rows))) => assert_eq!(n_rows, *rows, "cut at {cut}"),
                (Some(error), None) => {
                    assert!(matches!(error.kind(), ErrorKind::Truncated { .. }), "cut at {cut}: {error}");
                }
                (Some(error), Some(_)) => panic!("cut at {cut}, the end of a block: {error}"),
                (None, None) => panic!("cut at {cut}: read without an error"),
            }
        }
    });
}

#[test]
fn corrupt_files_are_refused() {
    check_each(&["corrupt"], |Entry { file, .. }| {
        for way in [Way::Reader, Way::Parallel(2), Way::Pieces(3), Way::Reference] {
            let error = way.read(file, &Options::default()).error;
            assert!(error.is_some(), "{way}: read without an error");
        }
    });
}

#[test]
fn no_file_panics_or_takes_long() {
    check_each(&["valid", "corrupt", "other"], |Entry { file, kind, .. }| {
        for way in [Way::Reader, Way::Parallel(2), Way::Pieces(1000)] {
            let start = Instant::now();
            let outcome = way.read(file, &Options::default());
            assert!(start.elapsed() < Duration::from_secs(30), "{way} took {:?}", start.elapsed());
            if let (Some(error), "valid") = (outcome.error, kind.as_str()) {
                panic!("{way}: {error}");
            }
        }
    });
}

/// Avro's own list of schemas, their canonical forms, and the fingerprints of these.
#[test]
fn canonical_forms_and_fingerprints_are_those_of_avro() {
    let Some(folder) = foreign_files() else { return };
    let text = fs::read_to_string(folder.join("apache+avro__share__test__data__schema-tests.txt")).unwrap();
    let (mut schema, mut n_forms, mut n_fingerprints) = (None, 0, 0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((key, value)) = line.strip_prefix("<<").map(|line| line.split_once(' ').unwrap_or((line, ""))) else {
            continue;
        };
        let value = match value {
            "" => lines.by_ref().take_while(|line| *line != key).collect(),
            one_line => one_line.to_owned(),
        };
        match (key, &schema) {
            ("INPUT", _) => schema = Some(Schema::parse(&value, &Limits::default()).expect(&value)),
            ("canonical", Some(schema)) => {
                assert_eq!(schema.canonical_form(), value);
                n_forms += 1;
            }
            ("fingerprint", Some(schema)) => {
                assert_eq!(schema.rabin().cast_signed(), value.parse::<i64>().unwrap(), "{}", schema.json());
                n_fingerprints += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((n_forms, n_fingerprints), (34, 26));

    let schema =
        fs::read_to_string(folder.join("apache+avro__share__test__data__messageV1__test_schema.avsc")).unwrap();
    let message = fs::read(folder.join("apache+avro__share__test__data__messageV1__test_message.bin")).unwrap();
    let fingerprint = Schema::parse(&schema, &Limits::default()).unwrap().rabin();
    assert_eq!(message[..10], [&[0xc3, 0x01], &fingerprint.to_le_bytes()[..]].concat());
}

#[test]
fn canonical_forms_of_schemas_are_their_own() {
    check_each(&["valid"], |Entry { file, .. }| {
        let (header, _) = Header::read(&mut Cursor::new(file), &Limits::default()).unwrap();
        let form = header.schema.canonical_form();
        let again = Schema::parse(&form, &Limits::default()).unwrap();
        assert_eq!(again.canonical_form(), form);
        assert_eq!((again.rabin(), again.len()), (header.schema.rabin(), header.schema.len()));
    });
}
