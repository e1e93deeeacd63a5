//! EC2's capacity reservations: `open` ones, for the instances that match.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::gate::dry;
use super::{AwsError, Instance, World};
use crate::model::{InstanceType, ReservationId, RunState, Timestamp};
use crate::sandbox::catalog;

/// An ended reservation stays visible for so long (EC2 User Guide: about an hour).
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// A capacity reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityReservation {
    /// `CapacityReservationId`.
    pub id: ReservationId,
    /// `InstanceType`.
    pub instance_type: InstanceType,
    /// `AvailabilityZone`.
    pub zone: String,
    /// `InstancePlatform`.
    pub platform: String,
    /// `Tenancy`.
    pub tenancy: String,
    /// `TotalInstanceCount`.
    pub total: u32,
    /// `EbsOptimized`.
    pub ebs_optimized: bool,
    /// `active`, `cancelled` or `expired`.
    pub state: String,
    /// `EndDate`; None: unlimited.
    pub ends_at: Option<Timestamp>,
    /// `InstanceMatchCriteria`: `open` or `targeted`.
    pub criteria: String,
    /// `CreateDate`.
    pub created_at: Timestamp,
    /// When it was cancelled or expired.
    pub ended_at: Option<Timestamp>,
    /// `ClientToken`.
    pub token: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// `CreateCapacityReservation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateReservation {
    /// `InstanceType`.
    pub instance_type: String,
    /// `AvailabilityZone`.
    pub zone: String,
    /// `InstancePlatform`.
    pub platform: String,
    /// `Tenancy`.
    pub tenancy: String,
    /// `InstanceCount`.
    pub count: u32,
    /// `EbsOptimized`.
    pub ebs_optimized: bool,
    /// `EndDateType` and `EndDate`; None: unlimited.
    pub ends_at: Option<Timestamp>,
    /// `InstanceMatchCriteria`.
    pub criteria: String,
    /// `ClientToken`.
    pub token: Option<String>,
    /// `TagSpecification`.
    pub tags: BTreeMap<String, String>,
}

impl CapacityReservation {
    /// Whether it reserves anything.
    pub fn is_active(&self) -> bool {
        self.state == "active"
    }

    /// Whether this is what was asked for with the same token.
    fn is_of(&self, ask: &CreateReservation) -> bool {
        self.instance_type.as_str() == ask.instance_type
            && self.zone == ask.zone
            && self.platform == ask.platform
            && self.tenancy == ask.tenancy
            && self.total == ask.count
            && self.ebs_optimized == ask.ebs_optimized
            && self.ends_at == ask.ends_at
            && self.criteria == ask.criteria
            && self.tags == ask.tags
    }

    /// Whether an instance may run in it by itself: type, zone, platform and tenancy (EC2 User Guide).
    fn takes(&self, i: &Instance) -> bool {
        self.is_active()
            && self.criteria == "open"
            && i.reservation_preference != "none"
            && i.spot.is_none()
            && i.placement_group.is_none()
            && matches!(i.state, RunState::Pending | RunState::Running)
            && i.instance_type == self.instance_type
            && i.zone == self.zone
            && i.tenancy == self.tenancy
            // Every instance of the sandbox runs Linux.
            && self.platform == "Linux/UNIX"
    }
}

