//! Where the real world, or the sandbox, is built from the settings.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{App, SandboxRequest};
use crate::cloud::aws::{self, Aws, AwsCredentials, ConnectOptions};
use crate::cloud::{Clock, Credentials, Lasting, SystemClock};
use crate::host::{ChannelLimits, RunCommandHost};
use crate::model::{Deployment, DeploymentName, GateSettings};
use crate::orchestrator::{Limits, Unguarded, World};
use crate::plan::Pace;
use crate::report::{CommandError, FaultView, InstanceView, SandboxData, Silent};
use crate::sandbox::connector::http_client;
use crate::sandbox::host::{run_agent, shim};
use crate::sandbox::latency::Latency;
use crate::sandbox::place::{Place, PlaceError};
use crate::sandbox::serve::{ServeError, Server};
use crate::sandbox::store::StoreError;
use crate::state::{StateDir, StateError};

/// `--health-timeout` where it is not given: 5 min.
const HEALTH_TIMEOUT_MS: u64 = 5 * 60 * 1000;

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { .. } => Self::failed("state_damaged", error.to_string())
                .help("it was left as it is; geusemaker sandbox reset throws the sandbox away and makes it anew"),
            StoreError::Io(error) => folder(&error),
        }
    }
}

/// The sandbox's folder cannot be used.
fn folder(error: &std::io::Error) -> CommandError {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let code = match error.kind() {
        StorageFull | QuotaExceeded => "disk_full",
        _ => "state_unwritable",
    };
    CommandError::failed(code, format!("the sandbox cannot be used: {error}"))
}

impl From<PlaceError> for CommandError {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Store(error) => error.into(),
            PlaceError::State(error) => error.into(),
            PlaceError::Io(error) => folder(&error),
        }
    }
}

/// This program, for the sandbox's own processes.
fn program() -> Result<PathBuf, CommandError> {
    std::env::current_exe()
        .map_err(|e| CommandError::failed("internal", "this program cannot be found").because(e))
}

fn place(app: &App) -> Result<Place, CommandError> {
    Ok(Place::open(&app.settings.sandbox_dir())?)
}

/// The world of a deployment that is there, in the deployment's region unless another one was asked for.
///
/// # Errors
/// There is no such deployment, or as for [`build`].
pub async fn of(app: &App, name: &DeploymentName) -> Result<World, CommandError> {
    let (folder, deployment) = known(app, name)?;
    let mut world = build(app, Some(&deployment.region)).await?;
    // The log of an operation lies in the deployment's own folder.
    world.listener = app.listener(folder.join(name.as_str()));
    Ok(world)
}

/// The folder with the deployments, and the deployment in it.
///
/// # Errors
/// There is none: said before anybody is asked, and that the sandbox has one of that name, where it has.
pub fn known(app: &App, name: &DeploymentName) -> Result<(PathBuf, Deployment), CommandError> {
    let folder = deployments(app)?;
    let (state, _) = StateDir::open(&folder)?;
    match state.load(name) {
        Ok(deployment) => Ok((folder, deployment)),
        Err(StateError::NotFound { .. }) if only_in_sandbox(app, name) => {
            Err(CommandError::not_found(
                "only_in_sandbox",
                format!("there is no deployment '{name}' on AWS; the sandbox has one"),
            ))
        }
        Err(error) => Err(error.into()),
    }
}

fn only_in_sandbox(app: &App, name: &DeploymentName) -> bool {
    let there = app.settings.sandbox_dir().join("state");
    !app.settings.sandbox
        && StateDir::open(there).is_ok_and(|(state, _)| state.deployment_file(name).is_file())
}

