//! Files with damaged blocks, read around the damage: the rows of the other blocks, all of them, and an exact list of
//! what was skipped; by each way of reading.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::concat::concat_batches;
use avro_arrow::container::Header;
use avro_arrow::schema::Schema;
use avro_arrow::{
    DamagedBlock, Decoder, Error, FilterProgram, Limits, OnCorruptBlock, Options, Program, ReaderBuilder, reference,
};
use avro_testing::ways::block_ends;
use avro_testing::wire::{SYNC, block, bytes, file, long};
use avro_testing::{Rng, check_all, check_seeds, corrupt};
use std::io::{Cursor, Write};
use std::sync::Arc;
use support::ways::{Way, feed, header_and_program, whole};
use support::{Case, cases};

const CODECS: [&str; 6] = ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"];

const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "id", "type": "long"}, {"name": "text", "type": "string"}, {"name": "x", "type": ["null", "double"]},
    {"name": "tags", "type": {"type": "array", "items": "string"}}]}"#;

const LENIENT: [Way; 7] = [
    Way::Reader,
    Way::Parallel(1),
    Way::Parallel(3),
    Way::Pieces(1),
    Way::Pieces(7),
    Way::Pieces(1000),
    Way::Pieces(usize::MAX),
];

/// Rows of a block, encoded.
fn rows(rng: &mut Rng, n_rows: usize) -> Vec<u8> {
    let mut data = Vec::new();
    for _ in 0..n_rows {
        data.extend(long(rng.bits() as i64 >> rng.below(60)));
        data.extend(bytes("ä text that is longer or shorter".get(rng.below(30) + 2..).unwrap_or("ä").as_bytes()));
        data.extend(if rng.one_in(3) { long(0) } else { [long(1), rng.bytes(8)].concat() });
        let n_tags = rng.below(3);
        data.extend([long(n_tags as i64), bytes(b"tag").repeat(n_tags)].concat());
        data.extend(if n_tags > 0 { long(0) } else { vec![] });
    }
    data
}

fn compress(codec: &str, data: &[u8]) -> Vec<u8> {
    match codec {
        "deflate" => {
            let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
            let mut out = vec![0; compressor.deflate_compress_bound(data.len())];
            let n = compressor.deflate_compress(data, &mut out).unwrap();
            out.truncate(n);
            out
        }
        "snappy" => {
            let mut out = snap::raw::Encoder::new().compress_vec(data).unwrap();
            out.extend(crc32fast::hash(data).to_be_bytes());
            out
        }
        "zstandard" => zstd::bulk::compress(data, 3).unwrap(),
        "bzip2" => {
            let mut out = bzip2::write::BzEncoder::new(vec![], bzip2::Compression::fast());
            out.write_all(data).unwrap();
            out.finish().unwrap()
        }
        "xz" => {
            let mut out = liblzma::write::XzEncoder::new(vec![], 1);
            out.write_all(data).unwrap();
            out.finish().unwrap()
        }
        _ => data.to_vec(),
    }
}

/// A file of blocks of about `n_rows` rows, some without rows.
fn blocks(rng: &mut Rng, codec: &str, n_blocks: usize, n_rows: usize) -> Vec<u8> {
    let blocks = (0..n_blocks).map(|_| {
        let n_rows = if rng.one_in(15) { 0 } else { 1 + rng.below(2 * n_rows) };
        block(n_rows as i64, &compress(codec, &rows(rng, n_rows)))
    });
    let blocks: Vec<_> = blocks.collect();
    file(SCHEMA, codec, &blocks)
}

/// What was skipped, without the words: block, offset, bytes, rows.
type Skipped = (u64, u64, u64, Option<u64>);

/// What came of reading: all rows, what was skipped, and why.
struct Read {
    rows: RecordBatch,
    skipped: Vec<Skipped>,
    errors: Vec<Error>,
}

fn lenient(batch_size: usize) -> Options {
    Options::default().with_on_corrupt_block(OnCorruptBlock::Skip).with_batch_size(batch_size)
}

