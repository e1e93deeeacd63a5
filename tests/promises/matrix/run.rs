//! One controller, from a state to its end.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geusemaker::cloud::Lasting;
use geusemaker::host::NoShell;
use geusemaker::journal::{Entry, Line, committed};
use geusemaker::model::{GateSettings, OperationId, Outcome, RestoreState};
use geusemaker::orchestrator::{Limits, Operation, TakenUp, Unguarded, Way, World, take_up};
use geusemaker::plan::Pace;
use geusemaker::report::Silent;
use geusemaker::sandbox::host::memory::MemoryHost;
use geusemaker::sandbox::memory::MemoryCloud;
use geusemaker::sandbox::world::SEED_INSTANCE;

use super::bugs::Bug;
use super::case::{Case, OPERATION};
use super::fault::Fault;
use super::ports::Watched;
use super::site::{Site, State};
use super::tape::{Disk, Point, Tape};
use crate::support::over::{Over, OverEc2};

pub const GATE: GateSettings = GateSettings {
    timeout_ms: 5_000,
    stable_ms: 500,
};

/// The product's own, with fewer looks: the time is a virtual one.
const LIMITS: Limits = Limits {
    poll: Duration::from_millis(500),
    poll_host: Duration::from_secs(5),
    host: Duration::from_secs(60),
    checks: Duration::from_secs(60),
    ..Limits::FAST
};

/// Who a controller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// The first one.
    First,
    /// `resume`, at once.
    On,
    /// `resume --unwind`, at once.
    Back,
    /// `resume`, after an hour in which an armed host has judged by itself.
    OnLater,
    /// `resume --unwind` after that hour.
    BackLater,
}

impl How {
    pub fn way(self) -> Way {
        match self {
            How::First | How::On | How::OnLater => Way::On,
            How::Back | How::BackLater => Way::Unwind,
        }
    }

    pub fn later(self) -> bool {
        matches!(self, How::OnLater | How::BackLater)
    }

    /// The same way again, at once.
    pub fn again(self) -> Self {
        match self.way() {
            Way::Unwind => How::Back,
            _ => How::On,
        }
    }
}

