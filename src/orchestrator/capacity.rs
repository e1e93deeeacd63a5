//! Capacity: reserved before the stop, looked at right before it, released at every end.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use super::failure::{fails, from_cloud};
use super::perform::Performer;
use super::world::World;
use crate::cloud::wait::Wait;
use crate::cloud::{
    CloudError, CloudErrorKind, Reservation, ReservationOwner, Reserve, WhichReservations,
};
use crate::instance::{fits, price};
use crate::journal::{Entry, Evidence, Failure, Line, Reserved};
use crate::model::{
    InstanceId, InstanceType, OperationId, Purpose, ReservationId, Timestamp, sha256_hex,
};
use crate::plan::{Action, Check, CheckStatus, ReserveCapacity};

/// At most so many other types are tried where there is no capacity, until so many can be had.
const TRIED: usize = 6;
const ENOUGH: usize = 3;
/// A token whose reservation was cancelled is not used again; so many follow it.
const TOKENS: u32 = 4;

/// What an error of a reservation means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum No {
    /// There is none.
    Capacity,
    /// A quota of the account.
    Quota,
    /// AWS does not let this be reserved, or not by this caller: that says nothing about capacity.
    NotReservable,
    /// Something else.
    Other,
}

fn means(error: &CloudError) -> No {
    match (error.kind, error.code.as_deref()) {
        (CloudErrorKind::Capacity, _) if error.is_quota() => No::Quota,
        (CloudErrorKind::Capacity, _) => No::Capacity,
        (CloudErrorKind::Denied, _) => No::NotReservable,
        (_, Some("Unsupported" | "UnsupportedOperation")) => No::NotReservable,
        // A platform or a type that reservations do not know.
        (_, Some("InvalidParameterValue" | "InvalidParameterCombination")) => No::NotReservable,
        _ => No::Other,
    }
}

/// Asks again what passes by itself.
async fn asked<T, F>(world: &World, mut call: impl FnMut() -> F) -> Result<T, CloudError>
where
    F: Future<Output = Result<T, CloudError>>,
{
    let limits = &world.limits;
    let mut wait = Wait::patience(world.clock.as_ref(), limits.poll, limits.retry);
    loop {
        let passes = |e: &CloudError| {
            use CloudErrorKind::{Inconsistent, Throttled, Unreachable};
            matches!(e.kind, Throttled | Unreachable | Inconsistent)
        };
        match call().await {
            Err(e) if passes(&e) && wait.pause("").await.is_ok() => {}
            answer => return answer,
        }
    }
}

