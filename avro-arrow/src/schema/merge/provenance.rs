//! The provenance of the fields of a merged schema.

use std::fmt;

/// The provenance of a field of a merged schema.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provenance {
    /// The path: `a.b` is in a record, `a[]` an array's items, `a{}` a map's values, `a<b>` a branch of a union. Empty
    /// for the top level.
    pub path: String,
    /// The first source that has the field.
    pub first_source: String,
    /// The last source that has the field.
    pub last_source: String,
    /// The number of sources that have the field.
    pub n_sources: usize,
    /// What was done to make all sources readable.
    pub notes: Vec<Note>,
}

/// What was done to make all sources readable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The sources have different types, which are merged to one that holds all values.
    Promoted {
        /// The types of the sources.
        from: Vec<String>,
        /// The merged type.
        to: String,
    },
    /// The field is nullable in this source, and not in all.
    Nullable {
        /// The first source where it is.
        source: String,
    },
    /// It is null, for want of a default, in the rows of sources that lack it.
    Missing {
        /// The first source that lacks it.
        source: String,
    },
    /// It has its default in the rows of sources that lack it.
    Default {
        /// The first source that lacks it.
        source: String,
        /// The default, as JSON.
        value: String,
    },
    /// Sources have it under other names.
    Renamed {
        /// The other names.
        from: Vec<String>,
    },
    /// Not all sources have all of its enum's symbols.
    Symbols,
    /// A union of types that not all sources have.
    Union {
        /// The types.
        of: Vec<String>,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Promoted { from, to } => write!(f, "{} to {to}", from.join(", ")),
            Note::Nullable { source } => write!(f, "nullable in {source}"),
            Note::Missing { source } => write!(f, "null where missing, as in {source}"),
            Note::Default { source, value } => write!(f, "{value} where missing, as in {source}"),
            Note::Renamed { from } => write!(f, "renamed from {}", from.join(", ")),
            Note::Symbols => f.write_str("symbols of all"),
            Note::Union { of } => write!(f, "union of {}", of.join(", ")),
        }
    }
}

/// Path, which sources, notes.
impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the top level" } else { &self.path };
        write!(f, "{path}: {}", self.first_source)?;
        if self.last_source != self.first_source {
            write!(f, " … {}", self.last_source)?;
        }
        if self.n_sources > 1 {
            write!(f, " ({})", self.n_sources)?;
        }
        for note in &self.notes {
            write!(f, "; {note}")?;
        }
        Ok(())
    }
}
