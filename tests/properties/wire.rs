//! A reply of AWS through the SDK's own readers and our adapters: `CALL STATUS`, a line end, and the body.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::retry::RetryConfig;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use geusemaker::cloud::aws::{Aws, in_process};
use geusemaker::cloud::{
    CloudError, CommandId, CommandRequest, Effect, ReservationOwner, Reserve, WhichReservations,
};
use geusemaker::model::{
    DeploymentName, FileSystemId, InstanceFacts, InstanceId, InstanceType, PlacementGroup,
};
use geusemaker::sandbox::world::World;

/// What is asked about; the seeds answer about it.
pub const INSTANCE: &str = "i-0c5a1b7d9e2f34680";
/// The same.
pub const FILE_SYSTEM: &str = "fs-0a8d64c2e1f7b3590";

/// The calls of EC2 and Auto Scaling.
pub const EC2: &[&str] = &[
    "ec2:DescribeInstances",
    "ec2:DescribeInstanceAttribute",
    "ec2:DescribePlacementGroups",
    "ec2:DescribeSpotInstanceRequests",
    "autoscaling:DescribeAutoScalingInstances",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:StopInstances",
    "ec2:StartInstances",
    "ec2:ModifyInstanceAttribute",
    "ec2:DescribeInstanceStatus",
    "ec2:CreateCapacityReservation",
    "ec2:DescribeCapacityReservations",
    "ec2:CancelCapacityReservation",
    "ec2:GetConsoleOutput",
];

/// Those of Systems Manager.
pub const SSM: &[&str] = &[
    "ssm:DescribeInstanceInformation",
    "ssm:SendCommand",
    "ssm:GetCommandInvocation",
    "ssm:PutParameter",
    "ssm:GetParametersByPath",
    "ssm:DeleteParameter",
];

/// Those of EFS. One of our calls asks both, and gets the same answer twice.
pub const EFS: &[&str] = &["elasticfilesystem:DescribeFileSystems"];

pub fn ec2(input: &[u8]) -> bool {
    holds(EC2, input)
}

pub fn ssm(input: &[u8]) -> bool {
    holds(SSM, input)
}

pub fn efs(input: &[u8]) -> bool {
    holds(EFS, input)
}

/// A client of one thread, whose every request is answered with what stands in `answer`.
struct Kit {
    runtime: tokio::runtime::Runtime,
    aws: Aws,
    answer: Arc<Mutex<Answer>>,
}

#[derive(Debug, Clone, Default)]
struct Answer {
    status: u16,
    body: Vec<u8>,
    asked: u32,
}

#[derive(Debug)]
struct Canned(Arc<Mutex<Answer>>);

impl HttpConnector for Canned {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let mut answer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answer.asked += 1;
        let status = answer.status.try_into().expect("three digits");
        let mut reply = HttpResponse::new(status, SdkBody::from(answer.body.clone()));
        reply.headers_mut().insert("x-amzn-requestid", "req-0001");
        HttpConnectorFuture::ready(Ok(reply))
    }
}

impl Kit {
    fn new() -> Self {
        let answer = Arc::<Mutex<Answer>>::default();
        let connector = SharedHttpConnector::new(Canned(Arc::clone(&answer)));
        let http = http_client_fn(move |_, _| connector.clone());
        let config = in_process(http, "us-east-1");
        let config = config.to_builder().retry_config(RetryConfig::disabled());
        Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime"),
            aws: Aws::new(&config.build()).expect("a region"),
            answer,
        }
    }
}

thread_local! {
    static KIT: RefCell<Option<Kit>> = const { RefCell::new(None) };
}

fn holds(calls: &[&str], input: &[u8]) -> bool {
    let end = input.iter().position(|b| *b == b'\n').unwrap_or(0);
    let head = String::from_utf8_lossy(&input[..end]).into_owned();
    let (call, status) = head.split_once(' ').unwrap_or((&head, ""));
    let call = calls
        .iter()
        .find(|known| **known == call)
        .unwrap_or(&calls[0]);
    let status = status
        .parse()
        .ok()
        .filter(|n| (200..600).contains(n))
        .unwrap_or(200);
    KIT.with_borrow_mut(|kit| {
        let kit = kit.get_or_insert_with(Kit::new);
        *kit.answer.lock().unwrap_or_else(PoisonError::into_inner) = Answer {
            status,
            body: input[(end + 1).min(input.len())..].to_vec(),
            asked: 0,
        };
        let answered = kit.runtime.block_on(ask(&kit.aws, call));
        let answer = kit.answer.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(answer.asked <= 12, "{call} asked {} times", answer.asked);
        match answered {
            Ok(about) => {
                let named = about.is_none_or(|id| names(&answer.body, id));
                assert!(
                    named,
                    "{call}: an answer about {about:?}, which is not in it"
                );
                true
            }
            Err(error) => {
                // 4,000 characters of a message, 200 each of a code and a request id.
                super::said(&error, 4 * 4500);
                assert!(
                    calls.contains(&error.call) || error.call.starts_with("elasticfilesystem:")
                );
                false
            }
        }
    })
}

