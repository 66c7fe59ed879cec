//! Helpers to write the JSON text of a new schema: names, references and paths.

use super::parse::primitive;
use super::{Attributes, Name};
use serde_json::Value as Json;
use std::collections::HashSet;

/// Levels of JSON that parsers accept; ours stops at 128.
pub(super) const JSON_LEVELS_MAX: usize = 120;

/// The names of a schema that is being written.
#[derive(Debug, Default)]
pub(super) struct WrittenNames {
    used: HashSet<String>,
}

impl WrittenNames {
    /// Returns the name of a new type: the wanted one, or with a number appended if it is taken. The names of
    /// primitive types are taken for types without a namespace, as nothing could refer to them.
    pub(super) fn take(&mut self, wanted: &Name) -> Name {
        let is_free = |name: &str, used: &HashSet<String>| !used.contains(name) && primitive(name).is_none();
        let mut name = wanted.full().to_owned();
        let mut number = 1_u64;
        while !is_free(&name, &self.used) {
            name = format!("{}_{number}", wanted.full());
            number += 1;
        }
        self.used.insert(name.clone());
        Name::new(&name, "")
    }

    /// Returns the reference to a type from the namespace `around`.
    // SPEC: Names. A simple name means a type of the enclosing namespace. A type without one is found where there is
    // none of its simple name there; a dot in front says that it is meant.
    pub(super) fn reference(&self, name: &Name, around: &str) -> Json {
        let hidden = !around.is_empty() && self.used.contains(&format!("{around}.{}", name.full()));
        match name.namespace().is_empty() && hidden {
            true => Json::from(format!(".{}", name.full())),
            false => Json::from(name.full()),
        }
    }
}

/// Writes the name and aliases of a type inside the namespace `around`.
pub(super) fn write_name(object: &mut Attributes, name: &Name, aliases: &[Name], around: &str) {
    object.insert("name".into(), Json::from(name.simple()));
    if name.namespace() != around {
        object.insert("namespace".into(), Json::from(name.namespace()));
    }
    // SPEC: Aliases. They are relative to the namespace of the name that they stand beside.
    let relative = |alias: &Name| match alias.namespace() {
        same if same == name.namespace() => alias.simple().to_owned(),
        "" => format!(".{}", alias.full()),
        _ => alias.full().to_owned(),
    };
    if !aliases.is_empty() {
        object.insert("aliases".into(), aliases.iter().map(relative).collect());
    }
}

/// A step of a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum PathStep<'s> {
    Field(&'s str),
    Items,
    Values,
    /// A union's branch, by the name or kind of its type.
    Branch(&'s str),
}

impl PathStep<'_> {
    /// Appends the step to a path.
    pub(super) fn add_to(self, path: &mut String) {
        match self {
            PathStep::Field(name) if path.is_empty() => path.push_str(name),
            PathStep::Field(name) => path.extend([".", name]),
            PathStep::Items => path.push_str("[]"),
            PathStep::Values => path.push_str("{}"),
            PathStep::Branch(name) => path.extend(["<", name, ">"]),
        }
    }
}
