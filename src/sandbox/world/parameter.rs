//! Parameter Store, as far as a lock needs it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{AwsError, World};
use crate::model::Timestamp;

/// A deleted name cannot be made again for so long (SSM API, `DeleteParameter`).
const DELETED_FOR: SignedDuration = SignedDuration::from_secs(30);

/// All parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// By name.
    pub all: BTreeMap<String, Parameter>,
    /// When names were deleted.
    pub deleted: BTreeMap<String, Timestamp>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// `Name`.
    pub name: String,
    /// `Type`: `String` or `StringList`.
    pub kind: String,
    /// `Value`.
    pub value: String,
    /// `Version`, from 1.
    pub version: u64,
    /// `LastModifiedDate`.
    pub modified_at: Timestamp,
}

/// What `PutParameter` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutParameter {
    /// `Name`.
    pub name: String,
    /// `Type`; may be left out when overwriting.
    pub kind: Option<String>,
    /// `Value`.
    pub value: String,
    /// `Overwrite`.
    pub overwrite: bool,
}

impl World {
    /// `PutParameter`; answers the version. Without `overwrite` the second creator is refused: the only
    /// atomic call there is.
    ///
    /// # Errors
    /// `ParameterAlreadyExists`, also for a name that was deleted less than 30 s ago;
    /// `ValidationException`, `UnsupportedParameterType`, `HierarchyLevelLimitExceededException`,
    /// `HierarchyTypeMismatchException`.
    pub fn put_parameter(&mut self, ask: &PutParameter, now: Timestamp) -> Result<u64, AwsError> {
        let exists = || {
            AwsError::new(
                "ParameterAlreadyExists",
                "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
            )
        };
        check_name(&ask.name)?;
        if ask.value.is_empty() || ask.value.len() > 4096 {
            return Err(validation(
                "a standard parameter's value has 1 to 4096 characters",
            ));
        }
        match ask.kind.as_deref() {
            None | Some("String" | "StringList") => {}
            Some("SecureString") => {
                return Err(AwsError::new(
                    "UnsupportedParameterType",
                    "SecureString needs a KMS key, and the sandbox has none.",
                ));
            }
            Some(other) => return Err(validation(&format!("there is no parameter type {other}"))),
        }
        if let Some(known) = self.parameters.all.get_mut(&ask.name) {
            if !ask.overwrite {
                return Err(exists());
            }
            if ask.kind.as_ref().is_some_and(|kind| *kind != known.kind) {
                return Err(AwsError::new(
                    "HierarchyTypeMismatchException",
                    "Parameter Store doesn't support changing a parameter type in a hierarchy.",
                ));
            }
            known.value.clone_from(&ask.value);
            known.version += 1;
            known.modified_at = now;
            return Ok(known.version);
        }
        if self
            .parameters
            .deleted
            .get(&ask.name)
            .is_some_and(|at| now < *at + DELETED_FOR)
        {
            return Err(exists());
        }
        let Some(kind) = ask.kind.clone() else {
            return Err(validation(
                "A parameter type is required when you create a parameter.",
            ));
        };
        self.parameters.deleted.remove(&ask.name);
        self.parameters.all.insert(
            ask.name.clone(),
            Parameter {
                name: ask.name.clone(),
                kind,
                value: ask.value.clone(),
                version: 1,
                modified_at: now,
            },
        );
        Ok(1)
    }

    /// `GetParameter`; the name may end in `:VERSION`.
    ///
    /// # Errors
    /// `ParameterNotFound`, `ParameterVersionNotFound`.
    pub fn parameter(&self, name: &str) -> Result<&Parameter, AwsError> {
        let (bare, version) = match name.rsplit_once(':') {
            Some((bare, version)) => (bare, Some(version)),
            None => (name, None),
        };
        let found =
            self.parameters.all.get(bare).ok_or_else(|| {
                AwsError::new("ParameterNotFound", format!("{bare} does not exist"))
            })?;
        match version {
            Some(version) if version != found.version.to_string() => Err(AwsError::new(
                "ParameterVersionNotFound",
                format!("Systems Manager could not find version {version} of {bare}."),
            )),
            _ => Ok(found),
        }
    }

    /// `GetParametersByPath`, by name in order.
    ///
    /// # Errors
    /// `ValidationException` for a path that does not begin with `/`.
    pub fn parameters_by_path(
        &self,
        path: &str,
        recursive: bool,
    ) -> Result<Vec<&Parameter>, AwsError> {
        if !path.starts_with('/') {
            return Err(validation("The parameter path must begin with '/'."));
        }
        let folder = format!("{}/", path.trim_end_matches('/'));
        Ok(self
            .parameters
            .all
            .values()
            .filter(|p| {
                p.name
                    .strip_prefix(&folder)
                    .is_some_and(|rest| recursive || !rest.contains('/'))
            })
            .collect())
    }

    /// `DeleteParameter`.
    ///
    /// # Errors
    /// `ParameterNotFound`.
    pub fn delete_parameter(&mut self, name: &str, now: Timestamp) -> Result<(), AwsError> {
        self.parameters
            .all
            .remove(name)
            .ok_or_else(|| AwsError::new("ParameterNotFound", format!("{name} does not exist")))?;
        self.parameters
            .deleted
            .retain(|_, at| now < *at + DELETED_FOR);
        self.parameters.deleted.insert(name.to_owned(), now);
        Ok(())
    }
}

fn validation(message: &str) -> AwsError {
    AwsError::new("ValidationException", message)
}

/// Parameter names: letters, digits and `_.-/`, at most 15 levels and 1011 characters (SSM API).
fn check_name(name: &str) -> Result<(), AwsError> {
    let ok = |b: u8| b.is_ascii_alphanumeric() || b"_.-/".contains(&b);
    if name.is_empty() || name.len() > 1011 || !name.bytes().all(ok) {
        return Err(validation(
            "Parameter name: can't be prefixed with \"ssm\" or \"aws\" and may hold only letters, digits and the symbols _.-/",
        ));
    }
    let first = name.trim_start_matches('/').to_ascii_lowercase();
    if first.starts_with("aws") || first.starts_with("ssm") {
        return Err(validation(
            "Parameter name: can't be prefixed with \"ssm\" or \"aws\".",
        ));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(validation("Parameter name must be a fully qualified name."));
    }
    if name.matches('/').count() > 15 {
        return Err(AwsError::new(
            "HierarchyLevelLimitExceededException",
            "A hierarchy can have a maximum of 15 levels.",
        ));
    }
    Ok(())
}
