//! The rows of lineitem: the bytes of some blocks in, values in the slots of their columns out.
//!
//! A row of each of `K` lanes is read at once, like this:
//!
//! - [`read_rows`] is straight code. It gives up, before it does anything unsafe, where it sees what lineitem hardly
//!   has: varints of more than four bytes, flags of more than a character, text beyond ASCII or of 64 bytes, damage.
//!   Then [`Careful`] reads the row again, a value at a time, and finds out which it was.
//! - Varints that follow each other are read together: a table says, for the bits that mark which bytes they end at,
//!   how to move their bytes to places of equal width, where one instruction after the other works on all of them.
//! - Discount and tax of a byte and two flags of a character are recognised in one word.
//! - The last three strings are checked together: in between them are only their lengths, which are below 128 as text
//!   is.

use super::Columns;
use crate::engines::BATCH_ROWS;
use avro_arrow::PADDING;
use std::arch::x86_64::*;
use std::hint::{cold_path, select_unpredictable};

/// The columns of lineitem.
pub(super) const N_COLUMNS: usize = 16;
/// Bytes of a slot of each.
pub(super) const WIDTHS: [usize; N_COLUMNS] = [8, 8, 8, 4, 16, 16, 16, 16, 16, 16, 4, 4, 4, 16, 16, 16];
/// By how much each column begins further into its page than the one before.
const STAGGER_BYTES: usize = 192;
/// A view of at most this many bytes holds them itself.
const INLINE_BYTES: usize = 12;
/// Lengths of text that are one byte.
const SHORT_TEXTS: usize = 64;

pub(super) const ALL: u8 = Columns::All as u8;
pub(super) const TWO: u8 = Columns::Two as u8;
pub(super) const STRINGS: u8 = Columns::Strings as u8;

/// What is wrong with a block.
pub(super) type Damage = &'static str;

/// Whether this column is read.
pub(super) const fn is_read(columns: u8, column: usize) -> bool {
    match columns {
        TWO => matches!(column, 4 | 5),
        STRINGS => matches!(column, 8 | 9 | 13..),
        _ => true,
    }
}

/// For each choice of columns, where in the memory of a batch the slots of each begin; behind them is a word that is
/// not used.
pub(super) const OFFSETS: [[usize; N_COLUMNS + 1]; 3] = {
    let mut offsets = [[0; N_COLUMNS + 1]; 3];
    let mut columns = 0;
    while columns < offsets.len() {
        let mut column = 0;
        while column < N_COLUMNS {
            let bytes = if is_read(columns as u8, column) { BATCH_ROWS * WIDTHS[column] + STAGGER_BYTES } else { 0 };
            offsets[columns][column + 1] = offsets[columns][column] + bytes;
            column += 1;
        }
        columns += 1;
    }
    offsets
};

/// A piece that is being read.
pub(super) struct Lane {
    pub(super) at: *const u8,
    pub(super) end: *const u8,
    /// What makes the second half of a view of an address in its upper half: the index of the block in the lower half,
    /// and the block's address taken off.
    pub(super) view: u64,
    /// The row of the batch to be read next.
    pub(super) row: usize,
    pub(super) rows_left: usize,
    /// Index of the piece.
    pub(super) piece: usize,
}

/// Reads `n_rows` rows in each of `K` lanes.
///
/// # Safety
/// The CPU has what `C` says. Each lane's cursor is in its block, which has [`PADDING`]. At `base` is the memory of a
/// batch with these columns and at least the rows that each lane is to read.
#[inline(always)]
pub(super) unsafe fn run_lanes<C: Cpu, const COLUMNS: u8, const K: usize>(
    lanes: &mut [Lane],
    n_rows: usize,
    base: *mut u8,
) -> Result<(), Damage> {
    let Some(lanes) = lanes.first_chunk_mut::<K>() else { return Err("there are fewer lanes") };
    let mut at = lanes.each_ref().map(|lane| lane.at);
    let end = lanes.each_ref().map(|lane| lane.end);
    let view = lanes.each_ref().map(|lane| lane.view);
    let mut row = lanes.each_ref().map(|lane| lane.row);
    for _ in 0..n_rows {
        let mut next = at;
        // SAFETY: the caller's promise. Cursors stay in their blocks: `read_rows` checks that, and `Careful` reads
        // slices.
        let read = unsafe { read_rows::<C, COLUMNS, K>(&mut next, &end, &view, &row, base) };
        if read.is_none() {
            cold_path();
            for lane in 0..K {
                // SAFETY: the caller's promise.
                unsafe {
                    let len = end[lane].offset_from_unsigned(at[lane]);
                    let bytes = std::slice::from_raw_parts(at[lane], len);
                    let mut careful = Careful { bytes, view: view[lane] };
                    careful.read_row::<COLUMNS>(base, row[lane])?;
                    next[lane] = careful.bytes.as_ptr();
                }
            }
        }
        at = next;
        row = row.map(|row| row + 1);
    }
    for ((lane, at), row) in lanes.iter_mut().zip(at).zip(row) {
        (lane.at, lane.row, lane.rows_left) = (at, row, lane.rows_left - n_rows);
    }
    Ok(())
}

