//! The world that an operation acts on: the ports, and how patient it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::hold::Guard;
use super::interrupt::Interrupt;
use crate::cloud::{Clock, Credentials, Ec2, Efs, Parameters};
use crate::host::{Host, Shell};
use crate::instance::Settings;
use crate::model::GateSettings;
use crate::plan::Pace;
use crate::report::Listener;

/// Everything that the shell acts through.
#[derive(Clone)]
pub struct World {
    /// EC2.
    pub ec2: Arc<dyn Ec2>,
    /// EFS.
    pub efs: Arc<dyn Efs>,
    /// Parameter Store, for the lease.
    pub parameters: Arc<dyn Parameters>,
    /// Whether whoever acts may still do so; [`super::Unguarded`] until a lock is taken.
    pub guard: Arc<dyn Guard>,
    /// The hosts.
    pub host: Arc<dyn Host>,
    /// The hosts, for a person's commands.
    pub shell: Arc<dyn Shell>,
    /// With what it is asked.
    pub credentials: Arc<dyn Credentials>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who hears of what happens.
    pub listener: Arc<dyn Listener>,
    /// The folder with the deployments.
    pub state_dir: PathBuf,
    /// How patient it is.
    pub limits: Limits,
    /// How long things take here, for estimates.
    pub pace: Pace,
    /// Who acts: the user and the machine, for the lock.
    pub owner: (String, String),
    /// `--health-timeout` and `--stable-for` where they are not given.
    pub default_gate: GateSettings,
    /// The wish to stop, and where the operation stands ([`crate::journal::heed`] is the rule).
    pub interrupted: Arc<Interrupt>,
    /// Where random bits for ids come from.
    pub random: Arc<dyn Fn() -> u16 + Send + Sync>,
}

/// How long the shell waits, and how often it looks. Every limit ends in a named failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Between two looks at the cloud; the first pause between two looks at a host.
    pub poll: Duration,
    /// While a step waits for its host, the pauses double up to this one: a look there is a script with some dozens of
    /// programs, on the machine that is to do the work.
    pub poll_host: Duration,
    /// Until an instance is `stopped`, force included.
    pub stop: Duration,
    /// Until a stop is repeated with force.
    pub force_after: Duration,
    /// Until an instance is `running`.
    pub start: Duration,
    /// How long an undo tries a start again that EC2 has no capacity for.
    pub start_again: Duration,
    /// How long a call that is throttled, fails inside AWS or does not reach it is tried again.
    pub retry: Duration,
    /// Until the type reads back.
    pub set_type: Duration,
    /// Until a script comes back after a start, mounts included.
    pub host: Duration,
    /// How long a host that should answer may be silent.
    pub answer: Duration,
    /// How long a pull may show no sign of progress: goes before what the plan says.
    pub progress: Option<Duration>,
    /// How long the work that stops containers may show no sign of progress.
    pub quiesce: Duration,
    /// How long the work that starts containers may show no sign of progress.
    pub apply: Duration,
    /// Until no status check is `impaired`.
    pub checks: Duration,
    /// Each probe of the file system, on the host.
    pub mount_probe: Duration,
    /// Once the heartbeat of the lease stood still for so long, it has run out.
    pub lease: Duration,
    /// How long an armed host waits for a silent controller before it judges by itself. Longer than any
    /// silence of a controller that lives: it looks or polls every few seconds.
    pub restore: Duration,
}

impl Limits {
    /// The part that the instance service is told.
    pub fn instance(&self) -> Settings {
        Settings {
            poll: self.poll,
            force_after: self.force_after,
            stop_limit: self.stop.saturating_sub(self.force_after),
            start_limit: self.start,
            type_limit: self.set_type,
            retry_limit: self.retry,
            unreachable_limit: self.retry,
            ..Settings::default()
        }
    }

    /// The same for an undo: there is no other way left but to start the instance as it was.
    pub fn instance_undo(&self) -> Settings {
        Settings {
            start_patience: self.start_again,
            ..self.instance()
        }
    }

    /// For AWS.
    pub const AWS: Self = Self {
        poll: Duration::from_secs(1),
        poll_host: Duration::from_secs(1),
        stop: Duration::from_secs(15 * 60),
        force_after: Duration::from_secs(10 * 60),
        start: Duration::from_secs(5 * 60),
        start_again: Duration::from_secs(10 * 60),
        retry: Duration::from_secs(2 * 60),
        set_type: Duration::from_secs(60),
        host: Duration::from_secs(10 * 60),
        answer: Duration::from_secs(90),
        progress: None,
        quiesce: Duration::from_secs(5 * 60),
        apply: Duration::from_secs(10 * 60),
        checks: Duration::from_secs(5 * 60),
        mount_probe: Duration::from_secs(8),
        lease: Duration::from_secs(15),
        restore: Duration::from_secs(10 * 60),
    };

    /// For the sandbox while its latencies are `fast`: looks more often, waits as long, and gives up sooner
    /// what a fault was asked to break.
    pub const FAST: Self = Self {
        poll: Duration::from_millis(20),
        poll_host: Duration::from_millis(160),
        mount_probe: Duration::from_secs(2),
        lease: Duration::from_secs(2),
        answer: Duration::from_secs(10),
        start_again: Duration::from_secs(1),
        retry: Duration::from_secs(5),
        ..Self::AWS
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_undo_tries_a_start_again_for_long() {
        for (limits, again) in [(Limits::AWS, 600), (Limits::FAST, 1)] {
            let (forward, undo) = (limits.instance(), limits.instance_undo());
            assert_eq!(forward.start_patience, Duration::ZERO);
            assert_eq!(undo.start_patience, Duration::from_secs(again));
            let start_patience = Duration::ZERO;
            assert_eq!(
                Settings {
                    start_patience,
                    ..undo
                },
                forward
            );
        }
        let settings = Limits::AWS.instance();
        assert_eq!(settings.retry_limit, Duration::from_secs(120));
        assert_eq!(settings.unreachable_limit, Duration::from_secs(120));
    }
}
