//! The project's test data: every valid file is read and converted, every corrupt file rejected.
//! The libraries' tests check values; these check rows, types that are hard for formats, and errors.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::ipc::reader::FileReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use support::Folder;

/// Returns the files of a folder of test data, each with the text beside it; none in a packaged crate.
fn files(folder: &str, beside: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(folder);
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("{} is not there: nothing is tested", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> =
        entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "avro")).collect();
    files.sort();
    let text = |file: &PathBuf| fs::read_to_string(file.with_extension(beside)).unwrap();
    files.iter().map(|file| (file.clone(), text(file))).collect()
}

#[test]
fn valid_files_can_be_queried() {
    let files = files("valid", "json");
    let script: String = files.iter().map(|(file, _)| format!("SELECT * FROM '{}';\n", file.display())).collect();
    let rows: usize = files.iter().map(|(_, rows)| rows.lines().count()).sum();
    let folder = Folder::new();
    let ran = folder.run_with(&["--format", "ndjson"], &script);
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 0));
    let lines: Vec<_> = ran.stdout().lines().collect();
    assert_eq!(lines.len(), rows);
    for line in lines {
        let row: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(row.is_object(), "{line}");
    }
    for format in ["csv", "tsv", "json", "table"] {
        let ran = folder.run_with(&["--format", format], &script);
        assert_eq!((ran.stderr.as_str(), ran.code), ("", 0), "{format}");
    }
}

#[test]
fn valid_files_can_be_converted() {
    let folder = Folder::new();
    for (file, rows) in files("valid", "json") {
        let (rows, name) = (rows.lines().count(), file.to_str().unwrap());
        folder.run(&["convert", name, "out.arrow"]).wrote("");
        let reader = FileReader::try_new(File::open(folder.path("out.arrow")).unwrap(), None).unwrap();
        let columns = reader.schema().fields().len();
        let batches = reader.collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), rows, "{name}");

        let ran = folder.run(&["convert", name, "out.parquet"]);
        if columns == 0 {
            ran.failed(1, &["Parquet cannot store rows without columns"]);
            continue;
        }
        ran.wrote("");
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(folder.path("out.parquet")).unwrap()).unwrap();
        let batches = reader.build().unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), rows, "{name}");
    }
}

#[test]
fn corrupt_files_fail_in_one_line() {
    let folder = Folder::new();
    for (file, words) in files("corrupt", "txt") {
        let name = file.to_str().unwrap();
        folder.run(&["convert", name, "out.arrow"]).failed(1, &[name, words.trim_end()]);
        assert_eq!(folder.names(), [""; 0], "{name}");
        folder.run(&["-c", &format!("SELECT * FROM '{name}'")]).failed(1, &[words.trim_end()]);
    }
}
