//! The disk is full from the n-th write on.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use geusemaker::model::Outcome;
use geusemaker::state::disk::{Touch, watch};

use super::{Ends, WORKS, doing, everything, ready, resumed};
use crate::saga::block_on;

/// A disk that fills up: from the n-th touch that needs space on nothing is free but what is removed.
struct Filling {
    left: usize,
    free: u64,
    sizes: BTreeMap<PathBuf, u64>,
    struck: Rc<Cell<bool>>,
    /// Somebody else takes at once what is given up.
    greedy: bool,
}

impl Filling {
    fn touch(&mut self, touch: &Touch) -> io::Result<()> {
        let needs = match touch {
            Touch::Folder(_) => 1,
            Touch::Create(path) => u64::from(!path.exists()),
            Touch::Write { bytes, .. } => bytes.len() as u64,
            Touch::Remove(path) => {
                let size = self.sizes.remove(path).unwrap_or(0);
                self.free += if self.greedy { 0 } else { size };
                return Ok(());
            }
            Touch::Rename { from, to } => {
                let size = self.sizes.remove(from).unwrap_or(0);
                self.free += self.sizes.insert(to.clone(), size).unwrap_or(0);
                return Ok(());
            }
            Touch::Cut { .. } | Touch::Sync(_) | Touch::SyncFolder(_) => return Ok(()),
        };
        if needs == 0 {
            return Ok(());
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 && !self.struck.replace(true) {
            self.free = 0;
        }
        if !self.struck.get() || self.free >= needs {
            self.free = self.free.saturating_sub(needs);
            if let Touch::Write { file, at, bytes } = touch {
                self.sizes.insert(file.clone(), at + bytes.len() as u64);
            }
            return Ok(());
        }
        if let Touch::Write { file, at, bytes } = touch {
            // A write on a full disk does what there is room for.
            let mut file = fs_err::OpenOptions::new().write(true).open(file)?;
            file.seek(SeekFrom::Start(*at))?;
            file.write_all(&bytes[..bytes.len() / 2])?;
        }
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn a_disk_that_is_full_from_any_write_on_ends_well_or_pauses_and_is_gone_on_from() {
    let mut runs = 0;
    let mut all = BTreeMap::new();
    for (work, greedy) in WORKS.into_iter().flat_map(|w| [(w, false), (w, true)]) {
        block_on(async {
            let ends = Ends::of(work).await;
            for n in (1..).step_by(if everything() { 1 } else { 9 }) {
                let (rig, world) = ready(work).await;
                let struck = Rc::new(Cell::new(false));
                let mut disk = Filling {
                    left: n,
                    free: u64::MAX / 2,
                    sizes: BTreeMap::new(),
                    struck: Rc::clone(&struck),
                    greedy,
                };
                let watching = watch(move |touch| disk.touch(touch));
                let ended = doing(&rig, &world, work).await;
                drop(watching);
                let what = format!(
                    "{work:?}, greedy {greedy}, full from write {n} on: {:?} {:?}",
                    ended.outcome, ended.error
                );
                if !struck.get() {
                    ends.allow(ended.outcome, &rig.stack(), &what);
                    break;
                }
                runs += 1;
                *all.entry(format!("{work:?} {:?}", ended.outcome))
                    .or_insert(0) += 1;
                match ended.outcome {
                    // What could not be written down is no memory: nothing more is done.
                    Outcome::Failed | Outcome::Paused => {
                        let error = ended.error.expect("why");
                        let words = format!("{} {} {:?}", error.code, error.message, error.causes);
                        assert!(
                            words.contains("space") || words.contains("disk_full"),
                            "{what}"
                        );
                        assert!(!error.help.is_empty(), "{what}");
                        if ended.outcome == Outcome::Failed {
                            assert_eq!(rig.stack(), ends.before, "{what}");
                        }
                    }
                    other => ends.allow(other, &rig.stack(), &what),
                }
                // There is space again.
                let again = resumed(&rig, &world).await;
                ends.allow(
                    again.outcome,
                    &rig.stack(),
                    &format!("{what}, resumed: {:?}", again.outcome),
                );
                if again.outcome == Outcome::Unchanged && rig.stack() == ends.before {
                    // Another moment: an operation's id is made of it.
                    rig.clock.advance(Duration::from_secs(60));
                    let anew = doing(&rig, &world, work).await;
                    ends.allow(anew.outcome, &rig.stack(), &format!("{what}, begun anew"));
                    assert!(
                        rig.stack() == ends.after,
                        "{what}, begun anew: {:?}",
                        anew.error
                    );
                }
            }
        });
    }
    assert!(all.keys().any(|end| end.ends_with("Paused")), "{all:?}");
    println!("full: {runs} runs: {all:?}");
    assert!(runs > 15, "only {runs} runs");
}
