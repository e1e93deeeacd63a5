//! The sandbox on loopback, for any AWS client.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpListener;

use super::endpoint::Endpoint;
use super::store::StoreError;
use super::wire;

/// No request to these services is larger.
const LARGEST: usize = 4 * 1024 * 1024;

/// What a client needs to know: the one line that `sandbox serve` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServeInfo {
    /// `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// Made for this server; a request without it is refused. Anyone on the machine can reach
    /// loopback, and what is sent through Run Command really runs.
    pub access_key_id: String,
    /// Made for this server.
    pub secret_access_key: String,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    endpoint: Endpoint,
    info: Arc<ServeInfo>,
}

/// A server that cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port cannot be had.
    #[error("127.0.0.1:{port}: {source}")]
    Port {
        /// The port asked for; 0 is any.
        port: u16,
        /// Why not.
        source: io::Error,
    },
    /// The world cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Server {
    /// Listens on 127.0.0.1, on this port or (0) any that is free.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn bind(endpoint: Endpoint, port: u16) -> Result<Self, ServeError> {
        let region = endpoint.region()?;
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let at = |source| ServeError::Port { port, source };
        let listener = bound.map_err(at)?;
        let info = ServeInfo {
            endpoint: format!("http://{}", listener.local_addr().map_err(at)?),
            region,
            access_key_id: format!("SANDBOX{}", &random()[..17].to_ascii_uppercase()),
            secret_access_key: random() + &random()[..8],
        };
        Ok(Self {
            listener,
            endpoint,
            info: Arc::new(info),
        })
    }

    /// What a client needs to know.
    pub fn info(&self) -> &ServeInfo {
        &self.info
    }

    /// Serves until the future is dropped.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn run(self) -> io::Result<()> {
        let mut clients = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = self.listener.accept().await?;
            while clients.try_join_next().is_some() {}
            let (endpoint, info) = (self.endpoint.clone(), self.info.clone());
            clients.spawn(async move {
                let service = service_fn(move |request| {
                    let (endpoint, info) = (endpoint.clone(), info.clone());
                    async move { Ok::<_, Infallible>(answer(endpoint, &info, request).await) }
                });
                // A client that goes away in the middle is no matter of ours.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }
}

async fn answer(
    endpoint: Endpoint,
    info: &ServeInfo,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, LARGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(e) => return plain(StatusCode::PAYLOAD_TOO_LARGE, &e.to_string()),
    };
    let request = Request::from_parts(parts, body);
    if let Err(refused) = allow(info, &request) {
        return (*refused).map(Full::new);
    }
    let answer = tokio::task::spawn_blocking(move || endpoint.answer(&request)).await;
    match answer {
        Ok(Ok(response)) => response.map(Full::new),
        Ok(Err(e)) => plain(StatusCode::INTERNAL_SERVER_ERROR, &e.to_string()),
        Err(e) => plain(StatusCode::INTERNAL_SERVER_ERROR, &e.to_string()),
    }
}

/// Whether the request carries the access key of this server, and is signed with its secret, for its region.
fn allow(info: &ServeInfo, request: &Request<Bytes>) -> Result<(), Box<Response<Bytes>>> {
    let refuse =
        |query: &str, json: &str, why: &str| Err(Box::new(wire::refuse(request, query, json, why)));
    let header = request.headers().get("authorization");
    let sent = header.and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut parts = part(sent, "Credential=").split('/');
    if parts.next() != Some(info.access_key_id.as_str()) {
        return refuse(
            "AuthFailure",
            "UnrecognizedClientException",
            "AWS was not able to validate the provided access credentials",
        );
    }
    let mismatch = |why: &str| refuse("SignatureDoesNotMatch", "InvalidSignatureException", why);
    match parts.nth(1) {
        Some(region) if region == info.region => {}
        found => {
            return mismatch(&format!(
                "Credential should be scoped to a valid region: expected {}, found {}.",
                info.region,
                found.unwrap_or("none")
            ));
        }
    }
    let service = parts.next().unwrap_or_default();
    let sent_signature = part(sent, "Signature=");
    match signature(info, request, service, part(sent, "SignedHeaders=")) {
        Some(expected) if expected == sent_signature => Ok(()),
        _ => mismatch(
            "The request signature we calculated does not match the signature you provided.",
        ),
    }
}

/// A part of the Authorization header.
fn part<'h>(header: &'h str, name: &str) -> &'h str {
    let found = header.split_once(name).map(|(_, rest)| rest);
    let end = found.and_then(|rest| rest.split([',', ' ']).next());
    end.unwrap_or_default()
}

/// The signature that the secret of this server makes of the request (Signature Version 4), over these headers.
fn signature(
    info: &ServeInfo,
    request: &Request<Bytes>,
    service: &str,
    signed: &str,
) -> Option<String> {
    let text = |name: &str| request.headers().get(name)?.to_str().ok();
    let names: Vec<&str> = signed.split(';').collect();
    let mut headers = Vec::new();
    for name in &names {
        headers.push((*name, text(name)?));
    }
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text("x-amz-date")?).ok()?;
    let time = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let mut settings = SigningSettings::default();
    if names.contains(&"x-amz-content-sha256") {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = Credentials::new(
        &info.access_key_id,
        &info.secret_access_key,
        None,
        None,
        "sandbox",
    )
    .into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&info.region)
        .name(service)
        .time(time.into())
        .settings(settings)
        .build()
        .ok()?
        .into();
    let uri = format!("http://{}{}", text("host")?, request.uri());
    let body = SignableBody::Bytes(request.body());
    let signable =
        SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body).ok()?;
    Some(sign(signable, &params).ok()?.into_parts().1)
}

