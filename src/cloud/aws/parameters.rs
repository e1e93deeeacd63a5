//! Systems Manager's Parameter Store.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;

use super::errors::sort;
use super::pages::Pages;
use crate::cloud::{CloudError, CloudErrorKind, Parameter, Parameters};

/// A page has ten parameters, and an account may have ten thousand (Systems Manager quotas): leases stay where these
/// credentials may not delete them.
const PAGES: usize = 1000;

/// [`Parameters`] over the SDK.
#[derive(Debug, Clone)]
pub struct AwsParameters {
    client: Client,
}

impl AwsParameters {
    /// A client; nothing is sent yet.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }
}

#[async_trait]
impl Parameters for AwsParameters {
    async fn create(&self, name: &str, value: &str) -> Result<bool, CloudError> {
        let put = self
            .client
            .put_parameter()
            .name(name)
            .value(value)
            .r#type(ParameterType::String);
        match put.send().await.map_err(|e| sort("ssm:PutParameter", e)) {
            Ok(_) => Ok(true),
            Err(e) if e.code.as_deref() == Some("ParameterAlreadyExists") => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn overwrite(&self, name: &str, value: &str) -> Result<(), CloudError> {
        // Without a type: then AWS takes it for an existing parameter only.
        let put = self.client.put_parameter().name(name).value(value);
        let sent = put.overwrite(true).send().await;
        sent.map(drop).map_err(|e| sort("ssm:PutParameter", e))
    }

    async fn by_path(&self, path: &str) -> Result<Vec<Parameter>, CloudError> {
        let mut listing = Pages::up_to(PAGES, "ssm:GetParametersByPath");
        let mut all = Vec::new();
        // A page may be empty and still name a next one.
        let mut pages = self
            .client
            .get_parameters_by_path()
            .path(path)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = listing.take(page, |p| p.next_token())?;
            all.extend(page.parameters().iter().filter_map(|p| {
                Some(Parameter {
                    name: p.name()?.to_owned(),
                    value: p.value()?.to_owned(),
                })
            }));
        }
        let directly = |name: &str| {
            let below = name.strip_prefix(path).and_then(|n| n.strip_prefix('/'));
            below.is_some_and(|n| !n.contains('/'))
        };
        all.retain(|one: &Parameter| directly(&one.name));
        Ok(all)
    }

    async fn delete(&self, name: &str) -> Result<(), CloudError> {
        let sent = self.client.delete_parameter().name(name).send().await;
        match sent.map_err(|e| sort("ssm:DeleteParameter", e)) {
            Err(e) if e.kind != CloudErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}
