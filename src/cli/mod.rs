//! Words in: the command line, understood once.
//!
//! One file a command. [`confirm`] is the only file that prompts, [`mod@env`] the only one that reads the
//! environment, [`world`] the one that builds what a command works on.

mod adopt;
mod app;
mod change;
mod check;
mod completions;
pub mod confirm;
pub mod docs;
pub mod env;
mod exec;
mod globals;
mod history;
mod inspect;
mod interrupt;
mod list;
mod logging;
mod logs;
mod resume;
mod rollback;
mod run;
mod sandbox;
mod status;
mod unlock;
mod update;
mod usage;
mod value;
pub mod world;

pub use adopt::AdoptArgs;
pub use app::App;
pub use check::CheckArgs;
pub use clap::Parser;
pub use completions::{CompletionsArgs, ManArgs};
pub use exec::ExecArgs;
pub use globals::{ColorMode, Globals, ProgressMode, Settings};
pub use history::HistoryArgs;
pub use inspect::InspectArgs;
pub use list::ListArgs;
pub use logs::{LogsArgs, Tail};
pub use resume::ResumeArgs;
pub use rollback::RollbackArgs;
pub use run::main;
pub use sandbox::{
    FaultCommand, LatencyChange, LatencyCommand, LatencyKey, SandboxArgs, SandboxCommand,
    SandboxRequest,
};
pub use status::StatusArgs;
pub use unlock::UnlockArgs;
pub use update::{AskArgs, UpdateArgs};

/// Change a running cloud instance in place, and never strand it.
///
/// One stack of containers on an EC2 instance, its data on EFS. `update` changes the instance type and
/// the images; whatever fails, the stack ends either fully updated or, verified, as it was.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "geusemaker",
    bin_name = "geusemaker",
    version,
    about = "Change a running cloud instance in place, and never strand it",
    max_term_width = 100,
    after_help = "\
Examples:
  geusemaker --sandbox update my-dev-stack --instance-type t3.large --force
  geusemaker --sandbox rollback my-dev-stack --force

Exit codes: 0 as asked, 1 failed, 2 usage, 3 refused, 4 rolled back, 5 stuck, 6 paused, 7 locked,
8 not found, 9 declined."
)]
pub struct Cli {
    /// The flags of every command.
    #[command(flatten)]
    pub globals: Globals,

    /// The command; without one the help is printed.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[expect(
    missing_docs,
    reason = "a text here would replace the help of the command"
)]
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    Update(UpdateArgs),
    Rollback(RollbackArgs),
    Resume(ResumeArgs),
    Adopt(AdoptArgs),
    List(ListArgs),
    Status(StatusArgs),
    Inspect(InspectArgs),
    History(HistoryArgs),
    Logs(LogsArgs),
    Exec(ExecArgs),
    Unlock(UnlockArgs),
    Check(CheckArgs),
    Sandbox(SandboxArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}