fn plain(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(why.to_owned())));
    *response.status_mut() = status;
    response
}

/// 32 hexadecimal digits from the system's random source.
fn random() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use aws_config::retry::RetryConfig;
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_smithy_types::error::metadata::ProvideErrorMetadata;

    use super::*;
    use crate::cloud::SystemClock;
    use crate::sandbox::store::Store;
    use crate::sandbox::world::{SEED_FILE_SYSTEM, SEED_INSTANCE};

    struct Life(tokio::task::JoinHandle<io::Result<()>>);

    impl Drop for Life {
        fn drop(&mut self) {
            self.0.abort();
        }
    }

    async fn served() -> (ServeInfo, Life, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::new(Store::new(dir.path()), Arc::new(SystemClock));
        let server = Server::bind(endpoint, 0).await.unwrap();
        let info = server.info().clone();
        (info, Life(tokio::spawn(server.run())), dir)
    }

    fn client(info: &ServeInfo, key: &str, region: &str) -> SdkConfig {
        signing(info, key, &info.secret_access_key, region)
    }

    fn signing(info: &ServeInfo, key: &str, secret: &str, region: &str) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(&info.endpoint)
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                key, secret, None, None, "test",
            )))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .build()
    }

    #[tokio::test]
    async fn the_sdk_talks_to_it_over_loopback() {
        let (info, _life, _dir) = served().await;
        assert!(info.endpoint.starts_with("http://127.0.0.1:"));
        let config = client(&info, &info.access_key_id, &info.region);
        let ec2 = aws_sdk_ec2::Client::new(&config);
        let i = ec2
            .describe_instances()
            .instance_ids(SEED_INSTANCE)
            .send()
            .await
            .unwrap();
        assert_eq!(i.reservations().len(), 1);
        let efs = aws_sdk_efs::Client::new(&config);
        let fs = efs.describe_file_systems().file_system_id(SEED_FILE_SYSTEM);
        assert_eq!(fs.send().await.unwrap().file_systems().len(), 1);
        let ssm = aws_sdk_ssm::Client::new(&config);
        let agents = ssm.describe_instance_information().send().await.unwrap();
        assert_eq!(agents.instance_information_list().len(), 1);
    }

    #[tokio::test]
    async fn a_stranger_is_refused() {
        let (info, _life, _dir) = served().await;
        let config = client(&info, "AKIAIOSFODNN7EXAMPLE", &info.region);
        let ec2 = aws_sdk_ec2::Client::new(&config).stop_instances();
        let error = ec2.instance_ids(SEED_INSTANCE).send().await.unwrap_err();
        assert_eq!(error.code(), Some("AuthFailure"));
        let ssm = aws_sdk_ssm::Client::new(&config).list_commands();
        let error = ssm.send().await.unwrap_err();
        assert_eq!(error.code(), Some("UnrecognizedClientException"));
        let efs = aws_sdk_efs::Client::new(&config).describe_file_systems();
        let error = efs.send().await.unwrap_err();
        assert_eq!(error.code(), Some("UnrecognizedClientException"));
        // A page in a browser can send forms to loopback, but no Authorization header.
        let mut bare = Request::post("/").body(Bytes::new()).unwrap();
        assert!(allow(&info, &bare).is_err());
        let near = format!(
            "AWS4-HMAC-SHA256 Credential={}x/20261120/us-east-1/ec2",
            info.access_key_id
        );
        bare.headers_mut()
            .insert("authorization", near.parse().unwrap());
        assert!(allow(&info, &bare).is_err());
    }

    /// The id alone is not secret: it stands in every request.
    #[tokio::test]
    async fn whoever_has_the_id_and_not_the_secret_is_refused() {
        let (info, _life, _dir) = served().await;
        let config = signing(&info, &info.access_key_id, "wrong", &info.region);
        let ec2 = aws_sdk_ec2::Client::new(&config).stop_instances();
        let error = ec2.instance_ids(SEED_INSTANCE).send().await.unwrap_err();
        assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
        let ssm = aws_sdk_ssm::Client::new(&config).list_commands();
        let error = ssm.send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidSignatureException"));
        let efs = aws_sdk_efs::Client::new(&config).describe_file_systems();
        let error = efs.send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidSignatureException"));
    }

    #[tokio::test]
    async fn another_region_is_refused() {
        let (info, _life, _dir) = served().await;
        let config = client(&info, &info.access_key_id, "eu-west-1");
        let ec2 = aws_sdk_ec2::Client::new(&config).describe_instances();
        let error = ec2.send().await.unwrap_err();
        assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let (info, _life, dir) = served().await;
        let port = info.endpoint.rsplit(':').next().unwrap().parse().unwrap();
        let endpoint = Endpoint::new(Store::new(dir.path()), Arc::new(SystemClock));
        let error = Server::bind(endpoint, port).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("127.0.0.1:{port}: ")), "{error}");
    }

    #[test]
    fn keys_are_made_anew() {
        assert_ne!(random(), random());
        assert_eq!(random().len(), 32);
    }
}