/// All that this way gives of a file whose header is whole.
fn read(way: Way, file: &[u8], options: &Options) -> Read {
    let (_, program) = header_and_program(file, options).unwrap();
    let (batches, damage) = match way {
        Way::Parallel(threads) => {
            let mut reader = ReaderBuilder::new()
                .with_options(options.clone())
                .build_parallel(Cursor::new(file.to_vec()), threads)
                .unwrap();
            let batches: Vec<_> = reader.by_ref().map(|batch| batch.unwrap()).collect();
            (batches, reader.take_damage())
        }
        Way::Pieces(size) => {
            let (header, program) = header_and_program(file, options).unwrap();
            let mut decoder = Decoder::new(&header, program);
            let outcome = feed(file, size, &mut decoder);
            assert!(outcome.error.is_none(), "{:?}", outcome.error);
            (outcome.batches, decoder.take_damage())
        }
        _ => {
            let mut reader = ReaderBuilder::new().with_options(options.clone()).build(file).unwrap();
            let batches: Vec<_> = reader.by_ref().map(|batch| batch.unwrap()).collect();
            (batches, reader.take_damage())
        }
    };
    collected(batches, damage, &program)
}

/// All that decoders of ranges that meet at these offsets give, one after the other.
fn read_ranges(file: &[u8], options: &Options, cuts: &[u64]) -> Read {
    let (header, program) = header_and_program(file, options).unwrap();
    let (mut batches, mut damage) = (vec![], vec![]);
    let ends = cuts.iter().copied().chain([file.len() as u64]);
    let mut start = 0;
    for end in ends {
        let mut decoder = Decoder::for_range(&header, program.clone(), start..end, file.len() as u64);
        let outcome = feed(file, 1000, &mut decoder);
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        batches.extend(outcome.batches);
        damage.append(&mut decoder.take_damage());
        start = end;
    }
    collected(batches, damage, &program)
}

fn collected(batches: Vec<RecordBatch>, damage: Vec<DamagedBlock>, program: &Program) -> Read {
    assert!(batches.iter().all(|batch| batch.num_rows() > 0));
    let skipped = damage.iter().map(|d| (d.block, d.offset, d.bytes, d.rows)).collect();
    let rows = concat_batches(program.arrow_schema(), &batches).unwrap();
    Read { rows, skipped, errors: damage.into_iter().map(|d| d.error).collect() }
}

/// The rows of these bytes behind the file's header; none if they are damaged, as the slow decoder finds.
fn rows_of(file: &[u8], blocks: &[u8]) -> Option<RecordBatch> {
    let header_len = Header::parse(file, &Limits::default()).unwrap().unwrap().len as usize;
    let part = [&file[..header_len], blocks].concat();
    reference::read(&*part, &Options::default()).ok()?;
    Some(whole("a block", &part, &Options::default()))
}

/// The whole blocks of a file that is not damaged: where each begins and ends, and its rows.
fn blocks_of(file: &[u8]) -> Vec<(usize, usize, RecordBatch)> {
    let ends = block_ends(file);
    let pairs = ends.windows(2);
    pairs.map(|pair| (pair[0].0, pair[1].0, rows_of(file, &file[pair[0].0..pair[1].0]).unwrap())).collect()
}

fn concat(file: &[u8], parts: &[RecordBatch]) -> RecordBatch {
    let (_, program) = header_and_program(file, &Options::default()).unwrap();
    concat_batches(program.arrow_schema(), parts).unwrap()
}

