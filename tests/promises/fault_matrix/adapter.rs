//! Each call, through the method of the port that makes it.

use geusemaker::cloud::aws::Aws;
use geusemaker::cloud::{
    CloudError, CommandId, CommandRequest, ReservationOwner, Reserve, WhichReservations,
};
use geusemaker::model::{
    DeploymentName, FileSystemId, InstanceId, InstanceType, OperationId, ReservationId,
};
use geusemaker::sandbox::world::{SEED_FILE_SYSTEM, SEED_INSTANCE};

/// The answer: in our nouns, or the error.
pub async fn ask(aws: &Aws, call: &str) -> Result<String, CloudError> {
    fn told<T: std::fmt::Debug>(answer: Result<T, CloudError>) -> Result<String, CloudError> {
        answer.map(|told| format!("{told:?}"))
    }
    let on = InstanceId::new(SEED_INSTANCE).expect("an id");
    let large = InstanceType::new("t3.large").expect("a type");
    let owner = ReservationOwner {
        deployment: DeploymentName::new("my-dev-stack").expect("a name"),
        instance: on.clone(),
        operation: Some(OperationId::new("op-1").expect("an id")),
    };
    let ec2 = aws.ec2.as_ref();
    match call {
        "ec2:DescribeInstances" => told(ec2.instance(&on).await),
        "ec2:DescribeInstanceAttribute"
        | "ec2:DescribePlacementGroups"
        | "ec2:DescribeSpotInstanceRequests"
        | "autoscaling:DescribeAutoScalingInstances"
        | "autoscaling:DescribeAutoScalingGroups" => {
            let seen = ec2.instance(&on).await?.expect("it is there");
            told(ec2.complete(seen).await)
        }
        "ec2:DescribeInstanceTypes" => told(ec2.types(&[large]).await),
        "ec2:DescribeInstanceTypeOfferings" => told(ec2.offered(&[large], "us-east-1a").await),
        "ec2:DescribeInstanceStatus" => told(ec2.status_checks(&on).await),
        "ec2:DescribeCapacityReservations" => {
            told(ec2.reservations(&WhichReservations::Of(owner)).await)
        }
        "ec2:CreateCapacityReservation" => {
            let ask = Reserve {
                instance_type: large,
                zone: "us-east-1a".into(),
                platform: "Linux/UNIX".into(),
                tenancy: "default".into(),
                ends_at: "2026-11-20T12:00:00Z".parse().expect("a time"),
                token: "geusemaker-1".into(),
                owner,
            };
            told(ec2.reserve(&ask).await)
        }
        "ec2:CancelCapacityReservation" => {
            let id = ReservationId::new("cr-0123456789abcdef0").expect("an id");
            told(ec2.release(&id).await)
        }
        "ec2:StopInstances" => told(ec2.stop(&on, false).await),
        "ec2:StartInstances" => told(ec2.start(&on).await),
        "ec2:ModifyInstanceAttribute" => told(ec2.set_type(&on, &large).await),
        "ec2:GetConsoleOutput" => told(ec2.console(&on).await),
        "elasticfilesystem:DescribeFileSystems" | "elasticfilesystem:DescribeMountTargets" => {
            let id = FileSystemId::new(SEED_FILE_SYSTEM).expect("an id");
            told(aws.efs.file_system(&id).await)
        }
        "ssm:DescribeInstanceInformation" => told(aws.agent.ping(&on).await),
        "ssm:SendCommand" => {
            let command = CommandRequest {
                script: "true".into(),
                comment: String::new(),
                delivery_timeout_s: 30,
                execution_timeout_s: 10,
            };
            told(aws.agent.send(&on, &command).await)
        }
        "ssm:GetCommandInvocation" => {
            let id = CommandId("11111111-2222-3333-4444-555555555555".into());
            told(aws.agent.result(&on, &id).await)
        }
        "ssm:GetParametersByPath" => told(aws.parameters.by_path("/geusemaker/web/lock").await),
        "ssm:PutParameter" => told(aws.parameters.create("/geusemaker/web/lock/1", "{}").await),
        "ssm:DeleteParameter" => told(aws.parameters.delete("/geusemaker/web/lock/1").await),
        other => panic!("no method makes the call {other}"),
    }
}
