//! Capacity reservations, in our own nouns.

use crate::model::{
    DeploymentName, InstanceId, InstanceType, OperationId, ReservationId, Timestamp,
};

/// What a reservation is asked for with: one instance, open to any that matches, until a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// The type.
    pub instance_type: InstanceType,
    /// Its zone.
    pub zone: String,
    /// `InstancePlatform`, as the instance's `PlatformDetails` has it: `Linux/UNIX`.
    pub platform: String,
    /// `default` or `dedicated`.
    pub tenancy: String,
    /// When EC2 cancels it by itself, or up to an hour later (EC2 API, `EndDate`).
    pub ends_at: Timestamp,
    /// The same token with the same request is the same reservation; at most 64 characters.
    pub token: String,
    /// Whose it is, as tags.
    pub owner: ReservationOwner,
}

/// Whose a reservation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationOwner {
    /// Tag `geusemaker:deployment`.
    pub deployment: DeploymentName,
    /// Tag `geusemaker:instance`.
    pub instance: InstanceId,
    /// Tag `geusemaker:operation`; None in a question: of any.
    pub operation: Option<OperationId>,
}

impl ReservationOwner {
    /// The tags, in this order.
    pub fn tags(&self) -> Vec<(&'static str, &str)> {
        let operation = self.operation.as_ref();
        [
            ("geusemaker:deployment", self.deployment.as_str()),
            ("geusemaker:instance", self.instance.as_str()),
        ]
        .into_iter()
        .chain(operation.map(|o| ("geusemaker:operation", o.as_str())))
        .collect()
    }
}

/// Which reservations are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichReservations {
    /// Those of this owner that have not ended.
    Of(ReservationOwner),
    /// These, in whatever state. One that EC2 does not know (yet) is left out.
    Ids(Vec<ReservationId>),
}

/// A capacity reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// Its type.
    pub instance_type: InstanceType,
    /// `active`, `pending`, `expired`, `cancelled`, `failed`, … (EC2 API, `CapacityReservation.State`).
    pub state: String,
    /// For how many instances it is.
    pub total: u32,
    /// How many of them no instance uses.
    pub available: u32,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
}

impl Reservation {
    /// Whether it reserves anything now.
    pub fn is_active(&self) -> bool {
        self.state == "active"
    }
}
