mod config;
mod ec2;
mod ec2_calls;
mod efs;
mod errors;
mod parameters;
mod policy;
mod ssm;
