//! EC2's calls that change something.

use std::collections::BTreeMap;

use super::advance::{millis, second};
use super::{AwsError, Instance, Spot, StateReason, World};
use crate::model::{InstanceId, InstanceType, RunState, Timestamp};
use crate::sandbox::boot::BadBoot;
use crate::sandbox::catalog::{self, Row};

/// What a change of state answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// The instance.
    pub id: InstanceId,
    /// Its state before.
    pub previous: RunState,
    /// Its state now.
    pub current: RunState,
}

/// What `ModifyInstanceAttribute` can set here; one a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// `instanceType`; only while stopped.
    InstanceType(String),
    /// `disableApiStop`.
    StopProtection(bool),
    /// `disableApiTermination`.
    TerminationProtection(bool),
    /// `ebsOptimized`; only while stopped.
    EbsOptimized(bool),
    /// `enaSupport`; only while stopped.
    EnaSupport(bool),
    /// `userData`, in base64; only while stopped.
    UserData(String),
}

impl World {
    /// An instance by its id.
    ///
    /// # Errors
    /// `InvalidInstanceID.Malformed`, `InvalidInstanceID.NotFound`.
    pub fn instance(&self, id: &str) -> Result<&Instance, AwsError> {
        self.check_ids(&[id])?;
        Ok(&self.instances[id])
    }

