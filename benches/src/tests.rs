//! Every case at a small scale: all engines see the same rows.
#![allow(clippy::unwrap_used)]

use crate::cases::CASES;
use crate::engines::{Engine, Input};
use crate::{agree, generate};

#[test]
fn engines_agree() {
    let dir = std::env::temp_dir().join(format!("avro-benches-{}", std::process::id()));
    for case in CASES {
        let path = generate::file(&dir, case.data, 0.001).unwrap();
        let columns = case.columns.map(|names| names.iter().map(|n| n.to_string()).collect());
        let input = Input { path: &path, columns };
        let engines = [(Engine::Ours, 1), (Engine::Ours, 3), (Engine::ArrowAvro, 1), (Engine::ApacheAvro, 1)];
        let sums: Vec<_> = engines.iter().map(|(e, threads)| e.checksum(&input, *threads).unwrap()).collect();
        assert_eq!(sums[0].rows, 6005, "{}", case.name);
        agree(case.name, &engines.map(|(e, _)| e), &sums).unwrap();
        for (engine, threads) in engines {
            assert_eq!(engine.drain(&input, threads).unwrap(), 6005, "{}", case.name);
        }
    }
    std::fs::remove_dir_all(dir).unwrap();
}
