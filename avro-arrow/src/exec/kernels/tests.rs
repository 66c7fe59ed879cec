//! Kernels against the plain cursor, with every kernel set that this CPU supports.
#![allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]

use super::*;
use crate::encoding::{Cursor, PADDING};
use crate::exec::CpuKind;
use arrow_buffer::i256;
use avro_testing::check_all;

/// Calls a function for each kernel set that this CPU supports.
macro_rules! on_each_cpu {
    ($function:ident) => {
        for kind in CpuKind::all() {
            match kind {
                CpuKind::Portable => $function::<Portable>(),
                #[cfg(target_arch = "x86_64")]
                CpuKind::Avx2 => $function::<Avx2>(),
                #[cfg(target_arch = "x86_64")]
                CpuKind::Avx512 => $function::<Avx512>(),
            }
        }
    };
}

fn read<C: Cpu, K: Kernel>(kernel: K, bytes: &[u8]) -> (K::Slot, usize, bool) {
    let padded = [bytes, &[0xff; PADDING]].concat();
    let start = padded.as_ptr();
    let source = BlockSource::new(start, unsafe { start.add(bytes.len()) }, 7);
    let (mut at, mut bad) = (start, false);
    let slot = unsafe { kernel.read::<C>(&mut at, &source, true, &mut bad) };
    assert!(at <= source.end);
    (slot, at as usize - start as usize, bad)
}

fn longs<C: Cpu>() {
    let mut encoded = vec![vec![0x80; 12], vec![0xff; 9], vec![0x80, 0x80, 0], vec![]];
    for shift in 0..64 {
        for value in [1u64 << shift, (1u64 << shift) - 1, !(1u64 << shift), 0x5a5a_5a5a_5a5a_5a5a >> shift] {
            let mut bytes = vec![];
            let mut rest = value;
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            encoded.push(bytes);
        }
    }
    for bytes in encoded {
        for cut in 0..=bytes.len() {
            let bytes = &bytes[..cut];
            let mut cursor = Cursor::new(bytes);
            let want = cursor.long();
            let (value, moved, bad) = read::<C, _>(Long, bytes);
            assert_eq!(bad, want.is_err(), "{bytes:x?}");
            if let Ok(want) = want {
                assert_eq!((value, moved), (want, cursor.at()), "{bytes:x?}");
            }
            let fits = want.ok().filter(|v| i32::try_from(*v).is_ok());
            assert_eq!(read::<C, _>(Int, bytes).2, fits.is_none(), "{bytes:x?}");
        }
    }
}

#[test]
fn long_kernel_equals_cursor() {
    on_each_cpu!(longs);
}

fn skips<C: Cpu>() {
    let mut rng = avro_testing::Rng::new(1);
    for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
        let n = 1 + rng.below(12);
        let mut bytes = Vec::new();
        for _ in 0..n {
            let more = rng.pick(0, &[0, 0, 1, 1, 2, 3, 4, 7, 8, 9, 10]);
            bytes.extend((0..more).map(|_| 0x80 | rng.bits() as u8));
            bytes.push(rng.pick(0, &[1, 2, 0x7f]));
        }
        bytes.truncate(bytes.len() - rng.pick(0, &[0, 0, 1]));
        let mut cursor = Cursor::new(&bytes);
        let want = (0..n).try_for_each(|_| cursor.long().map(|_| ()));
        let padded = [&bytes[..], &[0xff; PADDING]].concat();
        let start = padded.as_ptr();
        let source = BlockSource::new(start, unsafe { start.add(bytes.len()) }, 0);
        let (mut at, mut bad) = (start, false);
        unsafe { skip_varints::<C>(&mut at, n as u32, &source, &mut bad) };
        assert_eq!(bad, want.is_err(), "{n} {bytes:x?}");
        if !bad {
            assert_eq!(at as usize - start as usize, cursor.at(), "{n} {bytes:x?}");
        }
    }
}

#[test]
fn skip_kernel_equals_cursor() {
    on_each_cpu!(skips);
}

