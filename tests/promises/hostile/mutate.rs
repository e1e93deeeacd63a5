//! Inputs from seeds: a few changes each, the parts and numbers that readers stumble over among them.

use proptest::prelude::*;

use crate::properties::names::PIECES;

/// No input is larger.
const LARGEST: usize = 64 * 1024;

/// One change: what kind, where, and how much of what.
pub type Change = (u8, u32, u32, u32);

/// An input, as numbers: which seed, and its changes. Few changes reach deep, many are seldom taken.
pub fn any_input() -> impl Strategy<Value = (u16, Vec<Change>)> {
    (any::<u16>(), prop::collection::vec(any::<Change>(), 0..7))
}

/// What those numbers mean.
pub fn made(seeds: &[Vec<u8>], (seed, changes): &(u16, Vec<Change>)) -> Vec<u8> {
    let mut bytes = seeds[usize::from(*seed) % seeds.len()].clone();
    for change in changes {
        apply(&mut bytes, seeds, *change);
        bytes.truncate(LARGEST);
    }
    bytes
}

fn apply(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], (kind, a, b, c): Change) {
    let (a, b, c) = (a as usize, b as usize, c as usize);
    let at = a % (bytes.len() + 1);
    let end = at + (b % 40).min(bytes.len() - at);
    match kind % 14 {
        0 => drop(bytes.drain(at..end)),
        1 if at < bytes.len() => bytes[at] = c as u8,
        2 if at < bytes.len() => bytes[at] ^= 1 << (c % 8),
        3 => bytes.insert(at, c as u8),
        4 | 5 => put(bytes, at, end, PIECES[c % PIECES.len()].as_bytes()),
        6 => put(bytes, at, at, PIECES[c % PIECES.len()].as_bytes()),
        // A part twice, elsewhere, many times.
        7 => {
            let part = bytes[at..end].to_vec();
            put(bytes, c % (bytes.len() + 1), c % (bytes.len() + 1), &part);
        }
        8 => {
            let part = bytes[at..end].repeat(1 + c % 2000);
            put(bytes, at, at, &part);
        }
        9 => bytes.truncate(at),
        // A number that is none any more, or too large.
        10 => {
            let digits = |b: &u8| b.is_ascii_digit();
            if let Some(from) = bytes[at..].iter().position(digits).map(|n| at + n) {
                let len = bytes[from..].iter().take_while(|b| digits(b)).count();
                const NUMBERS: &[&str] = &[
                    "0",
                    "-1",
                    "1",
                    "99999999999999999999",
                    "4294967296",
                    "1e9",
                    "0.5",
                    "18446744073709551615",
                ];
                put(
                    bytes,
                    from,
                    from + len,
                    NUMBERS[c % NUMBERS.len()].as_bytes(),
                );
            }
        }
        // Whole lines: one away, one elsewhere.
        11 | 12 => {
            let mut lines: Vec<Vec<u8>> = bytes
                .split_inclusive(|b| *b == b'\n')
                .map(<[u8]>::to_vec)
                .collect();
            if !lines.is_empty() {
                let line = lines.remove(a % lines.len());
                if kind % 14 == 12 {
                    lines.insert(c % (lines.len() + 1), line.repeat(1 + b % 2));
                }
                *bytes = lines.concat();
            }
        }
        // A part of another seed.
        _ => {
            let other = &seeds[c % seeds.len()];
            let from = b % (other.len() + 1);
            let part = &other[from..(from + 200).min(other.len())];
            put(bytes, at, end, part);
        }
    }
}

fn put(bytes: &mut Vec<u8>, from: usize, to: usize, part: &[u8]) {
    bytes.splice(from..to.max(from), part.iter().copied());
}
