//! Queries around damaged blocks: remaining rows, observer events, and `avro_damage`.

use crate::support::{self, Dir, Row, avro, check, record, row, run, session};
use avro_datafusion::{AvroOptions, AvroSessionExt, DamagedBlock, OnCorruptBlock, ScanObserver};
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::{Arc, Mutex};

const SCHEMA: &[&str] = &[r#"{"name": "n", "type": "long"}"#, r#"{"name": "b", "type": "boolean"}"#];

fn numbers(n: i64, per_block: usize) -> Vec<u8> {
    let rows: Vec<Row> = (0..n).map(|i| row().long(i).raw(&[1])).collect();
    avro(&record(SCHEMA), &rows, per_block)
}

/// Offsets of the blocks in a file of `numbers`, all of equal size but the last.
fn first_block(file: &[u8]) -> usize {
    let marker = &support::SYNC[..];
    file.windows(16).position(|at| at == marker).unwrap() + 16
}

/// Files with blocks of ten rows of three bytes: `good`; `value`, whose second block has an invalid boolean; `frame`,
/// whose second block has an invalid count; `cut`, without its last bytes; `header`, with an invalid header.
fn files() -> Dir {
    let dir = Dir::new();
    let good = numbers(40, 10);
    let first = first_block(&good);
    let block = 1 + 1 + 20 + 16;
    dir.write("good.avro", &good);
    let mut value = good.clone();
    value[first + block + 2 + 19] = 7;
    dir.write("value.avro", value);
    let mut frame = good.clone();
    frame[first + block] = 0x13; // -10
    dir.write("frame.avro", frame);
    dir.write("cut.avro", &good[..good.len() - 3]);
    dir.write("header.avro", b"Obj\x01 and no more of it");
    dir
}

fn lenient() -> AvroOptions {
    AvroOptions::default().with_on_corrupt_block(OnCorruptBlock::Skip)
}

#[tokio::test]
async fn avro_damage_lists_damaged_blocks() {
    let dir = files();
    for partitions in [1, 3] {
        let ctx = session(partitions);
        check(
            &ctx,
            &dir,
            &[
                (
                    "SELECT * FROM avro_damage('$DIR') ORDER BY file, \"offset\"",
                    "file | block | offset | bytes | rows | reason
                    $DIR/cut.avro | 3 | 274 | 35 | null | the file ends inside a block (block 3, file offset 274)
                    $DIR/frame.avro | 1 | 198 | 38 | null | damaged container: a block's count is -10 (block 1, file offset 198)
                    $DIR/header.avro | null | 0 | null | null | length -49 is negative (file offset 5)
                    $DIR/value.avro | 1 | 198 | 38 | 10 | boolean 7 is neither 0 nor 1 (field b, row 9, block 1, file offset 198, offset in block 19)",
                ),
                (
                    "SELECT block, \"rows\", reason FROM avro_damage('$DIR/value.avro')",
                    "block | rows | reason
                    1 | 10 | boolean 7 is neither 0 nor 1 (field b, row 9, block 1, file offset 198, offset in block 19)",
                ),
                ("SELECT count(*) AS n, sum(bytes) AS lost FROM avro_damage('$DIR/[cfv]*.avro')", "n | lost\n3 | 111"),
                ("SELECT * FROM avro_damage('$DIR/good.avro')", ""),
                ("SELECT * FROM avro_damage()", "error: Error during planning: write avro_damage('path'), with..."),
                ("SELECT * FROM avro_damage(1)", "error: Error during planning: write avro_damage('path'), with..."),
                ("SELECT * FROM avro_damage('$DIR/none.avro')", "error: Error during planning: no such file or directory: ..."),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn skip_reads_intact_blocks() {
    let dir = files();
    for partitions in [1, 4] {
        let ctx = session(partitions);
        let create = |name: &str| {
            format!("CREATE EXTERNAL TABLE {name} STORED AS AVRO LOCATION '$DIR/{name}.avro' OPTIONS('damage' 'skip')")
        };
        let (value, frame, cut) = (create("value"), create("frame"), create("cut"));
        check(
            &ctx,
            &dir,
            &[
                (&*value, ""),
                (&*frame, ""),
                (&*cut, ""),
                ("SELECT count(n) AS n, sum(n) AS s, min(b) AS b FROM value", "n | s | b\n30 | 635 | true"),
                ("SELECT count(n) AS n, sum(n) AS s FROM frame", "n | s\n30 | 635"),
                ("SELECT count(n) AS n, sum(n) AS s FROM cut", "n | s\n30 | 435"),
                ("SELECT count(*) AS n FROM cut", "n\n30"),
                // A value that no column wants is not looked at.
                ("SELECT count(n) AS n FROM value WHERE n < 15", "n\n15"),
                ("SELECT * FROM '$DIR/value.avro'", "error: External error: $DIR/value.avro: boolean 7 is ..."),
            ],
        )
        .await;
    }
}

/// Records observer events.
#[derive(Default)]
struct Told(Mutex<Vec<Skipped>>);

/// File, offset, bytes, rows.
type Skipped = (String, u64, u64, Option<u64>);

impl ScanObserver for Told {
    fn block_skipped(&self, file: &str, damaged: &DamagedBlock) {
        let name = file.rsplit('/').next().unwrap().to_owned();
        self.0.lock().unwrap().push((name, damaged.block, damaged.offset, damaged.rows));
    }
}

#[tokio::test]
async fn observer_receives_skipped_blocks() {
    let dir = Dir::new();
    // Large enough to be cut into byte ranges, were it read strictly.
    let good = numbers(200_000, 1000);
    let mut rows_lost = 0;
    for (name, every) in [("a", 7), ("b", 50)] {
        let mut file = good.clone();
        let mut at = first_block(&good);
        let mut index = 0;
        while at < good.len() {
            let end = at + good[at..].windows(16).position(|found| found == support::SYNC).unwrap();
            if index % every == 3 {
                file[end - 1] = 9;
                rows_lost += 1000;
            }
            index += 1;
            at = end + 16;
        }
        dir.write(&format!("{name}.avro"), file);
    }
    for partitions in [1, 4] {
        let told = Arc::new(Told::default());
        let config = SessionConfig::new()
            .with_target_partitions(partitions)
            .set_usize("datafusion.optimizer.repartition_file_min_size", 1);
        let ctx = SessionContext::new_with_config(config);
        let options = lenient().with_observer(told.clone());
        avro_datafusion::register_all_with(&ctx, options.clone()).unwrap();
        let text = run(&ctx, &dir.show("SELECT count(b) AS n FROM '$DIR'")).await;
        assert_eq!(text, format!("n\n{}", 400_000 - rows_lost));
        let mut found = std::mem::take(&mut *told.0.lock().unwrap());
        found.sort();
        let blocks: Vec<_> = found.iter().map(|(name, block, _, rows)| (name.as_str(), *block, *rows)).collect();
        let of = |name, every| (3..200).step_by(every).map(move |block| (name, block, Some(1000)));
        assert_eq!(blocks, of("a.avro", 7).chain(of("b.avro", 50)).collect::<Vec<_>>());
        // `avro_damage` finds the same blocks.
        ctx.register_avro_table("t", dir.path().to_str().unwrap(), options).await.unwrap();
        let text = run(&ctx, &dir.show("SELECT count(*) AS n, sum(\"rows\") AS s FROM avro_damage('$DIR')")).await;
        assert_eq!(text, format!("n | s\n{} | {rows_lost}", found.len()));
        let text = run(&ctx, "EXPLAIN ANALYZE SELECT count(b) FROM t").await;
        assert!(text.contains(&format!("blocks_damaged={}", found.len())), "{text}");
    }
}
