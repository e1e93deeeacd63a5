//! The data of the services: which files are looked at before a change, and what it means when they differ after it.
//!
//! A service that runs rewrites its files, and a new version may rewrite all of them: a file that differs is told, and
//! is no failure. A folder that held files and holds none now, is gone, or lies on another file system, is one.

use std::collections::BTreeMap;

use super::judge::is_under;
use crate::host::{SampleFolder, SampleRequest};
use crate::model::{
    ContainerFacts, DataCompared, DataSample, DataState, FileSeen, FolderCompared, FolderSample,
    FolderSeen, ServiceName,
};

/// More folders than these are not looked at, and named. The answer must fit into one command's output (24,000
/// characters).
const MOST_FOLDERS: usize = 24;
/// All files of a sample.
const MOST_FILES: usize = 48;
/// The files of one folder.
const MOST_OF_ONE: usize = 8;

/// The folders that the project's services bind below the mount point, with what is to be asked of each. What
/// `compose run` made is left out.
pub fn sample_request(
    containers: &[ContainerFacts],
    point: &str,
    limit_s: u32,
) -> (SampleRequest, DataSample) {
    let mut all: BTreeMap<String, std::collections::BTreeSet<ServiceName>> = BTreeMap::new();
    for container in containers.iter().filter(|c| !c.one_off) {
        let below = container
            .binds
            .iter()
            .filter(|b| is_under(&b.source, point));
        for bind in below {
            let path = bind.source.trim_end_matches('/').to_owned();
            let services = all.entry(path).or_default();
            services.insert(container.service.clone());
        }
    }
    let left_out = all.keys().skip(MOST_FOLDERS).cloned().collect();
    let taken: Vec<_> = all.into_iter().take(MOST_FOLDERS).collect();
    let most = (MOST_FILES / taken.len().max(1)).min(MOST_OF_ONE);
    let request = SampleRequest {
        point: point.to_owned(),
        limit_s,
        folders: taken
            .iter()
            .map(|(path, _)| SampleFolder {
                path: path.clone(),
                most: u32::try_from(most).unwrap_or(u32::MAX),
                files: Vec::new(),
            })
            .collect(),
    };
    let sample = DataSample {
        folders: taken
            .into_iter()
            .map(|(folder, services)| FolderSample {
                folder,
                services,
                seen: FolderSeen::NotSeen {
                    why: "not asked".into(),
                },
            })
            .collect(),
        left_out,
        not_taken: None,
    };
    (request, sample)
}

/// The very files of a sample, once more; folders that held none are left out.
pub fn sample_again(before: &DataSample, point: &str, limit_s: u32) -> SampleRequest {
    let folders = before.folders.iter().filter_map(|folder| {
        let (_, files) = held(folder)?;
        Some(SampleFolder {
            path: folder.folder.clone(),
            most: 0,
            files: files.iter().map(|f| f.name.clone()).collect(),
        })
    });
    SampleRequest {
        point: point.to_owned(),
        limit_s,
        folders: folders.collect(),
    }
}

/// Of a folder that held files: whether it lay on another file system than the mount point, and those that were looked at.
fn held(folder: &FolderSample) -> Option<(bool, &Vec<FileSeen>)> {
    match &folder.seen {
        FolderSeen::Seen {
            apart,
            count: 1..,
            files,
        } => Some((*apart, files)),
        _ => None,
    }
}

/// Compares: `after` is what [`sample_again`] asked for, in its order.
pub fn compare(before: &DataSample, after: &[FolderSeen]) -> DataCompared {
    if let Some(why) = &before.not_taken {
        return DataCompared::not_compared(why.clone());
    }
    let mut after = after.iter();
    let folders: Vec<FolderCompared> = before
        .folders
        .iter()
        .map(|folder| one(folder, &mut after))
        .collect();
    let state = folders.iter().map(|f| f.state).max();
    DataCompared {
        state: state.unwrap_or(DataState::NotCompared),
        why: match state {
            None => Some("no service binds a folder of the file system".into()),
            Some(DataState::NotCompared) => {
                Some("no folder of a service holds a file that could be compared".into())
            }
            Some(_) => None,
        },
        folders,
        left_out: before.left_out.clone(),
    }
}