/// Discount and tax of a byte, and flags of a character below 128, lie in a word like this: lengths, zig-zag, are 2.
const LENGTHS_OF_FOUR: u64 = 0x0002_0002_0002_0002;
/// The bits of such a word that are known.
const MASK_OF_FOUR: u64 = 0x80ff_80ff_00ff_00ff;

/// Reads one row in each of `K` lanes. None, if one of them is rare or damaged: then nothing that is written counts,
/// nor where the cursors are. Else they are at most at the end of their blocks.
///
/// # Safety
/// As [`run_lanes`].
#[inline(always)]
unsafe fn read_rows<C: Cpu, const COLUMNS: u8, const K: usize>(
    at: &mut [*const u8; K],
    end: &[*const u8; K],
    view: &[u64; K],
    row: &[usize; K],
    base: *mut u8,
) -> Option<()> {
    // Before the strings no cursor is compared with its end. A row begins at the end at most; the first four varints
    // take it at most 12 bytes further, two decimals or what is skipped in their place 2 * 16, the word of four values
    // 8, and three dates 12: at most 64 bytes, and 16 that are loaded there.
    const { assert!(12 + 2 * 16 + 8 + 12 + 16 <= PADDING) };
    // SAFETY: loads are in the padding, by the above and by the checks below; rows are in the memory, by the caller's
    // promise.
    unsafe {
        for lane in 0..K {
            if COLUMNS == ALL {
                // Of at most 28 bits: the fourth is within those of an `int`.
                let values = _mm256_cvtepi32_epi64(varints(&mut at[lane], &VARINTS_4)?);
                let (low, high) = (_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values));
                put::<COLUMNS, _>(base, 0, row[lane], _mm_cvtsi128_si64(low));
                put::<COLUMNS, _>(base, 1, row[lane], _mm_extract_epi64::<1>(low));
                put::<COLUMNS, _>(base, 2, row[lane], _mm_cvtsi128_si64(high));
                put::<COLUMNS, _>(base, 3, row[lane], _mm_extract_epi32::<2>(high));
            } else {
                skip_varints(&mut at[lane], &VARINTS_4)?;
            }
        }
        for column in 4..6 {
            for lane in 0..K {
                if COLUMNS == STRINGS {
                    skip_decimal(&mut at[lane])?;
                } else {
                    put::<COLUMNS, _>(base, column, row[lane], decimal(&mut at[lane])?);
                }
            }
        }
        for lane in 0..K {
            let four = u64::from_le(at[lane].cast::<u64>().read_unaligned());
            if four & MASK_OF_FOUR != LENGTHS_OF_FOUR {
                return None;
            }
            at[lane] = at[lane].add(8);
            if COLUMNS == ALL {
                put::<COLUMNS, _>(base, 6, row[lane], i128::from((four >> 8) as i8));
                put::<COLUMNS, _>(base, 7, row[lane], i128::from((four >> 24) as i8));
            }
            if COLUMNS != TWO {
                // Views of a character: its length, the character.
                put::<COLUMNS, _>(base, 8, row[lane], u128::from(((four >> 8) & (0xff << 32)) | 1));
                put::<COLUMNS, _>(base, 9, row[lane], u128::from(((four >> 24) & (0xff << 32)) | 1));
            }
        }
        for lane in 0..K {
            if COLUMNS == ALL {
                let values = varints(&mut at[lane], &VARINTS_3)?;
                put::<COLUMNS, _>(base, 10, row[lane], _mm_cvtsi128_si32(values));
                put::<COLUMNS, _>(base, 11, row[lane], _mm_extract_epi32::<1>(values));
                put::<COLUMNS, _>(base, 12, row[lane], _mm_extract_epi32::<2>(values));
            } else {
                skip_varints(&mut at[lane], &VARINTS_3)?;
            }
        }
        for lane in 0..K {
            // Each length is read at the end of the block at most.
            let first = at[lane];
            let lens_1 = first.read();
            let second = first.add(1 + usize::from(lens_1 >> 1));
            if second > end[lane] {
                return None;
            }
            let lens_2 = second.read();
            let third = second.add(1 + usize::from(lens_2 >> 1));
            if third > end[lane] {
                return None;
            }
            let lens_3 = third.read();
            at[lane] = third.add(1 + usize::from(lens_3 >> 1));
            // Lengths of a byte that are not negative: less than `SHORT_TEXTS`.
            if at[lane] > end[lane] || (lens_1 | lens_2 | lens_3) & 0x81 != 0 {
                return None;
            }
            if COLUMNS != TWO {
                let len = at[lane].offset_from_unsigned(first);
                if !C::is_ascii_64(first, len) || len > 64 && (len > 128 || !C::is_ascii_64(first.add(64), len - 64)) {
                    return None;
                }
                put_view::<COLUMNS>(base, 13, row[lane], first, view[lane]);
                put_view::<COLUMNS>(base, 14, row[lane], second, view[lane]);
                put_view::<COLUMNS>(base, 15, row[lane], third, view[lane]);
            }
        }
    }
    Some(())
}

