//! A canned AWS for tests of the adapters: answers from a function, and remembers what was asked.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;

use super::{Aws, in_process};

/// One request, as it went over the wire.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// `ec2:StartInstances`, as IAM names it.
    pub call: String,
    /// The body: a form for EC2 and Auto Scaling, JSON for Systems Manager, empty for EFS.
    pub body: String,
    /// Path and query.
    pub uri: String,
}

/// Status and body of an answer; `Err` is a connection that fails.
pub(super) type Answer = Result<(u16, String), ConnectorError>;

/// Remembers the requests, in order.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Asked>>>);

impl Log {
    pub(super) fn all(&self) -> Vec<Asked> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.all().into_iter().map(|a| a.call).collect()
    }

    /// The one request with this name.
    pub(super) fn only(&self, call: &str) -> Asked {
        let mut found: Vec<_> = self.all().into_iter().filter(|a| a.call == call).collect();
        assert_eq!(found.len(), 1, "{call} among {:?}", self.calls());
        found.remove(0)
    }
}

/// The adapters over a function that answers, in `us-east-1`.
pub(super) fn canned(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Aws, Log) {
    let (http, log) = client(answer);
    (Aws::new(&in_process(http, "us-east-1")).unwrap(), log)
}

/// The HTTP client alone.
pub(super) fn client(
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (SharedHttpClient, Log) {
    let log = Log::default();
    let connector = SharedHttpConnector::new(Canned {
        answer: Box::new(answer),
        log: log.clone(),
    });
    (http_client_fn(move |_, _| connector.clone()), log)
}

struct Canned {
    answer: Box<dyn Fn(&Asked) -> Answer + Send + Sync>,
    log: Log,
}

impl fmt::Debug for Canned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canned")
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = read(&request);
        self.log.0.lock().unwrap().push(asked.clone());
        HttpConnectorFuture::ready((self.answer)(&asked).map(|(status, body)| {
            let mut reply =
                HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.clone()));
            // EC2's documents carry the request id themselves.
            if !body.contains("<RequestID>") {
                reply.headers_mut().insert("x-amzn-requestid", "req-0001");
            }
            // REST services name the error in a header; EFS does so beside its body.
            let json: Option<serde_json::Value> = serde_json::from_str(&body).ok();
            if let Some(code) = json.as_ref().and_then(|j| j["ErrorCode"].as_str()) {
                reply
                    .headers_mut()
                    .insert("x-amzn-errortype", code.to_owned());
            }
            reply
        }))
    }
}

fn read(request: &HttpRequest) -> Asked {
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let uri: http::Uri = request.uri().parse().unwrap();
    let path = uri
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let call = if let Some(target) = request.headers().get("x-amz-target") {
        format!("ssm:{}", target.rsplit('.').next().unwrap())
    } else if path.contains("/file-systems") {
        "elasticfilesystem:DescribeFileSystems".to_owned()
    } else if path.contains("/mount-targets") {
        "elasticfilesystem:DescribeMountTargets".to_owned()
    } else {
        // Without an action it is no call of ours: the SDK asking the instance metadata for a region.
        let value = |key: &str| form_urlencoded::parse(body.as_bytes()).find(|(k, _)| k == key);
        let service = match value("Version") {
            Some((_, version)) if version == "2011-01-01" => "autoscaling",
            _ => "ec2",
        };
        value("Action").map_or_else(
            || "metadata".to_owned(),
            |(_, name)| format!("{service}:{name}"),
        )
    };
    Asked {
        call,
        body,
        uri: path,
    }
}

/// EC2's error document.
pub(super) fn ec2_error(status: u16, code: &str, message: &str) -> Answer {
    Ok((
        status,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
             <Message>{message}</Message></Error></Errors><RequestID>req-in-body</RequestID></Response>"
        ),
    ))
}

/// Systems Manager's error document.
pub(super) fn json_error(status: u16, code: &str, message: &str) -> Answer {
    Ok((
        status,
        serde_json::json!({"__type": code, "message": message}).to_string(),
    ))
}

/// EFS's error document.
pub(super) fn efs_error(status: u16, code: &str, message: &str) -> Answer {
    Ok((
        status,
        serde_json::json!({"ErrorCode": code, "Message": message}).to_string(),
    ))
}

/// An EC2 reply: the inner XML within its envelope.
pub(super) fn ec2_reply(call: &str, inner: &str) -> Answer {
    Ok((
        200,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <{call}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>req-0001</requestId>{inner}</{call}Response>"
        ),
    ))
}

/// A reply of Auto Scaling: the inner XML within its envelope.
pub(super) fn auto_scaling_reply(call: &str, inner: &str) -> Answer {
    Ok((
        200,
        format!(
            "<{call}Response xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><{call}Result>{inner}</{call}Result>\
             <ResponseMetadata><RequestId>req-0001</RequestId></ResponseMetadata></{call}Response>"
        ),
    ))
}