#[test]
fn one_damaged_byte_loses_one_block() {
    let (mut n_lost, mut n_counted) = (0, 0);
    for (seed, codec) in CODECS.into_iter().enumerate() {
        let mut rng = Rng::new(seed as u64);
        for (n_blocks, n_rows) in [(12, 30), (40, 8), (3, 300)] {
            let good = blocks(&mut rng, codec, n_blocks, n_rows);
            let blocks = blocks_of(&good);
            for case in 0..30 {
                // In a block's frame, in its data, or in its marker.
                let at = rng.below(blocks.len());
                let (start, end, _) = &blocks[at];
                let place = match case % 3 {
                    0 => start + rng.below(2),
                    1 => start + rng.below(end - start - SYNC.len()),
                    _ => end - 1 - rng.below(SYNC.len()),
                };
                let mut file = good.clone();
                file[place] ^= 1 << rng.below(8);
                let what = format!("{codec}, seed {seed}, byte {place} of block {at} from {start} to {end}");
                let mut want: Vec<_> = blocks.iter().map(|(_, _, rows)| rows.clone()).collect();
                let still = rows_of(&file, &file[*start..*end]);
                let lost = still.is_none();
                let n_rows = want[at].num_rows() as u64;
                want[at] = still.unwrap_or_else(|| want[at].slice(0, 0));
                let want = concat(&file, &want);
                let check = |read: Read, how: &str| -> Option<Option<u64>> {
                    assert!(read.rows == want, "{what}, {how}: {} rows, not {}", read.rows.num_rows(), want.num_rows());
                    let [(block, offset, bytes, rows)] = read.skipped[..] else {
                        assert!(read.skipped.is_empty() && !lost, "{what}, {how}: {:?}", read.skipped);
                        return None;
                    };
                    let place = (offset as usize, bytes as usize);
                    assert_eq!((lost, place), (true, (*start, end - start)), "{what}, {how}");
                    // Ranges count from their own first block.
                    assert!(block == at as u64 || how.starts_with("ranges"), "{what}, {how}: {block}");
                    assert!(case % 3 == 0 || rows.is_none_or(|rows| rows == n_rows), "{what}, {how}: {rows:?}");
                    Some(rows)
                };
                let batch_size = rng.pick(1, &[3, 100, 8192]);
                let counts = LENIENT.map(|way| check(read(way, &file, &lenient(batch_size)), &way.to_string()));
                let mut cuts: Vec<u64> = (0..rng.below(5)).map(|_| rng.below(file.len() + 1) as u64).collect();
                cuts.extend([*start, *end, place].map(|at| (at + rng.below(20)).saturating_sub(10) as u64));
                cuts.iter_mut().for_each(|cut| *cut = (*cut).min(file.len() as u64));
                cuts.sort();
                let in_ranges = check(read_ranges(&file, &lenient(batch_size), &cuts), &format!("ranges {cuts:?}"));
                assert!(counts.iter().all(|count| *count == in_ranges), "{what}: {counts:?} {in_ranges:?}");
                n_lost += u64::from(lost);
                n_counted += u64::from(matches!(in_ranges, Some(Some(_))));
            }
        }
    }
    // Most damage is found, and most of it leaves the count of rows as it was.
    assert!(n_lost > 350 && n_counted > n_lost / 2, "{n_lost} {n_counted}");
}

#[test]
fn intact_blocks_survive_much_damage() {
    check_seeds(0..120, |rng| {
        let codec = rng.pick(CODECS[0], &CODECS[1..]);
        let good = blocks(rng, codec, 25, 10);
        let blocks = blocks_of(&good);
        let header_len = blocks[0].0;
        let mut file = good.clone();
        for _ in 0..1 + rng.below(6) {
            let place = header_len + rng.below(file.len() - header_len);
            match rng.below(3) {
                0 => file[place] = rng.bits() as u8,
                1 => {
                    let end = (place + rng.below(300)).min(file.len());
                    file[place..end].fill(0);
                }
                _ => file[place] ^= 1 << rng.below(8),
            }
        }
        let what = codec;
        let first = read(Way::Reader, &file, &lenient(100));
        // What is listed is in the file's order, and begins and ends where blocks do; all else is there.
        let mut at = header_len as u64;
        for (_, offset, bytes, _) in &first.skipped {
            assert!(*offset >= at && *bytes > 0, "{what}: {:?}", first.skipped);
            at = offset + bytes;
        }
        assert!(at <= file.len() as u64);
        let is_listed = |start: usize, end: usize| {
            let mut skipped = first.skipped.iter();
            skipped.any(|(_, offset, bytes, _)| *offset < end as u64 && (start as u64) < offset + bytes)
        };
        let kept = blocks.iter().filter(|(start, end, _)| !is_listed(*start, *end));
        let want: Vec<_> = kept.map(|(start, end, _)| rows_of(&file, &file[*start..*end]).expect(what)).collect();
        assert!(first.rows == concat(&file, &want), "{what}: {:?}", first.skipped);
        // A block that is whole is lost only where it cannot be found, behind a lost one.
        for pair in blocks.windows(2) {
            let [(before, start, _), (_, end, _)] = pair else { panic!() };
            let touched = file[*start..*end] != good[*start..*end];
            assert!(touched || !is_listed(*start, *end) || is_listed(*before, *start), "{what}");
        }
        for way in LENIENT {
            let read = read(way, &file, &lenient(rng.pick(1, &[3, 100, 8192])));
            assert!(read.rows == first.rows && read.skipped == first.skipped, "{what}, {way}: {:?}", read.skipped);
            let texts = |read: &Read| read.errors.iter().map(Error::to_string).collect::<Vec<_>>();
            assert_eq!(texts(&read), texts(&first), "{what}, {way}");
        }
        for _ in 0..10 {
            let mut cuts: Vec<u64> = (0..1 + rng.below(6)).map(|_| rng.below(file.len() + 1) as u64).collect();
            cuts.sort();
            let read = read_ranges(&file, &lenient(100), &cuts);
            let places = |read: &Read| read.skipped.iter().map(|(_, o, b, r)| (*o, *b, *r)).collect::<Vec<_>>();
            assert!(read.rows == first.rows, "{what}, {cuts:?}");
            assert_eq!(places(&read), places(&first), "{what}, {cuts:?}");
        }
    });
}

