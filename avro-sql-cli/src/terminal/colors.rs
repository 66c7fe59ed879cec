//! Whether output on the terminal has colors.

use std::env;

/// Whether the user wants colors, see <https://no-color.org>.
pub(crate) fn enabled() -> bool {
    env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()) && env::var_os("TERM").is_none_or(|term| term != "dumb")
}
