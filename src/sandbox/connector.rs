//! The SDK's HTTP client, answered in this process: no socket, no TLS.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::endpoint::Endpoint;

/// An HTTP client for the SDK that asks the sandbox.
pub fn http_client(endpoint: Endpoint) -> SharedHttpClient {
    SharedHttpClient::new(Sandbox(endpoint))
}

#[derive(Debug, Clone)]
struct Sandbox(Endpoint);

impl HttpClient for Sandbox {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Sandbox {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let endpoint = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = plain(request).map_err(|e| ConnectorError::user(e.into()))?;
            // The lock of the store may block, and the runtime may have one thread only.
            let answer = tokio::task::spawn_blocking(move || endpoint.answer(&request)).await;
            let response = answer
                .map_err(|e| ConnectorError::other(e.into(), None))?
                .map_err(|e| ConnectorError::user(e.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from))
                .map_err(|e| ConnectorError::other(e.into(), None))
        })
    }
}

/// The SDK's request as plain HTTP. Its bodies are in memory: none of the calls here streams.
fn plain(request: HttpRequest) -> Result<http::Request<Bytes>, &'static str> {
    let request = request
        .try_into_http1x()
        .map_err(|_| "the SDK's request is not HTTP")?;
    let (parts, body) = request.into_parts();
    let body = body.bytes().ok_or("the SDK's request streams its body")?;
    Ok(http::Request::from_parts(
        parts,
        Bytes::copy_from_slice(body),
    ))
}
