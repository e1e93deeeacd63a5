//! Pieces for the tests of this folder.

use jiff::{Timestamp, ToSpan};

use super::container::{Container, Status};
use crate::model::ImageRef;
use crate::sandbox::registry::{Registry, RegistryImage};

/// A moment, in milliseconds after a fixed one.
pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap() + ms.milliseconds()
}

/// An image of the registry.
pub fn image(reference: &str) -> RegistryImage {
    let reference = ImageRef::new(reference).unwrap();
    Registry::default().find(&reference, "amd64").unwrap()
}

/// A container that was not made yet.
pub fn container(name: &str, image: &RegistryImage) -> Container {
    Container {
        id: String::new(),
        name: name.to_owned(),
        made: serde_json::Value::Null,
        labels: std::collections::BTreeMap::new(),
        image: "test".to_owned(),
        image_id: image.id.clone(),
        status: Status::Created,
        exit_code: 0,
        created_at: at(0),
        started_at: None,
        finished_at: None,
        restart_policy: "no".to_owned(),
        restart_max: 0,
        stopped_by_hand: false,
        was_running: false,
        restart_count: 0,
        pid: 0,
        binds: Vec::new(),
        healthcheck: false,
        sick: None,
        held_sick: false,
        sees: None,
    }
}
