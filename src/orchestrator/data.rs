//! The services' data, before and after: a few files of each folder, looked at on the host.

use super::failure::fails;
use super::perform::Performer;
use crate::efs;
use crate::host::SampleRequest;
use crate::journal::{Failure, FailureClass};
use crate::model::{ContainerFacts, DataCompared, DataSample, FolderSeen, InstanceId};

/// The word for programs when a service's data is not there any more.
const LOST: &str = "data_lost";

impl Performer<'_> {
    /// Before the first change: chooses the files, and looks at them. A host that cannot do it (it has no `find`) is no
    /// reason to refuse: what was not taken is said at the end.
    pub(super) async fn sample_data(
        &self,
        on: &InstanceId,
        point: &str,
        containers: &[ContainerFacts],
    ) -> Result<DataSample, Failure> {
        let limit_s = self.mount_request(point).limit_s;
        let (ask, mut sample) = efs::sample_request(containers, point, limit_s);
        if ask.folders.is_empty() {
            return Ok(sample);
        }
        match self.sample(on, &ask).await {
            Ok(seen) => {
                for (folder, seen) in sample.folders.iter_mut().zip(seen) {
                    folder.seen = seen;
                }
            }
            Err(failure) if failure.class == FailureClass::Fails => {
                sample.not_taken = Some(failure.message);
            }
            Err(failure) => return Err(failure),
        }
        Ok(sample)
    }

    /// The same files now. Where there is nothing to compare, it says why.
    pub(super) async fn data_now(&self, on: &InstanceId) -> Result<DataCompared, Failure> {
        let Some(point) = &self.deployment.mount_point else {
            return Ok(DataCompared::not_compared(
                "the deployment has no file system of its own (--efs none): data on the instance's own volumes was not looked at",
            ));
        };
        let Some(before) = self.data_before() else {
            return Ok(DataCompared::not_compared("nothing was looked at before"));
        };
        let ask = efs::sample_again(before, point, self.mount_request(point).limit_s);
        let seen = match ask.folders.is_empty() {
            true => Vec::new(),
            false => match self.sample(on, &ask).await {
                Ok(seen) => seen,
                Err(failure) if failure.class == FailureClass::Fails => {
                    let why = failure.message;
                    vec![FolderSeen::NotSeen { why }; ask.folders.len()]
                }
                Err(failure) => return Err(failure),
            },
        };
        Ok(efs::compare(before, &seen))
    }

    /// Whether each folder that held files still does: before a service is started on one that does not.
    pub(super) async fn data_is_there(&self, on: &InstanceId) -> Result<(), Failure> {
        if self.data_before().is_none() {
            return Ok(());
        }
        let lost = efs::lost(&self.data_now(on).await?);
        match lost.first() {
            None => Ok(()),
            Some(first) => Err(Failure {
                causes: lost.clone(),
                ..fails(LOST, first.clone())
            }),
        }
    }

    /// What was seen before the first change.
    pub(super) fn data_before(&self) -> Option<&DataSample> {
        let mut seen = self.lines.iter().filter_map(|l| l.entry.evidence());
        seen.find_map(|e| e.data.as_ref())
    }

    async fn sample(
        &self,
        on: &InstanceId,
        ask: &SampleRequest,
    ) -> Result<Vec<FolderSeen>, Failure> {
        let sample = || self.world.host.sample(on, ask);
        self.patiently(on, "the services' data cannot be looked at", sample)
            .await
    }
}
