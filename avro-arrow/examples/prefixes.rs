//! Reads Avro files, or folders of them, and prints a line of counts. Each file is read whole, cut short, and with one
//! byte changed, in several ways. The tests check the results. This example only shows that nothing panics, and that a
//! memory checker (Miri, a sanitizer) finds nothing.
//!
//! ```sh
//! RUSTFLAGS=-Zsanitizer=address cargo +nightly run --release --target x86_64-unknown-linux-gnu -p avro-arrow \
//!     --example prefixes -- 200 testdata
//! ```

use arrow_array::RecordBatch;
use avro_arrow::container::Header;
use avro_arrow::{DecodeResult, Decoder, Enums, FilterProgram, Options, Program, ReaderBuilder, Strings, Unions};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was read, and what came of it.
#[derive(Debug, Default)]
struct Counts {
    files: usize,
    prefixes: usize,
    reads: usize,
    errors: usize,
    rows: usize,
}

/// A way of reading: a program, and a filter that it goes through, if any.
struct Way {
    program: Arc<Program>,
    filter: Option<FilterProgram>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let most = args.next().ok_or("usage: prefixes MOST-PER-FILE PATH..")?.parse::<usize>()?;
    let mut counts = Counts::default();
    for path in args {
        let mut files = Vec::new();
        find(Path::new(&path), &mut files)?;
        for path in files {
            read_file(&std::fs::read(path)?, most, &mut counts);
        }
    }
    println!("{counts:?}");
    Ok(())
}

/// All files below a path.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let mut inside = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    inside.sort();
    inside.iter().try_for_each(|path| find(path, files))
}

/// Reads a file, at most `most` of its prefixes, and that many copies with a byte changed.
fn read_file(file: &[u8], most: usize, counts: &mut Counts) {
    counts.files += 1;
    let header = Header::parse(file, &Options::default().limits).ok().flatten();
    let ways = header.as_ref().map(ways).unwrap_or_default();
    for cut in (0..file.len()).step_by(file.len().div_ceil(most.max(1)).max(1)).chain([file.len()]) {
        let prefix = file.get(..cut).unwrap_or_default();
        let mut changed = file.to_vec();
        changed.iter_mut().skip(cut).take(1).for_each(|byte| *byte = !*byte);
        counts.prefixes += 1;
        for file in [prefix, &changed] {
            match &header {
                Some(header) if cut as u64 >= header.len => {
                    ways.iter().for_each(|way| counts.add(|rows| way.read(header, file, rows)));
                }
                _ => counts.add(|rows| {
                    let mut reader = ReaderBuilder::new().build(file)?;
                    reader.try_for_each(|batch| batch.map(|batch| *rows += batch.num_rows()))
                }),
            }
        }
    }
}

impl Counts {
    /// Reads once.
    fn add(&mut self, read: impl FnOnce(&mut usize) -> avro_arrow::Result<()>) {
        self.reads += 1;
        self.errors += usize::from(read(&mut self.rows).is_err());
    }
}

/// All columns, in small batches, as other types; the last column alone; no column; every third row.
fn ways(header: &Header) -> Vec<Way> {
    let all = Options::default();
    let other = all.clone().with_strings(Strings::Utf8).with_enums(Enums::String).with_unions(Unions::Struct);
    let compile = |options: &Options| Program::compile(&header.schema, options).ok().map(Arc::new);
    let Some(whole) = compile(&all) else { return Vec::new() };
    let names: Vec<String> = whole.arrow_schema().fields().iter().map(|field| field.name().clone()).collect();
    let last = all.clone().with_projection(Some(names.iter().rev().take(1).cloned().collect()));
    let none = all.clone().with_projection(Some(Vec::new()));
    let options = [all.clone(), all.with_batch_size(3), other, last, none];
    let mut ways: Vec<Way> = options.iter().filter_map(compile).map(|program| Way { program, filter: None }).collect();
    let first = names.get(..names.len().min(1)).unwrap_or_default();
    ways.extend(FilterProgram::compile(&whole, first).ok().map(|filter| Way { program: whole, filter: Some(filter) }));
    ways
}

impl Way {
    /// Reads a file that is fed in two pieces, each in memory of its own, and counts the rows before the first error.
    fn read(&self, header: &Header, file: &[u8], rows: &mut usize) -> avro_arrow::Result<()> {
        let mut decoder = Decoder::new(header, self.program.clone());
        let rest = file.get(decoder.first_offset() as usize..).unwrap_or_default();
        let (first, second) = rest.split_at(rest.len() / 2);
        if let Some(filter) = &self.filter {
            let third = |batch: &RecordBatch| Ok((0..batch.num_rows()).map(|row| Some(row % 3 == 0)).collect());
            decoder = decoder.with_filter(filter, third);
        }
        let mut pieces = [first, second].into_iter();
        loop {
            match decoder.try_decode()? {
                DecodeResult::Batch(batch) => *rows += batch.num_rows(),
                DecodeResult::NeedsData(_) => match pieces.next() {
                    Some(piece) => decoder.feed(piece.to_vec().into()),
                    None => decoder.finish(),
                },
                DecodeResult::Finished => return Ok(()),
            }
        }
    }
}