impl Performer<'_> {
    /// For the new type it must be had; for the old one it warns where it cannot.
    pub(super) async fn reserve(
        &self,
        on: &InstanceId,
        ask: &ReserveCapacity,
    ) -> Result<Evidence, Failure> {
        let mut evidence = Evidence {
            already: true,
            ..Evidence::default()
        };
        let to = &ask.to;
        match self.reserved(on, ask, to).await {
            Ok((made, already)) => self.note(&mut evidence, made, already),
            Err(error) if error.stops_everything() => {
                return Err(from_cloud("capacity cannot be reserved", &error));
            }
            Err(error) => match means(&error) {
                No::NotReservable => evidence.warnings.push(format!(
                    "capacity for {to} is not proved before the stop, the start shows whether there is any: {error}"
                )),
                No::Capacity => return Err(self.no_capacity(on, ask, &error).await),
                No::Quota => return Err(quota(ask, &error)),
                No::Other => return Err(other(ask, &error)),
            },
        }
        let back = &ask.back;
        match self.reserved(on, ask, back).await {
            Ok((made, already)) => self.note(&mut evidence, made, already),
            Err(error) if error.stops_everything() => {
                return Err(from_cloud("capacity cannot be reserved", &error));
            }
            Err(error) => evidence.warnings.push(format!(
                "the way back is not held: there is no reservation for {back}, and should {to} fail, the start as {back} \
                 has to find capacity by itself: {error}"
            )),
        }
        evidence.already &= !evidence.reserved.is_empty();
        Ok(evidence)
    }

    fn note(&self, evidence: &mut Evidence, made: Reservation, already: bool) {
        let kind = &made.instance_type;
        self.progress(
            "reserve_capacity",
            &format!("one {kind} is reserved ({})", made.id),
        );
        evidence.already &= already;
        evidence.reserved.push(Reserved {
            ends_at: made.ends_at.unwrap_or(Timestamp::MAX),
            id: made.id,
            instance_type: made.instance_type,
        });
    }

    /// A reservation that is active; true beside it: it was there already.
    async fn reserved(
        &self,
        on: &InstanceId,
        ask: &ReserveCapacity,
        kind: &InstanceType,
    ) -> Result<(Reservation, bool), CloudError> {
        let world = self.world;
        let owner = self.owner(on);
        let lasts = Duration::from_secs(ask.lasts_s);
        let soon = later(world.clock.now(), lasts / 2);
        let mine = WhichReservations::Of(owner.clone());
        match asked(world, || world.ec2.reservations(&mine)).await {
            Ok(all) => {
                let good = |r: &&Reservation| {
                    r.is_active()
                        && r.instance_type == *kind
                        && r.ends_at.is_none_or(|at| at >= soon)
                };
                if let Some(one) = all.iter().find(good) {
                    return Ok((one.clone(), true));
                }
            }
            Err(error) if error.stops_everything() => return Err(error),
            // Whoever may not look may still reserve: the token makes it the same one.
            Err(_) => {}
        }
        let ends_at = ends_at(self.lines, world.clock.now(), lasts);
        for again in 0..TOKENS {
            let request = Reserve {
                instance_type: kind.clone(),
                zone: ask.zone.clone(),
                platform: ask.platform.clone(),
                tenancy: ask.tenancy.clone(),
                ends_at,
                token: token(self.operation, kind, ends_at, again),
                owner: owner.clone(),
            };
            let made = asked(world, || world.ec2.reserve(&request)).await?;
            let made = self.settled(made).await?;
            match made.state.as_str() {
                "active" => return Ok((made, false)),
                // Somebody cancelled it: another one.
                "cancelled" | "cancelling" | "expired" => {}
                _ => return Err(not_active(&made)),
            }
        }
        Err(CloudError {
            kind: CloudErrorKind::Other,
            message: format!("each reservation of {kind} is cancelled as soon as it is made"),
            ..not_active_error()
        })
    }

    /// `pending` is left after a while (EC2 API, `CapacityReservation.State`).
    async fn settled(&self, mut made: Reservation) -> Result<Reservation, CloudError> {
        let (world, limits) = (self.world, &self.world.limits);
        let mut wait = Wait::begin(world.clock.as_ref(), limits.poll, limits.retry, "");
        let this = WhichReservations::Ids(vec![made.id.clone()]);
        while made.state == "pending" && wait.pause("").await.is_ok() {
            let seen = asked(world, || world.ec2.reservations(&this)).await?;
            made = seen.into_iter().next().unwrap_or(made);
        }
        Ok(made)
    }

    fn owner(&self, on: &InstanceId) -> ReservationOwner {
        ReservationOwner {
            deployment: self.deployment.name.clone(),
            instance: on.clone(),
            operation: Some(self.operation.clone()),
        }
    }

    /// AWS's own reason, and which similar types can be had: each was reserved a moment ago, and is released with the
    /// rest.
    async fn no_capacity(
        &self,
        on: &InstanceId,
        ask: &ReserveCapacity,
        error: &CloudError,
    ) -> Failure {
        let ReserveCapacity { to, zone, .. } = ask;
        let others = self.others(on, ask).await.unwrap_or_default();
        let (mut had, mut tried) = (Vec::new(), Vec::new());
        for kind in others.iter().take(TRIED) {
            if had.len() == ENOUGH {
                break;
            }
            self.progress("reserve_capacity", &format!("no {to}; trying {kind}"));
            match self.reserved(on, ask, kind).await {
                Ok((one, _)) => {
                    had.push(kind.to_string());
                    // What cannot be released now is found by its tags at the end.
                    let _ = release_one(self.world, &one.id).await;
                }
                Err(e) if means(&e) == No::Capacity => tried.push(kind.to_string()),
                Err(_) => break,
            }
        }
        let name = &self.deployment.name;
        let mut help = Vec::new();
        if let Some(first) = had.first() {
            help.push(format!(
                "can be had in {zone} (reserved a moment ago, and released again): {}",
                had.join(", ")
            ));
            // A rollback has its type already.
            if self.plan.purpose == Purpose::Update {
                help.push(format!("geusemaker update {name} --instance-type {first}"));
            }
        } else if !tried.is_empty() {
            help.push(format!(
                "of the same kind, there is no capacity for {} in {zone} either",
                tried.join(", ")
            ));
        }
        help.push(format!(
            "try {to} again later; an instance cannot change its zone"
        ));
        refusal(
            "insufficient_capacity",
            format!("AWS has no capacity for {to} in {zone} now: nothing was stopped"),
            error,
            help,
        )
    }

    /// Types of the same series and size that the zone offers and that fit the instance, the nearest in price first.
    async fn others(
        &self,
        on: &InstanceId,
        ask: &ReserveCapacity,
    ) -> Result<Vec<InstanceType>, CloudError> {
        let ec2 = &self.world.ec2;
        let Some((pattern, series)) = similar(&ask.to) else {
            return Ok(Vec::new());
        };
        let mut names = ec2.offered_like(&pattern, &ask.zone).await?;
        names.retain(|n| *n != ask.to && *n != ask.back && of_series(n) == series);
        let Some(instance) = ec2.instance(on).await? else {
            return Ok(Vec::new());
        };
        let mut asked = names.clone();
        asked.push(ask.back.clone());
        let types = ec2.types(&asked).await?;
        let current = types.iter().find(|t| t.name == ask.back);
        let fit = |name: &InstanceType| {
            let target = types.iter().find(|t| t.name == *name);
            target.is_some_and(|target| {
                let checks = fits(&instance, current, target);
                checks.iter().all(|c| c.status != CheckStatus::Refuse)
            })
        };
        names.retain(fit);
        let cost = |name: &InstanceType| price(name, &instance.region).map(|p| p.micro_usd);
        let wanted = cost(&ask.to);
        names.sort_by_key(|name| {
            let far = wanted.zip(cost(name)).map(|(a, b)| a.abs_diff(b));
            (far.unwrap_or(u64::MAX), name.clone())
        });
        Ok(names)
    }

    /// Right before something is taken down: what is proved and not held any more. An `open` reservation is used by any
    /// instance of the account that matches.
    pub(super) async fn not_held(&self, on: &InstanceId) -> Vec<String> {
        let reserved = reserved(self.lines);
        if reserved.is_empty() {
            return Vec::new();
        }
        let ec2 = &self.world.ec2;
        let ids = reserved.iter().map(|r| r.id.clone()).collect();
        let (seen, instance) = match ec2.reservations(&WhichReservations::Ids(ids)).await {
            Ok(seen) => (seen, ec2.instance(on).await.ok().flatten()),
            Err(error) => {
                return vec![format!(
                    "capacity was proved; whether it is still held could not be seen: {error}"
                )];
            }
        };
        let runs_in = instance.and_then(|i| i.reservation);
        let mut out = Vec::new();
        for Reserved {
            id, instance_type, ..
        } in &reserved
        {
            let one = seen.iter().find(|r| r.id == *id);
            let why = match one {
                Some(one) if one.is_active() && one.available > 0 => continue,
                // The slot of the old type: our own instance leaves it with the stop.
                Some(one) if one.is_active() && runs_in.as_deref() == Some(id.as_str()) => continue,
                Some(one) if one.is_active() => {
                    "another instance of the account uses its reservation".to_owned()
                }
                Some(one) => format!("its reservation is {}", one.state),
                None => "EC2 does not show its reservation".to_owned(),
            };
            out.push(format!(
                "capacity for {instance_type} was proved, and is not held: {why} ({id}); the start may find none"
            ));
        }
        out
    }

    /// Releases what this operation has reserved. What fails only warns: each ends by itself.
    pub(super) async fn release(&self, on: &InstanceId) -> Result<Evidence, Failure> {
        let world = self.world;
        let mut all: BTreeMap<ReservationId, (InstanceType, Option<Timestamp>)> = left(self.lines)
            .into_iter()
            .map(|r| (r.id, (r.instance_type, Some(r.ends_at))))
            .collect();
        // One whose answer was lost is in no journal; its tags name the operation.
        let mine = WhichReservations::Of(self.owner(on));
        match asked(world, || world.ec2.reservations(&mine)).await {
            Ok(found) => {
                all.extend(
                    found
                        .into_iter()
                        .map(|r| (r.id, (r.instance_type, r.ends_at))),
                );
            }
            Err(error) if error.stops_everything() => {
                return Err(from_cloud("capacity cannot be released", &error));
            }
            Err(_) => {}
        }
        let mut evidence = Evidence {
            already: all.is_empty(),
            ..Evidence::default()
        };
        for (id, (kind, ends_at)) in all {
            match release_one(world, &id).await {
                Ok(()) => {
                    evidence.released.insert(id);
                }
                Err(error) if error.stops_everything() => {
                    return Err(from_cloud("capacity cannot be released", &error));
                }
                Err(error) => {
                    let until = ends_at.map_or("it is cancelled".into(), minute);
                    let name = &self.deployment.name;
                    evidence.warnings.push(format!(
                        "the capacity reservation {id} of {kind} is not released, and billed until {until}, when EC2 ends it \
                         by itself: {error}; geusemaker resume {name} tries again"
                    ));
                }
            }
        }
        Ok(evidence)
    }
}

