//! The source of all random choices: a seed, the bytes of a fuzzer, or choices recorded before.

use arbitrary::Unstructured;

/// Makes random choices. Each choice has a simplest outcome, which is 0 or `false`: the shrinker and a fuzzer whose
/// bytes are used up make that one.
#[derive(Debug, Clone)]
pub struct Rng {
    source: Source,
    recording: Option<Box<Recording>>,
}

#[derive(Debug, Clone)]
enum Source {
    /// SplitMix64: the same choices for the same seed, everywhere.
    Seed(u64),
    /// The bytes of a fuzzer, from this offset on.
    Bytes(Vec<u8>, usize),
    /// Recorded choices, from this index on.
    Choices(Vec<u64>, usize),
}

/// What was chosen so far, and what was made of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recording {
    pub(crate) choices: Vec<u64>,
    pub(crate) notes: Vec<String>,
}

impl Rng {
    /// Makes the choices of a seed.
    pub fn new(seed: u64) -> Rng {
        Rng { source: Source::Seed(seed), recording: None }
    }

    /// Makes the choices that these bytes stand for, each from the next few bytes, so that a small change to the bytes
    /// is a small change to the result.
    pub fn from_bytes(bytes: &[u8]) -> Rng {
        Rng { source: Source::Bytes(bytes.to_vec(), 0), recording: None }
    }

    /// Makes recorded choices again, adapted to their ranges.
    pub(crate) fn from_choices(choices: Vec<u64>) -> Rng {
        Rng { source: Source::Choices(choices, 0), recording: None }
    }

    /// Records from now on.
    pub(crate) fn recording(mut self) -> Rng {
        self.recording = Some(Box::default());
        self
    }

    pub(crate) fn into_recording(self) -> Recording {
        self.recording.map(|recording| *recording).unwrap_or_default()
    }

    /// Keeps a part of the case to print if the case fails.
    pub fn note(&mut self, note: impl FnOnce() -> String) {
        if let Some(recording) = &mut self.recording {
            recording.notes.push(note());
        }
    }

    /// Returns any number.
    pub fn bits(&mut self) -> u64 {
        let bits = match &mut self.source {
            Source::Seed(state) => split_mix(state),
            Source::Bytes(bytes, at) => {
                let mut rest = Unstructured::new(bytes.get(*at..).unwrap_or_default());
                let bits = rest.arbitrary().unwrap_or_default();
                *at = bytes.len() - rest.len();
                bits
            }
            Source::Choices(choices, at) => next(choices, at),
        };
        self.recorded(bits)
    }

    /// Returns the number that [`bits`](Self::bits) of a seed returns next, and leaves it there.
    pub(crate) fn peek(&mut self) -> u64 {
        let bits = match &mut self.source {
            Source::Seed(state) => split_mix(&mut state.clone()),
            _ => return self.bits(),
        };
        self.recorded(bits)
    }

    /// Returns a number below `n`, or 0.
    pub fn below(&mut self, n: usize) -> usize {
        let below = self.number(n.max(1) as u64);
        self.recorded(below) as usize
    }

    /// Returns `true` once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        let n = n.max(1) as u64;
        let is_one = match &self.source {
            Source::Seed(_) => self.number(n) == 0,
            // 0 must be `false`, the simpler outcome, except where there is no other.
            Source::Bytes(..) => self.number(n) == n - 1,
            Source::Choices(..) => n == 1 || self.number(2) == 1,
        };
        self.recorded(is_one.into());
        is_one
    }

    /// Returns one of these.
    pub fn pick<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        match self.below(others.len() + 1).checked_sub(1) {
            Some(at) => others.get(at).copied().unwrap_or(first),
            None => first,
        }
    }

    /// Returns `n` random bytes.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.bits() as u8).collect()
    }

    /// A number below `n`, which is not 0.
    fn number(&mut self, n: u64) -> u64 {
        match &mut self.source {
            Source::Seed(state) => split_mix(state) % n,
            Source::Bytes(bytes, at) => {
                let mut rest = Unstructured::new(bytes.get(*at..).unwrap_or_default());
                let number = rest.int_in_range(0..=n - 1).unwrap_or_default();
                *at = bytes.len() - rest.len();
                number
            }
            Source::Choices(choices, at) => next(choices, at).min(n - 1),
        }
    }

    fn recorded(&mut self, choice: u64) -> u64 {
        if let Some(recording) = &mut self.recording {
            recording.choices.push(choice);
        }
        choice
    }
}

fn next(choices: &[u64], at: &mut usize) -> u64 {
    let choice = choices.get(*at).copied().unwrap_or_default();
    *at += 1;
    choice
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
