//! The only folder that names an AWS crate: ports (traits with our own nouns), one adapter each,
//! errors sorted once, and waiting with a deadline.

pub mod aws;
mod capacity;
mod clock;
mod credentials;
mod error;
mod ports;
#[cfg(test)]
pub(crate) mod testing;
pub mod wait;

pub use capacity::{Reservation, ReservationOwner, Reserve, WhichReservations};
pub use clock::{Clock, SystemClock};
pub use credentials::{Credentials, Lasting};
pub use error::{CloudError, CloudErrorKind};
pub use ports::{
    Agent, AgentPing, CommandId, CommandRequest, CommandResult, CommandStatus, Ec2, Effect, Efs,
    Parameter, Parameters, StatusChecks, permit,
};
pub use wait::{Deadline, WaitError};
