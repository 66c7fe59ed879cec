//! What reading takes of memory: little, whatever a file's size, and whatever it claims. A binary of its own, as it
//! counts all allocations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use avro_arrow::container::count_rows;
use avro_arrow::{ErrorKind, Limits, Options, ReaderBuilder};
use avro_testing::check_all;
use avro_testing::wire::{block, bytes, file, long};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use support::ways::{Outcome, Way};

const MIB: usize = 1 << 20;

/// The system's allocator, and how much is allocated now, and was at most.
struct Counting {
    now: AtomicUsize,
    peak: AtomicUsize,
}

#[global_allocator]
static MEMORY: Counting = Counting { now: AtomicUsize::new(0), peak: AtomicUsize::new(0) };

impl Counting {
    fn add(&self, bytes: usize) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        // SAFETY: the caller's promise is the system's condition.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        // SAFETY: the caller's promise is the system's condition.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        self.now.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the system's condition.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.now.fetch_sub(layout.size(), Ordering::Relaxed);
        self.add(size);
        // SAFETY: the caller's promise is the system's condition.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// One test at a time, as they share the count.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The most bytes that this takes more than there were before, and what it gives.
fn peak<T>(what: impl FnOnce() -> T) -> (usize, T) {
    let before = MEMORY.now.load(Ordering::Relaxed);
    MEMORY.peak.store(before, Ordering::Relaxed);
    let value = what();
    (MEMORY.peak.load(Ordering::Relaxed).saturating_sub(before), value)
}

const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "id", "type": "long"}, {"name": "text", "type": "string"}, {"name": "x", "type": ["null", "double"]},
    {"name": "tags", "type": {"type": "array", "items": "string"}}]}"#;

/// Rows of at least `n_bytes` bytes.
fn rows(n_bytes: usize) -> (i64, Vec<u8>) {
    let (mut n_rows, mut data) = (0, Vec::new());
    while data.len() < n_bytes {
        data.extend(long(n_rows * 1_234_567));
        data.extend(bytes(format!("row number {n_rows} of this block").as_bytes()));
        data.extend(if n_rows % 3 == 0 { long(0) } else { [long(1), (n_rows as f64).to_le_bytes().to_vec()].concat() });
        data.extend([long(n_rows % 3), bytes(b"tag").repeat((n_rows % 3) as usize)].concat());
        if n_rows % 3 != 0 {
            data.extend(long(0));
        }
        n_rows += 1;
    }
    (n_rows, data)
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    let mut out = vec![0; compressor.deflate_compress_bound(data.len())];
    let n = compressor.deflate_compress(data, &mut out).unwrap();
    out.truncate(n);
    out
}

/// A header, and the same block again and again: a large file that takes no memory itself.
struct Large {
    header: Cursor<Vec<u8>>,
    block: Cursor<Vec<u8>>,
    n_more: usize,
}

impl Read for Large {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.header.read(out)?;
        if n > 0 || self.n_more == 0 {
            return Ok(n);
        }
        let n = self.block.read(out)?;
        if self.block.position() == self.block.get_ref().len() as u64 {
            self.block.set_position(0);
            self.n_more -= 1;
        }
        Ok(n)
    }
}

