//! `concat`: copies the stored blocks of files with one schema and codec into one file.

use std::path::PathBuf;

use avro_arrow::container::{Header, frame};
use serde_json::Value as Json;

use super::input::{Blocks, Input};
use super::out::FileHead;
use super::{Compression, Context};
use crate::diagnostics::scan_notes::skipped_line;
use crate::error::{Error, Result, print_note};

/// The files to concatenate.
#[derive(Debug)]
pub(crate) struct Concat {
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) output: PathBuf,
}

impl Concat {
    pub(super) fn run(&self, inputs: &[Input], context: &Context) -> Result<()> {
        let (limits, damage) = (context.limits(), context.reading.on_corrupt_block);
        let Some((first, others)) = inputs.split_first() else {
            return Err(Error::Failed("there is no input file".to_owned()));
        };
        if inputs.iter().filter(|input| input.is_stdin()).count() > 1 {
            return Err(Error::Usage("standard input can be read only once".to_owned()));
        }
        // Check all headers that can be read twice before writing anything.
        if !first.is_stdin() {
            let (header, _) = first.open_avro(limits)?;
            for other in others.iter().filter(|other| !other.is_stdin()) {
                same(first, &header, other, &other.open_avro(limits)?.0)?;
            }
        }
        let (header, mut blocks) = first.blocks(limits, damage)?;
        let head = FileHead {
            schema: header.schema.json().to_owned(),
            compression: Compression { codec: header.codec, level: None },
            metadata: header.metadata.clone(),
            sync: header.sync,
        };
        let mut out = head.begin(&self.output)?;
        let mut copy = |input: &Input, blocks: &mut Blocks<'_>| -> Result<()> {
            loop {
                context.check()?;
                let block = blocks.next()?;
                blocks.take_damage().iter().for_each(|damaged| print_note(&skipped_line(&input.name(), damaged)));
                let Some(block) = block else { return Ok(()) };
                let mut framed = Vec::with_capacity(block.data.len() + 64);
                frame(block.rows, &block.data, &head.sync, &mut framed);
                out.put(&framed)?;
            }
        };
        copy(first, &mut blocks)?;
        for other in others {
            let (its, mut blocks) = other.blocks(limits, damage)?;
            same(first, &header, other, &its)?;
            copy(other, &mut blocks)?;
        }
        out.commit()
    }
}

/// Returns an error if two files cannot be concatenated.
fn same(first: &Input, header: &Header, other: &Input, its: &Header) -> Result<()> {
    let (one, two) = (first.name(), other.name());
    let differ = |what: &str, help: &str| Err(Error::Failed(format!("{one} and {two} have different {what}; {help}")));
    // White space and the order of attributes are insignificant.
    let json = |header: &Header| serde_json::from_str::<Json>(header.schema.json()).ok();
    // Schemas too deep for this parser count as different.
    let alike = || json(header).is_some_and(|one| Some(one) == json(its));
    if header.schema != its.schema && !alike() {
        return differ("schemas", "use avro-sql convert to merge them");
    }
    if header.codec != its.codec {
        let codecs = format!("codecs, {} and {}", header.codec.name(), its.codec.name());
        return differ(&codecs, "use avro-sql recodec to change one of them");
    }
    for (key, value) in others(header) {
        if others(its).rfind(|(its, _)| *its == key).map(|(_, value)| value) != Some(value) {
            return differ(&format!("metadata `{key}`"), "use avro-sql convert to write the rows without it");
        }
    }
    match others(its).find(|(key, _)| others(header).all(|(known, _)| known != *key)) {
        Some((key, _)) => differ(&format!("metadata `{key}`"), "use avro-sql convert to write the rows without it"),
        None => Ok(()),
    }
}

/// Returns the metadata without Avro's own keys.
fn others(header: &Header) -> impl DoubleEndedIterator<Item = (&str, &[u8])> {
    let all = header.metadata.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
    all.filter(|(key, _)| !key.starts_with("avro."))
}