    /// Whether all of these are instances.
    ///
    /// # Errors
    /// `InvalidInstanceID.Malformed`, `InvalidInstanceID.NotFound`.
    pub fn check_ids(&self, ids: &[&str]) -> Result<(), AwsError> {
        if let Some(bad) = ids.iter().find(|id| InstanceId::new(**id).is_err()) {
            return Err(AwsError::new(
                "InvalidInstanceID.Malformed",
                format!("Invalid id: \"{bad}\""),
            ));
        }
        let missing: Vec<&str> = ids
            .iter()
            .copied()
            .filter(|id| !self.instances.contains_key(*id))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(AwsError::instance_not_found(&missing))
        }
    }

    /// `StartInstances` of one. Fine on one that runs or is being started.
    ///
    /// # Errors
    /// `IncorrectInstanceState` while stopping or terminated; `Unsupported` and
    /// `InvalidParameterCombination` where the instance cannot run as this type.
    pub fn start(&mut self, id: &str, now: Timestamp) -> Result<StateChange, AwsError> {
        let instance = self.instance(id)?;
        let previous = instance.state;
        match previous {
            RunState::Running | RunState::Pending => {}
            RunState::Stopped => {
                instance.can_start()?;
                let address = instance.elastic_ip.is_none().then(|| self.next_address());
                let due = now + millis(self.latency.start);
                let instance = self.instance_mut(id);
                instance.state = RunState::Pending;
                instance.due_at = Some(due);
                instance.state_reason = None;
                instance.transition_reason = String::new();
                instance.launched_at = now;
                instance.public_ip = address;
            }
            _ => {
                return Err(AwsError::state(format!(
                    "The instance '{id}' is not in a state from which it can be started."
                )));
            }
        }
        Ok(self.change(id, previous))
    }

    /// `StartInstances` that is accepted and then falls back to `stopped`, with this reason.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn start_in_vain(
        &mut self,
        id: &str,
        reason: StateReason,
        now: Timestamp,
    ) -> Result<StateChange, AwsError> {
        let change = self.start(id, now)?;
        if change.previous == RunState::Stopped {
            self.instance_mut(id).start_will_fail = Some(reason);
        }
        Ok(change)
    }

    /// `StopInstances` of one. Fine on one that is stopped or being stopped; with `force` one that hangs in
    /// `stopping` gets on.
    ///
    /// # Errors
    /// `OperationNotPermitted` under stop protection; `UnsupportedOperation` for one-time Spot and
    /// instance-store roots; `IncorrectInstanceState` while pending or terminated.
    pub fn stop(&mut self, id: &str, force: bool, now: Timestamp) -> Result<StateChange, AwsError> {
        let instance = self.instance(id)?;
        let previous = instance.state;
        match previous {
            RunState::Stopped => {}
            RunState::Running | RunState::Stopping => {
                instance.can_stop()?;
                let due = now + millis(self.latency.stop);
                let reason = StateReason {
                    code: "Client.UserInitiatedShutdown".into(),
                    message: "Client.UserInitiatedShutdown: User initiated shutdown".into(),
                };
                let instance = self.instance_mut(id);
                if previous == RunState::Running {
                    instance.last_ping = instance.last_ping(now);
                    instance.agent_at = None;
                    instance.checked_at = None;
                    instance.state = RunState::Stopping;
                    instance.transition_reason = format!("User initiated ({})", second(now));
                    instance.state_reason = Some(reason);
                    let hangs = instance.ignores_shutdown;
                    instance.due_at = (force || !hangs).then_some(due);
                    if let (false, Some(host)) = (hangs, self.hosts.get_mut(id)) {
                        host.shut_down(now);
                    }
                } else if force && instance.due_at.is_none() {
                    instance.due_at = Some(due);
                }
            }
            _ => {
                return Err(AwsError::state(format!(
                    "The instance '{id}' is not in a state from which it can be stopped."
                )));
            }
        }
        Ok(self.change(id, previous))
    }

    /// `RebootInstances` of one: addresses, type and state stay; the host boots.
    ///
    /// # Errors
    /// `IncorrectInstanceState` unless it runs.
    pub fn reboot(&mut self, id: &str, now: Timestamp) -> Result<(), AwsError> {
        if self.instance(id)?.state != RunState::Running {
            return Err(AwsError::state(format!(
                "The instance '{id}' is not in a state from which it can be rebooted."
            )));
        }
        let latency = self.latency;
        let kind = self.instance(id)?.instance_type.clone();
        let bad = BadBoot::strike(&mut self.faults, kind.as_str());
        let instance = self.instance_mut(id);
        instance.last_ping = instance.last_ping(now);
        instance.bad_boot = bad;
        instance.agent_at = (!bad.agent).then(|| now + millis(latency.agent));
        self.host_off(id, now);
        if let Some(host) = self.hosts.get_mut(id) {
            host.boot(now);
            host.bad_boot = bad;
            host.settle(&mut self.faults);
        }
        Ok(())
    }

    /// `TerminateInstances` of one. Fine on one that is terminated.
    ///
    /// # Errors
    /// `OperationNotPermitted` under termination protection.
    pub fn terminate(&mut self, id: &str, now: Timestamp) -> Result<StateChange, AwsError> {
        let instance = self.instance(id)?;
        let previous = instance.state;
        if instance.termination_protection && !previous.is_going() {
            return Err(AwsError::new(
                "OperationNotPermitted",
                format!(
                    "The instance '{id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."
                ),
            ));
        }
        if !previous.is_going() {
            let due = now + millis(self.latency.stop);
            let instance = self.instance_mut(id);
            instance.last_ping = instance.last_ping(now);
            instance.agent_at = None;
            instance.checked_at = None;
            instance.state = RunState::ShuttingDown;
            instance.transition_reason = format!("User initiated ({})", second(now));
            instance.state_reason = Some(StateReason {
                code: "Client.UserInitiatedShutdown".into(),
                message: "Client.UserInitiatedShutdown: User initiated shutdown".into(),
            });
            instance.due_at = Some(due);
        }
        Ok(self.change(id, previous))
    }

    /// `ModifyInstanceAttribute`.
    ///
    /// # Errors
    /// `IncorrectInstanceState` for what can be set only while stopped;
    /// `InvalidInstanceAttributeValue` for a type that does not exist or cannot carry this instance;
    /// `UnsupportedOperation` for a new type with hibernation; `OperationNotPermitted` for an
    /// operator-managed instance.
    pub fn modify(&mut self, id: &str, attribute: &Attribute) -> Result<(), AwsError> {
        let instance = self.instance(id)?;
        if let Some(operator) = &instance.operator {
            return Err(AwsError::new(
                "OperationNotPermitted",
                format!("The instance '{id}' is managed by '{operator}' and cannot be modified."),
            ));
        }
        if !matches!(
            attribute,
            Attribute::StopProtection(_) | Attribute::TerminationProtection(_)
        ) && instance.state != RunState::Stopped
        {
            return Err(AwsError::state(format!(
                "The instance '{id}' is not in the 'stopped' state."
            )));
        }
        match attribute {
            Attribute::InstanceType(to) => {
                instance.can_become(to)?;
                let to = InstanceType::new(to.as_str()).expect("the catalogue has it");
                self.instance_mut(id).instance_type = to;
            }
            Attribute::StopProtection(on) => self.instance_mut(id).stop_protection = *on,
            Attribute::TerminationProtection(on) => {
                self.instance_mut(id).termination_protection = *on;
            }
            Attribute::EbsOptimized(on) => self.instance_mut(id).ebs_optimized = *on,
            Attribute::EnaSupport(on) => self.instance_mut(id).ena_support = *on,
            Attribute::UserData(data) => self.instance_mut(id).user_data = Some(data.clone()),
        }
        Ok(())
    }

    /// The tags of an instance, a volume or a capacity reservation.
    ///
    /// # Errors
    /// `InvalidInstanceID.NotFound`, `InvalidCapacityReservationId.NotFound`, `InvalidVolume.NotFound`, `InvalidID`.
    pub fn tags_mut(&mut self, resource: &str) -> Result<&mut BTreeMap<String, String>, AwsError> {
        let code = match resource.split('-').next() {
            Some("i") => {
                self.check_ids(&[resource])?;
                return Ok(&mut self.instance_mut(resource).tags);
            }
            Some("cr") => {
                self.check_reservation_ids(&[resource])?;
                let one = self.reservations.get_mut(resource);
                return Ok(&mut one.expect("its id was checked").tags);
            }
            Some("vol") => "InvalidVolume.NotFound",
            _ => "InvalidID",
        };
        self.instances
            .values_mut()
            .flat_map(|i| i.volumes.iter_mut())
            .find(|volume| volume.id == resource)
            .map(|volume| &mut volume.tags)
            .ok_or_else(|| AwsError::new(code, format!("The ID '{resource}' is not valid")))
    }

    fn instance_mut(&mut self, id: &str) -> &mut Instance {
        self.instances.get_mut(id).expect("its id was checked")
    }

    fn change(&self, id: &str, previous: RunState) -> StateChange {
        let instance = &self.instances[id];
        StateChange {
            id: instance.id.clone(),
            previous,
            current: instance.state,
        }
    }
}

