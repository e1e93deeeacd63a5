//! A length of time, as people write it.

/// The longest that is taken: one day.
const MAX_MS: u64 = 24 * 60 * 60 * 1000;

/// A duration in milliseconds, zero allowed: `500ms`, `10s`, `5m`, `1m30s`, `1h`.
///
/// # Errors
/// What a duration looks like.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    const EXPECTED: &str = "not a duration: like 10s, 5m or 1m30s, at most 24h";
    // Largest first; each unit at most once and in this order.
    let mut units = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)].iter();
    let (mut rest, mut total) = (text, 0u64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, tail) = tail.split_at(letters);
        let factor = units
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor)
            .ok_or(EXPECTED)?;
        let part = number.parse::<u64>().map_err(|_| EXPECTED)?;
        total = part
            .checked_mul(factor)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= MAX_MS)
            .ok_or(EXPECTED)?;
        rest = tail;
    }
    if text.is_empty() {
        return Err(EXPECTED.into());
    }
    Ok(total)
}
