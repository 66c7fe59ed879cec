//! Tests of the framer and of counting: files, whole, cut, damaged and split, against the blocks that were put in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::row_count_check::{RowCountCheck, RowsFit};
use super::{Framer, Header, count_rows};
use crate::codec::Codec;
use crate::codec::tests::compress;
use crate::encoding::PADDING;
use crate::error::{ErrorKind, Result};
use crate::limits::Limits;
use arrow_buffer::Buffer;
use avro_testing::check_all;
use avro_testing::wire::{self, SYNC, block, header, long};
use std::io::Cursor;

/// Offset, rows, data.
type Found = (u64, u64, Vec<u8>);

/// A file of blocks, each given by its row count and its bytes before compression.
fn file(schema: &str, codec: Codec, blocks: &[(i64, &[u8])]) -> Vec<u8> {
    let blocks: Vec<_> = blocks.iter().map(|(rows, data)| block(*rows, &compress(codec, data))).collect();
    wire::file(schema, codec.name(), &blocks)
}

fn parsed(file: &[u8]) -> Header {
    Header::parse(file, &Limits::default()).unwrap().unwrap()
}

/// Feeds pieces of `piece` bytes until no more are wanted, and collects the blocks.
fn run(framer: &mut Framer, file: &[u8], piece: usize) -> Result<Vec<Found>> {
    let mut found = vec![];
    let mut take = |framer: &mut Framer| -> Result<()> {
        while let Some(block) = framer.next_block()? {
            assert_eq!(&file[block.offset as usize..][..1], &long(block.rows as i64)[..1]);
            found.push((block.offset, block.rows, block.data.to_vec()));
        }
        Ok(())
    };
    for bytes in file[(framer.first_offset() as usize).min(file.len())..].chunks(piece) {
        take(framer)?;
        if framer.is_done() {
            break;
        }
        framer.feed(Buffer::from(bytes));
    }
    take(framer)?;
    framer.finish();
    take(framer)?;
    Ok(found)
}

fn whole(file: &[u8], piece: usize) -> Result<Vec<Found>> {
    run(&mut Framer::new(&parsed(file), &Limits::default()), file, piece)
}

/// The blocks of ranges that cover the file, cut at these offsets.
fn split(file: &[u8], header: &Header, cuts: &[u64], piece: usize) -> Result<Vec<Found>> {
    let mut found = vec![];
    let ends = cuts.iter().copied().chain([file.len() as u64]);
    let mut start = 0;
    for end in ends {
        let mut framer = Framer::for_range(header, start..end, file.len() as u64, &Limits::default());
        found.extend(run(&mut framer, file, piece)?);
        assert!(framer.is_done());
        start = end;
    }
    Ok(found)
}