/// Cancels it. Fine where it has ended, or was never there; that is looked up, and not taken from the refusal: a part of EC2
/// may not know it yet, and it is billed all the same.
pub(super) async fn release_one(world: &World, id: &ReservationId) -> Result<(), CloudError> {
    let error = match asked(world, || world.ec2.release(id)).await {
        Ok(()) => return Ok(()),
        Err(error) if error.stops_everything() => return Err(error),
        Err(error) => error,
    };
    let this = WhichReservations::Ids(vec![id.clone()]);
    match world.ec2.reservations(&this).await {
        Ok(seen) if seen.iter().all(|r| !r.is_active()) => Ok(()),
        _ => Err(error),
    }
}

/// What is reserved by the newest perform of the step.
fn reserved(lines: &[Line]) -> Vec<Reserved> {
    let evidence = lines.iter().filter_map(|l| l.entry.evidence());
    let mut all = evidence.map(|e| &e.reserved).filter(|r| !r.is_empty());
    all.next_back().cloned().unwrap_or_default()
}

/// What was reserved and not released, by the word of the journal.
pub(super) fn left(lines: &[Line]) -> Vec<Reserved> {
    let evidence = || lines.iter().filter_map(|l| l.entry.evidence());
    let released: BTreeSet<&ReservationId> = evidence().flat_map(|e| &e.released).collect();
    let mut left: Vec<Reserved> = Vec::new();
    for one in evidence().flat_map(|e| &e.reserved) {
        if !released.contains(&one.id) && left.iter().all(|l| l.id != one.id) {
            left.push(one.clone());
        }
    }
    left
}

