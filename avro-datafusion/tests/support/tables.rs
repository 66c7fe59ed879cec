//! TPC-H's tables at scale 0.01 as Avro files: codecs, numbers of files and nullability differ.

use super::tpch;
use arrow_avro::compression::CompressionCodec::{self, Deflate, Snappy, ZStandard};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use tpchgen::distribution::Distributions;
use tpchgen::text::TextPool;

const SCALE: f64 = 0.01;

/// The text that comments are cut out of: less than TPC-H's, which takes long to make.
static POOL: LazyLock<TextPool> = LazyLock::new(|| TextPool::new(4 << 20, Distributions::static_default()));

/// How each table is written: codec, number of files, whether its fields are `["null", T]`, rows in a block.
pub(crate) const TABLES: [(&str, Option<CompressionCodec>, usize, bool, usize); 8] = [
    ("lineitem", Some(Snappy), 3, false, 700),
    ("orders", Some(ZStandard), 2, true, 1000),
    ("partsupp", Some(Deflate), 1, false, 500),
    ("part", Some(Snappy), 1, true, 100),
    ("customer", None, 2, false, 300),
    ("supplier", Some(ZStandard), 1, false, 30),
    ("nation", None, 1, true, 5),
    ("region", Some(Deflate), 1, false, 1),
];

/// Writes the tables below a folder, each as a directory of files, and gives the columns of each.
pub(crate) fn write_tables(folder: &Path) -> HashMap<&'static str, SchemaRef> {
    let mut schemas = HashMap::new();
    for (table, codec, files, nullable, block_rows) in TABLES {
        let rows = tpch::rows(table, SCALE, block_rows, &POOL).unwrap();
        let fields = rows.schema();
        let fields = fields.fields().iter().map(|field| field.as_ref().clone().with_nullable(nullable));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let rows = rows.map(|batch| RecordBatch::try_new(schema.clone(), batch?.columns().to_vec()));
        let batches: Vec<_> = rows.collect();
        let directory = folder.join(table);
        std::fs::create_dir(&directory).unwrap();
        let mut count = 0;
        let files = batches.len().div_ceil(files);
        let mut batches = batches.into_iter().peekable();
        while batches.peek().is_some() {
            let out = std::fs::File::create(directory.join(format!("{count}.avro"))).unwrap();
            let out = std::io::BufWriter::new(out);
            tpch::write_avro(out, &schema, batches.by_ref().take(files), codec).unwrap();
            count += 1;
        }
        schemas.insert(table, schema);
    }
    schemas
}

/// A file of a query: its SQL, or the expected answer.
pub(crate) fn testdata(number: usize, ending: &str) -> String {
    let path = format!("{}/../testdata/tpch/q{number}.{ending}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(PathBuf::from(&path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}
