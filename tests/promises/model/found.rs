//! What the sequences have found, each by name.
