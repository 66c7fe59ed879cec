//! `fromtext` and `totext`: the lines of a text file as an Avro file of `bytes`, and back.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use arrow::array::AsArray;
use arrow::datatypes::DataType;
use avro_arrow::container::random_sync;
use avro_arrow::{ReaderBuilder, Strings, put_long};

use super::input::Input;
use super::out::{FileHead, Out};
use super::{Compression, Context};
use crate::error::{Error, Result};

/// Bytes of lines in a block, before compression: the line that exceeds them is the last of its block.
const BLOCK_BYTES: usize = 1 << 16;

/// The text file to read.
#[derive(Debug)]
pub(crate) struct FromText {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
    pub(crate) compression: Compression,
}

/// The file of `bytes` to print.
#[derive(Debug)]
pub(crate) struct ToText {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
}

impl FromText {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let head = FileHead {
            schema: "\"bytes\"".to_owned(),
            compression: self.compression,
            metadata: Vec::new(),
            sync: random_sync(),
        };
        let mut out = head.begin(&self.output)?;
        let mut compressor = head.compressor()?;
        let mut text = BufReader::new(input.open()?);
        let max = context.limits().block_bytes;
        let (mut block, mut rows, mut line) = (Vec::new(), 0, Vec::new());
        loop {
            context.check()?;
            line.clear();
            let mut limited = text.by_ref().take(max as u64 + 1);
            let read = limited.read_until(b'\n', &mut line).map_err(|e| Error::from(e).with_context(&input.name()))?;
            if line.pop_if(|last| *last == b'\n').is_none() && read > max {
                return Err(Error::Failed(format!("{}: a line has more than {max} bytes", input.name())));
            }
            if read > 0 {
                put_long(i64::try_from(line.len()).unwrap_or(i64::MAX), &mut block);
                block.extend_from_slice(&line);
                rows += 1;
            }
            if rows > 0 && (read == 0 || block.len() >= BLOCK_BYTES) {
                out.put(&head.block(rows, &block, &mut compressor)?)?;
                block.clear();
                rows = 0;
            }
            if read == 0 {
                return out.commit();
            }
        }
    }
}

impl ToText {
    pub(super) fn run(&self, input: &Input, context: &Context) -> Result<()> {
        let options = context.reading.decoder(None, context.batch_rows).with_strings(Strings::View);
        let builder = ReaderBuilder::new().with_options(options);
        let mut reader = builder.build_parallel(input.open()?, context.threads).map_err(|e| input.failed(e))?;
        let schema = reader.schema();
        if !matches!(
            schema.fields().iter().map(|field| field.data_type()).collect::<Vec<_>>().as_slice(),
            [DataType::BinaryView]
        ) {
            return Err(Error::Failed(format!(
                "{}: totext needs a file of bytes, as fromtext writes it; use tojson or cat for other files",
                input.name()
            )));
        }
        let mut out = Out::create(&self.output)?;
        while let Some(batch) = reader.next().transpose().map_err(|e| input.failed(e))? {
            context.check()?;
            let mut text = Vec::new();
            for line in batch.column(0).as_binary_view().iter().flatten() {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
            out.put(&text)?;
        }
        out.commit()
    }
}
