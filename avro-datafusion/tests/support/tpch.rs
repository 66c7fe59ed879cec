//! TPC-H's eight tables: a name, a scale and a pool of text in, record batches out; and batches in, Avro container
//! files by arrow-avro's writer out. `benches/sql` uses it too.

use arrow_avro::compression::CompressionCodec;
use arrow_avro::writer::WriterBuilder;
use arrow_avro::writer::format::AvroOcfFormat;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatchReader;
use std::error::Error;
use std::io::Write;
use tpchgen::distribution::Distributions;
use tpchgen::generators::*;
use tpchgen::text::TextPool;
use tpchgen_arrow::*;

/// All rows of a table at this scale factor, in deterministic batches of this size. Comments come from the text pool.
///
/// # Errors
/// Where there is no such table.
pub(crate) fn rows(
    table: &str,
    scale: f64,
    batch_rows: usize,
    pool: &'static TextPool,
) -> Result<Box<dyn RecordBatchReader + Send>, String> {
    let words = Distributions::static_default();
    // The rows of all parts, of which there is one.
    macro_rules! whole {
        ($arrow:ident, $generator:ident) => {
            Box::new(
                $arrow::new($generator::new_with_distributions_and_text_pool(scale, 1, 1, words, pool))
                    .with_batch_size(batch_rows),
            )
        };
    }
    Ok(match table {
        "lineitem" => whole!(LineItemArrow, LineItemGenerator),
        "orders" => whole!(OrderArrow, OrderGenerator),
        "part" => whole!(PartArrow, PartGenerator),
        "customer" => whole!(CustomerArrow, CustomerGenerator),
        "supplier" => whole!(SupplierArrow, SupplierGenerator),
        "partsupp" => Box::new(
            PartSuppArrow::new(PartSuppGenerator::new_with_text_pool(scale, 1, 1, pool)).with_batch_size(batch_rows),
        ),
        "nation" => Box::new(
            NationArrow::new(NationGenerator::new_with_distributions_and_text_pool(words, pool))
                .with_batch_size(batch_rows),
        ),
        "region" => Box::new(
            RegionArrow::new(RegionGenerator::new_with_distributions_and_text_pool(words, pool))
                .with_batch_size(batch_rows),
        ),
        other => return Err(format!("TPC-H has no table `{other}`")),
    })
}

/// Writes batches as a container file with a block for each, and gives the number of rows.
///
/// # Errors
/// Of the batches, the writer or `out`.
pub(crate) fn write_avro(
    out: impl Write,
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = Result<RecordBatch, ArrowError>>,
    codec: Option<CompressionCodec>,
) -> Result<u64, Box<dyn Error>> {
    let mut writer =
        WriterBuilder::new(schema.as_ref().clone()).with_compression(codec).build::<_, AvroOcfFormat>(out)?;
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        writer.write(&batch)?;
        rows += batch.num_rows() as u64;
    }
    writer.finish()?;
    Ok(rows)
}
