//! The hostile set: each line of testdata/hostile/table.tsv gives the expected error or rows within
//! a second and 256 MiB. Files too large for the repository are made here.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use avro_testing::wire::{self, SYNC, block, bytes, long};
use support::Folder;

const MIB: u64 = 1 << 20;
const MEMORY_MAX: u64 = 256 * MIB;
/// One second in optimized builds.
const TIME_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 1 });

/// The result and cost of a run.
struct Ran {
    /// Lines of standard output.
    n_rows: usize,
    stderr: String,
    code: i32,
    time: Duration,
    /// Peak memory in bytes; 0 if unknown.
    peak: u64,
}

fn run(folder: &Folder, arguments: &[&str]) -> Ran {
    let (out, err) = (folder.path("stdout"), folder.path("stderr"));
    let start = Instant::now();
    let mut command = folder.command(arguments);
    let mut child = command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap()).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        // The system keeps the high-water mark until the end, so only the last moments are missed.
        let said = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = said.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(1)),
        }
        if start.elapsed() > 4 * TIME_MAX {
            child.kill().unwrap();
        }
    };
    let time = start.elapsed();
    let n_rows = fs::read(&out).unwrap().iter().filter(|byte| **byte == b'\n').count();
    Ran { n_rows, stderr: fs::read_to_string(&err).unwrap(), code: status.code().unwrap_or(-1), time, peak }
}

fn file(codec: &str, schema: &str, blocks: &[u8]) -> Vec<u8> {
    let metadata = [("avro.codec", codec.as_bytes()), ("avro.schema", schema.as_bytes())];
    [wire::header(&metadata).as_slice(), blocks].concat()
}

/// Returns at least `n` zeros, deflated with fixed codes: a zero, then repeatedly "258 bytes as one byte before".
fn deflated_zeros(n: u64) -> Vec<u8> {
    let (mut out, mut bits, mut n_bits) = (Vec::new(), 0u64, 0);
    // Codes begin with their first bit.
    let mut push = |code: u64, len: u32| {
        bits |= (code.reverse_bits() >> (64 - len)) << n_bits;
        n_bits += len;
        while n_bits >= 8 {
            out.push(bits as u8);
            (bits, n_bits) = (bits >> 8, n_bits - 8);
        }
    };
    push(0b110, 3); // the last block, with fixed codes
    push(0b0011_0000, 8);
    (0..n.div_ceil(258)).for_each(|_| push(0b1100_0101 << 5, 13));
    push(0, 7);
    push(0, 8);
    out
}

