//! A Docker Engine 20.10 with Compose 2.26, as far as the host scripts use them: a closed list of forms,
//! answered in Docker's words. What it does not know it refuses.

mod cli;
mod cli_compose;
mod compose;
mod compose_file;
mod container;
mod create;
mod curl;
mod engine;
mod interpolate;
mod list;
mod logs;
mod overlay;
mod prune;
#[cfg(test)]
mod prune_tests;
#[cfg(test)]
mod seen_tests;
mod spec;
mod systemctl;
mod template;
mod template_fn;
mod template_parse;
#[cfg(test)]
pub(crate) mod test_kit;
#[cfg(test)]
mod tests;

pub use cli::{Answer, DOCKER_VERSION, docker, takes};
pub use compose::{COMPOSE_VERSION, Options as ComposeOptions, up as compose_up};
pub use compose_file::{Project, Service, load as load_compose};
pub use container::{Bind, Container, Serves, Status};
pub use curl::curl;
pub use engine::{Engine, LocalImage};
pub use interpolate::{Notes, Vars, env_file, interpolate};
pub use systemctl::systemctl;
pub use template::render;
