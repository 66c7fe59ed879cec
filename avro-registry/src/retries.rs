//! When a request that failed is made again.

use chrono::{DateTime, Utc};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Retry policy for transient failures: busy or failing servers, lost connections, timeouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// Maximum number of retries at each address (3).
    pub max: usize,
    /// Pause before the first retry, which doubles for each next one (250 ms). A random part of it is left out.
    pub pause: Duration,
    /// Time after which a request and its retries have failed (60 s). A server that asks for a longer pause is not
    /// asked again.
    pub total: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Retries { max: 3, pause: Duration::from_millis(250), total: Duration::from_secs(60) }
    }
}

impl Retries {
    /// Returns the pause before the retry with this number, from 0.
    pub(crate) fn pause_before(&self, retry: usize) -> Duration {
        let pause = self.pause.saturating_mul(1 << retry.min(16));
        // Standard maps have random seeds, so no crate is needed for random numbers.
        let random = RandomState::new().hash_one(retry) % 512;
        pause.mul_f64(0.5 + random as f64 / 1024.0)
    }
}

/// Parses the header `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?.with_timezone(&Utc);
    Some((date - now).to_std().unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use avro_testing::check_all;

    #[test]
    fn retry_after_is_seconds_or_date() {
        let now = DateTime::parse_from_rfc3339("2026-11-30T08:00:00Z").unwrap().with_timezone(&Utc);
        let cases = [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Mon, 30 Nov 2026 08:00:30 GMT", Some(30)),
            ("Mon, 30 Nov 2026 07:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ];
        check_all(cases, |(value, seconds)| {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        });
    }

    #[test]
    fn pauses_grow_within_bounds() {
        let retries = Retries::default();
        for (retry, most) in [(0, 250), (1, 500), (2, 1000)] {
            let pause = retries.pause_before(retry).as_millis();
            assert!(pause >= most / 2 && pause <= most, "{retry}: {pause}");
        }
        assert!(retries.pause_before(usize::MAX) > Duration::from_secs(1));
    }
}