impl RunState {
    /// Whether it is on its way out, or gone.
    fn is_going(self) -> bool {
        matches!(self, RunState::ShuttingDown | RunState::Terminated)
    }
}

impl Instance {
    fn can_stop(&self) -> Result<(), AwsError> {
        let id = &self.id;
        if self.stop_protection {
            return Err(AwsError::new(
                "OperationNotPermitted",
                format!(
                    "The instance '{id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again."
                ),
            ));
        }
        if self.root_device_type != "ebs" {
            return Err(AwsError::new(
                "UnsupportedOperation",
                format!(
                    "The instance '{id}' does not have an 'ebs' root device type and cannot be stopped."
                ),
            ));
        }
        if self.spot == Some(Spot::OneTime) {
            return Err(AwsError::new(
                "UnsupportedOperation",
                format!(
                    "You can't stop the Spot Instance '{id}' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests."
                ),
            ));
        }
        Ok(())
    }

    /// What EC2 sees when the type is set: the image's architecture and virtualization.
    fn can_become(&self, to: &str) -> Result<(), AwsError> {
        let bad = |why: String| Err(AwsError::new("InvalidInstanceAttributeValue", why));
        let Some(row) = catalog::find(to) else {
            return bad(format!("Invalid value '{to}' for InstanceType."));
        };
        if self.hibernation && self.instance_type.as_str() != to {
            return Err(AwsError::new(
                "UnsupportedOperation",
                format!(
                    "The instance type of '{}' cannot be changed because it is enabled for hibernation.",
                    self.id
                ),
            ));
        }
        if !Row::has(row.architectures, &self.architecture) {
            return bad(format!(
                "The architecture '{}' of the instance '{}' is not supported by the instance type '{to}' ({}).",
                self.architecture, self.id, row.architectures
            ));
        }
        if !Row::has(row.virtualization, &self.virtualization) {
            return bad(format!(
                "The virtualization type '{}' of the instance '{}' is not supported by the instance type '{to}' ({}).",
                self.virtualization, self.id, row.virtualization
            ));
        }
        Ok(())
    }

    /// What EC2 sees only at the start.
    fn can_start(&self) -> Result<(), AwsError> {
        let kind = &self.instance_type;
        let Some(row) = catalog::find(kind.as_str()) else {
            return Err(AwsError::new(
                "InvalidParameterValue",
                format!("Invalid value '{kind}' for InstanceType."),
            ));
        };
        let unsupported = |why: String| Err(AwsError::new("Unsupported", why));
        let combination = |why: String| Err(AwsError::new("InvalidParameterCombination", why));
        if self.ebs_optimized && row.ebs_optimized == "unsupported" {
            return unsupported("EBS-optimized instances are not supported for your requested configuration. Please check the documentation for supported configurations.".into());
        }
        if !row.offered_in(&self.zone) {
            return unsupported(format!(
                "Your requested instance type ({kind}) is not supported in your requested Availability Zone ({}).",
                self.zone
            ));
        }
        if row.ena == "required" && !self.ena_support {
            return combination(format!(
                "Enhanced networking with the Elastic Network Adapter (ENA) is required for the '{kind}' instance type. Ensure that your instance '{}' is enabled for ENA.",
                self.id
            ));
        }
        if !Row::has(row.boot_modes, &self.boot_mode) {
            return combination(format!(
                "The instance type '{kind}' does not support the boot mode '{}' of the instance '{}'.",
                self.boot_mode, self.id
            ));
        }
        if self.interfaces.len() > row.max_interfaces as usize {
            return Err(AwsError::new(
                "AttachmentLimitExceeded",
                format!(
                    "The instance type '{kind}' takes at most {} network interfaces; '{}' has {}.",
                    row.max_interfaces,
                    self.id,
                    self.interfaces.len()
                ),
            ));
        }
        if self.interfaces.iter().any(|i| i.card >= row.max_cards) {
            return combination(format!(
                "The instance type '{kind}' has {} network cards; an interface of '{}' is attached to a further one.",
                row.max_cards, self.id
            ));
        }
        let further = if row.attachment_limit == "shared" {
            self.interfaces.len().saturating_sub(1)
        } else {
            0
        };
        if self.volumes.len() + further > row.max_volumes as usize {
            return Err(AwsError::new(
                "AttachmentLimitExceeded",
                format!(
                    "The instance type '{kind}' takes at most {} attachments.",
                    row.max_volumes
                ),
            ));
        }
        if let Some((group, strategy)) = &self.placement_group
            && !Row::has(row.placement, strategy)
        {
            return combination(format!(
                "The instance type '{kind}' cannot be in the {strategy} placement group '{group}'."
            ));
        }
        Ok(())
    }
}
