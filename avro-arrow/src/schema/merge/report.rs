//! Where the fields of a merged schema come from, for people.

use std::fmt;

/// Where a field of a merged schema comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provenance {
    /// Its path: `a.b` is in a record, `a[]` are an array's items, `a{}` a map's values, `a<b>` is a branch of a union. Empty for
    /// the top level itself.
    pub path: String,
    /// The first source that has it.
    pub first_source: String,
    /// The last source that has it.
    pub last_source: String,
    /// How many sources have it.
    pub n_sources: usize,
    /// What was done so that all of them can be read.
    pub notes: Vec<Note>,
}

/// What was done so that all sources can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Sources have different types, which become one that holds the values of all.
    Promoted {
        /// The types of the sources.
        from: Vec<String>,
        /// What they become.
        to: String,
    },
    /// It is nullable because of this source, and not in all.
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
