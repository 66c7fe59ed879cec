//! All cases at a small scale: they run, and the engines agree; and answers that differ are told apart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::answer::Answer;
use crate::cases::{cases, matching};
use crate::data::Folder;
use crate::engines::Engine;
use crate::measure::{How, measure};
use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, StringViewArray,
};
use std::sync::Arc;

#[test]
fn engines_agree_on_all_cases() {
    let dir = std::env::temp_dir().join(format!("avro-sql-benches-{}", std::process::id()));
    let scale = 0.002;
    let folder = Folder { dir: dir.clone(), scale, pool: || crate::pool(Some(1 << 20)) };
    let how = How { engines: &[Engine::Ours, Engine::Stock], threads: 2, runs: 1 };
    let found: Vec<_> = cases(scale).iter().map(|case| measure(case, &folder, &how)).collect();
    std::fs::remove_dir_all(dir).unwrap();
    for lines in found {
        assert_eq!(lines.unwrap().len(), 2);
    }
}

#[test]
fn cases_by_name() {
    let found = |wanted: &[&str]| -> String {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        match matching(cases(1.0), &wanted) {
            Ok(cases) => cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>().join(" "),
            Err(e) => e,
        }
    };
    assert_eq!(found(&["topk", "q1"]), "q1 topk");
    assert_eq!(found(&["top"]), "topk topk-sorted");
    assert_eq!(found(&["q23"]), "no case `q23`; --list shows them");
    assert_eq!(found(&[]).split(' ').count(), cases(1.0).len());
}

fn answer(batches: &[Vec<ArrayRef>]) -> Answer {
    let mut answer = Answer::default();
    for columns in batches {
        let names = ["a", "b", "c", "d"];
        let batch = RecordBatch::try_from_iter_with_nullable(
            names.into_iter().zip(columns).map(|(name, column)| (name, column.clone(), true)),
        );
        answer.add(&batch.unwrap()).unwrap();
    }
    answer
}

#[test]
fn answers() {
    let ints = |values: &[Option<i64>]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    let texts = |values: &[&str]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let views = |values: &[&str]| -> ArrayRef { Arc::new(StringViewArray::from(values.to_vec())) };
    let floats = |values: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let decimals = |value: i128| -> ArrayRef {
        Arc::new(Decimal128Array::from(vec![value, 1]).with_precision_and_scale(9, 2).unwrap())
    };
    let one = answer(&[vec![ints(&[Some(1), None]), texts(&["x", "y"]), floats(&[0.1, 1e9]), decimals(5)]]);
    let same = [
        // In another order, in other batches, of another type of strings, and with a float that is a little off.
        vec![
            vec![ints(&[None]), views(&["y"]), floats(&[1e9 + 1e-6]), decimals(1).slice(1, 1)],
            vec![ints(&[Some(1)]), views(&["x"]), floats(&[0.1]), decimals(5).slice(0, 1)],
        ],
    ];
    let others = [
        vec![vec![ints(&[Some(1), Some(0)]), texts(&["x", "y"]), floats(&[0.1, 1e9]), decimals(5)]],
        vec![vec![ints(&[Some(1), None]), texts(&["y", "x"]), floats(&[0.1, 1e9]), decimals(5)]],
        vec![vec![ints(&[Some(1), None]), texts(&["x", "y"]), floats(&[3.1, 1e9]), decimals(5)]],
        vec![vec![ints(&[Some(1), None]), texts(&["x", "y"]), floats(&[0.1, 1e9]), decimals(6)]],
        vec![vec![ints(&[Some(1)]), texts(&["x"]), floats(&[0.1]), decimals(5).slice(0, 1)]],
        vec![],
    ];
    for batches in &same {
        assert!(one.agrees(&answer(batches)), "{batches:?}");
    }
    for batches in &others {
        assert!(!one.agrees(&answer(batches)), "{batches:?}");
        assert!(!answer(batches).agrees(&one), "{batches:?}");
    }
}
