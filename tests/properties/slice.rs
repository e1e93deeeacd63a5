//! What a script printed: a document that its last line proves, or garbled.

use geusemaker::host::scripts::Verb;
use geusemaker::host::{Gather, Next, parse_slice};
use geusemaker::model::sha256_hex;

pub fn holds(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let slice = match parse_slice(Verb::Look, &text) {
        Ok(slice) => slice,
        Err(error) => {
            super::said(&error, 3000);
            return false;
        }
    };
    assert!(text.contains(&slice.text));
    assert!(slice.offset + slice.text.len() <= slice.total);
    let mut gather = Gather::default();
    // The same slice again and again comes to an end.
    for _ in 0..20 {
        match gather.take(Verb::Look, slice.clone()) {
            Ok(Next::Ask(at)) => assert!(at <= slice.total),
            Ok(Next::Whole(whole)) => {
                assert_eq!(sha256_hex(whole.as_bytes()), slice.sha256);
                assert_eq!(whole.len(), slice.total);
                break;
            }
            Err(error) => {
                super::said(&error, 3000);
                break;
            }
        }
    }
    true
}
