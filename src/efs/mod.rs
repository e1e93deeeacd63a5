//! Is the data there?

mod data;
mod identity;
mod judge;
mod mountinfo;
mod order;
mod without;

pub use data::{compare, lost, remarks, sample_again, sample_request};
pub use identity::identity;
pub use judge::{judge, judge_file_system, judge_mount};
pub use mountinfo::MountLine;
pub use order::{DROP_IN_FILE, drop_in, drop_in_text, mount_unit};
pub use without::judge_without_efs;
