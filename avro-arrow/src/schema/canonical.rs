//! The Parsing Canonical Form: one text for all schemas that read data alike.

use super::{Kind, NodeId, Schema};
use serde_json::Value as Json;
use std::mem;

/// A part of the text.
enum TextPart<'a> {
    Text(&'static str),
    /// In quotes.
    Name(&'a str),
    Size(usize),
    Type(NodeId),
}

impl Schema {
    /// Returns the specification's Parsing Canonical Form: the schema without anything that reading the data does not
    /// need (documentation, aliases, defaults, logical types, all other attributes), with full names, in one spelling.
    /// [`Fingerprint`](super::Fingerprint)s are hashes of it.
    ///
    /// A name that the specification forbids is kept, apart from characters that JSON escapes. The form cannot express
    /// a type without a namespace inside a namespace: as in other implementations, such a type is written with its
    /// simple name, which parsers resolve in that namespace.
    // It keeps its own stack, and its text is bounded as that of the schema is: each node is written once, as only
    // named types can be used again, and the parser counts the bytes of their full names.
    pub fn canonical_form(&self) -> String {
        let mut text = String::new();
        let mut written = vec![false; self.len()];
        // The parts still to come, the next one last.
        let mut parts = vec![TextPart::Type(self.root)];
        while let Some(part) = parts.pop() {
            match part {
                TextPart::Text(piece) => text.push_str(piece),
                // SPEC: Parsing Canonical Form, STRINGS. JSON's only escapes are those that cannot be done without.
                TextPart::Name(name) => text.push_str(&Json::from(name).to_string()),
                // SPEC: Parsing Canonical Form, INTEGERS.
                TextPart::Size(size) => text.push_str(&size.to_string()),
                TextPart::Type(id) => {
                    let again = written.get_mut(id.index()).is_some_and(|written| mem::replace(written, true));
                    let first_new = parts.len();
                    push_type(&self.node(id).kind, again, &mut parts);
                    if let Some(new) = parts.get_mut(first_new..) {
                        new.reverse();
                    }
                }
            }
        }
        text
    }
}

/// Pushes the parts of a type, in the order of the text.
// SPEC: Parsing Canonical Form, STRIP and ORDER. What is kept is name, type, fields, symbols, items, values, size; so.
fn push_type<'a>(kind: &'a Kind, again: bool, parts: &mut Vec<TextPart<'a>>) {
    use TextPart::{Name, Size, Text, Type};
    if let Some(name) = kind.name() {
        // SPEC: Parsing Canonical Form, FULLNAMES.
        if again {
            return parts.push(Name(name.full()));
        }
        parts.extend([Text("{\"name\":"), Name(name.full()), Text(",\"type\":")]);
    }
    match kind {
        Kind::Array(items) => parts.extend([Text("{\"type\":\"array\",\"items\":"), Type(*items), Text("}")]),
        Kind::Map(values) => parts.extend([Text("{\"type\":\"map\",\"values\":"), Type(*values), Text("}")]),
        Kind::Union(branches) => {
            parts.push(Text("["));
            for (idx, branch) in branches.iter().enumerate() {
                parts.extend([comma(idx), Type(*branch)]);
            }
            parts.push(Text("]"));
        }
        Kind::Fixed(fixed) => parts.extend([Text("\"fixed\",\"size\":"), Size(fixed.size), Text("}")]),
        Kind::Enum(t) => {
            parts.push(Text("\"enum\",\"symbols\":["));
            for (idx, symbol) in t.symbols.iter().enumerate() {
                parts.extend([comma(idx), Name(symbol)]);
            }
            parts.push(Text("]}"));
        }
        Kind::Record(record) => {
            parts.push(Text("\"record\",\"fields\":["));
            for (idx, field) in record.fields.iter().enumerate() {
                parts.extend([comma(idx), Text("{\"name\":"), Name(&field.name), Text(",\"type\":")]);
                parts.extend([Type(field.node), Text("}")]);
            }
            parts.push(Text("]}"));
        }
        // SPEC: Parsing Canonical Form, PRIMITIVES.
        primitive => parts.push(Name(primitive.word())),
    }
}

fn comma<'a>(idx: usize) -> TextPart<'a> {
    TextPart::Text(if idx == 0 { "" } else { "," })
}

#[cfg(test)]
mod tests;
