//! `concat`: files of one schema and one codec in; a file of all their blocks, which are copied as they are stored, out.

use std::path::PathBuf;

use avro_arrow::container::{Header, frame};
use serde_json::Value as Json;

use super::input::{Blocks, Input};
use super::out::FileHead;
use super::{Compression, Context};
use crate::diagnostics::skipped;
use crate::error::{Error, Result, aside};

/// Which files to put together.
#[derive(Debug)]
pub(crate) struct Concat {
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) output: PathBuf,
}

impl Concat {
    pub(super) fn run(&self, inputs: &[Input], context: &Context) -> Result<()> {
        let (limits, damage) = (context.limits(), context.reading.damage);
        let Some((first, others)) = inputs.split_first() else {
            return Err(Error::Failed("there is no file to read".to_owned()));
        };
        if inputs.iter().filter(|input| input.is_stdin()).count() > 1 {
            return Err(Error::Usage("standard input can be read once only".to_owned()));
        }
        // Before anything is written, all headers are looked at that can be read twice.
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
                blocks.take_damage().iter().for_each(|damaged| aside(&skipped::line(&input.name(), damaged)));
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

/// An error where two files cannot be one.
fn same(first: &Input, header: &Header, other: &Input, its: &Header) -> Result<()> {
    let (one, two) = (first.name(), other.name());
    let differ = |what: &str, help: &str| Err(Error::Failed(format!("{one} and {two} have different {what}; {help}")));
    // White space and the order of attributes mean nothing.
    let json = |header: &Header| serde_json::from_str::<Json>(header.schema.json()).ok();
    // Text that is too deep for this parser says nothing.
    let alike = || json(header).is_some_and(|one| Some(one) == json(its));
    if header.schema != its.schema && !alike() {
        return differ("schemas", "avro-sql convert reads them as one");
    }
    if header.codec != its.codec {
        let codecs = format!("codecs, {} and {}", header.codec.name(), its.codec.name());
        return differ(&codecs, "avro-sql recodec changes that of one");
    }
    for (key, value) in others(header) {
        if others(its).rfind(|(its, _)| *its == key).map(|(_, value)| value) != Some(value) {
            return differ(&format!("metadata `{key}`"), "avro-sql convert writes their rows without it");
        }
    }
    match others(its).find(|(key, _)| others(header).all(|(known, _)| known != *key)) {
        Some((key, _)) => differ(&format!("metadata `{key}`"), "avro-sql convert writes their rows without it"),
        None => Ok(()),
    }
}

/// The metadata that is not the format's own.
fn others(header: &Header) -> impl DoubleEndedIterator<Item = (&str, &[u8])> {
    let all = header.metadata.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
    all.filter(|(key, _)| !key.starts_with("avro."))
}
