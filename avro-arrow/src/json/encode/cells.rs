//! Cells of CSV and TSV: text without quotes, of which only the column says what it is, and a type in; the value's bytes out.

use super::readable::{self, Shape};
use super::{Encoder, Rule, Tape, Walk, fit, null_branch, put_null};
use crate::error::{Error, ErrorKind, Result};
use crate::json::tape::Token;
use crate::plan::BRANCHES_MAX;
use crate::schema::{Kind, NodeId};

impl Encoder {
    /// Appends the value that a cell of a text table stands for, as [`readable`](Encoder::readable) values are spelled; `None` is a
    /// cell without anything in it, not even quotes.
    ///
    /// Such a cell is null, or the empty text where there is no null. Arrays, maps and records are JSON. A union of several types
    /// is JSON where the cell could be a value of two of them, and the bare text otherwise.
    ///
    /// # Errors
    /// As of [`encode`](Self::encode).
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
        // A row inside itself is the text of its JSON, without more quotes.
        let is_row = inner == self.schema.root() && matches!(of(inner), Kind::Record(_));
        let is_json = !is_row && matches!(of(inner), Kind::Array(_) | Kind::Map(_) | Kind::Record(_));
        let start = out.len();
        if is_json || is_choice {
            match self.tape.parse(cell) {
                Ok(()) => {
                    let is_text = matches!(self.tape.token(0), Token::Text(..) | Token::Unescaped(..));
                    let done = self.walk(cell, node, out);
                    // What looks like JSON and fits nothing may be text.
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

    /// Does a union have a branch whose values are text?
    fn has_text(&self, union: NodeId) -> bool {
        let Kind::Union(branches) = &self.schema.node(union).kind else { return false };
        branches.iter().any(|branch| Shape::of(self.schema.node(*branch), false) == Shape::Text)
    }
}

impl Tape {
    /// Takes the whole text for one string, in place of the one before.
    fn be_text(&mut self, text: &str) {
        self.clear();
        self.push(Token::Text(0, text.len()));
    }
}