#[test]
fn a_cut_file_has_its_whole_blocks() {
    for (seed, codec) in CODECS.into_iter().enumerate() {
        let file = blocks(&mut Rng::new(seed as u64), codec, 6, 5);
        let blocks = blocks_of(&file);
        for cut in blocks[0].0..=file.len() {
            let part = &file[..cut];
            let whole: Vec<_> =
                blocks.iter().filter(|(_, end, _)| *end <= cut).map(|(.., rows)| rows.clone()).collect();
            let want = concat(&file, &whole);
            let behind = blocks[..whole.len()].last().map_or(blocks[0].0, |(_, end, _)| *end);
            let tail = (whole.len() as u64, behind as u64, (cut - behind) as u64, None);
            let skipped = if cut == behind { vec![] } else { vec![tail] };
            let check = |read: Read, how: &str| {
                assert!(read.rows == want, "{codec}, cut at {cut}, {how}");
                assert_eq!(read.skipped, skipped, "{codec}, cut at {cut}, {how}");
                for error in read.errors {
                    assert!(error.to_string().contains("the file ends inside a block"), "{cut}: {error}");
                }
            };
            for way in [Way::Reader, Way::Parallel(2), Way::Pieces(7), Way::Pieces(usize::MAX)] {
                check(read(way, part, &lenient(100)), &way.to_string());
            }
            // The index is among what the range has.
            for at in [cut / 2, cut.saturating_sub(20), cut.saturating_sub(3), behind, behind - 16] {
                let mut read = read_ranges(part, &lenient(100), &[at as u64]);
                read.skipped.iter_mut().for_each(|skipped| skipped.0 = tail.0);
                check(read, &format!("ranges that meet at {at}"));
            }
        }
    }
}

#[test]
fn file_shorter_than_stated_is_listed() {
    let file = blocks(&mut Rng::new(7), "null", 5, 5);
    let (header, program) = header_and_program(&file, &lenient(100)).unwrap();
    let len = file.len() as u64;
    let mut decoder = Decoder::for_range(&header, program, 0..len + 9, len + 9);
    let outcome = feed(&file, 100, &mut decoder);
    assert!(outcome.error.is_none() && outcome.n_rows() as u64 == block_ends(&file).last().unwrap().1);
    let [damaged] = decoder.damage() else { panic!("{:?}", decoder.damage()) };
    assert_eq!((damaged.offset, damaged.bytes, damaged.rows), (len, 0, None));
    assert!(damaged.error.to_string().contains("its stated length"), "{}", damaged.error);
}

#[test]
fn block_is_skipped_whole_or_not_at_all() {
    // Of more rows than a chunk, or more bytes; with a bad value at the end, and good blocks around.
    let schema = r#"{"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}, {"name": "b", "type": "boolean"}]}"#;
    let good = |from: i64, n: i64| (from..from + n).flat_map(|id| [long(id), vec![1]].concat()).collect::<Vec<_>>();
    for n in [1000, 50_000, 600_000] {
        let mut bad = good(0, n);
        *bad.last_mut().unwrap() = 2;
        for codec in ["null", "deflate"] {
            let around = |from| block(700, &compress(codec, &good(from, 700)));
            let file = file(schema, codec, &[around(0), block(n, &compress(codec, &bad)), around(700), around(1400)]);
            for batch_size in [100, 8192] {
                for way in [Way::Reader, Way::Parallel(2)] {
                    let read = read(way, &file, &lenient(batch_size));
                    let ids = read.rows.column(0).as_primitive::<Int64Type>().values().to_vec();
                    assert_eq!(ids, (0..2100).collect::<Vec<_>>(), "{n} {codec} {batch_size} {way}");
                    assert_eq!((read.skipped.len(), read.skipped[0].3), (1, Some(n as u64)));
                    let place = format!("boolean 2 is neither 0 nor 1 (field b, row {}, block 1", n - 1);
                    assert!(read.errors[0].to_string().starts_with(&place), "{}", read.errors[0]);
                }
            }
            // Where only rows are counted, what is wrong inside a value that no column wants is not seen.
            let options = lenient(8192).with_projection(Some(vec![]));
            assert_eq!(read(Way::Reader, &file, &options).rows.num_rows() as i64, 2100 + n);
        }
    }
}

