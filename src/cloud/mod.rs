//! The only folder that names an AWS crate: ports (traits with our own nouns), one adapter each,
//! errors sorted once, and waiting with a deadline.

mod clock;
mod error;
mod ports;

pub use clock::{Clock, SystemClock};
pub use error::{CloudError, CloudErrorKind};
pub use ports::{
    Agent, AgentPing, CommandId, CommandRequest, CommandResult, CommandStatus, Ec2, Efs,
    StatusChecks,
};