/// Writes a value to its slot.
///
/// # Safety
/// `base` is of a batch with these columns, this one and this row among them, and `T` is as wide as its slots.
#[inline(always)]
unsafe fn put<const COLUMNS: u8, T>(base: *mut u8, column: usize, row: usize, value: T) {
    let offset = OFFSETS[COLUMNS as usize][column] + row * size_of::<T>();
    // SAFETY: the caller's promise.
    unsafe { base.add(offset).cast::<T>().write_unaligned(value) };
}

/// Some varints that lie within twelve bytes, for each set of these that goes on.
struct Varints {
    /// What moves the bytes of each varint to four bytes of its own, and zeros to the rest.
    places: [[u8; 16]; 1 << 12],
    /// The bytes of all of them; 0 if there are fewer, or one is of more than four bytes.
    len: [u8; 1 << 12],
}

static VARINTS_3: Varints = Varints::new(3);
static VARINTS_4: Varints = Varints::new(4);

impl Varints {
    const fn new(n: usize) -> Varints {
        let mut all = Varints { places: [[0x80; 16]; 1 << 12], len: [0; 1 << 12] };
        let mut goes_on = 0;
        while goes_on < all.len.len() {
            let (mut at, mut nth, mut byte) = (0, 0, 0);
            while at < 12 && nth < n && byte < 4 {
                all.places[goes_on][4 * nth + byte] = at as u8;
                byte += 1;
                if goes_on >> at & 1 == 0 {
                    nth += 1;
                    byte = 0;
                }
                at += 1;
            }
            if nth == n {
                all.len[goes_on] = at as u8;
            }
            goes_on += 1;
        }
        all
    }
}

/// The next three or four varints, and the cursor behind them.
///
/// # Safety
/// 16 bytes are readable. The CPU has AVX2.
#[inline(always)]
unsafe fn varints(at: &mut *const u8, of: &Varints) -> Option<__m128i> {
    // SAFETY: the caller's promise.
    unsafe {
        let bytes = _mm_loadu_si128(at.cast());
        let goes_on = _mm_movemask_epi8(bytes) as usize & 0xfff;
        let len = usize::from(of.len[goes_on]);
        if len == 0 {
            return None;
        }
        *at = at.add(len);
        let apart = _mm_shuffle_epi8(bytes, _mm_loadu_si128(of.places[goes_on].as_ptr().cast()));
        // Seven bits of each byte, then 14 of each two, then 28 of each four.
        let sevens = _mm_and_si128(apart, _mm_set1_epi8(0x7f));
        let pairs = _mm_maddubs_epi16(_mm_set1_epi16(1 | (1 << 7 << 8)), sevens);
        let whole = _mm_madd_epi16(pairs, _mm_set1_epi32(1 | (1 << 14 << 16)));
        let sign = _mm_sub_epi32(_mm_setzero_si128(), _mm_and_si128(whole, _mm_set1_epi32(1)));
        Some(_mm_xor_si128(_mm_srli_epi32::<1>(whole), sign))
    }
}

