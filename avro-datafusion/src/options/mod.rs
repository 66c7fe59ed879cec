//! Read options and write options, and how SQL spells them.

/// Implements a setter for each field of an options struct, for chains of calls.
macro_rules! setters {
    ($($setter:ident($field:ident: $argument:ty),)*) => {
        $(
            #[doc = concat!("Returns these options with another [`", stringify!($field), "`](Self::", stringify!($field), ").")]
            #[must_use]
            #[allow(clippy::useless_conversion)]
            pub fn $setter(mut self, $field: $argument) -> Self {
                self.$field = $field.into();
                self
            }
        )*
    };
}

pub(crate) mod list;
pub(crate) mod parse;
pub(crate) mod write;
pub(crate) mod read;
#[cfg(feature = "proto")]
mod pairs;
