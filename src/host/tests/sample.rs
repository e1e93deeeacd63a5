//! A sample of the services' data, in every shell.

use std::process::Command;

use super::machine::{Machine, machines, machines_without_applets};
use crate::host::scripts::Verb;
use crate::host::{SAMPLE_BYTES, SampleFolder, SampleRequest, parse_sample, sha256_hex};
use crate::model::{FileSeen, FolderSeen};

fn folder(path: &str, most: u32, files: &[&str]) -> SampleFolder {
    SampleFolder {
        path: path.into(),
        most,
        files: files.iter().map(|f| (*f).to_owned()).collect(),
    }
}

fn ask(m: &Machine, folders: Vec<SampleFolder>) -> Vec<FolderSeen> {
    let ask = SampleRequest {
        point: "/mnt/efs".into(),
        limit_s: 1,
        folders,
    };
    let input = crate::host::channel::sample_input(&ask);
    parse_sample(&ask, &m.ask(Verb::Sample, input).unwrap()).unwrap()
}

/// A file that was changed so many hours ago.
fn file(m: &Machine, path: &str, text: &str, hours: u32) {
    m.put(path, text);
    let changed = Command::new("touch")
        .arg("-d")
        .arg(format!("{hours} hours ago"))
        .arg(m.root().join(path))
        .status();
    assert!(changed.unwrap().success());
}