/// A file with blocks of several sizes. Some are empty, and some contain the sync marker, alone or followed by bytes
/// that look like a frame. The metadata contains the marker too.
fn tricky() -> (Vec<u8>, Vec<Found>) {
    let marker = SYNC.to_vec();
    let blocks: Vec<(i64, Vec<u8>)> = vec![
        (3, b"abcdef".to_vec()),
        (0, vec![]),
        (1, [&b"x"[..], &marker, b"y"].concat()),
        (1, [&marker[..], &marker, &marker[..9]].concat()),
        (2, [&marker[..], &long(1), &long(4), b"1234", &marker[..15]].concat()), // the frame's marker is cut
        (70, vec![]),
        (1, [&marker[..], &long(-1), &marker, &long(1), &long(1 << 40)].concat()),
        (0, b"rest".to_vec()),
        (0, vec![]),
        (500, marker.clone()),
    ];
    let mut file = header(&[("a", &marker), ("avro.schema", br#""null""#), ("b", &[&marker[..], &[2, 2, 0]].concat())]);
    let mut found = vec![];
    for (rows, data) in blocks {
        if rows > 0 || !data.is_empty() {
            found.push((file.len() as u64, rows as u64, data.clone()));
        }
        file.extend(block(rows, &data));
    }
    (file, found)
}

const PIECES: [usize; 5] = [1, 3, 5, 100, usize::MAX];

#[test]
fn framer_with_pieces_of_any_size_finds_all_blocks() {
    let (file, want) = tricky();
    for piece in 1..200 {
        assert_eq!(whole(&file, piece).unwrap(), want, "{piece}");
    }
    assert_eq!(whole(&file, file.len()).unwrap(), want);
    assert_eq!(whole(&file[..parsed(&file).len as usize], 7).unwrap(), vec![]);
}

#[test]
fn splits_at_every_offset_own_each_block_once() {
    let (file, want) = tricky();
    let header = parsed(&file);
    let n = file.len() as u64;
    for piece in PIECES {
        for a in 0..=n {
            assert_eq!(split(&file, &header, &[a], piece).unwrap(), want, "{a} {piece}");
        }
    }
    // Pairs of places, then splits into up to seven at places that a simple generator picks.
    for a in 0..=n {
        for b in (a..=n).step_by(5) {
            let piece = PIECES[(a + b) as usize % 4 + 1];
            assert_eq!(split(&file, &header, &[a, b], piece).unwrap(), want, "{a} {b} {piece}");
        }
    }
    let mut state = 1u64;
    for i in 0..5000 {
        let mut cuts: Vec<u64> = (0..3 + i % 4)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) % (n + 1)
            })
            .collect();
        cuts.sort();
        let piece = PIECES[i % 5];
        assert_eq!(split(&file, &header, &cuts, piece).unwrap(), want, "{cuts:?} {piece}");
    }
}

#[test]
fn splits_do_not_hide_damaged_marker() {
    let (file, want) = tricky();
    let header = parsed(&file);
    for (offset, _, _) in want.iter().skip(1).chain([&(file.len() as u64, 0, vec![])]) {
        for damaged in [offset - 16, offset - 1] {
            let mut file = file.clone();
            file[damaged as usize] ^= 1;
            for a in 0..=file.len() as u64 {
                for cuts in [vec![a], vec![a, (a + 30).min(file.len() as u64)]] {
                    assert!(split(&file, &header, &cuts, 64).is_err(), "{damaged} {cuts:?}");
                }
            }
        }
    }
}

#[test]
fn splits_of_a_larger_file_own_each_block_once() {
    let text: Vec<u8> = (0..60_000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 20).to_be_bytes()).collect();
    let blocks: Vec<(i64, &[u8])> = (1..200usize).map(|i| (i as i64, &text[i * 7..i * 7 + i * 13 % 2500])).collect();
    let file = file(r#""bytes""#, Codec::Null, &blocks);
    let header = parsed(&file);
    let want = whole(&file, usize::MAX).unwrap();
    assert_eq!(want.len(), blocks.len());
    for parts in 2..=7 {
        for shift in [0, 1, 500] {
            let size = file.len() as u64 / parts;
            let cuts: Vec<u64> = (1..parts).map(|i| i * size + shift).collect();
            for piece in PIECES {
                assert!(split(&file, &header, &cuts, piece).unwrap() == want, "{parts} {shift} {piece}");
            }
        }
    }
}

#[test]
fn framer_reads_no_more_than_needed() {
    let (file, want) = tricky();
    let header = parsed(&file);
    for end in 1..=file.len() as u64 {
        let mut framer = Framer::for_range(&header, 0..end, file.len() as u64, &Limits::default());
        let mut fed = framer.first_offset();
        while !framer.is_done() {
            framer.feed(Buffer::from(&file[fed as usize..][..1]));
            fed += 1;
            while framer.next_block().unwrap().is_some() {}
        }
        // The last block of the range, and the one behind it.
        let owned = want.iter().filter(|(offset, ..)| *offset - 16 < end).count();
        let last = want.get(..want.len().min(owned + 1)).and_then(|seen| seen.last());
        let behind = last.map_or(0, |(offset, _, data)| offset + data.len() as u64 + 3 + 18);
        assert!(fed <= behind.max(header.len) + 2 * 18, "{end}: {fed} {behind}"); // 18: the blocks passed over
    }
}

