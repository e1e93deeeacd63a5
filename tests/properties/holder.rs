//! What a lock file says: of whom it is, or of nobody.

use geusemaker::model::DeploymentName;
use geusemaker::state::{Holder, LockError};

pub fn holds(input: &[u8]) -> bool {
    let Some(holder) = Holder::parse(input) else {
        return false;
    };
    let again = serde_json::to_vec(&holder).expect("it can be written");
    assert_eq!(Holder::parse(&again).as_ref(), Some(&holder));
    let error = LockError::Held {
        name: DeploymentName::new("web").expect("a name"),
        holder: Some(Box::new(holder)),
    };
    let said = super::said(&error, 3000);
    assert!(said.starts_with("web is locked by "), "{said}");
    true
}
