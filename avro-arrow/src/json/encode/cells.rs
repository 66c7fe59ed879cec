//! Cells of CSV and TSV: encodes unquoted text by the type of its column.

use super::readable::{self, JsonShape};
use super::{Encoder, Rule, Tape, Walk, fit, null_branch, put_null};
use crate::error::{Error, ErrorKind, Result};
use crate::json::tape::Token;
use crate::plan::BRANCHES_MAX;
use crate::schema::{Kind, NodeId};

impl Encoder {
    /// Appends the value of a cell of a text table, in the notation of [`readable`](Encoder::readable) values; `None`
    /// is a cell that is empty and unquoted.
    ///
    /// Such a cell is null, or the empty text if the type has no null. Arrays, maps and records are JSON. A union of
    /// several types is JSON if the cell could be a value of two of them, and the bare text otherwise.
    ///
    /// # Errors
    /// Fails as [`encode`](Self::encode) does.
    pub fn encode_cell(&mut self, cell: Option<&str>, node: NodeId, out: &mut Vec<u8>) -> Result<()> {
        let of = |node: NodeId| &self.schema.node(node).kind;
        let Some(cell) = cell else {
            if null_branch(&self.schema, node).is_some() {
                put_null(&self.schema, node, out);
                return Ok(());
            }
            if *of(node) == Kind::String {
                out.push(0);
                return Ok(());
            }
            let reason = format!("expected {}, found an empty cell", readable::expected(&self.schema, node));
            return Err(Error::new(ErrorKind::Json { at: "$".to_string(), reason }));
        };
        let (inner, is_choice) = match of(node) {
            Kind::Union(branches) => {
                let mut others = branches.iter().filter(|branch| *of(**branch) != Kind::Null);
                match (others.next(), others.next()) {
                    (Some(only), None) => (*only, false),
                    _ => (node, branches.len() <= BRANCHES_MAX),
                }
            }
            _ => (node, false),
        };
        // A recursive row is the text of its JSON, without further quotes.
        let is_row = inner == self.schema.root() && matches!(of(inner), Kind::Record(_));
        let is_json = !is_row && matches!(of(inner), Kind::Array(_) | Kind::Map(_) | Kind::Record(_));
        let start = out.len();
        if is_json || is_choice {
            match self.tape.parse(cell) {
                Ok(()) => {
                    let is_text = matches!(self.tape.token(0), Token::Text(..) | Token::Unescaped(..));
                    let done = self.walk(cell, node, out);
                    // Text that looks like JSON and fits no branch may be plain text.
                    if is_json || is_text || done.is_ok() || !self.has_text(inner) {
                        return done;
                    }
                    out.truncate(start);
                }
                Err((expected, at)) if is_json => {
                    let reason =
                        format!("not JSON: expected {expected}, found {}", fit::shown(Token::Text(0, 0), cell));
                    return Err(Error::new(ErrorKind::Json { at: format!("byte {at}"), reason }));
                }
                Err(_) => {}
            }
        }
        self.tape.be_text(cell);
        self.walk(cell, node, out)
    }

    fn walk(&mut self, text: &str, node: NodeId, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let mut walk = Walk::new(&self.schema, &self.limits, Rule::Readable, text, &self.tape, &mut self.known);
        walk.max = self.limits.block_bytes;
        walk.around = Some(self.schema.root());
        walk.run(node, out).inspect_err(|_| out.truncate(start))
    }

    /// Whether a union has a branch whose values are text.
    fn has_text(&self, union: NodeId) -> bool {
        let Kind::Union(branches) = &self.schema.node(union).kind else { return false };
        branches.iter().any(|branch| JsonShape::of(self.schema.node(*branch), false) == JsonShape::Text)
    }
}

impl Tape {
    /// Replaces the tape by one string with the whole text.
    fn be_text(&mut self, text: &str) {
        self.clear();
        self.push(Token::Text(0, text.len()));
    }
}
