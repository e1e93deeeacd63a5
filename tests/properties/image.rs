//! An image reference: what was typed stays what was typed, and is a word that neither Docker nor a shell takes for anything else.

use geusemaker::model::{ImageRef, hint};
use geusemaker::report::is_unsafe;

/// Longer than Docker's default registry and namespace, which the normal form adds.
const ADDED: usize = "docker.io/library/".len() + ":latest".len();

pub fn holds(input: &[u8]) -> bool {
    let typed = String::from_utf8_lossy(input);
    let reference = match ImageRef::new(typed.clone()) {
        Ok(reference) => reference,
        Err(bad) => {
            // Shown to whoever typed it, escaped and cut, at the place where it is made.
            let said = super::said(&bad, 1000);
            assert!(!said.chars().any(is_unsafe), "{said:?}");
            let current = ImageRef::new("n8nio/n8n:1.19.4").expect("one");
            let _ = hint(&current, &typed);
            return false;
        }
    };
    assert_eq!(reference.to_string(), typed);
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@+[]".contains(&b);
    assert!(typed.bytes().all(harmless), "{typed:?}");
    assert!(!typed.starts_with('-'), "{typed:?}");
    assert!(typed.starts_with(reference.name()));
    let json = serde_json::to_string(&reference).expect("a string");
    assert_eq!(
        serde_json::from_str::<ImageRef>(&json).ok().as_ref(),
        Some(&reference)
    );
    let normalized = reference.normalized();
    assert!(normalized.len() <= typed.len() + ADDED);
    if normalized.len() <= 1024 {
        let again = ImageRef::new(normalized.clone()).expect("the normal form is a reference");
        assert_eq!(again.normalized(), normalized);
        assert!(again.same_repository(&reference));
        assert_eq!(
            (again.tag(), again.digest()),
            (reference.tag(), reference.digest())
        );
    }
    true
}
