//! Computes the length of deflated data without writing it.
//!
//! `libdeflate` needs memory for the whole output at once. If that might be large, this finds its length first, so
//! that a bomb of a megabyte takes no memory. It reads codes bit by bit, which is slow, but it is used for large
//! outputs only, mostly of well compressed data.

/// The output exceeds a limit, or the data is not a deflate stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    TooLong,
    Bad,
}

/// Returns the length of a stream's output, at most `max`.
pub(super) fn deflate_size(stored: &[u8], max: usize) -> Result<usize, Refused> {
    let mut bits = Bits { rest: stored, held: 0, n_held: 0 };
    let (mut len, fixed) = (0, Codes::fixed());
    loop {
        // SPEC (RFC 1951, 3.2.3): "first bit BFINAL, next 2 bits BTYPE".
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => len += bits.stored_block()?,
            1 => len = block_len(&mut bits, &fixed, len, max)?,
            2 => {
                let codes = Codes::read(&mut bits)?;
                len = block_len(&mut bits, &codes, len, max)?;
            }
            _ => return Err(Refused::Bad),
        }
        if len > max {
            return Err(Refused::TooLong);
        }
        if is_last {
            return Ok(len);
        }
    }
}

/// Adds the length of a compressed block, up to just above `max`.
fn block_len(bits: &mut Bits<'_>, codes: &Codes, mut len: usize, max: usize) -> Result<usize, Refused> {
    // SPEC (RFC 1951, 3.2.5): lengths and distances.
    const BASE: [u16; 29] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ];
    const EXTRA: [u8; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    while len <= max {
        let symbol = codes.literals.next(bits)?;
        match symbol {
            0..256 => len += 1,
            256 => return Ok(len),
            _ => {
                // Lengths and distances beyond the last are invalid; libdeflate reads them as the last.
                let at = (usize::from(symbol) - 257).min(BASE.len() - 1);
                let (Some(base), Some(extra)) = (BASE.get(at), EXTRA.get(at)) else { return Err(Refused::Bad) };
                len += usize::from(*base) + bits.take(u32::from(*extra))? as usize;
                let distance = u32::from(codes.distances.next(bits)?.min(29));
                bits.take((distance / 2).saturating_sub(1))?;
            }
        }
    }
    Ok(len)
}

/// The stream as bits, the lowest of each byte first.
struct Bits<'a> {
    rest: &'a [u8],
    held: u64,
    n_held: u32,
}

impl Bits<'_> {
    /// Takes the next bits, at most 16.
    fn take(&mut self, n: u32) -> Result<u32, Refused> {
        while self.n_held < n {
            let Some((first, rest)) = self.rest.split_first() else { return Err(Refused::Bad) };
            self.held |= u64::from(*first) << self.n_held;
            (self.rest, self.n_held) = (rest, self.n_held + 8);
        }
        let bits = self.held & ((1 << n) - 1);
        (self.held, self.n_held) = (self.held >> n, self.n_held - n);
        Ok(bits as u32)
    }

    // SPEC (RFC 1951, 3.2.4): "Any bits of input up to the next byte boundary are ignored. [...] LEN [...] NLEN".
    fn stored_block(&mut self) -> Result<usize, Refused> {
        self.take(self.n_held % 8)?;
        let (len, complement) = (self.take(16)?, self.take(16)?);
        if len != !complement & 0xffff {
            return Err(Refused::Bad);
        }
        let len = len as usize;
        // The bit buffer holds no more than was asked for, so these bytes follow it.
        self.rest = self.rest.get(len..).ok_or(Refused::Bad)?;
        Ok(len)
    }
}

/// The codes of a block.
struct Codes {
    literals: HuffmanCode,
    distances: HuffmanCode,
}

impl Codes {
    // SPEC (RFC 1951, 3.2.6): fixed Huffman codes.
    fn fixed() -> Codes {
        let lens = |parts: &[(usize, u8)]| parts.iter().flat_map(|(n, len)| vec![*len; *n]).collect::<Vec<_>>();
        let literals = HuffmanCode::of(&lens(&[(144, 8), (112, 9), (24, 7), (8, 8)]));
        Codes { literals, distances: HuffmanCode::of(&lens(&[(32, 5)])) }
    }

    // SPEC (RFC 1951, 3.2.7): dynamic Huffman codes.
    fn read(bits: &mut Bits<'_>) -> Result<Codes, Refused> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let n_literals = bits.take(5)? as usize + 257;
        let n_distances = bits.take(5)? as usize + 1;
        let n_lens = bits.take(4)? as usize + 4;
        let mut lens = [0; 19];
        for at in ORDER.iter().take(n_lens) {
            if let Some(len) = lens.get_mut(*at) {
                *len = bits.take(3)? as u8;
            }
        }
        let code = HuffmanCode::of(&lens);
        let mut lens: Vec<u8> = Vec::with_capacity(320);
        while lens.len() < n_literals + n_distances {
            let (len, n) = match code.next(bits)? {
                len @ 0..16 => (len as u8, 1),
                16 => (*lens.last().ok_or(Refused::Bad)?, 3 + bits.take(2)?),
                17 => (0, 3 + bits.take(3)?),
                _ => (0, 11 + bits.take(7)?),
            };
            lens.resize(lens.len() + n as usize, len);
        }
        if lens.len() > n_literals + n_distances {
            return Err(Refused::Bad);
        }
        let (literals, distances) = lens.split_at(n_literals);
        Ok(Codes { literals: HuffmanCode::of(literals), distances: HuffmanCode::of(distances) })
    }
}