/// AWS as `app.settings` says, or the sandbox, which is made on first use. The region is that of the flag,
/// then this one, then what the AWS configuration says.
///
/// # Errors
/// What stands in the way: settings, credentials, a folder that cannot be written.
pub async fn build(app: &App, region: Option<&str>) -> Result<World, CommandError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = &app.settings;
    let (aws, limits, pace, channel, stable_ms) = if settings.sandbox {
        let place = place(app)?;
        let (region, latency, real) = place.with(|world, _| {
            let real = world.hosts.values().any(|host| !host.elsewhere.is_empty());
            (world.region.clone(), world.latency, real)
        })?;
        let config = aws::in_process(http_client(place.endpoint(program()?)), &region);
        let fast = latency.is_fast();
        let limits = if fast {
            Limits::FAST
        } else {
            Limits {
                poll: Limits::AWS.poll / 2,
                ..Limits::AWS
            }
        };
        // A host that takes its time, or is a real one with work to do, is asked no more often than that.
        let at_once = fast && !real;
        let poll_host = if at_once {
            limits.poll_host
        } else {
            Limits::AWS.poll / 2
        };
        let limits = Limits {
            restore: Duration::from_millis(latency.restore),
            poll_host,
            ..limits
        };
        let channel = if at_once {
            ChannelLimits::fast()
        } else {
            ChannelLimits::default()
        };
        (
            config,
            limits,
            pace(&latency),
            channel,
            if fast { 1000 } else { 10_000 },
        )
    } else {
        let options = ConnectOptions {
            region: settings.region.clone().or(region.map(str::to_owned)),
            profile: settings.profile.clone(),
            endpoint_url: settings.endpoint_url.clone(),
        };
        let config = aws::connect(&options)
            .await
            .map_err(|e| CommandError::failed("aws_settings", e.to_string()))?;
        (
            config,
            Limits::AWS,
            Pace::AWS,
            ChannelLimits::default(),
            10_000,
        )
    };
    let credentials: Arc<dyn Credentials> = if settings.sandbox {
        Arc::new(Lasting)
    } else {
        let profile = settings.profile.clone().or(settings.profile_of_env.clone());
        Arc::new(AwsCredentials::new(&aws, profile))
    };
    let aws = Aws::new(&aws).map_err(|e| CommandError::failed("aws_settings", e.to_string()))?;
    let state_dir = settings.deployments_dir();
    let host = Arc::new(RunCommandHost::new(aws.agent, Arc::clone(&clock), channel));
    Ok(World {
        ec2: aws.ec2,
        efs: aws.efs,
        parameters: aws.parameters,
        guard: Arc::new(Unguarded),
        shell: Arc::clone(&host) as _,
        host,
        credentials,
        clock,
        listener: Arc::new(Silent),
        state_dir,
        limits,
        pace,
        owner: super::env::owner(),
        interrupted: Arc::clone(&app.interrupt),
        default_gate: GateSettings {
            timeout_ms: HEALTH_TIMEOUT_MS,
            stable_ms,
        },
        // The random half of a version 4 UUID is enough to tell two ids of one second apart.
        random: Arc::new(|| {
            let bytes = uuid::Uuid::new_v4().into_bytes();
            u16::from_be_bytes([bytes[0], bytes[1]])
        }),
    })
}

/// The sandbox's own latencies, as an estimate.
fn pace(latency: &Latency) -> Pace {
    let seconds = |ms: u64| ms.div_ceil(1000);
    Pace {
        stop: seconds(latency.stop),
        boot: seconds(latency.start + latency.agent),
        start: seconds(latency.healthy),
    }
}

/// The folder with the deployments, for commands that ask nobody. Makes the sandbox on first use.
///
/// # Errors
/// As for [`build`].
pub fn deployments(app: &App) -> Result<PathBuf, CommandError> {
    if app.settings.sandbox {
        place(app)?;
    }
    Ok(app.settings.deployments_dir())
}

