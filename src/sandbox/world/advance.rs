//! Time passes: everything that was due happens, at the moment it was due.

use jiff::SignedDuration;

use super::{Instance, World};
use crate::model::{RunState, Timestamp};
use crate::sandbox::boot::BadBoot;

/// How long a terminated instance stays visible (EC2 User Guide: "a short while, usually an hour").
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(1);

impl World {
    /// Lets everything happen that was due by `now`. Twice at the same moment does nothing more; an
    /// earlier moment than the last does nothing.
    pub fn advance(&mut self, now: Timestamp) {
        let ids: Vec<String> = self.instances.keys().cloned().collect();
        for id in ids {
            while let Some(due) = self
                .instances
                .get(&id)
                .and_then(|i| i.due_at)
                .filter(|due| *due <= now)
            {
                self.advance_host(&id, due);
                self.transition(&id, due);
            }
            self.advance_host(&id, now);
        }
        self.advance_reservations(now);
        self.advance_commands(now);
    }

    /// Time passes on a host.
    fn advance_host(&mut self, id: &str, now: Timestamp) {
        if let Some(mut at) = self.host(id, now) {
            at.advance();
        }
    }

    /// The present transition of an instance ends.
    fn transition(&mut self, id: &str, at: Timestamp) {
        let latency = self.latency;
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        instance.due_at = None;
        match instance.state {
            RunState::Pending => match instance.start_will_fail.take() {
                Some(reason) => {
                    instance.fall_back(format!("Server.InternalError ({})", second(at)));
                    instance.state_reason = Some(reason);
                }
                None => {
                    instance.state = RunState::Running;
                    instance.running_since = Some(at);
                    instance.checked_at = Some(at + millis(latency.status_checks));
                    let bad = BadBoot::strike(&mut self.faults, instance.instance_type.as_str());
                    instance.bad_boot = bad;
                    instance.agent_at = (!bad.agent).then(|| at + millis(latency.agent));
                    if let Some(host) = self.hosts.get_mut(id) {
                        host.boot(at);
                        host.bad_boot = bad;
                        host.settle(&mut self.faults);
                    }
                }
            },
            RunState::Stopping => {
                let reason = instance.transition_reason.clone();
                instance.fall_back(reason);
                // The group sees an unhealthy member and replaces it (EC2 Auto Scaling User Guide).
                if instance.is_replaced() {
                    instance.state = RunState::ShuttingDown;
                    instance.due_at = Some(at + millis(latency.stop));
                }
                self.host_off(id, at);
            }
            RunState::ShuttingDown => {
                instance.state = RunState::Terminated;
                instance.public_ip = None;
                instance.elastic_ip = None;
                instance.due_at = Some(at + FORGOTTEN_AFTER);
                self.host_off(id, at);
            }
            RunState::Terminated => {
                self.instances.remove(id);
                self.hosts.remove(id);
            }
            RunState::Running | RunState::Stopped => {}
        }
    }

    /// The power of a host goes off. What its agent was in the middle of will be delivered again.
    pub(super) fn host_off(&mut self, id: &str, at: Timestamp) {
        if let Some(host) = self.hosts.get_mut(id) {
            host.power_off(at);
        }
        self.interrupt_commands(id);
    }
}

impl Instance {
    /// It is `stopped` now: an automatic public address is given back.
    fn fall_back(&mut self, transition_reason: String) {
        self.state = RunState::Stopped;
        self.transition_reason = transition_reason;
        self.running_since = None;
        self.checked_at = None;
        self.agent_at = None;
        self.public_ip = None;
    }
}

/// A latency as a duration.
pub(super) fn millis(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX / 2_000_000))
}

/// As EC2 writes a moment into `StateTransitionReason`: `2026-11-20 10:00:00 GMT`.
pub(super) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S GMT").to_string()
}