/// Moves over three or four varints.
///
/// # Safety
/// As [`varints`].
#[inline(always)]
unsafe fn skip_varints(at: &mut *const u8, of: &Varints) -> Option<()> {
    // SAFETY: the caller's promise.
    unsafe {
        let goes_on = _mm_movemask_epi8(_mm_loadu_si128(at.cast())) as usize & 0xfff;
        let len = usize::from(of.len[goes_on]);
        *at = at.add(len);
        (len > 0).then_some(())
    }
}

/// Returns a decimal of one to eight bytes, and the cursor after it, at most nine bytes further.
///
/// # Safety
/// 16 bytes are readable.
#[inline(always)]
unsafe fn decimal(at: &mut *const u8) -> Option<i128> {
    // SAFETY: the caller's promise.
    unsafe {
        let lens = at.read();
        if lens.rotate_right(1).wrapping_sub(1) >= 8 {
            return None;
        }
        let word = u64::from_be(at.add(1).cast::<u64>().read_unaligned()) as i64;
        *at = at.add(1 + usize::from(lens >> 1));
        // Eight bits for each byte of it are kept: 64 less four times twice its length are not.
        Some(i128::from(word.wrapping_shr(u32::from(lens).wrapping_mul(4).wrapping_neg())))
    }
}

/// Moves over a decimal of at most 15 bytes.
///
/// # Safety
/// 16 bytes are readable.
#[inline(always)]
unsafe fn skip_decimal(at: &mut *const u8) -> Option<()> {
    // SAFETY: the caller's promise.
    unsafe {
        let lens = at.read();
        *at = at.add(1 + usize::from(lens >> 1));
        (lens & 0xe1 == 0).then_some(())
    }
}

/// For each length the bytes of a view that are text: all of a text of at most twelve, else the first four.
static KEPT: [[u8; 16]; SHORT_TEXTS] = {
    let mut kept = [[0; 16]; SHORT_TEXTS];
    let mut len = 0;
    while len < SHORT_TEXTS {
        let mut byte = 0;
        while byte < if len <= INLINE_BYTES { len } else { 4 } {
            kept[len][4 + byte] = 0xff;
            byte += 1;
        }
        len += 1;
    }
    kept
};

/// Writes Arrow's view of the text at the cursor: the length; the text itself if it is at most twelve bytes, else four
/// of them, the block and the offset in it. Without a branch: lengths of text are hard to predict.
///
/// # Safety
/// The cursor is at a length of one byte that is less than [`SHORT_TEXTS`], followed by that many bytes of the block.
/// Three bytes before the cursor and 13 from the cursor on are readable. The contract of [`put`] holds too.
#[inline(always)]
unsafe fn put_view<const COLUMNS: u8>(base: *mut u8, column: usize, row: usize, at: *const u8, view: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        let lens = usize::from(at.read());
        let len = lens >> 1;
        // The text begins four bytes behind the start of the view.
        let text = _mm_loadu_si128(at.sub(3).cast());
        // At 16 times the length, which is eight times the byte.
        let kept = _mm_and_si128(text, _mm_loadu_si128(KEPT.as_ptr().byte_add(8 * lens).cast()));
        let slot = base.add(OFFSETS[COLUMNS as usize][column] + row * 16);
        _mm_storeu_si128(slot.cast(), kept);
        slot.cast::<u32>().write_unaligned(len as u32);
        let outside = ((at as u64) << 32).wrapping_add(view.wrapping_add(1 << 32));
        let unused = base.add(OFFSETS[COLUMNS as usize][N_COLUMNS]);
        let second = select_unpredictable(len > INLINE_BYTES, slot.add(8), unused);
        second.cast::<u64>().write_unaligned(outside);
    }
}