/// What became of one controller.
pub struct Ran {
    pub outcome: Result<Outcome, String>,
    pub points: Vec<Point>,
    pub effects: Vec<(&'static str, u32)>,
    pub end: State,
    pub wrong: Vec<String>,
    /// The commit had been passed before it began.
    pub was_committed: bool,
    /// Before it began it was going back already, or the host had gone back.
    pub unwinds: bool,
}

/// A thread's own place to work in.
pub struct Lab {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Lab {
    pub fn new() -> Self {
        let shm = std::path::Path::new("/dev/shm");
        // Each write of a snapshot is synced: on a disk of its own memory that costs nothing.
        let dir = match shm.is_dir() {
            true => tempfile::tempdir_in(shm),
            false => tempfile::tempdir(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        Self {
            dir: dir.expect("a folder"),
            runtime: runtime.expect("a runtime"),
        }
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// A world in which nothing fails, for a look.
    pub fn plain(&self, at: &State) -> World {
        let site = Arc::new(Site::new(at.world.clone(), at.now));
        let (cloud, host) = ports(&site);
        World {
            ec2: Arc::new(cloud),
            host: Arc::new(host),
            ..self.world(&site)
        }
    }

    fn world(&self, site: &Arc<Site>) -> World {
        let (cloud, host) = ports(site);
        World {
            ec2: Arc::new(cloud.clone()),
            efs: Arc::new(cloud.clone()),
            parameters: Arc::new(cloud),
            guard: Arc::new(Unguarded),
            host: Arc::new(host),
            shell: Arc::new(NoShell),
            credentials: Arc::new(Lasting),
            clock: Arc::new(site.clock.clone()),
            listener: Arc::new(Silent),
            state_dir: self.dir.path().to_owned(),
            limits: LIMITS,
            pace: Pace::AWS,
            owner: ("somebody".into(), "somewhere".into()),
            interrupted: Arc::default(),
            default_gate: GATE,
            random: Arc::new(|| 7),
        }
    }

    fn snapshot_file(&self, case: &Case, from: &State) -> PathBuf {
        let folder = self.dir.path().join(case.deployment.name.as_str());
        let folder = folder.join("snapshots");
        for id in ["before", "between"] {
            let file = folder.join(format!("{id}.yaml"));
            match &from.snapshot {
                Some(text) if id == case.snapshot.id.as_str() => {
                    fs_err::write(&file, text.as_bytes()).expect("it is written");
                }
                _ => drop(fs_err::remove_file(&file)),
            }
        }
        folder.join(format!("{}.yaml", case.snapshot.id))
    }

    /// A controller begins at this state. `keeps`: with every point where it could have died.
    pub fn process(
        &self,
        case: &Case,
        from: &State,
        how: How,
        fault: &Fault,
        bug: Option<Bug>,
        keeps: bool,
    ) -> Ran {
        let mut now = from.now;
        if how.later() {
            now += jiff::SignedDuration::from_hours(1);
        }
        let site = Arc::new(Site::new(from.world.clone(), now));
        let snapshot_file = self.snapshot_file(case, from);
        let mut tape = Tape::new(
            from,
            Arc::clone(&site),
            fault,
            bug,
            Arc::clone(&case.judged),
            snapshot_file,
            keeps,
        );
        if let (Some(bug), true) = (bug, how != How::First) {
            bug.reads(&mut tape.lines);
        }
        let lines: Vec<Line> = tape.lines.clone();
        let was_committed = committed(&case.plan, lines.iter().map(|l| &l.entry));
        let unwinds = goes_back(&lines) || host_went_back(from);
        let whole = Arc::clone(&tape.whole);
        let fence = match bug {
            Some(Bug::SameFence) => case.start.controllers + 1,
            _ => tape.controllers,
        };
        let shared = Arc::new(Mutex::new(tape));
        let (cloud, host) = ports(&site);
        let watched = Arc::new(Watched {
            cloud,
            host,
            tape: Arc::clone(&shared),
        });
        let world = World {
            ec2: Arc::new(OverEc2(watched.clone())),
            host: Arc::new(Over(watched.clone())),
            ..self.world(&site)
        };
        let mut disk = Disk(Arc::clone(&shared));
        let mut operation = Operation {
            world: &world,
            deployment: &case.deployment,
            id: OperationId::new(OPERATION).expect("an id"),
            fence,
            lines,
            recorder: &mut disk,
            snapshot: (how == How::First).then(|| case.snapshot.clone()),
        };
        let way = match bug {
            Some(Bug::GoesOnInsteadOfBack) => Way::On,
            _ => how.way(),
        };
        let outcome = self.block_on(async {
            if how != How::First {
                let mut taken_up = take_up(&mut operation, &case.plan, way).await;
                // Refused, and ended as is said there.
                if matches!(taken_up, Ok(TakenUp::Committed)) && was_committed {
                    taken_up = take_up(&mut operation, &case.plan, Way::On).await;
                }
                match taken_up {
                    Ok(TakenUp::Goes) => {}
                    Ok(other) => return Err(format!("{other:?}")),
                    Err(error) => return Err(format!("{error:?}")),
                }
            }
            Ok(operation.drive(&case.plan).await)
        });
        let outcome = outcome.map(|o| bug.map_or(o, |bug| bug.reports(o)));
        drop((world, watched, disk, site));
        let mut tape = Arc::into_inner(shared)
            .expect("all others are gone")
            .into_inner()
            .expect("one thread");
        // Its end, too, is a point: it died before it could say so.
        tape.after("all");
        // What was held back is written by a controller that ends by itself.
        let held = std::mem::take(&mut tape.held);
        tape.lines.extend(held);
        let end = tape.state(true);
        whole
            .set(std::mem::take(&mut tape.lines))
            .expect("it ends once");
        let mut points = std::mem::take(&mut tape.points);
        points.retain(|p| p.state.synced > 0);
        Ran {
            outcome,
            points,
            effects: tape.effects,
            end,
            wrong: tape.wrong,
            was_committed,
            unwinds,
        }
    }
}

/// Whether it is on its way back.
fn goes_back(lines: &[Line]) -> bool {
    let back = |e: &Entry| {
        matches!(
            e,
            Entry::Failed { .. } | Entry::Resumed { unwind: true, .. }
        )
    };
    lines.iter().any(|l| back(&l.entry))
}

/// Whether the host had gone back, or was about to.
fn host_went_back(from: &State) -> bool {
    let restore = &from.world.hosts[SEED_INSTANCE].memory.restore.state;
    matches!(
        restore,
        RestoreState::Restored { .. } | RestoreState::Restoring { .. }
    ) && restore
        .operation()
        .is_some_and(|of| of.as_str() == OPERATION)
}

fn ports(site: &Arc<Site>) -> (MemoryCloud, MemoryHost<Site>) {
    let cloud = MemoryCloud::new(site.world_of(), Arc::new(site.clock.clone()));
    (cloud, MemoryHost(Arc::clone(site)))
}
