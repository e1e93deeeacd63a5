//! The line between the unmodified SDK and the sandbox's wire, in process, with something wrong on it. Time is virtual: a
//! pause between two tries and a call that gets no answer cost nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{pending, poll_fn};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use aws_sdk_efs::config::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use geusemaker::cloud::Clock;
use geusemaker::cloud::aws::{Aws, in_process};
use geusemaker::model::Timestamp;
use geusemaker::sandbox::memory::VirtualClock;
use geusemaker::sandbox::rig::Memory;
use geusemaker::sandbox::wire;
use geusemaker::sandbox::world::{AwsError, SEED_INSTANCE};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};

use super::table::{Wrong, is_effect};

/// What is wrong, with which call, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub call: &'static str,
    pub wrong: Wrong,
    /// One call fails, with each of the SDK's own tries; else every one.
    pub once: bool,
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    /// The one call that fails (`amz-sdk-invocation-id`), where only one does.
    invocation: Option<String>,
    struck: u32,
    calls: BTreeSet<String>,
    /// They are not counted yet.
    waits: bool,
    /// What each read was answered last.
    read: BTreeMap<String, (Timestamp, Response<Bytes>)>,
}

/// What the agent does with a command: nothing is done twice at once.
pub type Work = Box<dyn FnMut() + Send>;

/// The line.
#[derive(Clone)]
pub struct Line {
    memory: Arc<Memory>,
    clock: VirtualClock,
    state: Arc<Mutex<State>>,
    work: Arc<Mutex<Option<Work>>>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    pub fn new(memory: Arc<Memory>, clock: &VirtualClock) -> Self {
        Self {
            memory,
            clock: clock.clone(),
            state: Arc::default(),
            work: Arc::default(),
        }
    }

    /// The adapters over it.
    pub fn aws(&self) -> Aws {
        let connector = SharedHttpConnector::new(self.clone());
        let http: SharedHttpClient = http_client_fn(move |_, _| connector.clone());
        let config = in_process(http, "us-east-1").into_builder();
        let config = config.sleep_impl(Virtually(self.clock.clone())).build();
        Aws::new(&config).expect("a region")
    }

    pub fn breaks(&self, fault: Fault) {
        let mut state = self.state();
        state.struck = 0;
        state.fault = Some(fault);
        state.invocation = None;
    }

    pub fn mend(&self) {
        self.state().fault = None;
    }

    /// How often it struck, the SDK's own tries included.
    pub fn struck(&self) -> u32 {
        self.state().struck
    }

    /// Every call that was made.
    pub fn calls(&self) -> BTreeSet<String> {
        self.state().calls.clone()
    }

    /// They are counted from a moment on that is still to come.
    pub fn waits(&self) {
        self.state().waits = true;
    }

    /// They are counted from now on.
    pub fn forget(&self) {
        let mut state = self.state();
        state.waits = false;
        state.calls.clear();
    }

