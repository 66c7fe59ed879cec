//! The option `framing`: how messages carry the ids of their schemas.

use avro_arrow::message::{Framing, IdWidth};
use datafusion::common::{Result, plan_err};

/// The value of the option `framing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FramingOption {
    /// Each message is in the framing that its first bytes suggest.
    Auto,
    /// All messages are in this framing.
    Fixed(Framing),
}

const CHOICES: [(&str, FramingOption); 6] = [
    ("auto", FramingOption::Auto),
    ("bare", FramingOption::Fixed(Framing::Bare)),
    ("confluent", FramingOption::Fixed(Framing::Confluent)),
    ("apicurio", FramingOption::Fixed(Framing::Apicurio(IdWidth::Eight))),
    ("apicurio-4", FramingOption::Fixed(Framing::Apicurio(IdWidth::Four))),
    ("single-object", FramingOption::Fixed(Framing::SingleObject)),
];

impl FramingOption {
    /// Parses the value of the option.
    pub(super) fn parse(value: &str) -> Result<FramingOption> {
        match CHOICES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value)) {
            Some((_, framing)) => Ok(*framing),
            None => {
                let names = CHOICES.map(|(name, _)| name).join(", ");
                plan_err!("option `framing`: expected one of {names}, found `{value}`")
            }
        }
    }

    /// Returns the framing of a message. A message without a prefix is returned as in Confluent's framing, which
    /// rejects it.
    pub(super) fn of(self, message: &[u8]) -> Framing {
        match self {
            FramingOption::Fixed(framing) => framing,
            FramingOption::Auto => Framing::detect(message).unwrap_or(Framing::Confluent),
        }
    }

    /// Whether messages are bare, without an id.
    pub(super) fn is_bare(self) -> bool {
        self == FramingOption::Fixed(Framing::Bare)
    }
}
