//! Why a compose file cannot be read or edited.

use crate::model::{ServiceName, quoted};

/// A compose file that cannot be read, or a value in it that cannot be edited safely. Never carries
/// text of the file beyond names and positions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// Larger than any compose file should be.
    #[error("the compose file has {found} bytes; expected at most {limit}")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// Not YAML.
    #[error("the compose file is not valid YAML at {position}")]
    NotYaml {
        /// Line and column, counted from 1, or `an unknown position`.
        position: String,
    },
    /// The same key twice in one mapping.
    #[error("the compose file has a key twice in the mapping that starts at {position}")]
    DuplicateKey {
        /// Where the mapping starts: line and column, counted from 1.
        position: String,
    },
    /// More than one document.
    #[error("the compose file holds several YAML documents; expected one")]
    SeveralDocuments,
    /// A merge key that merges something other than mappings.
    #[error("a merge key (<<) of the compose file does not name a mapping")]
    BadMerge,
    /// No `services` mapping.
    #[error("the compose file's services are {found}; expected a mapping")]
    NoServices {
        /// What is there instead.
        found: &'static str,
    },
    /// A service whose name or content Compose would refuse.
    #[error(
        "{} is not a service that Compose would take: {expected}",
        quoted(found)
    )]
    BadService {
        /// The name, as far as it is text.
        found: String,
        /// The rule that it breaks.
        expected: &'static str,
    },
    /// The service is not in the file, and the file includes others.
    #[error(
        "service {service} comes from a file that the compose file includes; expected it in a compose file of the project itself"
    )]
    Included {
        /// The service.
        service: ServiceName,
    },
    /// There is no such service.
    #[error("there is no service {service}; the compose file has {}", known.join(", "))]
    NoSuchService {
        /// The service that was asked for.
        service: ServiceName,
        /// The services that there are.
        known: Vec<String>,
    },
    /// The service is built on the host.
    #[error("service {service} is built on the host (build:); expected an image from a registry")]
    Builds {
        /// The service.
        service: ServiceName,
    },
    /// The service has no image.
    #[error("service {service} has no image{}", if *extends { " of its own; it extends another service" } else { "" })]
    NoImage {
        /// The service.
        service: ServiceName,
        /// Whether it has `extends`, which may bring one.
        extends: bool,
    },
    /// The whole service is an alias, or comes by a merge key.
    #[error("service {service} is not written out: an alias or a merge key (<<) stands for it")]
    ServiceElsewhere {
        /// The service.
        service: ServiceName,
    },
    /// The image comes by a merge key.
    #[error(
        "the image of service {service} comes from a merge key (<<); expected it in the service itself"
    )]
    MergedImage {
        /// The service.
        service: ServiceName,
    },
    /// The image is an alias.
    #[error("the image of service {service} is a YAML alias (*name); expected it written out")]
    AliasImage {
        /// The service.
        service: ServiceName,
    },
    /// The image is interpolated.
    #[error("the image of service {service} is interpolated{}; expected it written out", if variables.is_empty() { " ($)".to_owned() } else { format!(" (${})", variables.join(", $")) })]
    Interpolated {
        /// The service.
        service: ServiceName,
        /// The variables in it.
        variables: Vec<String>,
    },
    /// The image is not a text on one line.
    #[error("the image of service {service} is {found}; expected text on one line")]
    NotOneLine {
        /// The service.
        service: ServiceName,
        /// What it is instead.
        found: &'static str,
    },
    /// Other places take the value by an anchor and would change with it.
    #[error("the image of service {service} is shared by a YAML anchor; changing it would also change {}", others.join(", "))]
    Shared {
        /// The service.
        service: ServiceName,
        /// The other places.
        others: Vec<String>,
    },
    /// The edited text failed the guard: something else would have changed.
    #[error("the edit of the compose file was given up: {what}")]
    Guard {
        /// What would have gone wrong.
        what: String,
    },
}

impl ComposeError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::TooLarge { .. } => "name the compose file itself".into(),
            Self::NotYaml { .. } | Self::BadMerge | Self::NoServices { .. } => {
                "see what `docker compose config` says on the host, and mend the file".into()
            }
            Self::BadService { .. } => "rename the service, or give it a mapping".into(),
            Self::DuplicateKey { .. } => "leave one of the two".into(),
            Self::SeveralDocuments => "leave one document in the file".into(),
            Self::Included { service } => {
                format!(
                    "move service {service} from the included file into the compose file; nothing is recreated by that"
                )
            }
            Self::Interpolated { service, variables } => {
                let set = match variables.as_slice() {
                    [] => String::new(),
                    names => format!(
                        "; or set {} where it is set now (the project's env file or .env) and run `docker compose up -d {service}` by hand",
                        names.join(", ")
                    ),
                };
                format!(
                    "write the reference that service {service} runs (`geusemaker status` shows it) into its image: in place of the variable: nothing is recreated by that, and --image works from then on{set}"
                )
            }
            Self::NoSuchService { .. } => "name one of these services".into(),
            Self::Builds { service } => {
                format!(
                    "give service {service} an image from a registry in place of build:, or rebuild it by hand"
                )
            }
            Self::NoImage { service, .. } => format!("write image: into service {service}"),
            Self::ServiceElsewhere { service } => {
                format!("write service {service} out, without the alias or merge key")
            }
            Self::MergedImage { service }
            | Self::AliasImage { service }
            | Self::NotOneLine { service, .. } => {
                format!(
                    "write the reference that service {service} runs into its image:, as plain text"
                )
            }
            Self::Shared { service, .. } => {
                format!(
                    "take the anchor away: give service {service} and the others an image: each"
                )
            }
            Self::Guard { .. } => "edit the image by hand and report the shape of the file".into(),
        }
    }
}
