//! Invalid indexes with a valid checksum.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::block_index::format::{BlockStats, ColumnStats, Writer};
use crate::block_index::value::{Bound, Value};
use crate::options::read::AvroOptions;
use crate::schema::header_cache::HeaderCache;
use object_store::memory::InMemory;
use object_store::path::Path;

/// A file of three blocks, of 20 bytes each.
fn file() -> Vec<u8> {
    let schema = r#"{"type":"record","name":"r","fields":[{"name":"a","type":"int"}]}"#;
    let mut file = b"Obj\x01\x02\x16avro.schema".to_vec();
    file.extend([schema.len() as u8 * 2 % 128 + 128, (schema.len() / 64) as u8]);
    file.extend(schema.as_bytes());
    file.push(0);
    file.extend([7; 16]);
    for row in 0..3 {
        file.extend([4, 4, 2 * row, 2 * row + 2].into_iter().chain([7; 16]));
    }
    file
}

#[tokio::test]
async fn parse_rejects_invalid_claims() {
    let (store, path, bytes) = (InMemory::new(), Path::from("f.avro"), file());
    let (len, size) = (bytes.len() as u64 - 60, bytes.len() as u64);
    store.put(&path, bytes.into()).await.unwrap();
    let object = store.head(&path).await.unwrap();
    let headers = HeaderCache::new(AvroOptions::default());
    let (header, _) = headers.get(&store, &object, "f.avro").await.unwrap();
    assert_eq!(header.header.len, len);
    let limits = Limits::default();
    let column = |value| ColumnStats { nulls: Some(0), min: Some(Bound { value, exact: true }), max: None };
    let block = |i: u64| BlockStats {
        offset: len + 20 * i,
        bytes: 20,
        rows: 2,
        columns: vec![column(Value::Integer(i as i64))],
    };
    let good = vec![block(0), block(1), block(2)];
    let with = |i: usize, change: fn(&mut BlockStats)| {
        let mut blocks = good.clone();
        change(&mut blocks[i]);
        blocks
    };
    let does_not_follow = "does not follow the previous one";
    let cases: Vec<(Vec<BlockStats>, &str)> = vec![
        (good.clone(), "ok"),
        (vec![], "its blocks end before the file does"),
        (good[..2].to_vec(), "its blocks end before the file does"),
        (good[1..].to_vec(), does_not_follow),
        (vec![block(0), block(2)], does_not_follow),
        (vec![block(0), block(1), block(2), block(2)], does_not_follow),
        (vec![block(1), block(0), block(2)], does_not_follow),
        (with(0, |block| block.offset -= 1), does_not_follow),
        (with(1, |block| block.bytes = 10), does_not_follow),
        (with(2, |block| block.bytes = 21), does_not_follow),
        (with(2, |block| block.bytes = u64::MAX), does_not_follow),
        (with(2, |block| block.rows = 1 << 62), "ok"),
        (
            good.iter().map(|block| BlockStats { rows: i64::MAX as u64, ..block.clone() }).collect(),
            "it has too many rows",
        ),
        (with(1, |block| block.columns.clear()), "its records do not have all columns"),
        (with(1, |block| block.columns.push(ColumnStats::default())), "its records do not have all columns"),
        (with(1, |block| block.columns[0].nulls = Some(3)), "it has more nulls than rows"),
        (with(1, |block| block.columns[0].min = None), "ok"),
        (with(1, |block| block.columns[0].min.as_mut().unwrap().value = Value::Integer(1 << 40)), "of type Int32"),
        (with(1, |block| block.columns[0].min.as_mut().unwrap().value = Value::Text(String::new())), "of type Int32"),
    ];
    let identity = Identity::new(&object, [7; 16], header.schema.avro());
    let leaves = leaves(header.schema.avro(), &limits).unwrap();
    let written = |blocks: &[BlockStats], columns: &[Leaf]| {
        let mut writer = Writer::new([7; 16]);
        blocks.iter().for_each(|block| writer.push(block));
        writer.finish(&identity, columns)
    };
    for (blocks, expected) in cases {
        match parse(&written(&blocks, &leaves), &header, &object, &limits) {
            Ok(index) => {
                assert_eq!(expected, "ok");
                assert_eq!(index.starts(), [len, len + 20, len + 40, size]);
            }
            Err(reason) => assert!(reason.contains(expected), "{reason:?} for {expected:?}"),
        }
    }
    let renamed = [Leaf { path: "b".to_owned(), ..leaves[0].clone() }];
    let twice = [leaves[0].clone(), leaves[0].clone()];
    let two = vec![column(Value::Integer(1)); 2];
    let doubled: Vec<_> = good.iter().map(|block| BlockStats { columns: two.clone(), ..block.clone() }).collect();
    for (bytes, expected) in [
        (written(&good, &renamed), "its columns are not those of the file"),
        (written(&doubled, &twice), "it has a column twice"),
    ] {
        assert_eq!(parse(&bytes, &header, &object, &limits).unwrap_err(), expected);
    }
    // Every truncation is detected.
    let whole = written(&good, &leaves);
    for len in 0..whole.len() {
        assert!(parse(&whole[..len], &header, &object, &limits).is_err(), "{len}");
    }
}
