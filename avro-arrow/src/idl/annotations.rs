//! Annotations, such as `@aliases(["old"])`: tokens in, their names and JSON values out.

use super::lexer::TokenKind;
use super::parser::Parser;
use super::types::{JsonObject, is_reserved, is_reserved_in_field};
use crate::error::Result;
use serde_json::Value as Json;

/// An annotation.
#[derive(Debug)]
pub(super) struct Annotation {
    pub(super) name: String,
    value: Json,
    /// The bytes where the annotation and its value start.
    pub(super) at: usize,
    value_at: usize,
}

/// The annotations of a named type or a field, by their meaning.
#[derive(Debug, Default)]
pub(super) struct Annotated {
    pub(super) namespace: Option<String>,
    pub(super) aliases: Vec<String>,
    /// The order of a field, if it is not ascending.
    pub(super) order: Option<&'static str>,
    pub(super) attributes: JsonObject,
}

impl Parser<'_, '_> {
    /// Parses annotations, of which there may be none.
    pub(super) fn annotations(&mut self) -> Result<Vec<Annotation>> {
        let mut all: Vec<Annotation> = Vec::new();
        while self.peek().kind == TokenKind::Mark('@') {
            let at = self.peek().start;
            self.next();
            let (name, _) = self.identifier("the name of the annotation")?;
            self.mark('(', "after the name of the annotation")?;
            let value_at = self.peek().start;
            let value = self.json(0)?;
            self.mark(')', "after the value of the annotation")?;
            if all.iter().any(|other| other.name == name) {
                return Err(self.error(at, format!("the annotation `@{name}` occurs twice")));
            }
            all.push(Annotation { name, value, at, value_at });
        }
        Ok(all)
    }

    /// Returns the annotations of a named type.
    pub(super) fn of_named_type(&self, all: Vec<Annotation>, is_enum: bool) -> Result<Annotated> {
        let mut annotated = Annotated::default();
        for annotation in all {
            match annotation.name.as_str() {
                "namespace" => annotated.namespace = Some(self.namespace(&annotation)?),
                "aliases" => annotated.aliases = self.strings(&annotation)?,
                name if is_reserved(name) || (is_enum && name == "default") => {
                    return Err(self.error(annotation.at, format!("the annotation `@{name}` is not allowed on a type")));
                }
                _ => drop(annotated.attributes.insert(annotation.name, annotation.value)),
            }
        }
        Ok(annotated)
    }

    /// Returns the annotations of a field or a parameter.
    pub(super) fn of_field(&self, all: Vec<Annotation>) -> Result<Annotated> {
        let mut annotated = Annotated::default();
        for annotation in all {
            match annotation.name.as_str() {
                "aliases" => annotated.aliases = self.strings(&annotation)?,
                "order" => {
                    let order = annotation.value.as_str().map(str::to_ascii_lowercase);
                    annotated.order = match order.as_deref() {
                        Some("ascending") => None,
                        Some("descending") => Some("descending"),
                        Some("ignore") => Some("ignore"),
                        _ => {
                            let what = "`@order` must be \"ascending\", \"descending\" or \"ignore\"";
                            return Err(self.error(annotation.value_at, what));
                        }
                    };
                }
                name if is_reserved_in_field(name) => {
                    return Err(
                        self.error(annotation.at, format!("the annotation `@{name}` is not allowed on a field"))
                    );
                }
                _ => drop(annotated.attributes.insert(annotation.name, annotation.value)),
            }
        }
        Ok(annotated)
    }

    /// Returns the annotations of something that has only attributes.
    pub(super) fn attributes(
        &self,
        all: Vec<Annotation>,
        what: &str,
        is_reserved: impl Fn(&str) -> bool,
    ) -> Result<JsonObject> {
        if let Some(reserved) = all.iter().find(|annotation| is_reserved(&annotation.name)) {
            let remedy = match (what, reserved.name.as_str()) {
                ("a type", "aliases") => "; aliases of a field stand between its type and its name",
                _ => "",
            };
            let name = &reserved.name;
            return Err(self.error(reserved.at, format!("the annotation `@{name}` is not allowed on {what}{remedy}")));
        }
        Ok(all.into_iter().map(|annotation| (annotation.name, annotation.value)).collect())
    }

    /// Returns the value of `@namespace`.
    pub(super) fn namespace(&self, annotation: &Annotation) -> Result<String> {
        let Some(namespace) = annotation.value.as_str() else {
            return Err(self.error(annotation.value_at, "`@namespace` must be a string"));
        };
        self.check_namespace(namespace, annotation.value_at)?;
        Ok(namespace.to_owned())
    }

    /// Returns the value of `@aliases`.
    fn strings(&self, annotation: &Annotation) -> Result<Vec<String>> {
        let strings = annotation.value.as_array().and_then(|items| {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        strings.ok_or_else(|| self.error(annotation.value_at, "`@aliases` must be a list of strings"))
    }
}
