//! Error messages for texts that do not fit their type, with their paths.

use super::{Open, Rule, Walk, Wrong, fit, readable};
use crate::error::{Error, ErrorKind};
use crate::schema::{Kind, NodeId};

impl Walk<'_> {
    /// Formats an error with its path.
    pub(super) fn error(&self, wrong: Wrong) -> Error {
        let kind = |node: NodeId| &self.schema.node(node).kind;
        let quoted = |at: usize| fit::shown(self.tape.token(at), self.tape.text(self.text, at));
        let field = |node: NodeId, at: usize| match kind(node) {
            Kind::Record(record) => record.fields.get(at).map_or("", |field| field.name.as_str()),
            _ => "",
        };
        let reason = match wrong {
            Wrong::Type(node, at) if self.rule == Rule::Tagged && matches!(kind(node), Kind::Union(_)) => {
                let expected = fit::expected(self.schema, node, true);
                format!("expected {expected}, found {}; --plain reads unions without tags", quoted(at))
            }
            Wrong::Type(node, at) => {
                let expected = match self.rule {
                    Rule::Readable => readable::expected(self.schema, node),
                    rule => fit::expected(self.schema, node, rule == Rule::Tagged),
                };
                format!("expected {expected}, found {}", quoted(at))
            }
            Wrong::Tag(node, key) => {
                let expected = fit::expected(self.schema, node, true);
                format!("expected {expected}, found the key {}; --plain reads unions without tags", quoted(key))
            }
            Wrong::Missing(node, at) => {
                format!("{} needs a field `{}`, which has no default", self.schema.node(node), field(node, at))
            }
            Wrong::Unknown(node, key) => format!("{} has no field {}", self.schema.node(node), quoted(key)),
            Wrong::Twice(key) => format!("the field {} occurs twice", quoted(key)),
            Wrong::Default(node, at) => format!(
                "the default of `{}` in {}, which is not given, is of no use for its type",
                field(node, at),
                self.schema.node(node)
            ),
            Wrong::Limit(fault) => return fault.into(),
        };
        Error::new(ErrorKind::Json { at: self.path(), reason })
    }

    /// The path to the current value, such as `$.a[3]["b c"].long`.
    fn path(&self) -> String {
        let mut path = "$".to_string();
        for open in &self.open {
            match open {
                Open::Tag(key) => fit::step(self.tape.text(self.text, *key), &mut path),
                Open::Record { node, next, .. } => {
                    if let (Kind::Record(record), Some(at)) = (&self.schema.node(*node).kind, next.checked_sub(1)) {
                        fit::step(record.fields.get(at).map_or("", |field| &field.name), &mut path);
                    }
                }
                Open::Items { is_map: false, n, left, .. } => {
                    path.push_str(&format!("[{}]", n.saturating_sub(left + 1)));
                }
                Open::Items { key, .. } => fit::step(self.tape.text(self.text, *key), &mut path),
                Open::Attempt { .. } => {}
            }
        }
        path
    }
}