#[test]
fn framer_needed_range_is_next_block() {
    let (file, expected) = tricky();
    let header = parsed(&file);
    // Of the whole file, and of a range that ends before the last block but looks at it.
    let last = expected.last().unwrap().0;
    for end in [file.len() as u64, last - 17] {
        let mut framer = Framer::for_range(&header, 0..end, file.len() as u64, &Limits::default());
        let (mut fed, mut found, mut told) = (framer.first_offset() as usize, vec![], None);
        while !framer.is_done() {
            while let Some(block) = framer.next_block().unwrap() {
                assert_eq!(
                    told.take(),
                    Some(block.offset..block.end),
                    "of every block the end is told before it is fed"
                );
                found.push(block.offset);
            }
            if let Some(awaited) = framer.needed_range() {
                assert!(awaited.end > fed as u64);
                told = Some(awaited);
            }
            if !framer.is_done() {
                framer.feed(Buffer::from(&file[fed..fed + 1]));
                fed += 1;
            }
        }
        assert_eq!(framer.needed_range(), None);
        let owned: Vec<u64> = expected.iter().map(|block| block.0).filter(|&at| at - 16 < end).collect();
        assert_eq!(found, owned);
        if end < last {
            assert_eq!(told, Some(last..file.len() as u64), "the block of the next range that is looked at");
        }
    }
}

