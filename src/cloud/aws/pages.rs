//! A listing comes to its end.

use std::collections::BTreeSet;
use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::errors::{incomplete, sort};
use crate::cloud::CloudError;

/// So many pages of one listing are read.
const MOST: usize = 100;

/// The pages of one listing, as the SDK's paginator gives them. By itself it takes a page that names itself as the next one for
/// the last, so that the listing is short; and where two name each other it asks for ever.
pub(super) struct Pages {
    call: &'static str,
    most: usize,
    named: BTreeSet<String>,
}

impl Pages {
    /// Those of this call.
    pub(super) fn of(call: &'static str) -> Self {
        Self::up_to(MOST, call)
    }

    /// The same where more of them can rightly be.
    pub(super) fn up_to(most: usize, call: &'static str) -> Self {
        Self {
            call,
            most,
            named: BTreeSet::new(),
        }
    }

    /// Takes the next page; `next` is the one that it names.
    ///
    /// # Errors
    /// The call's own; the page names one that was named before, or is the last that is read and not the last.
    pub(super) fn take<P, E>(
        &mut self,
        page: Result<P, SdkError<E, HttpResponse>>,
        next: impl Fn(&P) -> Option<&str>,
    ) -> Result<P, CloudError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let page = page.map_err(|e| sort(self.call, e))?;
        let Some(token) = next(&page).filter(|token| !token.is_empty()) else {
            return Ok(page);
        };
        if !self.named.insert(token.to_owned()) {
            let message = "expected a further page, found one that was named before";
            return Err(incomplete(self.call, message));
        }
        if self.named.len() >= self.most {
            let message = format!("expected at most {} pages, found more", self.most);
            return Err(incomplete(self.call, message));
        }
        Ok(page)
    }
}
