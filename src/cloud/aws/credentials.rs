//! The credentials of the SDK's chain: when they expire, and where they come from.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::Credentials as Keys;
use aws_credential_types::credential_feature::AwsCredentialFeature as Feature;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use jiff::Timestamp;

use crate::cloud::credentials::{Credentials, Source, sign_in};

/// Asks the source itself, not what the SDK keeps: a source that renews them by itself gives fresh ones.
pub struct AwsCredentials {
    provider: Option<SharedCredentialsProvider>,
    profile: Option<String>,
    source: Mutex<Option<Source>>,
}

impl AwsCredentials {
    /// Of this configuration; `profile` is the one in use, where one was named.
    pub fn new(config: &SdkConfig, profile: Option<String>) -> Self {
        Self {
            provider: config.credentials_provider(),
            profile,
            source: Mutex::default(),
        }
    }
}

#[async_trait]
impl Credentials for AwsCredentials {
    async fn expires_at(&self) -> Option<Timestamp> {
        let keys = self.provider.as_ref()?.provide_credentials().await.ok()?;
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = source(&keys);
        Timestamp::try_from(keys.expiry()?).ok()
    }

    fn sign_in(&self) -> String {
        let source = *self.source.lock().unwrap_or_else(PoisonError::into_inner);
        sign_in(source, self.profile.as_deref())
    }
}

/// What the SDK says of keys. A role that is assumed has the source of what it is assumed with.
fn source(keys: &Keys) -> Option<Source> {
    let features = keys.get_property::<Vec<Feature>>()?;
    features.iter().find_map(|feature| match feature {
        Feature::CredentialsSso | Feature::CredentialsProfileSso => Some(Source::Sso),
        Feature::CredentialsLogin | Feature::CredentialsProfileLogin => Some(Source::Login),
        Feature::CredentialsProcess | Feature::CredentialsProfileProcess => Some(Source::Process),
        Feature::CredentialsEnvVars => Some(Source::Environment),
        Feature::CredentialsImds | Feature::CredentialsHttp => Some(Source::Machine),
        Feature::CredentialsProfile => Some(Source::Profile),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_says_how_to_renew_them_decides() {
        for (features, expected) in [
            (vec![], None),
            (vec![Feature::CredentialsSso], Some(Source::Sso)),
            (
                vec![
                    Feature::CredentialsProfileSourceProfile,
                    Feature::CredentialsProfile,
                ],
                Some(Source::Profile),
            ),
            (vec![Feature::CredentialsStsAssumeRole], None),
            (vec![Feature::CredentialsProcess], Some(Source::Process)),
            (vec![Feature::CredentialsImds], Some(Source::Machine)),
        ] {
            let mut keys = Keys::new("a", "b", None, None, "test");
            *keys.get_property_mut_or_default::<Vec<Feature>>() = features.clone();
            assert_eq!(source(&keys), expected, "{features:?}");
        }
    }
}
