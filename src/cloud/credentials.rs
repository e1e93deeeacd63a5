//! What an operation asks about its credentials: how long they last, and how a person renews them.

use async_trait::async_trait;
use jiff::Timestamp;

/// The credentials in use.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// When what the source gives now expires; None: never, or not known.
    async fn expires_at(&self) -> Option<Timestamp>;
    /// What a person does to have new ones, in one line.
    fn sign_in(&self) -> String;
}

/// Credentials that do not expire, as those of a cloud in this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lasting;

#[async_trait]
impl Credentials for Lasting {
    async fn expires_at(&self) -> Option<Timestamp> {
        None
    }

    fn sign_in(&self) -> String {
        sign_in(None, None)
    }
}

/// Where credentials come from, as far as it decides how they are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// IAM Identity Center.
    Sso,
    /// The console's own sign-in (`aws login`).
    Login,
    /// The program that a profile names.
    Process,
    /// Variables of the environment.
    Environment,
    /// Keys in a profile, or a role that is assumed with them.
    Profile,
    /// The role of the machine or the container.
    Machine,
}

/// How credentials of this source are renewed. An unknown source is mostly a session of IAM Identity Center
/// that has run out: it gave nothing to know it by.
pub fn sign_in(source: Option<Source>, profile: Option<&str>) -> String {
    let flag = profile
        .map(|p| format!(" --profile {p}"))
        .unwrap_or_default();
    let named = profile.map_or_else(|| "the profile".into(), |p| format!("the profile {p}"));
    match source {
        Some(Source::Sso) => format!("aws sso login{flag}"),
        Some(Source::Login) => format!("aws login{flag}"),
        Some(Source::Process) => {
            format!("sign in where the credential_process of {named} has its credentials from")
        }
        Some(Source::Environment) => {
            "put new keys into AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
                .into()
        }
        Some(Source::Profile) => format!("put new keys into {named}: aws configure{flag}"),
        Some(Source::Machine) => {
            "see that this machine has its role, and that the role may still be used".into()
        }
        None => format!("aws sso login{flag}    # without IAM Identity Center: new keys"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_own_way_and_names_the_profile() {
        use Source::*;
        for (source, profile, expected) in [
            (Some(Sso), Some("work"), "aws sso login --profile work"),
            (Some(Sso), None, "aws sso login"),
            (Some(Login), Some("work"), "aws login --profile work"),
            (
                Some(Process),
                Some("work"),
                "credential_process of the profile work",
            ),
            (Some(Environment), None, "AWS_SESSION_TOKEN"),
            (Some(Profile), Some("work"), "aws configure --profile work"),
            (Some(Machine), None, "this machine has its role"),
            (None, Some("work"), "aws sso login --profile work "),
            (None, None, "aws sso login "),
        ] {
            let said = sign_in(source, profile);
            assert!(said.contains(expected), "{source:?}: {said}");
            let bare = profile.is_none() && said.contains("--profile");
            assert!(!bare, "{source:?}: {said}");
        }
    }
}
