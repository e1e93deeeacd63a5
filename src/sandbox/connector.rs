//! The SDK's HTTP client, answered in this process: no socket, no TLS.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
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

type Answers = dyn Fn(&http::Request<Bytes>) -> Answered + Send + Sync;
type Answered = Result<http::Response<Bytes>, BoxError>;

/// An HTTP client for the SDK that asks the sandbox.
pub fn http_client(endpoint: Endpoint) -> SharedHttpClient {
    over(move |request| Ok(endpoint.answer(request)?))
}

/// An HTTP client for the SDK that asks this function. It may block.
pub fn over(
    answer: impl Fn(&http::Request<Bytes>) -> Answered + Send + Sync + 'static,
) -> SharedHttpClient {
    SharedHttpClient::new(Sandbox(Arc::new(answer)))
}

#[derive(Clone)]
struct Sandbox(Arc<Answers>);

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sandbox")
    }
}

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
        let ask = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let request = plain(request).map_err(|e| ConnectorError::user(e.into()))?;
            // The lock of the store may block, and the runtime may have one thread only.
            let answer = tokio::task::spawn_blocking(move || ask(&request)).await;
            let response = answer
                .map_err(|e| ConnectorError::other(e.into(), None))?
                .map_err(ConnectorError::user)?;
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
