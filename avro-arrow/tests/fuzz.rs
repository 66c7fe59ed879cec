//! The fuzz targets over their seeds, and over mutations of those: the same ones each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use avro_testing::{Rng, corrupt, fuzz};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use support::files_in;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 9] = [
    ("header", fuzz::header),
    ("schema", fuzz::schema),
    ("resolve", fuzz::resolve),
    ("block", fuzz::block),
    ("file", fuzz::file),
    ("lenient", fuzz::lenient),
    ("message", fuzz::message),
    ("idl", fuzz::idl),
    ("protocol", fuzz::protocol),
];

/// Mutations of all seeds of a target, where `AVRO_TEST_SEEDS` does not say how many.
const MUTATIONS: usize = 250;

#[test]
fn fuzz_targets_hold_on_seeds_and_mutations() {
    let n_mutations = std::env::var("AVRO_TEST_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(MUTATIONS);
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!((10..30).contains(&seeds.len()), "{name} has {} seeds", seeds.len());
        for (seed, bytes) in &seeds {
            assert!(bytes.len() < 4096, "{name}/{seed} is too large for a seed");
            run(target, bytes, || format!("{name}/{seed}"));
        }
        let mut rng = Rng::new(7);
        for mutation in 0..n_mutations {
            let (seed, bytes) = &seeds[mutation % seeds.len()];
            let mut bytes = bytes.clone();
            mutate(&mut rng, &mut bytes, &seeds);
            run(target, &bytes, || {
                format!("{name}/{seed}, mutation {mutation}: {:?}", String::from_utf8_lossy(&bytes))
            });
        }
    }
}

/// All targets that libFuzzer can be told to run are run here too.
#[test]
fn every_fuzz_target_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let stem = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut here = TARGETS.map(|(name, _)| name.to_string()).to_vec();
    here.sort();
    for folder in ["fuzz_targets", "seeds"].map(|name| folder.join(name)) {
        let there: Vec<String> = files_in(&folder).iter().map(|path| stem(path)).collect();
        assert_eq!(there, here, "{}", folder.display());
    }
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let seed = |path: &Path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap());
    files_in(&folder).iter().map(|path| seed(path)).collect()
}

fn run(target: Target, bytes: &[u8], what: impl Fn() -> String) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(bytes))) {
        eprintln!("{}", what());
        std::panic::resume_unwind(panic);
    }
}

/// As disks and attackers change bytes, or a part of one seed in the place of a part of another.
fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, seeds: &[(String, Vec<u8>)]) {
    if rng.one_in(3) {
        let (_, other) = &seeds[rng.below(seeds.len())];
        let (from, at) = (rng.below(other.len() + 1), rng.below(bytes.len() + 1));
        let len = rng.below(other.len() + 1 - from);
        let end = bytes.len().min(at + rng.below(len + 1));
        bytes.splice(at..end, other[from..from + len].iter().copied());
    }
    if rng.one_in(2) {
        corrupt(rng, bytes);
    }
}
