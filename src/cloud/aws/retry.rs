//! What the SDK must not try again by itself.

use aws_sdk_ec2::operation::create_capacity_reservation::CreateCapacityReservationError;
use aws_sdk_ec2::operation::start_instances::StartInstancesError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::errors::kind_of;
use crate::cloud::CloudErrorKind;

/// EC2 answers "no capacity" with status 500 (EC2 API, server error codes), which the SDK takes for a
/// passing fault and tries again for many seconds, while the stack is down. The caller is to know at once.
#[derive(Debug)]
pub(super) struct NoCapacityIsFinal;

impl ClassifyRetry for NoCapacityIsFinal {
    fn classify_retry(&self, ctx: &InterceptorContext) -> RetryAction {
        let error = ctx
            .output_or_error()
            .and_then(Result::err)
            .and_then(OrchestratorError::as_operation_error);
        let code = error.and_then(|e| {
            let start = e.downcast_ref::<StartInstancesError>();
            let reserve = || e.downcast_ref::<CreateCapacityReservationError>();
            start.map_or_else(|| reserve()?.code(), |e| e.code())
        });
        if kind_of(code, "", 500) == CloudErrorKind::Capacity {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "no capacity is final"
    }
}