/// Whether a step that reserves was begun: it may have had its effect.
pub(super) fn may_be_reserved(plan: &crate::plan::Plan, lines: &[Line]) -> bool {
    let mut begun = lines.iter().filter_map(|l| match l.entry {
        Entry::Started { step } => plan.steps.get(step),
        _ => None,
    });
    begun.any(|s| matches!(s.action, Action::ReserveCapacity(_)))
}

/// What an operation that stays open leaves reserved, for people.
pub(super) fn stays(lines: &[Line], now: Timestamp) -> Option<String> {
    let mut left = left(lines);
    left.retain(|r| r.ends_at > now);
    let until = left.iter().map(|r| r.ends_at).max()?;
    let all: Vec<String> = left
        .iter()
        .map(|r| format!("{} ({})", r.instance_type, r.id))
        .collect();
    Some(format!(
        "capacity stays reserved, and is billed, for what is still to be done: {}; EC2 ends it by itself at {} or up to \
         an hour later",
        all.join(", "),
        minute(until)
    ))
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// When a reservation ends by itself, in whole seconds: counted from the moment at which this operation was opened or
/// taken up, so that a repeat says the same. The first of these that is good for half of the time.
fn ends_at(lines: &[Line], now: Timestamp, lasts: Duration) -> Timestamp {
    let begun = lines.iter().filter_map(|l| match l.entry {
        Entry::Opened { .. } | Entry::Resumed { .. } => Some(l.at),
        _ => None,
    });
    let mut ends = begun.map(|at| later(at, lasts));
    let end = ends.find(|end| *end >= later(now, lasts / 2));
    let end = end.unwrap_or_else(|| later(now, lasts));
    Timestamp::from_second(end.as_second()).unwrap_or(end)
}

/// At most 64 characters (EC2 API, `ClientToken`).
fn token(operation: &OperationId, kind: &InstanceType, ends_at: Timestamp, again: u32) -> String {
    let of = format!("{operation} {kind} {} {again}", ends_at.as_second());
    format!("geusemaker-{}", &sha256_hex(of)[..40])
}

/// The pattern of the same size in the same series, and the series: `t*.large` and `t`.
fn similar(kind: &InstanceType) -> Option<(String, String)> {
    let size = kind.as_str().split_once('.')?.1;
    let series = of_series(kind);
    (!series.is_empty()).then(|| (format!("{series}*.{size}"), series))
}

/// The letters before the generation (EC2 User Guide, "instance type naming conventions").
fn of_series(kind: &InstanceType) -> String {
    let letters = kind.as_str().chars();
    letters.take_while(char::is_ascii_lowercase).collect()
}

fn not_active_error() -> CloudError {
    CloudError {
        call: "ec2:CreateCapacityReservation",
        code: None,
        message: String::new(),
        request_id: None,
        kind: CloudErrorKind::Capacity,
    }
}

/// A request can also fail afterwards, for want of capacity or by a limit (EC2 API, `CapacityReservation.State`).
fn not_active(made: &Reservation) -> CloudError {
    CloudError {
        message: format!("the reservation {} is {}", made.id, made.state),
        ..not_active_error()
    }
}

fn quota(ask: &ReserveCapacity, error: &CloudError) -> Failure {
    let ReserveCapacity { to, back, .. } = ask;
    refusal(
        "limit_exceeded",
        format!(
            "a quota of the account does not allow a reservation of {to} beside what runs: nothing was stopped, and \
             whether there is capacity is not known"
        ),
        error,
        vec![
            format!(
                "leave it out with --capacity skip: {to} and {back} need not fit into the quota together, since the one \
                 stops before the other starts"
            ),
            "or have the quota raised: Service Quotas, Amazon EC2, Running On-Demand instances"
                .into(),
        ],
    )
}

fn other(ask: &ReserveCapacity, error: &CloudError) -> Failure {
    let mut failure = from_cloud(&format!("{} cannot be reserved", ask.to), error);
    failure.help = vec![
        "try again, or leave it out with --capacity skip: the start shows then whether there is capacity".into(),
    ];
    failure
}

/// As a check that says no, with AWS's own reason.
fn refusal(code: &str, message: String, error: &CloudError, help: Vec<String>) -> Failure {
    let check = Check::refuse(
        "capacity",
        message.clone(),
        error.to_string(),
        "a reservation, before anything is stopped",
        help.join("; "),
    );
    Failure {
        causes: vec![error.to_string()],
        help,
        checks: vec![check],
        ..fails(code, message)
    }
}

#[cfg(test)]
#[path = "capacity_tests.rs"]
mod tests;