#[test]
fn framer_does_not_copy_block_inside_a_piece() {
    let data = vec![7; 5000];
    let last = vec![7; PADDING - 17]; // the marker behind it is not enough padding
    let file = file(r#""bytes""#, Codec::Null, &[(1, &data), (1, &data), (1, &last)]);
    let header = parsed(&file);
    let buffer = Buffer::from(&file[header.len as usize..]);
    let all = buffer.as_ptr_range();
    let mut framer = Framer::new(&header, &Limits::default());
    framer.feed(buffer.slice(0));
    for shared in [true, true, false] {
        let block = framer.next_block().unwrap().unwrap();
        assert_eq!(all.contains(&block.data.as_ptr()), shared); // the last has no room for padding behind it
    }
}

#[test]
fn framer_on_cut_file_fails() {
    let (file, want) = tricky();
    let header = parsed(&file);
    let mut ends: Vec<u64> = vec![header.len];
    let mut at = header.len as usize;
    while at < file.len() {
        let frame = super::framer::Frame::parse(&file[at..]).unwrap().unwrap();
        at += frame.len_with_data() as usize + 16;
        ends.push(at as u64);
    }
    for len in header.len..file.len() as u64 {
        let cut = &file[..len as usize];
        let want: Vec<Found> = want.iter().filter(|(offset, ..)| *offset < len).cloned().collect();
        let check = |found: Result<Vec<Found>>, how: &str| match found {
            Ok(found) => assert!(ends.contains(&len) && found == want, "{len} {how}"),
            Err(e) => {
                assert!(!ends.contains(&len), "{len} {how}: {e}");
                // A file cut right behind a marker inside a block looks whole to a search, but its ranges do not meet.
                let apart = matches!(e.kind(), ErrorKind::SyncMismatch) && cut.ends_with(&SYNC) && how != "whole";
                assert!(apart || matches!(e.kind(), ErrorKind::Truncated { .. }), "{len} {how}: {e}");
                assert!(e.position().offset.is_some() && e.position().block.is_some());
            }
        };
        for piece in [1, 5, usize::MAX] {
            check(whole(cut, piece), "whole");
        }
        for a in 0..=len {
            check(split(cut, &header, &[a], 100), &format!("split at {a}"));
            check(split(cut, &header, &[a, len.saturating_sub(10).max(a)], 100), &format!("split at {a} and the end"));
        }
        // The store said that the file is longer than what came.
        let mut framer = Framer::for_range(&header, 0..len + 1, len + 1, &Limits::default());
        assert!(run(&mut framer, cut, 100).is_err(), "{len}");
        assert!(framer.is_done() && framer.next_block().unwrap().is_none());
    }
}

#[test]
fn count_rows_of_cut_file_fails() {
    let start = header(&[("avro.schema", br#""int""#)]);
    let mut file = start.clone();
    let mut ends = vec![(file.len(), 0)];
    for (rows, data) in [(3, [2; 3].as_slice()), (0, &[]), (2, &[2, 4])] {
        file.extend(block(rows, data));
        ends.push((file.len(), ends.last().unwrap().1 + rows as u64));
    }
    for len in start.len()..=file.len() {
        let want = ends.iter().find(|(end, _)| *end == len).map(|(_, rows)| *rows);
        match count_rows(&mut Cursor::new(&file[..len]), &Limits::default()) {
            Ok(rows) => assert_eq!(Some(rows), want, "{len}"),
            Err(e) => assert!(want.is_none() && matches!(e.kind(), ErrorKind::Truncated { .. }), "{len}: {e}"),
        }
    }
}

#[test]
fn framer_on_damaged_block_names_the_fault() {
    let start = header(&[("avro.schema", br#""bytes""#)]);
    let at = start.len();
    let good = block(2, b"\x02a\x02b");
    let wrong_marker = {
        let mut bytes = good.clone();
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    let bad = |head: &[&[u8]], tail: usize| [&head.concat()[..], &vec![0; tail]].concat();
    let (second, marker) = (at + good.len(), at + 2 * good.len() - 16);
    let cases: [(Vec<u8>, String); 9] = [
        (
            wrong_marker,
            format!("the sync marker after the block does not match the file's (block 1, file offset {marker})"),
        ),
        (
            bad(&[&long(-5), &long(0)], 16),
            format!("damaged container: a block's count is -5 (block 1, file offset {second})"),
        ),
        (
            bad(&[&long(1), &long(-1)], 16),
            format!("damaged container: a block's size is -1 (block 1, file offset {second})"),
        ),
        (
            bad(&[&[0xff; 10]], 16),
            format!("damaged container: a block's count is not a number of 64 bits (block 1, file offset {second})"),
        ),
        (
            bad(&[&long(1), &[0xff; 10]], 16),
            format!("damaged container: a block's size is not a number of 64 bits (block 1, file offset {second})"),
        ),
        (bad(&[&long(1), &long(1000)], 16), format!("the file ends inside a block (block 1, file offset {second})")),
        (
            bad(&[&long(1), &long(i64::MAX)], 16),
            format!("the file ends inside a block (block 1, file offset {second})"),
        ),
        (
            bad(&[&long(1), &long(1001)], 1100),
            format!(
                "1001 exceeds the limit `block_bytes` (1000); raise the limit if the data is trusted \
                 (block 1, file offset {second})"
            ),
        ),
        (vec![4], format!("the file ends inside a block's count and size (block 1, file offset {second})")),
    ];
    let limits = Limits { block_bytes: 1000, ..Limits::default() };
    check_all(cases, |(bytes, want)| {
        let file = [start.clone(), good.clone(), bytes].concat();
        let header = parsed(&file);
        for piece in PIECES {
            let len = file.len() as u64;
            let found = run(&mut Framer::for_range(&header, 0..len, len, &limits), &file, piece);
            assert_eq!(found.unwrap_err().to_string(), want, "{piece}");
            // Without the file's length, a size beyond the limit is just that.
            let found = run(&mut Framer::new(&header, &limits), &file, piece).unwrap_err().to_string();
            assert!(found == want || found.contains("9223372036854775807 exceeds the limit"), "{found}");
        }
        let found = count_rows(&mut Cursor::new(&file), &limits).unwrap_err().to_string();
        assert_eq!(found, want);
    });
}

#[test]
fn count_rows_of_valid_and_damaged_files() {
    let ints = |n: usize| vec![2; n];
    let one = |codec, schema: &str, rows: i64, data: &[u8]| {
        let first: &[u8] = if schema.contains("null") { &[] } else { &[2] };
        let mut cursor = Cursor::new(file(schema, codec, &[(1, first), (rows, data)]));
        count_rows(&mut cursor, &Limits::default()).map_err(|e| e.to_string())
    };
    for codec in [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Zstandard, Codec::Bzip2, Codec::Xz] {
        assert_eq!(one(codec, r#""int""#, 5000, &ints(5000)), Ok(5001), "{codec:?}");
        assert_eq!(one(codec, r#""int""#, 0, &[]), Ok(1), "{codec:?}");
        // Beyond what each codec could have made of its bytes.
        let found = one(codec, r#""int""#, 1 << 40, &ints(5000)).unwrap_err();
        assert!(
            found.starts_with("the block claims more rows than its bytes can hold") || found.contains("1099511627776")
        );
        assert!(found.contains("(block 1, file offset "), "{found}");
        // Rows of no bytes are believed up to a limit.
        assert_eq!(one(codec, r#""null""#, 10_000_000, &[]), Ok(10_000_001), "{codec:?}");
        let found = one(codec, r#""null""#, 10_000_001, &[]).unwrap_err();
        assert!(found.starts_with("10000001 exceeds the limit `zero_width_items`"), "{found}");
        // Bytes that are no row's.
        for (schema, rows) in [(r#""null""#, 3), (r#""int""#, 0)] {
            let found = one(codec, schema, rows, &[2]).unwrap_err();
            assert!(found.starts_with("1 bytes are left in the block after its last row"), "{found}");
        }
    }
}

#[test]
fn rows_fit_checks_row_count_against_block_size() {
    use RowsFit::*;
    let check = |min_row_bytes| RowCountCheck::new(min_row_bytes, &Limits::default());
    let data = vec![0; 10_000];
    let cases = [
        (Codec::Null, 10_000, Yes),
        (Codec::Null, 10_001, No),
        (Codec::Snappy, 10_000, Yes),
        (Codec::Snappy, 10_001, No),
        (Codec::Deflate, 10_000, Yes),
        (Codec::Deflate, 1 << 30, No),
        (Codec::Zstandard, 10_000, Yes),
        (Codec::Zstandard, 10_001, Unknown),
        (Codec::Zstandard, 1 << 30, No),
        (Codec::Bzip2, 1, Unknown),
        (Codec::Xz, 1, Unknown),
        (Codec::Xz, 0, Unknown),
        (Codec::Null, u64::MAX, No),
    ];
    check_all(cases, |(codec, rows, want)| {
        let stored = compress(codec, &data);
        assert_eq!(check(1).stored(codec, &stored, rows), want, "{codec:?} {rows}");
        let want = if rows <= 10_000_000 { Unknown } else { No };
        assert_eq!(check(0).stored(codec, &stored, rows), want, "{codec:?} {rows}");
    });
    assert_eq!(check(0).stored(Codec::Null, &[], 10_000_000), Yes);
    assert_eq!(check(0).stored(Codec::Null, &[], 10_000_001), No);
    assert_eq!(check(1).stored(Codec::Null, &[], 0), Yes);
    // A length that snappy's bytes could not hold, or none, is for the decompressor to judge.
    assert_eq!(check(1).stored(Codec::Snappy, &[0xff, 0xff, 0xff, 0x7f, 0], 1 << 20), Unknown);
    assert_eq!(check(1).stored(Codec::Snappy, &[], 1), Unknown);
}