/// Random varints of all lengths, now and then cut, and what the plain cursor reads of them.
fn random_varints(rng: &mut avro_testing::Rng, lens: &[usize], n: usize) -> (Vec<u8>, Option<Vec<i64>>) {
    let mut bytes = Vec::new();
    for _ in 0..n {
        let more = lens[rng.below(lens.len())];
        bytes.extend((0..more).map(|_| 0x80 | rng.bits() as u8));
        bytes.push(rng.pick(0, &[0, 1, 2, 0x7f]));
    }
    bytes.truncate(bytes.len() - rng.pick(0, &[0, 0, 0, 1]).min(bytes.len()));
    let mut cursor = Cursor::new(&bytes);
    let want = (0..n).map(|_| cursor.long().ok()).collect();
    (bytes, want)
}

fn many_longs<C: Cpu>() {
    let mut rng = avro_testing::Rng::new(2);
    let lens: [&[usize]; 5] = [&[0], &[0, 1], &[2, 3, 4], &[5, 6, 7], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]];
    for round in 0..if cfg!(miri) { 50 } else { 5_000 } {
        let n = rng.below(100);
        let (bytes, want) = random_varints(&mut rng, lens[round % lens.len()], n);
        let padded = [&bytes[..], &[0xff; PADDING]].concat();
        let start = padded.as_ptr();
        let source = BlockSource::new(start, unsafe { start.add(bytes.len()) }, 0);
        let (mut at, mut bad, mut got) = (start, false, vec![0; n]);
        let any = unsafe {
            super::longs::<C>(&mut at, &source, n, &mut bad, |i, bits| {
                got[i] = (bits >> 1) as i64 ^ -((bits & 1) as i64)
            })
        };
        assert_eq!((!bad).then_some(got), want, "{bytes:x?}");
        if let Some(want) = &want {
            let zigzag = want.iter().map(|value| ((value << 1) ^ (value >> 63)) as u64);
            assert_eq!(any, zigzag.fold(0, |any, bits| any | bits), "{bytes:x?}");
        }
        assert!(at <= source.end && (bad || want.is_none() || at as usize - start as usize <= bytes.len()));
        for n in 2..=4.min(n) {
            let Some((values, len)) = (unsafe { C::few_varints(start, n) }).filter(|(_, len)| *len <= bytes.len())
            else {
                continue;
            };
            let mut cursor = Cursor::new(&bytes);
            let want: Vec<_> = (0..n).map(|_| cursor.long().unwrap()).collect();
            assert_eq!(len, cursor.at(), "{bytes:x?}");
            assert!(values.iter().zip(&want).all(|(got, want)| i64::from(*got) == *want), "{bytes:x?}");
        }
    }
}

#[test]
fn fused_long_kernel_equals_cursor() {
    on_each_cpu!(many_longs);
}

/// Calls every kernel at every position it may be called at, with exactly the promised padding after the block.
/// A memory checker (Miri, a sanitizer) reports a load that goes too far.
#[test]
fn kernels_read_no_further_than_padding() {
    on_each_cpu!(stay_within_padding);
}