#[test]
fn large_file_takes_little_memory() {
    let _alone = alone();
    let cases = [
        ("null", 64 << 10, 400 * MIB),
        ("null", 8 * MIB, 400 * MIB),
        ("deflate", 64 << 10, 100 * MIB),
        ("deflate", 4 * MIB, 100 * MIB),
    ];
    check_all(cases, |(codec, block_bytes, n_bytes)| {
        let (n_rows, data) = rows(block_bytes);
        let n_blocks = n_bytes / data.len() + 1;
        let stored = if codec == "deflate" { deflate(&data) } else { data };
        let large = || Large {
            header: Cursor::new(file(SCHEMA, codec, &[])),
            block: Cursor::new(block(n_rows, &stored)),
            n_more: n_blocks,
        };
        let want = n_rows as usize * n_blocks;
        let options = Options::default();
        let count = |batches: &mut dyn Iterator<Item = avro_arrow::Result<arrow_array::RecordBatch>>| {
            batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>()
        };
        // Half of the rows, in no order.
        let half = |columns: &arrow_array::RecordBatch| {
            let ids = columns.column(0).as_primitive::<Int64Type>().values().iter();
            Ok(ids.map(|id| Some(id / 1_234_567 * 7 % 10 < 5)).collect())
        };
        for threads in [0, 1, 2] {
            let (peak, n_rows) = peak(|| {
                let builder = ReaderBuilder::new().with_options(options.clone()).with_row_filter(["id"], half);
                match threads {
                    0 => count(&mut builder.build(large()).unwrap()),
                    n => count(&mut builder.build_parallel(large(), n).unwrap()),
                }
            });
            let what = format!("half of {codec}, blocks of {block_bytes} bytes, {threads} threads");
            println!("{what}: {} MiB", peak / MIB);
            assert!(n_rows * 3 > want && n_rows * 3 < want * 2, "{what}: {n_rows} of {want}");
            assert!(peak < 192 * MIB, "{what}: {} MiB", peak / MIB);
        }
        for threads in [0, 1, 2] {
            let (peak, n_rows) = peak(|| match threads {
                0 => count(&mut ReaderBuilder::new().with_options(options.clone()).build(large()).unwrap()),
                n => count(&mut ReaderBuilder::new().with_options(options.clone()).build_parallel(large(), n).unwrap()),
            });
            let what = format!("{codec}, blocks of {block_bytes} bytes, {threads} threads");
            println!("{what}: {} MiB", peak / MIB);
            assert_eq!(n_rows, want, "{what}");
            assert!(peak < 192 * MIB, "{what}: {} MiB", peak / MIB);
        }
    });
}