fn files(seen: &FolderSeen) -> (u32, Vec<&FileSeen>) {
    match seen {
        FolderSeen::Seen {
            apart: false,
            count,
            files,
        } => (*count, files.iter().collect()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_files_that_were_changed_longest_ago_are_chosen() {
    for m in machines() {
        let strange = "a $(touch x) 'b' \\ c*  d\u{e4}";
        file(&m, "mnt/efs/db/wal/1", "young", 1);
        file(&m, "mnt/efs/db/PG_VERSION", "15\n", 900);
        file(&m, "mnt/efs/db/base/1/2", "older", 800);
        file(&m, &format!("mnt/efs/db/{strange}"), "old", 700);
        file(&m, "mnt/efs/db/b/c/d/e/deep", "deep", 9000);
        file(&m, "mnt/efs/db/two\nlines", "x", 9000);
        file(&m, "mnt/efs/db/empty", "", 9000);
        file(&m, &format!("mnt/efs/db/{}", "n".repeat(180)), "long", 9000);
        file(&m, "mnt/efs/.geusemaker/sentinel", "ours", 9000);
        std::os::unix::fs::symlink("PG_VERSION", m.root().join("mnt/efs/db/link")).unwrap();
        fs_err::create_dir_all(m.root().join("mnt/efs/none/below")).unwrap();
        file(&m, "mnt/efs/one.conf", "conf", 1);
        let seen = ask(
            &m,
            vec![
                folder("/mnt/efs/db", 3, &[]),
                folder("/mnt/efs/none", 3, &[]),
                folder("/mnt/efs/one.conf", 3, &[]),
                folder("/mnt/efs/gone", 3, &[]),
            ],
        );
        let (count, chosen) = files(&seen[0]);
        let names: Vec<&str> = chosen.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["PG_VERSION", "base/1/2", strange], "{}", m.shell);
        assert_eq!(count, 5, "{}", m.shell);
        assert_eq!(chosen[0].size, 3);
        assert_eq!(
            chosen[0].sha256.as_deref(),
            Some(sha256_hex("15\n").as_str())
        );
        assert_eq!(files(&seen[1]), (0, vec![]), "{}", m.shell);
        let (count, one) = files(&seen[2]);
        assert_eq!(
            (count, one[0].name.as_str()),
            (1, "one.conf"),
            "{}",
            m.shell
        );
        assert_eq!(seen[3], FolderSeen::Gone, "{}", m.shell);
        // The same twice; and the very same files when they are named, whatever is older by then.
        let names: Vec<&str> = names.clone();
        file(&m, "mnt/efs/db/older still", "x", 9999);
        let again = ask(
            &m,
            vec![
                folder("/mnt/efs/db", 0, &names),
                folder("/mnt/efs/one.conf", 0, &["one.conf"]),
            ],
        );
        let (count, same) = files(&again[0]);
        assert_eq!((count, same), (6, chosen), "{}", m.shell);
        assert_eq!(files(&again[1]), files(&seen[2]), "{}", m.shell);
        assert!(!m.root().join("mnt/efs/db/x").exists(), "{}", m.shell);
    }
}

#[test]
fn what_changed_is_gone_or_was_emptied_shows() {
    for m in machines() {
        let long = "y".repeat(SAMPLE_BYTES as usize);
        for (name, text) in [("a", "a"), ("b", "b"), ("c", long.as_str())] {
            file(&m, &format!("mnt/efs/n8n/{name}"), text, 5);
        }
        let before = ask(&m, vec![folder("/mnt/efs/n8n", 8, &[])]);
        let (_, was) = files(&before[0]);
        m.put("mnt/efs/n8n/a", "A");
        fs_err::remove_file(m.root().join("mnt/efs/n8n/b")).unwrap();
        // Behind the bytes that are read only the size tells.
        m.put("mnt/efs/n8n/c", &format!("{long}z"));
        let again = ask(&m, vec![folder("/mnt/efs/n8n", 0, &["a", "b", "c"])]);
        let (count, is) = files(&again[0]);
        assert_eq!(count, 2, "{}", m.shell);
        let told: Vec<_> = is
            .iter()
            .map(|f| {
                let old = was.iter().find(|w| w.name == f.name).unwrap();
                (f.name.as_str(), f.size == old.size, f.sha256 == old.sha256)
            })
            .collect();
        assert_eq!(
            told,
            [("a", true, false), ("c", false, true)],
            "{}",
            m.shell
        );
        for name in ["a", "c"] {
            fs_err::remove_file(m.root().join("mnt/efs/n8n").join(name)).unwrap();
        }
        let empty = ask(&m, vec![folder("/mnt/efs/n8n", 0, &["a", "b", "c"])]);
        assert_eq!(files(&empty[0]), (0, vec![]), "{}", m.shell);
        // A bind of a file, in whose place Docker has made a folder.
        file(&m, "mnt/efs/x.conf", "x", 5);
        ask(&m, vec![folder("/mnt/efs/x.conf", 1, &[])]);
        fs_err::remove_file(m.root().join("mnt/efs/x.conf")).unwrap();
        fs_err::create_dir(m.root().join("mnt/efs/x.conf")).unwrap();
        let now = ask(&m, vec![folder("/mnt/efs/x.conf", 0, &["x.conf"])]);
        assert_eq!(files(&now[0]), (0, vec![]), "{}", m.shell);
    }
}

#[test]
fn at_most_five_hundred_files_are_asked_about() {
    let m = Machine::new("sh");
    for n in 0..600 {
        m.put(&format!("mnt/efs/many/{n:03}"), "x");
    }
    let seen = ask(&m, vec![folder("/mnt/efs/many", 8, &[])]);
    let (count, chosen) = files(&seen[0]);
    assert_eq!((count, chosen.len()), (500, 8));
}

#[test]
fn a_folder_that_hangs_hides_no_other_and_leaves_nothing_behind() {
    for m in machines_without_applets() {
        file(&m, "mnt/efs/good/a", "a", 1);
        file(&m, "mnt/efs/dead/a", "a", 1);
        // Whoever asks for the folder waits for ever.
        let block = m.root().join("block");
        assert!(
            Command::new("mkfifo")
                .arg(&block)
                .status()
                .unwrap()
                .success()
        );
        m.program(
            "stat",
            &format!(
                "#!/bin/sh\ncase $* in *efs/dead*) exec cat '{}' ;; esac\nPATH=${{PATH#*:}} exec stat \"$@\"\n",
                block.display()
            ),
        );
        let began = std::time::Instant::now();
        let seen = ask(
            &m,
            vec![
                folder("/mnt/efs/dead", 8, &[]),
                folder("/mnt/efs/good", 8, &[]),
            ],
        );
        assert!(
            matches!(seen[0], FolderSeen::NotSeen { .. }),
            "{}: {seen:?}",
            m.shell
        );
        assert_eq!(files(&seen[1]).0, 1, "{}", m.shell);
        assert!(
            began.elapsed().as_secs() < 8,
            "{}: {:?}",
            m.shell,
            began.elapsed()
        );
        assert_eq!(m.processes(), Vec::<String>::new(), "{}", m.shell);
    }
}

#[test]
fn a_host_without_find_says_so() {
    let m = Machine::new("sh");
    let ask = SampleRequest {
        point: "/mnt/efs".into(),
        limit_s: 1,
        folders: vec![folder("/mnt/efs/n8n", 8, &[])],
    };
    let input = crate::host::channel::sample_input(&ask);
    m.without(&["find"]);
    let document = m.ask(Verb::Sample, input).unwrap();
    let error = parse_sample(&ask, &document).unwrap_err();
    assert!(
        error.to_string().contains("find is not on the host"),
        "{error}"
    );
}