fn made(name: &str) -> Vec<u8> {
    let record = |fields: &str, more: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]{more}}}"#);
    match name {
        "bomb-deflate" => file("deflate", r#""bytes""#, &block(1, &deflated_zeros(1 << 30))),
        "schema-nested-20000" => {
            let schema = [r#"{"type":"array","items":"#.repeat(20_000), r#""int""#.into(), "}".repeat(20_000)].concat();
            file("null", &schema, &block(1, &[0]))
        }
        "schema-json-large" => {
            let numbers = "0,".repeat(8_000_000);
            file("null", &record("", &format!(r#","x":[{numbers}0]"#)), &block(1, &[]))
        }
        "schema-fields-many" => {
            let fields: Vec<_> = (0..400_000).map(|n| format!(r#"{{"name":"f{n}","type":"int"}}"#)).collect();
            file("null", &record(&fields.join(","), ""), &block(0, &[]))
        }
        "metadata-entries-many" => {
            let entries = [long(8_000_000), vec![0; 16_000_000], vec![0]].concat();
            [b"Obj\x01".as_slice(), &entries, &SYNC].concat()
        }
        "metadata-large" => {
            let entries = [long(1), bytes(b"x"), bytes(&vec![0; 100 << 20]), vec![0]].concat();
            [b"Obj\x01".as_slice(), &entries, &SYNC].concat()
        }
        "empty-blocks" => file("null", r#""int""#, &block(0, &[]).repeat(1_000_000)),
        other => panic!("nobody makes {other}"),
    }
}

#[test]
fn hostile_files_fail_fast_in_bounded_memory() {
    let folder = Folder::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    let Ok(table) = fs::read_to_string(data.join("hostile/table.tsv")) else {
        eprintln!("the test data is not there: nothing is tested");
        return;
    };
    let mut wrong = Vec::new();
    for line in table.lines().skip(1) {
        let [name, _, strict, lenient, _] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let path = match name.strip_prefix("made/").and_then(|name| name.strip_suffix(".avro")) {
            Some("cut") => continue, // below
            Some(name) => {
                folder.file("made.avro", made(name));
                folder.path("made.avro")
            }
            None => data.join(name),
        };
        let sql = format!("SELECT * FROM '{}'", path.display());
        let query = ["--format", "ndjson", "--threads", "2", "-c", &sql];
        let ran = run(&folder, &query);
        let right = match strict.strip_prefix("error: ") {
            Some(fragment) => ran.code == 1 && ran.stderr.contains(fragment),
            None => ran.code == 0 && format!("{} rows", ran.n_rows) == strict,
        };
        let around = run(&folder, &[&["--lenient"], &query[..]].concat());
        let right_around = match lenient {
            "error" => around.code == 1,
            _ => {
                let n_said = around.stderr.lines().filter(|line| line.contains(": skipped ")).count();
                around.code == 0 && format!("{} rows, {n_said} skipped", around.n_rows) == lenient
            }
        };
        let small = ran.peak.max(around.peak) < MEMORY_MAX;
        let soon = ran.time.max(around.time) < TIME_MAX;
        for (ran, how) in [(&ran, "strictly"), (&around, "around the damage")] {
            println!("{name}, {how}: {:.3} s, {} MiB", ran.time.as_secs_f64(), ran.peak / MIB);
        }
        if !right || !right_around || !small || !soon {
            let text = |ran: &Ran| {
                let said: String = ran.stderr.chars().take(300).collect();
                format!("{} rows, code {}, {:?}, {} MiB, {said}", ran.n_rows, ran.code, ran.time, ran.peak / MIB)
            };
            wrong.push(format!("{name} ({strict}; {lenient})\n  {}\n  {}", text(&ran), text(&around)));
        }
        let file = path.to_str().unwrap();
        let tools: [&[&str]; 5] = [
            &["tojson", file, "--threads", "2"],
            &["tojson", file, "--threads", "2", "--lenient", "--plain"],
            &["repair", file, "out.avro", "--threads", "2"],
            &["recodec", file, "out.avro", "--threads", "2", "--codec", "snappy"],
            &["meta", "--blocks", file],
        ];
        for arguments in tools {
            let ran = run(&folder, arguments);
            let ends = matches!(ran.code, 0 | 1) && !ran.stderr.contains("internal error");
            if !ends || ran.time > TIME_MAX || ran.peak > MEMORY_MAX {
                let said: String = ran.stderr.chars().take(300).collect();
                let mib = ran.peak / MIB;
                wrong.push(format!("{arguments:?}: code {}, {:?}, {mib} MiB, {said}", ran.code, ran.time));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn truncated_file_is_an_error() {
    let folder = Folder::new();
    let whole = file("null", r#""int""#, &[block(2, &[2, 4]), block(1, &[6])].concat());
    let (second, header) = (whole.len() - 19, whole.len() - 19 - 20);
    for cut in (0..whole.len()).filter(|cut| ![header, second].contains(cut)) {
        folder.file("cut.avro", &whole[..cut]);
        let query = ["--format", "ndjson", "-c", "SELECT * FROM 'cut.avro'"];
        let ran = run(&folder, &query);
        assert!(ran.code == 1 && ran.time < TIME_MAX, "{cut}: {}", ran.stderr);
        let around = run(&folder, &[&["--lenient"], &query[..]].concat());
        match cut {
            cut if cut < header => assert_eq!(around.code, 1, "{cut}"),
            cut => {
                assert_eq!((around.code, around.n_rows), (0, if cut < second { 0 } else { 2 }), "{cut}");
                assert!(around.stderr.contains("the file ends inside a block"), "{cut}: {}", around.stderr);
            }
        }
    }
}
