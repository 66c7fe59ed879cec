//! The data: a table in, its files out, written on first use. All are of TPC-H's rows, compressed with snappy, in
//! blocks of about 64 KiB before compression.

use crate::tpch::{rows, write_avro};
use arrow_avro::compression::CompressionCodec;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ArrowWriter;
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use tpchgen::text::TextPool;

/// TPC-H's tables, the largest first.
pub(crate) const TABLES: [&str; 8] =
    ["lineitem", "orders", "partsupp", "part", "customer", "supplier", "nation", "region"];

/// A table of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Table {
    /// One of TPC-H's, as one file.
    Tpch(&'static str),
    /// Lineitem with all columns but the order's key inside a record, `item`; one file.
    Nested,
    /// Orders, in files of 150 rows: 10,000 of them at scale 1.
    SmallFiles,
}

/// Rows of each of the small files.
const SMALL_FILE_ROWS: usize = 150;

/// How many batches wait for the writer at most.
const BATCHES_AHEAD: usize = 64;

/// Where the data is, and how much of it.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The directory, of this scale alone.
    pub(crate) dir: PathBuf,
    /// TPC-H's scale factor.
    pub(crate) scale: f64,
    /// The text that comments are cut out of; it takes a while to make.
    pub(crate) pool: fn() -> &'static TextPool,
}

impl Table {
    /// Its name in queries.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Table::Tpch(name) => name,
            Table::Nested => "nested",
            Table::SmallFiles => "small_files",
        }
    }

    /// How many rows make a block.
    fn block_rows(self) -> usize {
        match self {
            Table::Tpch("lineitem") | Table::Nested => 800,
            Table::Tpch("part") => 500,
            Table::Tpch("orders") => 600,
            Table::Tpch("partsupp" | "customer" | "supplier") => 400,
            Table::Tpch(_) => 25,
            Table::SmallFiles => SMALL_FILE_ROWS,
        }
    }

    /// The one of TPC-H's tables that has its rows.
    fn rows_of(self) -> &'static str {
        match self {
            Table::Tpch(name) => name,
            Table::Nested => "lineitem",
            Table::SmallFiles => "orders",
        }
    }
}

impl Folder {
    /// The table's file, or its directory with a slash at the end, and the size of all of it in bytes. Writes it if it
    /// is not there.
    ///
    /// # Errors
    /// Of the file system, or of arrow-avro's writer.
    pub(crate) fn table(&self, table: Table) -> Result<(String, u64), Box<dyn Error>> {
        let is_directory = table == Table::SmallFiles;
        let path = self.dir.join(if is_directory { table.name().into() } else { format!("{}.avro", table.name()) });
        if !path.exists() {
            eprintln!("writing {}", path.display());
            fs::create_dir_all(&self.dir)?;
            // Under its own name only when it is whole, and apart from what another process writes at the same time.
            let unfinished = path.with_extension(format!("unfinished-{}", std::process::id()));
            self.write(table, &unfinished)?;
            fs::rename(unfinished, &path)?;
        }
        let name = path.to_str().ok_or("the directory's name is not UTF-8")?;
        Ok(if is_directory {
            (format!("{name}/"), size_of_files(&path)?)
        } else {
            (name.into(), path.metadata()?.len())
        })
    }

    /// Makes rows on one thread and writes them on another.
    fn write(&self, table: Table, path: &Path) -> Result<(), Box<dyn Error>> {
        let rows = rows(table.rows_of(), self.scale, table.block_rows(), (self.pool)())?;
        let schema = rows.schema();
        let (sender, receiver) = mpsc::sync_channel(BATCHES_AHEAD);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // Who receives no more has failed, and says so itself.
                for batch in rows {
                    if sender.send(batch).is_err() {
                        break;
                    }
                }
            });
            match table {
                Table::Tpch(_) => write_file(path, &schema, receiver),
                Table::Nested => {
                    write_file(path, &nested_schema(&schema), receiver.into_iter().map(|batch| nested(&batch?)))
                }
                Table::SmallFiles => {
                    if path.exists() {
                        fs::remove_dir_all(path)?;
                    }
                    fs::create_dir(path)?;
                    receiver.into_iter().enumerate().try_for_each(|(number, batch)| {
                        write_file(&path.join(format!("{number:05}.avro")), &schema, [batch])
                    })
                }
            }
        })
    }
}

fn write_file(
    path: &Path,
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<(), Box<dyn Error>> {
    let out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    write_avro(out, schema, batches, Some(CompressionCodec::Snappy))?;
    Ok(())
}

fn size_of_files(dir: &Path) -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}

/// The first column, and a record of the others.
fn nested_schema(flat: &SchemaRef) -> SchemaRef {
    let key = flat.fields().iter().take(1).cloned();
    let item = Field::new("item", DataType::Struct(flat.fields().iter().skip(1).cloned().collect()), false);
    Arc::new(Schema::new(key.chain([Arc::new(item)]).collect::<Vec<_>>()))
}

fn nested(flat: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let item = flat.project(&(1..flat.num_columns()).collect::<Vec<_>>())?;
    let item: ArrayRef = Arc::new(StructArray::from(item));
    RecordBatch::try_new(nested_schema(&flat.schema()), flat.columns().iter().take(1).cloned().chain([item]).collect())
}

/// Writes TPC-H's tables as `DIR/TABLE.parquet`.
///
/// # Errors
/// Of the file system.
pub(crate) fn write_parquet(dir: &Path, scale: f64, pool: &'static TextPool) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(dir)?;
    for table in TABLES {
        let rows = rows(table, scale, 8192, pool)?;
        let file = File::create(dir.join(format!("{table}.parquet")))?;
        let mut writer = ArrowWriter::try_new(file, rows.schema(), None)?;
        for batch in rows {
            writer.write(&batch?)?;
        }
        writer.close()?;
    }
    Ok(())
}