/// A canonical Huffman code.
struct HuffmanCode {
    /// The number of symbols with codes of each length in bits.
    counts: [u16; 16],
    /// The symbols in the order of their codes.
    symbols: Vec<u16>,
}

impl HuffmanCode {
    /// The code in which each symbol has this many bits; 0 means that it has no code.
    fn of(lens: &[u8]) -> HuffmanCode {
        let mut symbols: Vec<u16> = Vec::with_capacity(lens.len());
        let mut counts = [0; 16];
        for (bits, count) in counts.iter_mut().enumerate().skip(1) {
            let with = lens.iter().enumerate().filter(|(_, len)| usize::from(**len) == bits);
            let before = symbols.len();
            symbols.extend(with.map(|(symbol, _)| symbol as u16));
            *count = (symbols.len() - before) as u16;
        }
        HuffmanCode { counts, symbols }
    }

    /// Reads the next symbol. Codes of each length are consecutive, from twice the first free code of the previous
    /// length.
    fn next(&self, bits: &mut Bits<'_>) -> Result<u16, Refused> {
        // SPEC (RFC 1951, 3.2.7): "If only one distance code is used, it is encoded using one bit [...] One distance
        // code of zero bits means that there are no distance codes used at all". Which bit stands there is not looked
        // at.
        if self.symbols.len() <= 1 {
            bits.take(1)?;
            return Ok(self.symbols.first().copied().unwrap_or(0));
        }
        let (mut code, mut first, mut at) = (0u32, 0u32, 0u32);
        for count in self.counts.iter().skip(1).map(|count| u32::from(*count)) {
            code |= bits.take(1)?;
            if code < first + count {
                // Lengths that promise more codes than there are bits for may lead below the first.
                let index = at + code.checked_sub(first).ok_or(Refused::Bad)?;
                return self.symbols.get(index as usize).copied().ok_or(Refused::Bad);
            }
            (at, first, code) = (at + count, (first + count) << 1, code << 1);
        }
        Err(Refused::Bad)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use avro_testing::Rng;

    fn deflated(data: &[u8], level: i32) -> Vec<u8> {
        let mut context = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(level).unwrap());
        let mut out = vec![0; context.deflate_compress_bound(data.len())];
        let n = context.deflate_compress(data, &mut out).unwrap();
        out.truncate(n);
        out
    }

    /// Data that compresses in different ways: random, of few letters, of repeats, of one byte.
    fn data(rng: &mut Rng) -> Vec<u8> {
        let n = rng.pick(0, &[1, 10, 300, 5000, 200_000]);
        match rng.below(4) {
            0 => rng.bytes(n),
            1 => rng.bytes(n).iter().map(|byte| byte % 5).collect(),
            2 => rng.bytes(n / 50 + 1).repeat(50),
            _ => vec![7; n],
        }
    }

    #[test]
    fn deflate_len_of_valid_stream_is_data_length() {
        for seed in 0..400 {
            let mut rng = Rng::new(seed);
            let data = data(&mut rng);
            let stored = deflated(&data, rng.pick(0, &[1, 6, 12]));
            assert_eq!(deflate_size(&stored, 1 << 30), Ok(data.len()), "{seed}");
            assert_eq!(deflate_size(&stored, data.len()), Ok(data.len()), "{seed}");
            if let Some(less) = data.len().checked_sub(1) {
                assert_eq!(deflate_size(&stored, less), Err(Refused::TooLong), "{seed}");
            }
            // Bytes after the end are ignored; without its last byte, the stream is invalid.
            assert_eq!(deflate_size(&[&stored[..], &[1, 2, 3]].concat(), 1 << 30), Ok(data.len()), "{seed}");
            assert_eq!(deflate_size(&stored[..stored.len() - 1], 1 << 30), Err(Refused::Bad), "{seed}");
        }
    }

    #[test]
    fn deflate_len_of_damaged_stream_equals_libdeflate_output() {
        let mut n_taken = 0;
        for seed in 0..20_000 {
            let mut rng = Rng::new(seed);
            let mut stored = deflated(&rng.bytes(40).repeat(5), rng.pick(1, &[6, 12]));
            for _ in 0..1 + rng.below(2) {
                let at = rng.below(stored.len());
                stored[at] ^= 1 << rng.below(8);
            }
            let mut out = vec![0; 100_000];
            let found = deflate_size(&stored, out.len());
            if let Ok(n) = libdeflater::Decompressor::new().deflate_decompress(&stored, &mut out) {
                n_taken += 1;
                assert_eq!(found, Ok(n), "{seed}");
            }
        }
        assert!(n_taken > 500, "{n_taken}");
    }
}