impl World {
    /// `CreateCapacityReservation`. A want of capacity is a fault.
    ///
    /// # Errors
    /// The gate's; `DryRunOperation`; `IdempotentParameterMismatch` for a token that was used for something else;
    /// `InvalidParameterValue`; `Unsupported` where the zone does not offer the type.
    pub fn create_reservation(
        &mut self,
        ask: &CreateReservation,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<CapacityReservation, AwsError> {
        let known = |r: &&CapacityReservation| ask.token.is_some() && r.token == ask.token;
        let made = self.reservations.values().find(known).cloned();
        // What is there already is answered, whether there is any capacity left or not.
        let only_permission = dry_run || made.is_some();
        let call = "ec2:CreateCapacityReservation";
        self.gate(call, &[&ask.instance_type], only_permission)?;
        dry(dry_run)?;
        match made {
            Some(made) if made.is_of(ask) => return Ok(made),
            Some(_) => {
                return Err(AwsError::new(
                    "IdempotentParameterMismatch",
                    "The client token was used with other parameters before.",
                ));
            }
            None => {}
        }
        self.check_reservation(ask, now)?;
        let id = self.next_reservation();
        let made = CapacityReservation {
            id: id.clone(),
            instance_type: InstanceType::new(&ask.instance_type).expect("the catalogue has it"),
            zone: ask.zone.clone(),
            platform: ask.platform.clone(),
            tenancy: ask.tenancy.clone(),
            total: ask.count,
            ebs_optimized: ask.ebs_optimized,
            state: "active".into(),
            ends_at: ask.ends_at,
            criteria: ask.criteria.clone(),
            created_at: now,
            ended_at: None,
            token: ask.token.clone(),
            tags: ask.tags.clone(),
        };
        self.reservations.insert(id.to_string(), made.clone());
        self.match_reservations();
        Ok(made)
    }

    fn check_reservation(&self, ask: &CreateReservation, now: Timestamp) -> Result<(), AwsError> {
        let invalid = |name: &str, value: &str| {
            Err(AwsError::new(
                "InvalidParameterValue",
                format!("Value ({value}) for parameter {name} is invalid."),
            ))
        };
        let Some(row) = catalog::find(&ask.instance_type) else {
            return invalid("instanceType", &ask.instance_type);
        };
        if !self.zones.contains(&ask.zone) {
            return invalid("availabilityZone", &ask.zone);
        }
        if !["default", "dedicated"].contains(&ask.tenancy.as_str()) {
            return invalid("tenancy", &ask.tenancy);
        }
        if !["open", "targeted"].contains(&ask.criteria.as_str()) {
            return invalid("instanceMatchCriteria", &ask.criteria);
        }
        if ask.count == 0 || ask.count > 1000 {
            return invalid("instanceCount", &ask.count.to_string());
        }
        if ask.ends_at.is_some_and(|at| at <= now) {
            return invalid("endDate", "a time in the past");
        }
        if !row.offered_in(&ask.zone) {
            return Err(AwsError::new(
                "Unsupported",
                format!(
                    "The requested configuration is currently not supported: {} in {}.",
                    ask.instance_type, ask.zone
                ),
            ));
        }
        Ok(())
    }

    /// `CancelCapacityReservation`. Instances in it run on.
    ///
    /// # Errors
    /// The gate's; `InvalidCapacityReservationId.Malformed` and `.NotFound`; `IncorrectState` for one that has ended;
    /// `DryRunOperation`.
    pub fn cancel_reservation(
        &mut self,
        id: &str,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let kind = self.reservations.get(id).map(|r| r.instance_type.clone());
        let kinds: Vec<&str> = kind.iter().map(InstanceType::as_str).collect();
        self.gate("ec2:CancelCapacityReservation", &kinds, dry_run)?;
        self.check_reservation_ids(&[id])?;
        dry(dry_run)?;
        let one = self.reservations.get_mut(id).expect("its id was checked");
        if !one.is_active() {
            return Err(AwsError::new(
                "IncorrectState",
                format!("The capacity reservation '{id}' is {}.", one.state),
            ));
        }
        one.state = "cancelled".into();
        one.ended_at = Some(now);
        self.match_reservations();
        Ok(())
    }

    /// Whether all of these are reservations.
    ///
    /// # Errors
    /// `InvalidCapacityReservationId.Malformed`, `InvalidCapacityReservationId.NotFound`.
    pub fn check_reservation_ids(&self, ids: &[&str]) -> Result<(), AwsError> {
        let code = |kind: &str| format!("InvalidCapacityReservationId.{kind}");
        for id in ids {
            if ReservationId::new(*id).is_err() {
                let message = format!("Invalid id: \"{id}\"");
                return Err(AwsError::new(code("Malformed"), message));
            }
            if !self.reservations.contains_key(*id) {
                let message = format!("The capacity reservation '{id}' does not exist");
                return Err(AwsError::new(code("NotFound"), message));
            }
        }
        Ok(())
    }

    /// `AvailableInstanceCount`.
    pub fn available(&self, one: &CapacityReservation) -> u32 {
        if !one.is_active() {
            return 0;
        }
        let all = self.instances.values();
        let used = all.filter(|i| i.reservation.as_deref() == Some(one.id.as_str()));
        one.total
            .saturating_sub(u32::try_from(used.count()).unwrap_or(u32::MAX))
    }

    /// Time passes: what has come to its end is `expired`, and what ended long ago is forgotten.
    pub(super) fn advance_reservations(&mut self, now: Timestamp) {
        if self.reservations.is_empty() {
            return;
        }
        for one in self.reservations.values_mut() {
            if let Some(end) = one.ends_at.filter(|end| one.is_active() && *end <= now) {
                one.state = "expired".into();
                one.ended_at = Some(end);
            }
        }
        let forgotten = |r: &CapacityReservation| {
            r.ended_at
                .is_some_and(|at| now.duration_since(at) >= FORGOTTEN_AFTER)
        };
        self.reservations.retain(|_, r| !forgotten(r));
        self.match_reservations();
    }

    /// Instances leave what they do not match any more; what is free is taken by those that match and are in none.
    pub(super) fn match_reservations(&mut self) {
        for instance in self.instances.values_mut() {
            let held = instance.reservation.as_ref();
            let held = held.and_then(|id| self.reservations.get(id));
            if !held.is_some_and(|r| r.takes(instance)) {
                instance.reservation = None;
            }
        }
        // Each call to the sandbox comes by here: what is not active is passed by, and nothing is cloned.
        for one in self.reservations.values().filter(|r| r.is_active()) {
            for _ in 0..self.available(one) {
                let mut all = self.instances.values_mut();
                match all.find(|i| i.reservation.is_none() && one.takes(i)) {
                    Some(instance) => instance.reservation = Some(one.id.to_string()),
                    None => break,
                }
            }
        }
    }

    fn next_reservation(&mut self) -> ReservationId {
        self.reserved += 1;
        let id = format!("cr-0{:08x}{:08x}", 0x5a11_c0de_u32, self.reserved);
        ReservationId::new(id).expect("17 hexadecimal digits")
    }
}
