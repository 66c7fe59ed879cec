//! Runs cases to their end: all rows of a table, and the cases of many seeds, whose first failure is shrunk.

use crate::rng::{Recording, Rng};
use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

/// Runs a check for each row of a table. A check fails by a panic, and all failures are reported together.
///
/// # Panics
/// If a check panics.
#[track_caller]
pub fn check_all<T>(rows: impl IntoIterator<Item = T>, mut check: impl FnMut(T)) {
    let (mut failures, mut n_rows) = (String::new(), 0);
    for row in rows {
        n_rows += 1;
        if let Err(failure) = caught(|| check(row)) {
            let _ = write!(failures, "\nrow {n_rows}: {failure}");
        }
    }
    assert!(failures.is_empty(), "failing rows of {n_rows}:{failures}");
}

/// Number of seeds of a random test: the environment variable `AVRO_TEST_SEEDS`, else this one.
pub fn n_seeds(usual: u64) -> u64 {
    std::env::var("AVRO_TEST_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// Runs a random case for each seed. A case fails by a panic; the first failing case is shrunk, and reported with its
/// seed and with the schema and rows of the smallest failing case that was found.
///
/// # Panics
/// If a case panics.
#[track_caller]
pub fn check_seeds(seeds: impl IntoIterator<Item = u64>, mut case: impl FnMut(&mut Rng)) {
    for seed in seeds {
        if let Err(failure) = run(Rng::new(seed), &mut case) {
            let before = failure.recording.choices.len();
            let smallest = shrunk(failure, &mut case);
            panic!("seed {seed} fails with {before} random choices; {}", smallest.describe());
        }
    }
}

/// A failing case.
struct Failure {
    recording: Recording,
    message: String,
}

impl Failure {
    fn describe(&self) -> String {
        let notes: String = self.recording.notes.iter().map(|note| format!("\n    {note}")).collect();
        format!("{} choices make the smallest case that fails:{notes}\n{}", self.recording.choices.len(), self.message)
    }

    /// Fewer choices are simpler, and of as many choices smaller ones.
    fn size(&self) -> (usize, u128) {
        size(&self.recording.choices)
    }
}

fn size(choices: &[u64]) -> (usize, u128) {
    (choices.len(), choices.iter().map(|choice| u128::from(*choice)).sum())
}

fn run(rng: Rng, case: &mut impl FnMut(&mut Rng)) -> Result<(), Failure> {
    let mut rng = rng.recording();
    caught(|| case(&mut rng)).map_err(|message| Failure { recording: rng.into_recording(), message })
}

/// Time for attempts to make a case smaller. Most cases take a millisecond and need fewer than 5,000 attempts.
const TIME_MAX: Duration = Duration::from_secs(20);

/// The smallest failing case that is found from this one: without some of its choices, or with smaller ones.
fn shrunk(mut best: Failure, case: &mut impl FnMut(&mut Rng)) -> Failure {
    let start = Instant::now();
    let mut improves = |best: &mut Failure, choices: Vec<u64>| {
        if start.elapsed() > TIME_MAX || size(&choices) >= best.size() {
            return false;
        }
        match run(Rng::from_choices(choices), case) {
            // What was drawn after the end of the choices counts too: it may be more than there was.
            Err(failure) if failure.size() < best.size() => {
                *best = failure;
                true
            }
            _ => false,
        }
    };
    loop {
        let before = best.size();
        // Without the choices of a part, from half of them down to one.
        let mut n = best.recording.choices.len() / 2;
        while n > 0 {
            let mut end = best.recording.choices.len();
            while end >= n {
                let mut choices = best.recording.choices.clone();
                choices.drain(end - n..end);
                let improved = improves(&mut best, choices);
                end = if improved { end.min(best.recording.choices.len()) } else { end - n };
            }
            n /= 2;
        }
        // With simpler choices.
        for at in 0..best.recording.choices.len() {
            let choice = |best: &Failure| best.recording.choices.get(at).copied().unwrap_or_default();
            let mut smaller = |best: &mut Failure, to: u64| {
                let mut choices = best.recording.choices.clone();
                choices.get_mut(at).is_some_and(|choice| std::mem::replace(choice, to) > to) && improves(best, choices)
            };
            if smaller(&mut best, 0) {
                continue;
            }
            for next in [|choice: u64| choice / 2, |choice: u64| choice.saturating_sub(1)] {
                loop {
                    let to = next(choice(&best));
                    if !smaller(&mut best, to) {
                        break;
                    }
                }
            }
        }
        if best.size() == before {
            return best;
        }
    }
}

thread_local! {
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs code and returns the message and place of its panic, which is not printed.
fn caught(run: impl FnOnce()) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match IS_CAUGHT.get() {
            true => LAST_PANIC.set(info.to_string()),
            false => print(info),
        }));
    });
    let outer = IS_CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    IS_CAUGHT.set(outer);
    result.map_err(|_| LAST_PANIC.take())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{random_rows, random_schema};
    use avro_arrow::Limits;
    use avro_arrow::schema::Schema;

    fn failure(run: impl FnOnce()) -> String {
        caught(run).expect_err("it fails")
    }

    #[test]
    fn failing_rows_are_all_reported() {
        let message = failure(|| check_all([1, 2, 3, 4], |n| assert!(n % 2 == 0, "{n} is odd")));
        assert!(message.contains("failing rows of 4:"), "{message}");
        assert!(message.contains("row 1: ") && message.contains("row 3: "), "{message}");
        assert!(
            message.contains("1 is odd") && message.contains("3 is odd") && !message.contains("row 2"),
            "{message}"
        );
        check_all([2, 4], |n| assert!(n % 2 == 0));
    }

    /// A planted fault: no schema with a map is right. What remains is a map of a primitive type and nothing else.
    #[test]
    fn failing_schema_shrinks_to_its_fault() {
        let smallest = RefCell::new(String::new());
        let case = |rng: &mut Rng| {
            let json = random_schema(rng);
            let is_wrong = json.contains(r#""type":"map""#);
            if is_wrong {
                smallest.replace(json);
            }
            assert!(!is_wrong, "a map");
        };
        let message = failure(|| check_seeds(0..100, case));
        let smallest = smallest.take();
        assert!(message.contains("a map") && message.contains(&format!("schema {smallest}")), "{message}");
        assert!(smallest.len() < 100, "{smallest}");
        assert_eq!(smallest.matches('{').count() - smallest.matches(r#""fields""#).count(), 2, "{smallest}");
    }

    /// A planted fault in rows: a string of more than five bytes.
    #[test]
    fn failing_rows_shrink_to_their_fault() {
        let smallest = RefCell::new(Vec::new());
        let case = |rng: &mut Rng| {
            let schema = Schema::parse(&random_schema(rng), &Limits::default()).expect("a schema");
            let rows = random_rows(rng, &schema, 4);
            let is_wrong = rows.windows(6).any(|bytes| bytes.iter().all(u8::is_ascii_graphic));
            if is_wrong {
                smallest.replace(rows);
            }
            assert!(!is_wrong, "a text");
        };
        let message = failure(|| check_seeds(0..100, case));
        let smallest = smallest.take();
        assert!(message.contains("4 rows") && message.contains("schema "), "{message}");
        assert!(smallest.len() < 30, "{smallest:?} {message}");
    }

    #[test]
    fn recorded_choices_give_the_case_again() {
        for seed in 0..200 {
            let make = |rng: &mut Rng| {
                let schema = random_schema(rng);
                let mut bytes = rng.bytes(40);
                crate::corrupt(rng, &mut bytes);
                (schema, bytes, rng.one_in(3), rng.pick(1, &[2, 3]))
            };
            let mut rng = Rng::new(seed).recording();
            let made = make(&mut rng);
            assert_eq!(made, make(&mut Rng::new(seed)), "{seed}");
            assert_eq!(made, make(&mut Rng::from_choices(rng.into_recording().choices)), "{seed}");
        }
    }
}