fn stay_within_padding<C: Cpu>() {
    // No bytes, lengths of 1, 8 and 63, the shortest of two bytes, varints without an end, negative numbers.
    let fills: &[u8] = if cfg!(miri) { &[0x10, 0x7e, 0xff] } else { &[0, 2, 0x10, 0x7e, 0x80, 0x81, 0xff, 0x7f] };
    let lens: &[usize] = if cfg!(miri) { &[0, 17] } else { &[0, 1, 2, 9, 17, 63, 64, 65, 130] };
    for (len, block, padding) in
        lens.iter().flat_map(|len| fills.iter().flat_map(move |a| fills.iter().map(move |b| (*len, *a, *b))))
    {
        let memory: Box<[u8]> = [vec![block; len], vec![padding; PADDING]].concat().into();
        let start = memory.as_ptr();
        let source = BlockSource::new(start, unsafe { start.add(len) }, 0);
        // How far behind the block's end a cursor may be before and after.
        let call = |behind_before: usize, behind_after: usize, call: &dyn Fn(&mut *const u8, &mut bool)| {
            for from in 0..=len + behind_before {
                let (mut at, mut bad) = (unsafe { start.add(from) }, false);
                call(&mut at, &mut bad);
                let at = at as usize - start as usize;
                // At the end, if not where it was.
                let unmoved = at == from && !bad;
                assert!(at <= len + behind_after || unmoved, "from {from} to {at} of {len}: {block:x} {padding:x}");
            }
        };
        for present in [true, false] {
            macro_rules! kernels {
                ($($kernel:expr),+ $(,)?) => {
                    $(call(1, 0, &|at, bad| {
                        let _ = unsafe { $kernel.read::<C>(at, &source, present, bad) };
                    });)+
                };
            }
            kernels!(Boolean, Int, Long, Index(1), Raw::<4>, Raw::<8>, Raw::<12>, Raw::<16>, Duration, Bytes, Utf8);
            kernels!(Decimal128, Decimal256, FixedDecimal128(7), FixedDecimal128(16), FixedDecimal128(40));
            kernels!(FixedDecimal256(16), FixedDecimal256(40));
            call(1, 0, &|at, bad| {
                let (from, n) = unsafe { sized::<C>(at, &source, present, bad) };
                assert!(unsafe { std::slice::from_raw_parts(from, n) }.iter().all(|byte| *byte == block));
            });
            call(0, 1, &|at, bad| {
                unsafe { is_present::<C>(at, &source, 0, present, bad) };
            });
        }
        for n in [0, 1, 8, 64, 70] {
            call(1, 0, &|at, bad| {
                unsafe { fixed(at, n, &source, bad) };
            });
            call(0, 0, &|at, bad| {
                let _ = unsafe { super::longs::<C>(at, &source, n, bad, |_, _| ()) };
            });
            call(1, 0, &|at, bad| unsafe { skip_varints::<C>(at, n as u32, &source, bad) });
        }
        for n in 2..=4 {
            call(0, 12, &|at, _| *at = unsafe { at.add(C::few_varints(*at, n).map_or(0, |(_, len)| len)) });
        }
        for present in [true, false] {
            call(1, 0, &|at, bad| unsafe { skip_varint(at, &source, present, bad) });
        }
    }
}

#[test]
fn string_kernel_checks_utf8() {
    on_each_cpu!(check_text);
}

fn check_text<C: Cpu>() {
    let step = if cfg!(miri) { 23 } else { 1 };
    for len in (0..70usize).step_by(step) {
        for at in (0..len).step_by(step) {
            for (inserted, valid) in [("é", true), ("\u{7f}", true), ("€", true)] {
                let mut text = "x".repeat(at) + inserted;
                text += &"y".repeat(len.saturating_sub(text.len()));
                let len = text.len();
                let bytes = [
                    &[(len * 2) as u8 | if len > 63 { 0x80 } else { 0 }][..],
                    &[1][..usize::from(len > 63)],
                    text.as_bytes(),
                ]
                .concat();
                let (view, moved, bad) = read::<C, _>(Utf8, &bytes);
                assert_eq!((view as u32 as usize, moved, bad), (len, bytes.len(), !valid));
                if let Some(high) = bytes.iter().rposition(|&b| b == 0xc3 || b == 0xe2) {
                    let mut broken = bytes.clone();
                    broken[high] = 0xf8;
                    assert!(read::<C, _>(Utf8, &broken).2, "{broken:x?}");
                }
            }
        }
    }
}

#[test]
fn decimal_kernels_equal_reference() {
    let cases: [(&[u8], Option<i128>); 9] = [
        (&[], Some(0)),
        (&[0xff], Some(-1)),
        (&[0x00, 0xff], Some(255)),
        (&[0x80, 0, 0, 0, 0, 0, 0, 0], Some(i64::MIN as i128)),
        (&[0, 0x80, 0, 0, 0, 0, 0, 0, 0], Some(1 << 63)),
        (&[0xff; 40], Some(-1)),
        (&[0; 17], Some(0)),
        (&[0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
        (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
    ];
    check_all(cases, |(bytes, want)| {
        let encoded = [&[bytes.len() as u8 * 2], bytes].concat();
        let (value, _, bad) = read::<Portable, _>(Decimal128, &encoded);
        assert_eq!((!bad).then_some(value), want, "{bytes:x?}");
        let fixed = read::<Portable, _>(FixedDecimal128(bytes.len() as u32), bytes);
        assert_eq!((!fixed.2).then_some(fixed.0), want, "{bytes:x?}");
        let (value, _, bad) = read::<Portable, _>(Decimal256, &encoded);
        assert!(!bad && want.is_none_or(|want| value == i256::from_i128(want)));
    });
}
