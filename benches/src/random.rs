//! Numbers that look random and are the same each time.

/// Steele, Lea and Flood's splitmix64: a counter, mixed.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Random {
        Random { state: mix(seed) }
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number from 0 to below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        // The high half of the product: no division, and even enough for any n of a benchmark.
        ((u128::from(self.any()) * u128::from(n)) >> 64) as u64
    }

    /// As `below`, as the type that Avro's numbers have.
    pub fn long(&mut self, n: u64) -> i64 {
        self.below(n) as i64
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Small numbers often, large ones up to 2 to the power of `bits` seldom: as many have one bit as have two.
    pub fn spread(&mut self, bits: u64) -> i64 {
        let bits = 1 + self.below(bits);
        self.below(1 << bits) as i64
    }

    /// One of them.
    pub fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len() as u64) as usize]
    }

    /// From 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.any() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Spreads each bit over all others.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