pub(super) trait Cpu {
    /// Whether these bytes are below 128. Of 65 to 255 bytes, only the first 64 are checked.
    ///
    /// # Safety
    /// 64 bytes are readable. The CPU has what the implementing type says.
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool;
}

pub(super) struct Avx2;
pub(super) struct Avx512;

impl Cpu for Avx2 {
    #[inline(always)]
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            let low = _mm256_movemask_epi8(_mm256_loadu_si256(from.cast())) as u32;
            let high = _mm256_movemask_epi8(_mm256_loadu_si256(from.add(32).cast())) as u32;
            _bzhi_u64(u64::from(low) | (u64::from(high) << 32), len as u32) == 0
        }
    }
}

impl Cpu for Avx512 {
    #[inline(always)]
    unsafe fn is_ascii_64(from: *const u8, len: usize) -> bool {
        // SAFETY: the caller's promise.
        unsafe { _bzhi_u64(_mm512_movepi8_mask(_mm512_loadu_si512(from.cast())), len as u32) == 0 }
    }
}

/// Reads a row of any kind, a value at a time.
struct Careful<'a> {
    /// The block from the row on.
    bytes: &'a [u8],
    view: u64,
}

impl<'a> Careful<'a> {
    /// # Safety
    /// `base` is of a batch with these columns and this row.
    unsafe fn read_row<const COLUMNS: u8>(&mut self, base: *mut u8, row: usize) -> Result<(), Damage> {
        for column in 0..N_COLUMNS {
            let is_number = matches!(column, 0..=3 | 10..=12);
            let (number, bytes) = if is_number { (self.long()?, &[][..]) } else { (0, self.sized()?) };
            if !is_read(COLUMNS, column) {
                continue;
            }
            // SAFETY: the caller's promise; the types are of the widths that the columns have.
            unsafe {
                match column {
                    0..=2 => put::<COLUMNS, i64>(base, column, row, number),
                    3 | 10..=12 => {
                        let int = i32::try_from(number).map_err(|_| "an int has more than 32 bits")?;
                        put::<COLUMNS, i32>(base, column, row, int);
                    }
                    4..=7 => put::<COLUMNS, i128>(base, column, row, decimal_of(bytes)?),
                    _ => {
                        std::str::from_utf8(bytes).map_err(|_| "text is not UTF-8")?;
                        put::<COLUMNS, u128>(base, column, row, self.view_of(bytes));
                    }
                }
            }
        }
        Ok(())
    }

    fn long(&mut self) -> Result<i64, Damage> {
        let mut bits = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.bytes.split_first().ok_or("a block ends in a row")?;
            self.bytes = rest;
            if shift == 63 && byte > 1 {
                break;
            }
            bits |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((bits >> 1) as i64 ^ -((bits & 1) as i64));
            }
        }
        Err("a varint has more than 64 bits")
    }

    fn sized(&mut self) -> Result<&'a [u8], Damage> {
        let len = usize::try_from(self.long()?).map_err(|_| "a length is negative")?;
        let (bytes, rest) = self.bytes.split_at_checked(len).ok_or("a block ends in a row")?;
        self.bytes = rest;
        Ok(bytes)
    }

    /// The view of text in the block.
    fn view_of(&self, text: &[u8]) -> u128 {
        let mut view = [0; 16];
        view[..4].copy_from_slice(&(text.len() as u32).to_le_bytes());
        if text.len() <= INLINE_BYTES {
            view[4..4 + text.len()].copy_from_slice(text);
        } else {
            view[4..8].copy_from_slice(&text[..4]);
            let outside = ((text.as_ptr() as u64) << 32).wrapping_add(self.view);
            view[8..].copy_from_slice(&outside.to_le_bytes());
        }
        u128::from_le_bytes(view)
    }
}

/// A decimal's bytes, most significant first; an error where they do not fit.
pub(super) fn decimal_of(bytes: &[u8]) -> Result<i128, Damage> {
    let sign = if bytes.first().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let (extension, kept) = bytes.split_at(bytes.len().saturating_sub(16));
    let mut value = [sign; 16];
    value[16 - kept.len()..].copy_from_slice(kept);
    let value = i128::from_be_bytes(value);
    if (value < 0) != (sign != 0) || extension.iter().any(|&byte| byte != sign) {
        return Err("a decimal has more than 128 bits");
    }
    Ok(value)
}