fn instance_type(name: &str) -> InstanceType {
    InstanceType::new(name).expect("a type")
}

/// Whether a reply names it. One that may spell it in another way passes: JSON has escapes, XML entities and comments.
fn names(body: &[u8], id: &str) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains(id) || text.contains(['\\', '&']) || text.contains("<!")
}

/// Makes the one of our calls that asks this, first. Answers what the reply has to name, where it was taken for one about
/// that; what the answer itself names is compared here.
///
/// # Errors
/// The adapter's own.
pub async fn ask(aws: &Aws, call: &str) -> Result<Option<&'static str>, CloudError> {
    let id = InstanceId::new(INSTANCE).expect("an id");
    let (ec2, agent, parameters) = (&aws.ec2, &aws.agent, &aws.parameters);
    let command = CommandId("11111111-2222-3333-4444-555555555555".into());
    let nothing = match call {
        "ec2:DescribeInstances" => {
            let found = ec2.instance(&id).await?;
            if let Some(found) = &found {
                assert_eq!((&found.id, found.region.as_str()), (&id, "us-east-1"));
            }
            return Ok(found.map(|_| INSTANCE));
        }
        "ec2:DescribeInstanceAttribute"
        | "ec2:DescribePlacementGroups"
        | "ec2:DescribeSpotInstanceRequests"
        | "autoscaling:DescribeAutoScalingInstances" => ec2
            .complete(seen())
            .await
            .map(|found| assert_eq!(found.id, seen().id)),
        "ec2:DescribeInstanceTypes" => {
            let asked = [instance_type("t3.large")];
            let found = ec2.types(&asked).await?;
            assert!(found.iter().all(|facts| asked.contains(&facts.name)));
            Ok(())
        }
        "ec2:DescribeInstanceTypeOfferings" => {
            let asked = [instance_type("t3.large"), instance_type("t3.medium")];
            let offered = ec2.offered(&asked, "us-east-1a").await?;
            assert!(offered.iter().all(|name| asked.contains(name)));
            Ok(())
        }
        "ec2:StopInstances" => ec2.stop(&id, false).await,
        "ec2:StartInstances" => ec2.permits(&id, &Effect::Start).await.map(drop),
        "ec2:ModifyInstanceAttribute" => ec2.set_type(&id, &instance_type("t3.large")).await,
        "ec2:DescribeInstanceStatus" => {
            return ec2.status_checks(&id).await.map(|_| Some(INSTANCE));
        }
        "ec2:CreateCapacityReservation" => ec2.reserve(&reserve()).await.map(drop),
        "ec2:DescribeCapacityReservations" => {
            let of = WhichReservations::Of(reserve().owner);
            ec2.reservations(&of).await.map(drop)
        }
        "ec2:CancelCapacityReservation" => {
            let one = "cr-05a11c0de00000001".parse().expect("an id");
            ec2.release(&one).await
        }
        "ec2:GetConsoleOutput" => ec2.console(&id).await.map(drop),
        "ssm:DescribeInstanceInformation" => {
            return Ok(agent.ping(&id).await?.map(|_| INSTANCE));
        }
        "ssm:SendCommand" => agent.send(&id, &script()).await.map(drop),
        "ssm:GetCommandInvocation" => agent.result(&id, &command).await.map(drop),
        "ssm:PutParameter" => parameters.create("/a/b", "c").await.map(drop),
        "ssm:GetParametersByPath" => {
            let found = parameters.by_path("/a").await?;
            assert!(found.iter().all(|one| one.name.starts_with("/a/")));
            Ok(())
        }
        "ssm:DeleteParameter" => parameters.delete("/a/b").await,
        _ => {
            let id = FileSystemId::new(FILE_SYSTEM).expect("an id");
            let found = aws.efs.file_system(&id).await?;
            assert!(found.as_ref().is_none_or(|found| found.id == id));
            return Ok(found.map(|_| FILE_SYSTEM));
        }
    };
    nothing.map(|()| None)
}

/// An instance of which everything is asked.
fn seen() -> InstanceFacts {
    let now = "2026-11-20T10:00:00Z".parse().expect("a time");
    let world = World::new(now);
    let mut facts = world.instances[INSTANCE].facts("111122223333", "us-east-1");
    facts.placement_group = Some(PlacementGroup {
        name: "group".into(),
        strategy: None,
    });
    (facts.auto_scaling_group, facts.spot) = (Some("group".into()), true);
    facts
}

fn reserve() -> Reserve {
    Reserve {
        instance_type: instance_type("t3.large"),
        zone: "us-east-1a".into(),
        platform: "Linux/UNIX".into(),
        tenancy: "default".into(),
        ends_at: "2026-11-20T12:00:00Z".parse().expect("a time"),
        token: "token".into(),
        owner: ReservationOwner {
            deployment: DeploymentName::new("web").expect("a name"),
            instance: InstanceId::new(INSTANCE).expect("an id"),
            operation: None,
        },
    }
}

fn script() -> CommandRequest {
    CommandRequest {
        script: "true".into(),
        comment: "none".into(),
        delivery_timeout_s: 30,
        execution_timeout_s: 30,
    }
}
