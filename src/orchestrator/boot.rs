//! Why a boot did not come up: what it wrote to its console, for the person who is there.

use super::perform::Performer;
use crate::instance::console_tail;
use crate::journal::{Failure, FailureClass};
use crate::model::InstanceId;

impl Performer<'_> {
    /// The failure with the end of the console output, in the operation's log as well. Like what a container prints
    /// it may hold anything, and is in no journal. It cannot fail: it is evidence, and not what went wrong.
    pub(super) async fn with_console(&self, on: &InstanceId, failure: Failure) -> Failure {
        let boots = matches!(
            failure.code.as_str(),
            "host_not_back" | "status_check_impaired"
        );
        if !boots || failure.class == FailureClass::Pauses {
            return failure;
        }
        let logs = match self.world.ec2.console(on).await {
            Ok(Some(text)) => console_tail(&text),
            Ok(None) => vec!["EC2 has no output of it yet".to_owned()],
            Err(error) => vec![format!("it could not be read: {error}")],
        };
        for line in &logs {
            tracing::info!("console of {on}: {line}");
        }
        Failure {
            logs: logs
                .iter()
                .map(|line| format!("console of {on}: {line}"))
                .collect(),
            ..failure
        }
    }
}
