//! Ids of operations and snapshots.

use crate::model::Timestamp;

/// An id that is short, sorts by its second, and is told apart within one by `random`:
/// `20261120-100730-1a2b`.
pub fn new_id(now: Timestamp, random: u16) -> String {
    format!("{}-{random:04x}", now.strftime("%Y%m%d-%H%M%S"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{OperationId, SnapshotId};

    #[test]
    fn an_id_sorts_by_time_and_is_a_valid_name() {
        let at = |t: &str| t.parse::<Timestamp>().unwrap();
        let first = new_id(at("2026-11-20T10:07:30.999Z"), 0x1a2b);
        assert_eq!(first, "20261120-100730-1a2b");
        let second = new_id(at("2026-11-20T10:07:31Z"), 0x0001);
        assert_eq!(second, "20261120-100731-0001");
        assert!(first < second);
        assert!(OperationId::new(first).is_ok());
        assert!(SnapshotId::new(second).is_ok());
    }
}
