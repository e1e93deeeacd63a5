//! STS: who am I.

use super::xml::Xml;
use super::{AwsError, World};

pub(super) const ACTION: &str = "GetCallerIdentity";

pub(super) fn answer(world: &mut World, id: &str) -> Result<String, AwsError> {
    world.gate("sts:GetCallerIdentity", &[], false)?;
    let account = &world.account;
    Ok(Xml::document(
        "GetCallerIdentityResponse",
        "https://sts.amazonaws.com/doc/2011-06-15/",
        |x| {
            x.node("GetCallerIdentityResult", |x| {
                x.leaf("Arn", format_args!("arn:aws:iam::{account}:user/sandbox"));
                x.leaf("UserId", "AIDASANDBOXSANDBOXSAN");
                x.leaf("Account", account);
            });
            x.node("ResponseMetadata", |x| x.leaf("RequestId", id));
        },
    ))
}
