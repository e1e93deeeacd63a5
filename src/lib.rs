//! Change a running cloud instance in place, and never strand it.
//!
//! # The life of an update
//!
//! 1. [`cli`] understands the command line: a [`model::UpdateRequest`].
//! 2. [`orchestrator::prepare_update`] looks at everything, read-only: [`model::Observed`], from EC2, EFS
//!    ([`cloud`]) and the [`host`].
//! 3. [`plan::toward`] decides, pure: a [`plan::Plan`] whose every [`plan::Step`] carries its undo, or
//!    the [`plan::Check`]s that refuse ([`plan::rules`], [`instance`], [`efs`], [`containers`]).
//! 4. The plan is shown, and the question asked.
//! 5. [`orchestrator::execute`] takes the lock ([`state`]), looks again, opens the [`journal`] and drives:
//!    [`journal::next`] says what comes next, pure; each step is announced, made so, read back, recorded.
//! 6. [`health`] is the gate at the end; a failure before it is undone, newest step first, and verified.
//! 7. [`report`] tells it: events on the way, one result at the end.
//!
//! `rollback` turns a [`snapshot`] into what is wanted and enters at 3. `resume` opens a journal, looks
//! ([`journal::recheck`]: what is not so any more? what did nobody plan?), and enters at 5. Should this
//! program fall silent in the middle, an armed host goes back by itself ([`host::restore`]).
//!
//! The [`sandbox`] is an EC2, SSM and EFS on loopback, with a host on which scripts really run.
//!
//! # Where is what?
//!
//! | question | room |
//! |---|---|
//! | what refuses an update? | [`plan::rules`], [`instance`], [`efs`] |
//! | what happens on a failed start? | [`plan`] (each step's undo), [`journal::next`] |
//! | what runs on the host? | [`host::scripts`] |
//! | which AWS calls are made? | [`cloud::aws`] |
//! | what is on disk? | [`state`], [`snapshot`], [`journal`] |

pub mod cli;
pub mod cloud;
pub mod containers;
pub mod efs;
pub mod health;
pub mod host;
pub mod instance;
pub mod journal;
pub mod model;
pub mod orchestrator;
pub mod plan;
pub mod report;
pub mod sandbox;
pub mod snapshot;
pub mod state;
