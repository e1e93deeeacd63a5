//! What passes by itself: waited out for a while, instead of being taken for a failure.

use crate::cloud::CloudErrorKind;
use crate::host::HostError;

/// Whether asking again can help: a silence, a slow or cut answer, throttling, a Docker that is still
/// starting. Everything that is asked here is safe twice.
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
            matches!(code.as_str(), "docker_down" | "docker_failed" | "busy")
        }
        HostError::Fenced { .. } => false,
    }
}