/// A look at the sandbox, or a change of its settings.
///
/// # Errors
/// As for [`build`].
pub fn sandbox(app: &App, request: SandboxRequest) -> Result<SandboxData, CommandError> {
    let place = match request {
        SandboxRequest::Reset => Place::reset(&app.settings.sandbox_dir())?,
        _ => place(app)?,
    };
    place.with(|world, _| match request {
        SandboxRequest::Reset | SandboxRequest::Look => {}
        SandboxRequest::FaultAdd(fault) => world.faults.0.push(fault),
        SandboxRequest::FaultClear => world.faults.0.clear(),
        SandboxRequest::Latency(change) => world.latency = change.apply(world.latency),
    })?;
    let (state, _) = StateDir::open(place.deployments())?;
    let deployments = state.names()?;
    Ok(place.with(|world, _| SandboxData {
        folder: place.dir().display().to_string(),
        deployments,
        instances: world
            .instances
            .values()
            .map(|i| InstanceView {
                id: i.id.clone(),
                state: i.state,
                instance_type: i.instance_type.clone(),
                public_ip: i.public_ip.clone(),
            })
            .collect(),
        faults: world.faults.0.iter().map(FaultView::from).collect(),
        latency: world.latency,
    })?)
}

/// Serves the sandbox on loopback until it is ended. Prints the one JSON line itself.
///
/// # Errors
/// The port is taken.
pub async fn serve(app: &App, port: Option<u16>) -> Result<(), CommandError> {
    let endpoint = place(app)?.endpoint(program()?);
    let failed = |e: ServeError| {
        CommandError::failed("serve", e.to_string()).help("choose another port with --port")
    };
    let server = Server::bind(endpoint, port.unwrap_or(0))
        .await
        .map_err(failed)?;
    let line = serde_json::to_string(server.info())
        .map_err(|e| CommandError::failed("internal", e.to_string()))?;
    let mut out = std::io::stdout();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.map_err(|e| {
        CommandError::failed("stdout", "the endpoint cannot be written to stdout").because(e)
    })?;
    server
        .run()
        .await
        .map_err(|e| CommandError::failed("serve", "the server ended").because(e))
}

/// The sandbox's own processes: `sandbox-agent` and `sandbox-docker`. Their words are not clap's: a
/// `docker` takes docker's flags. Answers the exit code.
pub fn hidden(command: Hidden, args: &[OsString]) -> u8 {
    let words: Vec<String> = args
        .iter()
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (command, words.as_slice()) {
        (Hidden::Agent, [dir, instance]) => agent(dir, instance),
        (Hidden::Docker, [dir, instance, root, argv @ ..]) => docker(dir, instance, root, argv),
        _ => 2,
    }
}

/// The agent of an instance, until there is nothing to do. Nobody reads what it prints.
fn agent(dir: &str, instance: &str) -> u8 {
    // What the caller had open would be open in every script: a way around all walls.
    close_fds::set_fds_cloexec(3, &[]);
    let run = || -> Result<(), CommandError> {
        let place = Place::open(dir.as_ref())?;
        let settings = place.agent(instance, program()?)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| CommandError::failed("internal", e.to_string()))?;
        runtime
            .block_on(run_agent(&place, &settings))
            .map_err(|e| CommandError::failed("sandbox", e.to_string()))
    };
    u8::from(run().is_err())
}

/// A stand-in that a script of a sandbox's host calls.
fn docker(dir: &str, instance: &str, root: &str, argv: &[&str]) -> u8 {
    let argv: Vec<String> = argv.iter().map(|a| (*a).to_owned()).collect();
    let answer = Place::open(dir.as_ref())
        .map_err(|e| e.to_string())
        .and_then(|place| shim(&place, instance, root.as_ref(), &argv).map_err(|e| e.to_string()));
    match answer {
        Ok(answer) => {
            let printed = std::io::stdout()
                .write_all(answer.stdout.as_bytes())
                .and_then(|()| std::io::stderr().write_all(answer.stderr.as_bytes()));
            match (printed, u8::try_from(answer.code)) {
                (Ok(()), Ok(code)) => code,
                _ => 1,
            }
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            125
        }
    }
}

/// A command of the sandbox's own processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// `sandbox-agent`
    Agent,
    /// `sandbox-docker`
    Docker,
}