#[test]
fn rows_are_counted_around_damage() {
    for (seed, codec) in CODECS.into_iter().enumerate() {
        let mut file = blocks(&mut Rng::new(seed as u64), codec, 8, 20);
        let ends = block_ends(&file);
        let (third, fourth) = (ends[2].0, ends[3].0);
        // The middle of what is stored, or of a checksum: where nothing is compressed, the last row's length of its
        // list.
        let place = if codec == "null" { fourth - 17 } else { (third + fourth) / 2 };
        file[place] ^= 0xff;
        let options = lenient(8192).with_projection(Some(vec![]));
        let want = ends.last().unwrap().1 - (ends[3].1 - ends[2].1);
        for way in LENIENT {
            let read = read(way, &file, &options);
            assert_eq!((read.rows.num_rows() as u64, read.skipped.len()), (want, 1), "{codec} {way}");
            assert_eq!(read.skipped[0].1, third as u64);
        }
    }
}

#[test]
fn too_large_block_is_skipped() {
    let wide = r#"{"type": "record", "name": "R", "fields": [{"name": "w", "type": ["null", {"type": "fixed", "name": "F", "size": 100000}]}]}"#;
    let one = [vec![2], vec![7; 100_000]].concat();
    let file_of = |middle: Vec<u8>| file(wide, "null", &[block(2, &[0, 0]), middle, block(1, &[0])]);
    let limited = |set: fn(&mut Limits)| {
        let mut options = lenient(8192);
        set(&mut options.limits);
        options
    };
    let cases = [
        ("block_bytes", file_of(block(1, &one)), limited(|limits| limits.block_bytes = 1000)),
        ("batch_bytes", file_of(block(1, &one)), limited(|limits| limits.batch_bytes = 50_000)),
    ];
    check_all(cases, |(limit, file, options)| {
        for way in LENIENT {
            let read = read(way, &file, &options);
            let (rows, skipped) = (read.rows.num_rows(), read.skipped);
            // Where every row is too wide, all blocks are.
            let want = if limit == "batch_bytes" { (0, vec![Some(2), Some(1), Some(1)]) } else { (3, vec![Some(1)]) };
            assert_eq!((rows, skipped.iter().map(|s| s.3).collect::<Vec<_>>()), want, "{limit} {way}");
            assert!(read.errors.iter().all(|e| e.to_string().contains(limit)), "{limit} {way}: {:?}", read.errors);
        }
    });
    // Counts that cannot be are not believed.
    let more_cases = [
        (r#""null""#, block(2_000_000_000, &[]), "zero_width_items"),
        (r#""int""#, block(2_000_000_000, &[2, 4]), "more than its bytes can hold"),
        (r#""int""#, block(1, &[2, 4]), "left in the block"),
    ];
    check_all(more_cases, |(schema, block, error)| {
        let read = read(Way::Reader, &file(schema, "null", &[block]), &lenient(8192));
        assert_eq!((read.rows.num_rows(), read.skipped.len(), read.skipped[0].3), (0, 1, None), "{schema}");
        assert!(read.errors[0].to_string().contains(error), "{:?}", read.errors);
    });
}

#[test]
fn unreadable_value_is_not_damage() {
    let schema = |symbols: &str| format!(r#"{{"type": "enum", "name": "E", "symbols": [{symbols}]}}"#);
    let file = file(&schema(r#""A", "B""#), "null", &[block(1, &[0]), block(1, &[9]), block(1, &[2])]);
    for (symbols, error) in [(r#""B", "A""#, None), (r#""A""#, Some("(field value, row 0, block 2, "))] {
        let reader_schema = Some(Schema::parse(&schema(symbols), &Limits::default()).unwrap());
        for batch_size in [1, 100] {
            let options = lenient(batch_size).with_reader_schema(reader_schema.clone());
            for way in LENIENT {
                let found = way.read(&file, &options).error.map(|error| error.to_string());
                match (&found, error) {
                    (None, None) => assert_eq!(read(way, &file, &options).skipped.len(), 1),
                    (Some(found), Some(error)) => assert!(found.contains(error), "{way}: {found}"),
                    _ => panic!("{symbols}, {way}: {found:?}"),
                }
            }
        }
    }
}

#[test]
fn filters_see_whole_blocks_only() {
    check_seeds(0..40, |rng| {
        let codec = rng.pick("null", &["snappy"]);
        let mut file = blocks(rng, codec, 25, 10);
        let blocks = blocks_of(&file);
        for _ in 0..3 {
            let place = blocks[0].0 + rng.below(file.len() - blocks[0].0);
            file[place] ^= 1 << rng.below(8);
        }
        let options = lenient(rng.pick(1, &[100, 8192]));
        let all = read(Way::Reader, &file, &options);
        let (one_in, columns) = (rng.pick(1, &[2, 20]) as i64, ["id".to_string()]);
        let select = move |ids: &RecordBatch| {
            let ids = ids.column(0).as_primitive::<Int64Type>();
            ids.values().iter().map(|id| Some(id % one_in == 0)).collect::<BooleanArray>()
        };
        let mask = select(&all.rows);
        let want = arrow_select::filter::filter_record_batch(&all.rows, &mask).unwrap();
        let filter = move |ids: &RecordBatch| Ok(select(ids));
        let (header, program) = header_and_program(&file, &options).unwrap();
        let filter_program = FilterProgram::compile(&program, &columns).unwrap();
        let mut decoder = Decoder::new(&header, Arc::clone(&program)).with_filter(&filter_program, filter);
        let outcome = feed(&file, 1000, &mut decoder);
        assert!(outcome.error.is_none());
        let mut parallel = ReaderBuilder::new()
            .with_options(options)
            .with_row_filter(&columns, filter)
            .build_parallel(Cursor::new(file.clone()), 2)
            .unwrap();
        let batches: Vec<_> = parallel.by_ref().map(|batch| batch.unwrap()).collect();
        for (batches, damage) in [(outcome.batches, decoder.take_damage()), (batches, parallel.take_damage())] {
            let found = collected(batches, damage, &program);
            assert!(found.rows == want);
            assert_eq!(found.skipped, all.skipped);
        }
    });
}

#[test]
fn undamaged_file_reads_alike_when_lenient() {
    for Case { name, file, .. } in cases("valid", "json") {
        let want = whole(&name, &file, &Options::default());
        for way in [Way::Reader, Way::Parallel(2), Way::Pieces(3)] {
            let read = read(way, &file, &lenient(100));
            assert!(read.rows == want && read.skipped.is_empty(), "{name}, {way}: {:?}", read.skipped);
        }
    }
}

#[test]
fn every_way_skips_the_same() {
    let mut n_files = 0;
    for Case { name, file, .. } in cases("corrupt", "txt") {
        if ReaderBuilder::new().with_options(lenient(100)).build(&*file).is_err() {
            continue; // of the header
        }
        n_files += 1;
        let first = read(Way::Reader, &file, &lenient(100));
        assert!(!first.skipped.is_empty(), "{name}: nothing was skipped");
        for way in LENIENT {
            let read = read(way, &file, &lenient(3));
            assert!(read.rows == first.rows, "{name}, {way}");
            assert_eq!(read.skipped, first.skipped, "{name}, {way}");
        }
    }
    assert!(n_files > 60, "{n_files}");
}

#[test]
fn noise_without_blocks_ends() {
    check_seeds(0..300, |rng| {
        let mut file = blocks(rng, "null", 8, 5);
        let start = block_ends(&file)[0].0;
        let mut rest = file.split_off(start);
        (0..1 + rng.below(8)).for_each(|_| corrupt(rng, &mut rest));
        file.extend(rest);
        let first = read(Way::Reader, &file, &lenient(100));
        for way in [Way::Parallel(2), Way::Pieces(5)] {
            let read = read(way, &file, &lenient(100));
            assert!(read.rows == first.rows && read.skipped == first.skipped, "{way}");
        }
    });
}