    /// What the agent is to do with the next command.
    pub fn works(&self, work: Option<Work>) {
        *self.work.lock().expect("no panic") = work;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Whether this request is one that goes wrong.
    fn wrong(&self, call: &str, request: &Request<Bytes>) -> Option<Wrong> {
        let mut state = self.state();
        if !state.waits {
            state.calls.insert(call.to_owned());
        }
        let fault = state.fault.filter(|f| f.call == call)?;
        if let Wrong::Code(code) = fault.wrong
            && !AwsError::is_authorization(code)
            && is_dry_run(request)
        {
            // A dry run checks permissions and nothing else (EC2 API, `DryRun`).
            return None;
        }
        if fault.once {
            let id = request.headers().get("amz-sdk-invocation-id");
            let id = id.expect("the SDK names each call").to_str().expect("text");
            if state.invocation.get_or_insert_with(|| id.to_owned()) != id {
                return None;
            }
        }
        state.struck += 1;
        Some(fault.wrong)
    }

    /// What the sandbox answers; a command is run by the agent at once.
    fn ask(&self, call: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let response = wire::handle(&mut self.memory.world(), request, self.clock.now());
        if call == "ssm:SendCommand" {
            self.run();
        }
        if !is_effect(call) {
            let now = self.clock.now();
            let kept = (now, response.clone());
            self.state().read.insert(key(request), kept);
        }
        response
    }

    fn run(&self) {
        let now = self.clock.now();
        let command = self.memory.world().next_command(SEED_INSTANCE, now);
        let mut work = self.work.lock().expect("no panic");
        let (Some(command), Some(work)) = (command, work.as_mut()) else {
            return;
        };
        work();
        let mut world = self.memory.world();
        world.finish_command(
            SEED_INSTANCE,
            &command.id,
            0,
            &super::host::reply(),
            "",
            now,
        );
    }

    /// The last answer, while it is not older than this cloud is behind. Of one stale read alone: however old.
    fn stale(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let state = self.state();
        let (at, response) = state.read.get(&key(request))?;
        let age = self.clock.now().duration_since(*at).as_secs();
        let once = state.fault.is_some_and(|f| f.once);
        (once || age < 5).then(|| response.clone())
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = plain(request);
        let call = call_of(&request);
        let failed = |text: &str| {
            let error = io::Error::new(io::ErrorKind::ConnectionReset, text.to_owned());
            ConnectorError::io(error.into())
        };
        let response = match self.wrong(&call, &request) {
            None => self.ask(&call, &request),
            Some(Wrong::Code(code)) => {
                let message = AwsError::of_fault(&call, code, None).message;
                wire::refuse(&request, code, code, &message)
            }
            Some(Wrong::DoneButInternal) => {
                self.ask(&call, &request);
                let why = "An internal error has occurred";
                wire::refuse(&request, "InternalError", "InternalServerError", why)
            }
            Some(Wrong::Timeout) => pending().await,
            Some(Wrong::DoneButTimeout) => {
                self.ask(&call, &request);
                pending().await
            }
            Some(Wrong::Reset) => return Err(failed("connection reset by peer")),
            Some(Wrong::DoneButReset) => {
                self.ask(&call, &request);
                return Err(failed("connection reset by peer"));
            }
            Some(Wrong::CutOff) => {
                let (parts, body) = self.ask(&call, &request).into_parts();
                let half = Full::new(body.slice(..body.len() / 2));
                let half = half.map_err(|never| -> io::Error { match never {} });
                let cut = half.with_trailers(async {
                    Some(Err(io::Error::from(io::ErrorKind::ConnectionReset)))
                });
                return whole(Response::from_parts(parts, SdkBody::from_body_1_x(cut)));
            }
            Some(Wrong::CutShort) => {
                let (parts, body) = self.ask(&call, &request).into_parts();
                Response::from_parts(parts, body.slice(..body.len() / 2))
            }
            Some(Wrong::Gateway) => {
                let page = Bytes::from_static(b"<html><body>Bad Gateway</body></html>");
                let page = Response::builder().status(502).body(page);
                page.expect("a response")
            }
            Some(Wrong::Stale) => match self.stale(&request) {
                Some(old) => old,
                None => self.ask(&call, &request),
            },
        };
        whole(response.map(SdkBody::from))
    }
}

fn whole(response: Response<SdkBody>) -> Result<HttpResponse, ConnectorError> {
    HttpResponse::try_from(response).map_err(|e| ConnectorError::other(e.into(), None))
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

fn plain(request: HttpRequest) -> Request<Bytes> {
    let (parts, body) = request.try_into_http1x().expect("HTTP").into_parts();
    let body = Bytes::copy_from_slice(body.bytes().expect("none of these calls streams"));
    Request::from_parts(parts, body)
}

fn key(request: &Request<Bytes>) -> String {
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|t| t.to_str().ok()).unwrap_or_default();
    let body = String::from_utf8_lossy(request.body());
    format!("{target} {} {body}", request.uri())
}

/// The call, as IAM names it.
pub fn call_of(request: &Request<Bytes>) -> String {
    if let Some(target) = request.headers().get("x-amz-target") {
        let target = target.to_str().expect("text");
        return format!("ssm:{}", target.rsplit('.').next().expect("a name"));
    }
    match request.uri().path().split('/').nth(2) {
        Some("file-systems") => return "elasticfilesystem:DescribeFileSystems".into(),
        Some("mount-targets") => return "elasticfilesystem:DescribeMountTargets".into(),
        _ => {}
    }
    let service = match field(request, "Version").as_deref() {
        Some("2011-01-01") => "autoscaling",
        _ => "ec2",
    };
    format!("{service}:{}", field(request, "Action").expect("an action"))
}

fn is_dry_run(request: &Request<Bytes>) -> bool {
    field(request, "DryRun").as_deref() == Some("true")
}

fn field(request: &Request<Bytes>, name: &str) -> Option<String> {
    form_urlencoded::parse(request.body())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Whoever sleeps moves the clock on, once everybody else has come to a rest.
#[derive(Debug)]
struct Virtually(VirtualClock);

impl AsyncSleep for Virtually {
    fn sleep(&self, how_long: Duration) -> Sleep {
        let clock = self.0.clone();
        Sleep::new(async move {
            let mut turns = 20;
            poll_fn(|cx| {
                if turns == 0 {
                    return Poll::Ready(());
                }
                turns -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            clock.advance(how_long);
        })
    }
}
