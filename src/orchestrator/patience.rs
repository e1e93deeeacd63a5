//! What passes by itself: waited out for a while, instead of being taken for a failure.

use crate::cloud::CloudErrorKind;
use crate::host::HostError;

/// What a script that somebody else ended is reported with: SIGKILL (the host is out of memory, the agent went away) and
/// SIGTERM as a shell would say it, and as a program that was ended by a signal says it.
const KILLED: [&str; 3] = ["exit 137", "exit 143", "exit -1"];

/// Whether asking again can help: a silence, a slow or cut answer, throttling, a Docker that is still
/// starting, a script that was killed. Everything that is asked here is safe twice.
pub(super) fn passes(error: &HostError) -> bool {
    match error {
        HostError::Unreachable(_) | HostError::Timeout { .. } | HostError::Garbled { .. } => true,
        HostError::Cloud(cloud) => {
            matches!(
                cloud.kind,
                CloudErrorKind::Throttled
                    | CloudErrorKind::Unreachable
                    | CloudErrorKind::Inconsistent
            )
        }
        // The script's own words for "not now" (see `host/scripts`).
        HostError::Script { code, .. } => {
            let code = code.as_str();
            matches!(code, "docker_down" | "docker_failed" | "busy") || KILLED.contains(&code)
        }
        HostError::Fenced { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_was_killed_is_asked_again_and_one_that_said_no_is_not() {
        let of = |code: &str| HostError::Script {
            verb: "start",
            code: code.into(),
            message: String::new(),
        };
        for (code, again) in [
            ("exit 137", true),
            ("exit 143", true),
            ("exit -1", true),
            ("busy", true),
            ("exit 1", false),
            ("exit 2", false),
            // A person ended it.
            ("cancelled", false),
            ("no_space", false),
            ("host_restored", false),
        ] {
            assert_eq!(passes(&of(code)), again, "{code}");
        }
    }
}