#[test]
fn claimed_sizes_reserve_no_memory() {
    let _alone = alone();
    let empty = r#"{"type": "record", "name": "Empty", "fields": []}"#;
    let nulls = r#"{"type": "array", "items": "null"}"#;
    let (n_rows, data) = rows(1000);
    let unfinished = [long(1), long(1 << 40), vec![0; 100]].concat();
    let bomb = deflate(&vec![0; 300 * MIB]);
    let bytes_bomb = [bytes(&[]), vec![0; 10]].concat();
    let cases = [
        ("a bomb", file(r#""bytes""#, "deflate", &[block(1, &bomb)]), Some("block_bytes")),
        ("a block of a terabyte", file(SCHEMA, "null", std::slice::from_ref(&unfinished)), Some("block_bytes")),
        ("a compressed block of a terabyte", file(SCHEMA, "xz", &[unfinished]), Some("block_bytes")),
        ("10^9 rows of nothing", file(empty, "null", &[block(1_000_000_000, &[])]), Some("zero_width_items")),
        ("10^9 nulls", file(r#""null""#, "deflate", &[block(1_000_000_000, &deflate(&[]))]), Some("zero_width_items")),
        (
            "2 * 10^9 items of nothing",
            file(nulls, "null", &[block(1, &[long(2_000_000_000), long(0)].concat())]),
            Some("zero_width_items"),
        ),
        (
            "items of nothing in blocks",
            file(nulls, "null", &[block(1, &[long(6_000_000).repeat(2), long(0)].concat())]),
            Some("zero_width_items"),
        ),
        ("10^12 rows", file(SCHEMA, "null", &[block(1_000_000_000_000, &data)]), Some("more than its bytes can hold")),
        (
            "10^12 rows, deflate",
            file(SCHEMA, "deflate", &[block(1_000_000_000_000, &deflate(&data))]),
            Some("more than its bytes can hold"),
        ),
        (
            "10^12 items",
            file(
                r#"{"type": "array", "items": "int"}"#,
                "null",
                &[block(1, &[long(1_000_000_000_000), vec![0; 50]].concat())],
            ),
            Some("items"),
        ),
        (
            "a string of 2^60",
            file(r#""string""#, "null", &[block(1, &[long(1 << 60), vec![0; 50]].concat())]),
            Some("past the end"),
        ),
        ("rows left over", file(r#""bytes""#, "null", &[block(1, &bytes_bomb)]), Some("left in the block")),
        ("1000 rows of nothing", file(empty, "null", &[block(1000, &[])]), None),
        ("1000 nulls", file(r#""null""#, "null", &[block(1000, &[])]), None),
        ("rows as they are", file(SCHEMA, "null", &[block(n_rows, &data)]), None),
    ];
    check_all(cases, |(what, file, fragment)| {
        for way in [Way::Reader, Way::Parallel(2), Way::Pieces(1000), Way::Pieces(usize::MAX)] {
            let start = Instant::now();
            let (peak, Outcome { batches, error }) = peak(|| way.read(&file, &Options::default()));
            match (&error, fragment) {
                (None, None) => assert!(!batches.is_empty(), "{what}, {way}: no rows"),
                (Some(error), Some(fragment)) => {
                    assert!(error.to_string().contains(fragment), "{what}, {way}: {error}");
                }
                (error, _) => panic!("{what}, {way}: {error:?}"),
            }
            // The readers' own buffers are a few MiB; the bomb may be decompressed up to the limit of 200 MiB.
            let max = if what == "a bomb" { 210 * MIB } else { 16 * MIB };
            assert!(peak < max, "{what}, {way}: {} KiB", peak >> 10);
            assert!(start.elapsed() < Duration::from_secs(30), "{what}, {way}: {:?}", start.elapsed());
        }
        let counted = count_rows(&mut Cursor::new(&file), &Limits::default());
        match (what, counted) {
            ("a bomb" | "10^12 items" | "a string of 2^60" | "rows left over", counted) => drop(counted),
            (_, Ok(n)) if fragment.is_none() => assert!(n > 0, "{what}"),
            (_, Err(error)) if fragment.is_some() => {
                assert!(!matches!(error.kind(), ErrorKind::Io(_)), "{what}: {error}")
            }
            (_, counted) => assert!(what.contains("items of nothing"), "{what}: {counted:?}"),
        }
    });
}

#[test]
fn limits_of_caller_are_exact() {
    let _alone = alone();
    let (n_rows, data) = rows(100_000);
    let good = file(SCHEMA, "null", &[block(n_rows, &data)]);
    let nulls = file(r#""null""#, "null", &[block(1000, &[])]);
    let small = Limits::default().with_block_bytes(99_999).with_zero_width_items(999);
    let exact = Limits::default().with_block_bytes(data.len()).with_zero_width_items(1000);
    let cases = [
        (&good, &small, Some("`block_bytes`")),
        (&nulls, &small, Some("`zero_width_items`")),
        (&good, &Limits::default().with_metadata_bytes(100), Some("`metadata_bytes`")),
        (&good, &Limits::default().with_schema_nodes(3), Some("`schema_nodes`")),
        (&good, &Limits::default().with_arrow_fields(3), Some("`arrow_fields`")),
        (&good, &Limits::default().with_nesting(1), Some("`nesting`")),
        (&good, &exact, None),
        (&nulls, &exact, None),
    ];
    check_all(cases, |(file, limits, fragment)| {
        let options = Options::default().with_limits(limits.clone());
        for way in [Way::Reader, Way::Parallel(2), Way::Pieces(1000), Way::Reference] {
            let error = way.read(file, &options).error.map(|error| error.to_string());
            match (&error, fragment) {
                (None, None) => {}
                (Some(error), Some(fragment)) => assert!(error.contains(fragment), "{fragment}, {way}: {error}"),
                _ => panic!("{fragment:?}, {way}: {error:?}"),
            }
        }
    });
}

/// A branch that the reader has no type for leaves all its columns empty, and a file can have very many of them.
#[test]
fn unread_branches_take_little_memory() {
    let _alone = alone();
    let branches: Vec<String> =
        (0..50_000).map(|at| format!(r#"{{"type":"fixed","name":"F{at}","size":1}}"#)).collect();
    let writer = format!(r#"[{{"type":"record","name":"R","fields":[]}},{}]"#, branches.join(","));
    let columns: Vec<String> = (0..1000).map(|at| format!(r#"{{"name":"c{at}","type":"int","default":0}}"#)).collect();
    let reader = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, columns.join(","));
    let schema = |json: &str| avro_arrow::schema::Schema::parse(json, &Limits::default()).unwrap();
    let (writer, reader_schema) = (schema(&writer), Some(schema(&reader)));
    let options = Options::default().with_reader_schema(reader_schema);
    let (peak, compiled) = peak(|| avro_arrow::Program::compile(&writer, &options));
    let error = compiled.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    assert!(peak < 600 * MIB, "{peak}");
}