fn one<'s>(
    before: &FolderSample,
    after: &mut impl Iterator<Item = &'s FolderSeen>,
) -> FolderCompared {
    let mut told = FolderCompared {
        folder: before.folder.clone(),
        services: before.services.clone(),
        state: DataState::NotCompared,
        files: 0,
        same: 0,
        changed: Vec::new(),
        gone: Vec::new(),
        why: None,
    };
    let Some((apart, files)) = held(before) else {
        told.why = Some(match &before.seen {
            FolderSeen::Seen { .. } => "it held no file before".into(),
            FolderSeen::Gone => "it was not there before".into(),
            FolderSeen::NotSeen { why } => format!("before: {why}"),
        });
        return told;
    };
    let (apart_now, count_now, files_now) = match after.next() {
        Some(FolderSeen::Seen {
            apart,
            count,
            files,
        }) => (*apart, *count, files),
        Some(FolderSeen::Gone) => return told.lost("is gone"),
        Some(FolderSeen::NotSeen { why }) => {
            told.why = Some(format!("now: {why}"));
            return told;
        }
        None => {
            told.why = Some("now: it was not looked at".into());
            return told;
        }
    };
    if apart != apart_now {
        return told.lost("is on another file system now");
    }
    if count_now == 0 {
        return told.lost("is empty now");
    }
    for file in files {
        let now = files_now.iter().find(|f| f.name == file.name);
        match (now, &file.sha256) {
            (None, _) => told.gone.push(file.name.clone()),
            (Some(now), Some(sum)) if now.sha256.is_some() => {
                if now.size == file.size && now.sha256.as_ref() == Some(sum) {
                    told.same += 1;
                } else {
                    told.changed.push(file.name.clone());
                }
            }
            // Its bytes cannot be read: nothing can be said of them.
            (Some(_), _) => continue,
        }
        told.files += 1;
    }
    told.state = match (told.files, told.same) {
        (0, _) => {
            told.why = Some("its files cannot be read".into());
            DataState::NotCompared
        }
        (files, same) if files == same => DataState::Same,
        _ => DataState::Changed,
    };
    told
}

impl FolderCompared {
    fn lost(self, why: &str) -> Self {
        Self {
            state: DataState::Lost,
            why: Some(why.to_owned()),
            ..self
        }
    }

    fn of(&self) -> String {
        let services: Vec<&str> = self.services.iter().map(ServiceName::as_str).collect();
        format!("the data of {} at {}", services.join(", "), self.folder)
    }
}

/// What must not be: one sentence for each folder that is lost.
pub fn lost(compared: &DataCompared) -> Vec<String> {
    let lost = compared
        .folders
        .iter()
        .filter(|f| f.state == DataState::Lost);
    let say = |f: &FolderCompared| {
        let why = f.why.as_deref().unwrap_or("is lost");
        format!("{} {why}; there were files before", f.of())
    };
    lost.map(say).collect()
}

/// What a person should look at, and what is no failure.
pub fn remarks(compared: &DataCompared) -> Vec<String> {
    let say = |f: &FolderCompared| match (&f.why, f.state) {
        (Some(why), DataState::NotCompared) if why.starts_with("now: ") => Some(format!(
            "{} was not compared: {}",
            f.of(),
            &why["now: ".len()..]
        )),
        (_, DataState::Changed) if f.gone.len() == f.files => Some(format!(
            "{}: none of the {} files that were looked at before is there any more",
            f.of(),
            f.files
        )),
        _ => None,
    };
    compared.folders.iter().filter_map(say).collect()
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
