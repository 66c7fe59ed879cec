//! The engine `limit` and ours see the same rows, rare ones and damaged ones among them, at every level that the CPU
//! has.
#![allow(clippy::unwrap_used)]

use super::{Columns, Level, Shape, read};
use crate::avro_writer::{Blocks, Codec, Encoder, Writer};
use crate::checksum::Checksum;
use crate::data::{Data, LINEITEM_COLUMNS, Nulls, lineitem_schema};
use crate::engines::{Engine, Input, Task};
use crate::random::mix;
use avro_arrow::Limits;
use avro_arrow::container::Header;
use std::path::{Path, PathBuf};

const DATA: Data = Data::Lineitem(Blocks::Rows(5), Codec::Null, Nulls::Required);
const CHOICES: [(Columns, &[usize]); 3] =
    [(Columns::All, &[]), (Columns::Two, &[4, 5]), (Columns::Strings, &[8, 9, 13, 14, 15])];

/// A file of this test's own.
fn temporary(test: &str) -> PathBuf {
    std::env::temp_dir().join(format!("avro-benches-limit-{test}-{}.avro", std::process::id()))
}

/// What ours and `limit` make of a file: for each choice of columns the checksum, or none if it is damaged.
fn compare(path: &Path, what: &str) -> Vec<Option<Checksum>> {
    let choices = CHOICES.iter().map(|(columns, indices)| {
        let names: Vec<String> = indices.iter().map(|&index| LINEITEM_COLUMNS[index].0.to_string()).collect();
        let names = (!names.is_empty()).then_some(names);
        let input = Input { path, columns: names, task: Task::Decode, data: Some(DATA) };
        let shape = Shape::Lineitem(*columns);
        assert_eq!(Shape::of(&input), Some(shape));
        let ours = Engine::Ours.checksum(&input, 1).ok();
        for level in Level::here() {
            let mut sum = Checksum::default();
            let read = read(&input, shape, level, |batch| sum.add_arrow59(&batch));
            assert_eq!(read.is_ok().then_some(sum), ours, "{what}: {columns:?} {level:?} {read:?}");
        }
        ours
    });
    choices.collect()
}

/// A row that is like lineitem's, but each value is with some luck a rare one.
fn rare_row(out: &mut Encoder, luck: &mut impl FnMut(u64) -> u64) {
    for column in 0..LINEITEM_COLUMNS.len() {
        let rare = luck(20) == 0;
        match column {
            0..=2 if rare => out.long([i64::MIN, i64::MAX, -1, 1 << 27, 1 << 48, 1 << 55, 1 << 62][luck(7) as usize]),
            3 | 10..=12 if rare => out.long([i32::MIN, i32::MAX, -1, 0, 1 << 27][luck(5) as usize].into()),
            0..=3 | 10..=12 => out.long(luck(30_000) as i64 + 1),
            4..=7 if rare => {
                let len = [0, 1, 2, 7, 8, 9, 15, 16, 17, 40][luck(10) as usize];
                let sign = if luck(2) == 0 { 0 } else { 0xff };
                let mut bytes = vec![sign; len];
                bytes.iter_mut().rev().take(15).for_each(|byte| *byte = luck(256) as u8);
                out.bytes(&bytes);
            }
            4..=7 => out.bytes(&[luck(100) as u8]),
            _ => {
                let len = match (rare, column) {
                    (true, _) => [0, 2, 12, 13, 17, 62, 63, 64, 65, 130, 300][luck(11) as usize],
                    (false, 8 | 9) => 1,
                    (false, _) => luck(30),
                };
                let text: String = (0..len).map(|_| char::from(b'a' + luck(26) as u8)).collect();
                let letters = if luck(20) == 0 { "é€𝄞" } else { "" };
                out.string(&format!("{text}{letters}"));
            }
        }
    }
}

/// Files of rare rows, in blocks of this size.
fn rare_file(seed: u64, n_rows: usize, blocks: Blocks) -> Vec<u8> {
    let mut state = seed;
    let mut luck = |below| {
        state += 1;
        mix(state) % below
    };
    let mut writer = Writer::new(Vec::new(), &lineitem_schema(Nulls::Required), Codec::Null, blocks).unwrap();
    for _ in 0..n_rows {
        writer.row(|out| rare_row(out, &mut luck)).unwrap();
    }
    writer.finish().unwrap().0
}

#[test]
fn rare_rows_are_read_as_ours_reads_them() {
    let path = temporary("rare");
    for (seed, n_rows, blocks) in [
        (1, 1, Blocks::Rows(1)),
        (2, 500, Blocks::Rows(7)),
        (3, 9000, Blocks::Bytes(3000)),
        (4, 20_000, Blocks::Rows(512)),
    ] {
        std::fs::write(&path, rare_file(seed << 32, n_rows, blocks)).unwrap();
        for sum in compare(&path, &format!("seed {seed}")) {
            assert_eq!(sum.map(|sum| sum.rows), Some(n_rows as u64), "seed {seed}");
        }
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn damage_is_seen_where_ours_sees_it() {
    let path = temporary("damage");
    let (mut damaged, mut whole) = (0, 0);
    for seed in 0..2 {
        let file = rare_file(seed << 32, 9, Blocks::Rows(5));
        // In the header it would be another schema, perhaps.
        let header = Header::parse(&file, &Limits::default()).unwrap().unwrap();
        for at in header.len as usize..file.len() {
            for bits in [0x01, 0x80, 0x42] {
                let mut file = file.clone();
                file[at] ^= bits;
                std::fs::write(&path, file).unwrap();
                for sum in compare(&path, &format!("seed {seed}, {bits:x} at {at}")) {
                    *if sum.is_some() { &mut whole } else { &mut damaged } += 1;
                }
            }
        }
    }
    assert!(damaged > 1000 && whole > 1000, "{damaged} damaged, {whole} whole");
    std::fs::remove_file(path).unwrap();
}

/// What ours and `limit` make of a file of events: the checksum, or none if it is damaged.
fn compare_events(path: &Path, what: &str) -> Option<Checksum> {
    let input = Input { path, columns: None, task: Task::Decode, data: Some(Data::Events) };
    assert_eq!(Shape::of(&input), Some(Shape::Events));
    let ours = Engine::Ours.checksum(&input, 1).ok();
    for level in Level::here() {
        let mut sum = Checksum::default();
        let read = read(&input, Shape::Events, level, |batch| sum.add_arrow59(&batch));
        assert_eq!(read.is_ok().then_some(sum), ours, "{what}: {level:?} {read:?}");
    }
    ours
}

#[test]
fn events_are_read_as_ours_reads_them_whole_or_damaged() {
    let path = temporary("events");
    let mut file = Vec::new();
    Data::Events.write(&mut file, 0.012).unwrap();
    std::fs::write(&path, &file).unwrap();
    assert_eq!(compare_events(&path, "whole").map(|sum| sum.rows), Some(12_000));

    let mut file = Vec::new();
    Data::Events.write(&mut file, 0.000_01).unwrap();
    let header = Header::parse(&file, &Limits::default()).unwrap().unwrap();
    let (mut damaged, mut whole) = (0, 0);
    for at in header.len as usize..file.len() {
        for bits in [0x01, 0x80, 0x42] {
            let mut file = file.clone();
            file[at] ^= bits;
            std::fs::write(&path, file).unwrap();
            let read = compare_events(&path, &format!("{bits:x} at {at}")).is_some();
            *if read { &mut whole } else { &mut damaged } += 1;
        }
    }
    assert!(damaged > 500 && whole > 500, "{damaged} damaged, {whole} whole");
    std::fs::remove_file(path).unwrap();
}
