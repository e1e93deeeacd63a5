//! Credentials that end before the operation does.

use super::check::{Check, CheckStatus};
use super::step::{Action, Plan};

/// Around the steps: looks, the snapshot, the lock.
const AROUND_S: u64 = 30;
/// A pull, as a rule of thumb.
const PULL_S: u64 = 60;

impl Plan {
    /// Roughly how long it takes from now to its end, in seconds; `from` is the place of the next step.
    pub fn expected_seconds(&self, from: usize) -> u64 {
        let steps = self.steps.iter().skip(from).map(|step| match &step.action {
            Action::PullImages { images, .. } => images.len() as u64 * PULL_S,
            Action::VerifyHealth(verify) => verify.gate.stable_ms.div_ceil(1000),
            _ => 0,
        });
        AROUND_S + self.expected_downtime_seconds + steps.sum::<u64>()
    }
}

/// Whether credentials that last so many seconds from now last as long as is needed.
pub fn check_credentials(lasts_s: i64, needed_s: u64, sign_in: &str) -> Check {
    let found = format!("they expire in {} s", lasts_s.max(0));
    let expected = format!("at least {needed_s} s");
    let is_enough = u64::try_from(lasts_s).is_ok_and(|lasts| lasts >= needed_s);
    let (status, message, help) = if is_enough {
        (
            CheckStatus::Ok,
            "the credentials last to the expected end",
            String::new(),
        )
    } else {
        (
            CheckStatus::Warn,
            "the credentials expire before the expected end: the operation would pause in its middle, with \
             services down",
            format!("before it begins: {sign_in}"),
        )
    };
    Check {
        name: "credentials".into(),
        status,
        message: message.into(),
        found,
        expected,
        help,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expires_before_the_expected_end_warns() {
        for (lasts, needed, expected) in [
            (3600, 120, CheckStatus::Ok),
            (120, 120, CheckStatus::Ok),
            (119, 120, CheckStatus::Warn),
            (0, 120, CheckStatus::Warn),
            (-5, 120, CheckStatus::Warn),
        ] {
            let check = check_credentials(lasts, needed, "aws sso login");
            assert_eq!(check.status, expected, "{lasts}");
            assert_eq!(check.name, "credentials");
            if expected == CheckStatus::Warn {
                assert!(check.help.ends_with("aws sso login"), "{check:?}");
                assert!(!check.found.contains('-'), "{check:?}");
            }
        }
    }

    #[test]
    fn pulls_count_until_they_are_done() {
        let plan = crate::journal::samples::resize_and_image();
        let pull = plan
            .steps
            .iter()
            .position(|s| s.action.name() == "pull_images")
            .expect("it pulls");
        let (before, after) = (plan.expected_seconds(0), plan.expected_seconds(pull + 1));
        assert_eq!(before, after + PULL_S);
        assert!(after > plan.expected_downtime_seconds);
    }
}
