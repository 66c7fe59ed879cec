//! Skips: ops that only move the cursors. Each skips one value in every lane before the next value, so that the lanes
//! do not wait for themselves.

use crate::exec::kernels::{self, BlockSource, Cpu, Kernel};
use crate::exec::lane::LaneCursor;
use crate::program::SkipScalar;

/// Reads a union's index that must be 0.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
pub(in crate::exec) unsafe fn expect_branch_0<C: Cpu, const K: usize>(cursors: &mut [LaneCursor; K], bad: &mut bool) {
    for cursor in cursors {
        // SAFETY: R3, R4 and R5.
        unsafe { kernels::Index(1).read::<C>(&mut cursor.at, &cursor.source, true, bad) };
    }
}

/// Skips this many bytes.
///
/// # Safety
/// R3.
#[inline(always)]
pub(in crate::exec) unsafe fn skip_fixed<const K: usize>(bytes: u64, cursors: &mut [LaneCursor; K], bad: &mut bool) {
    for cursor in cursors {
        let left = cursor.source.end as usize - cursor.at as usize;
        *bad |= bytes > left as u64;
        // SAFETY: R3: at most to the end.
        cursor.at = unsafe { cursor.at.add(left.min(bytes as usize)) };
    }
}

/// Skips `n` varints.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
pub(in crate::exec) unsafe fn skip_varints<C: Cpu, const K: usize>(
    n: u32,
    cursors: &mut [LaneCursor; K],
    bad: &mut bool,
) {
    for cursor in cursors {
        let (at, source) = (&mut cursor.at, &cursor.source);
        // SAFETY: R3, R4 and R5.
        unsafe {
            if n == 1 {
                kernels::skip_varint(at, source, true, bad);
            } else {
                kernels::skip_varints::<C>(at, n, source, bad);
            }
        }
    }
}

/// Skips `n` values of a length and that many bytes.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
pub(in crate::exec) unsafe fn skip_bytes<C: Cpu, const K: usize>(
    n: u32,
    cursors: &mut [LaneCursor; K],
    bad: &mut bool,
) {
    for _ in 0..n {
        for cursor in cursors.iter_mut() {
            // SAFETY: R3, R4 and R5.
            unsafe { kernels::sized::<C>(&mut cursor.at, &cursor.source, true, bad) };
        }
    }
}

/// Skips `n` nullable values.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
pub(in crate::exec) unsafe fn skip_nullable<C: Cpu, const K: usize>(
    skip: SkipScalar,
    null_branch: u8,
    n: u32,
    cursors: &mut [LaneCursor; K],
    bad: &mut bool,
) {
    // SAFETY: R3, R4 and R5; the kernels check a cursor that is one byte after the end.
    unsafe {
        match skip {
            SkipScalar::Varint => skip_each_nullable::<C, K>(null_branch, n, cursors, bad, |cursor, present, bad| {
                kernels::skip_varint(&mut cursor.at, &cursor.source, present, bad);
            }),
            SkipScalar::Bytes => skip_each_nullable::<C, K>(null_branch, n, cursors, bad, |cursor, present, bad| {
                kernels::sized::<C>(&mut cursor.at, &cursor.source, present, bad);
            }),
            SkipScalar::Fixed(bytes) => {
                skip_each_nullable::<C, K>(null_branch, n, cursors, bad, |cursor, present, bad| {
                    let bytes = if present { bytes as usize } else { 0 };
                    kernels::fixed(&mut cursor.at, bytes, &cursor.source, bad);
                })
            }
        }
    }
}

/// Reads whether each of `n` values is present, and skips it by `skip`.
///
/// # Safety
/// R3, R4 and R5; `skip` moves a cursor that is one byte after the end back to the end.
#[inline(always)]
unsafe fn skip_each_nullable<C: Cpu, const K: usize>(
    null_branch: u8,
    n: u32,
    cursors: &mut [LaneCursor; K],
    bad: &mut bool,
    skip: impl Fn(&mut LaneCursor, bool, &mut bool),
) {
    for _ in 0..n {
        for cursor in cursors.iter_mut() {
            // SAFETY: R3, R4 and R5.
            let present = unsafe { kernels::is_present::<C>(&mut cursor.at, &cursor.source, null_branch, true, bad) };
            skip(cursor, present, bad);
        }
    }
}

/// The cursor after `n` varints of one lane; `None` where they are unusual or wrong.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
pub(in crate::exec) unsafe fn after_varints<C: Cpu>(at: *const u8, n: u32, source: &BlockSource) -> Option<*const u8> {
    // SAFETY: R3, R4 and R5.
    unsafe {
        if n == 1 {
            kernels::skip_varint_common(at, source, true)
        } else {
            kernels::skip_varints_common::<C>(at, n, source)
        }
    }
}

/// The cursor after `n` values of a length and that many bytes of one lane; `None` where one is unusual or wrong.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
pub(in crate::exec) unsafe fn after_bytes(mut at: *const u8, n: usize, source: &BlockSource) -> Option<*const u8> {
    for _ in 0..n {
        // SAFETY: R3, R4 and R5.
        let (from, len) = unsafe { kernels::sized_common(at, source, true)? };
        at = from.wrapping_add(len);
    }
    Some(at)
}

/// The cursor after `n` nullable values of one lane; `None` where one is unusual or wrong.
///
/// # Safety
/// R3, R4 and R5.
#[inline(always)]
pub(in crate::exec) unsafe fn after_nullable(
    skip: SkipScalar,
    null_branch: u8,
    n: u32,
    mut at: *const u8,
    source: &BlockSource,
) -> Option<*const u8> {
    for _ in 0..n {
        // SAFETY: R3, R4 and R5: each checks a cursor that is one byte after the end.
        unsafe {
            let (present, value) = kernels::is_present_common(at, null_branch, true)?;
            at = match skip {
                SkipScalar::Varint => kernels::skip_varint_common(value, source, present)?,
                SkipScalar::Bytes => {
                    let (from, len) = kernels::sized_common(value, source, present)?;
                    from.wrapping_add(len)
                }
                SkipScalar::Fixed(bytes) => {
                    let bytes = if present { i64::from(bytes) } else { 0 };
                    if bytes > source.end as i64 - value as i64 {
                        return None;
                    }
                    value.wrapping_add(bytes as usize)
                }
            };
        }
    }
    Some(at)
}
