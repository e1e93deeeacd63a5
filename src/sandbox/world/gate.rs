//! The gate that every call passes first: faults, then `DryRun`.

use super::{Attribute, AwsError, StateChange, StateReason, World};
use crate::model::Timestamp;

impl World {
    /// Lets a fault strike this call, once for each type in question: the type in the request, else
    /// those of the instances named. Call it before the call is looked at any further.
    ///
    /// # Errors
    /// The fault's code. A fault leaves a dry run alone unless its code is one of authorization.
    pub fn gate(&mut self, call: &str, types: &[&str], dry_run: bool) -> Result<(), AwsError> {
        let meets = |code: &str| !dry_run || AwsError::is_authorization(code);
        let kinds = if types.is_empty() {
            vec![None]
        } else {
            types.iter().map(|t| Some(*t)).collect()
        };
        for kind in kinds {
            // EFS has two names: IAM's, and the one that people type.
            let short = call.replace("elasticfilesystem:", "efs:");
            let struck = self.faults.strike_if(call, kind, meets);
            if let Some(code) = struck.or_else(|| self.faults.strike_if(&short, kind, meets)) {
                return Err(AwsError::of_fault(call, &code, kind));
            }
        }
        Ok(())
    }
}

/// A change of several instances at once, as one call.
type Change<'a> = &'a dyn Fn(&mut World, &str) -> Result<StateChange, AwsError>;

impl World {
    /// `StartInstances`. A fault whose code begins with `Server.` or `Client.` lets the start be accepted
    /// and fall back to `stopped`, with that code as `StateReason`.
    ///
    /// # Errors
    /// Those of the gate and of [`start`](Self::start); none is started then. `DryRunOperation`.
    pub fn start_instances(
        &mut self,
        ids: &[&str],
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Vec<StateChange>, AwsError> {
        let mut in_vain = None;
        match self.gate_ids("ec2:StartInstances", ids, dry_run) {
            Err(e) if e.code.starts_with("Server.") || e.code.starts_with("Client.") => {
                in_vain = Some(StateReason {
                    message: format!("{}: {}", e.code, e.message),
                    code: e.code,
                });
            }
            other => other?,
        }
        let changes = self.together(ids, &|world, id| match &in_vain {
            Some(reason) => world.start_in_vain(id, reason.clone(), now),
            None => world.start(id, now),
        })?;
        self.match_reservations();
        Ok(changes)
    }

    /// `StopInstances`.
    ///
    /// # Errors
    /// Those of the gate and of [`stop`](Self::stop); none is stopped then. `DryRunOperation`.
    pub fn stop_instances(
        &mut self,
        ids: &[&str],
        force: bool,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Vec<StateChange>, AwsError> {
        self.gate_ids("ec2:StopInstances", ids, dry_run)?;
        self.together(ids, &|world, id| world.stop(id, force, now))
    }

    /// `TerminateInstances`.
    ///
    /// # Errors
    /// Those of the gate and of [`terminate`](Self::terminate); none goes then. `DryRunOperation`.
    pub fn terminate_instances(
        &mut self,
        ids: &[&str],
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Vec<StateChange>, AwsError> {
        self.gate_ids("ec2:TerminateInstances", ids, dry_run)?;
        self.together(ids, &|world, id| world.terminate(id, now))
    }

    /// `RebootInstances`.
    ///
    /// # Errors
    /// Those of the gate and of [`reboot`](Self::reboot). `DryRunOperation`.
    pub fn reboot_instances(
        &mut self,
        ids: &[&str],
        dry_run: bool,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        self.gate_ids("ec2:RebootInstances", ids, dry_run)?;
        ids.iter().try_for_each(|id| self.reboot(id, now))
    }

    /// `ModifyInstanceAttribute`. The type in the request is the one that a fault goes by.
    ///
    /// # Errors
    /// Those of the gate and of [`modify`](Self::modify). `DryRunOperation`.
    pub fn modify_instance(
        &mut self,
        id: &str,
        attribute: &Attribute,
        dry_run: bool,
    ) -> Result<(), AwsError> {
        let call = "ec2:ModifyInstanceAttribute";
        match attribute {
            Attribute::InstanceType(to) => {
                self.gate(call, &[to], dry_run)?;
                self.check_ids(&[id])?;
                dry(dry_run)?;
            }
            _ => self.gate_ids(call, &[id], dry_run)?,
        }
        self.modify(id, attribute)
    }

    /// The gate for a call that names instances: faults by their types, ids, then `DryRun`.
    ///
    /// # Errors
    /// The fault's code; `InvalidInstanceID.*`; `DryRunOperation`.
    pub fn gate_ids(&mut self, call: &str, ids: &[&str], dry_run: bool) -> Result<(), AwsError> {
        let kinds: Vec<String> = ids
            .iter()
            .filter_map(|id| self.instances.get(*id))
            .map(|i| i.instance_type.to_string())
            .collect();
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        self.gate(call, &kinds, dry_run)?;
        self.check_ids(ids)?;
        dry(dry_run)
    }

    fn together(&mut self, ids: &[&str], change: Change<'_>) -> Result<Vec<StateChange>, AwsError> {
        let before = self.instances.clone();
        let all: Result<Vec<_>, _> = ids.iter().map(|id| change(self, id)).collect();
        if all.is_err() {
            self.instances = before;
        }
        all
    }
}

/// The end of a dry run.
///
/// # Errors
/// `DryRunOperation` if this is one: it would have been permitted.
pub fn dry(dry_run: bool) -> Result<(), AwsError> {
    if dry_run {
        return Err(AwsError::new(
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        ));
    }
    Ok(())
}
