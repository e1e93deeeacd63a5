use std::path::Path;

use super::test_kit::{INSTANCE, Kit, seeded};
use super::*;

async fn serve_all(kit: &Kit) {
    run_agent(&kit.store, &kit.settings()).await.unwrap();
}

fn ended(kit: &Kit, id: &str) -> test_kit::Ended {
    let inner = kit.store.inner();
    inner
        .ended
        .iter()
        .find(|e| e.id == id)
        .unwrap_or_else(|| panic!("{id} has not ended"))
        .clone()
}

/// What the real agent did: script, exit code, standard output, standard error.
#[tokio::test]
async fn scripts_end_as_under_the_real_agent() {
    let kit = seeded();
    let table = [
        ("status-of-the-last", "false; echo x; true", 0, "x\n", ""),
        (
            "code-is-kept",
            "echo out; echo err >&2; exit 7",
            7,
            "out\n",
            "err\nfailed to run commands: exit status 7",
        ),
        (
            "not-there",
            "no-such-program",
            127,
            "",
            "failed to run commands: exit status 127",
        ),
        (
            "dash-not-bash",
            "[[ a = a ]] && echo yes",
            127,
            "",
            "not found",
        ),
        (
            "shebang",
            "#!/bin/bash\n[[ a = a ]] && echo yes",
            0,
            "yes\n",
            "",
        ),
        (
            "by-a-signal",
            "kill -s KILL $$",
            137,
            "",
            "failed to run commands: exit status 137",
        ),
        (
            "environment",
            "env | LC_ALL=C sort",
            0,
            "AWS_SSM_INSTANCE_ID=i-0123456789abcdef0\nAWS_SSM_REGION_NAME=us-east-1\nPATH=/.geusemaker/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\nSSM_COMMAND_ID=environment\n",
            "",
        ),
        ("standard-input-is-empty", "cat; echo end", 0, "end\n", ""),
        (
            "one-after-another",
            "cat /tmp/seen 2>/dev/null; echo here",
            0,
            "here\n",
            "",
        ),
        ("the-folder-stays", "echo 1 >/tmp/seen", 0, "", ""),
        ("and-is-seen-by-the-next", "cat /tmp/seen", 0, "1\n", ""),
        (
            "docker-is-ours",
            "docker ps -a 'two words'; systemctl show x",
            0,
            "sandbox-docker /.geusemaker/sandbox i-0123456789abcdef0 / docker ps -a two words\nsandbox-docker /.geusemaker/sandbox i-0123456789abcdef0 / systemctl show x\n",
            "",
        ),
        (
            "the-machine",
            "uname -m; uname -s",
            0,
            "x86_64\nLinux\n",
            "",
        ),
    ];
    for (id, script, ..) in table {
        kit.store.send(id, script);
    }
    serve_all(&kit).await;
    for (id, _, code, stdout, stderr) in table {
        let found = ended(&kit, id);
        assert_eq!(
            (found.exit, found.stdout.as_str()),
            (code, stdout),
            "{id}: {}",
            found.stderr
        );
        assert!(found.stderr.contains(stderr), "{id}: {}", found.stderr);
        assert!(
            code != 0 || found.stderr.is_empty(),
            "{id}: {}",
            found.stderr
        );
    }
    let order: Vec<String> = kit
        .store
        .inner()
        .ended
        .iter()
        .map(|e| e.id.clone())
        .collect();
    assert_eq!(order, table.map(|(id, ..)| id));
}

#[tokio::test]
async fn the_working_directory_is_honoured() {
    let kit = seeded();
    kit.store.send("a", "pwd");
    kit.store.inner().queue[0].working_directory = Some("/mnt/efs/n8n".to_owned());
    serve_all(&kit).await;
    // The mount point is a link; what is there is the data.
    assert!(
        ended(&kit, "a").stdout.ends_with("/n8n\n"),
        "{:?}",
        ended(&kit, "a")
    );
}

#[tokio::test]
async fn a_time_limit_kills_the_group_and_keeps_the_output_so_far() {
    let kit = seeded();
    let script = "trap 'echo trapped' TERM; echo begun; (sleep 50; echo late) & sleep 50";
    kit.store
        .send_within("slow", script, Duration::from_millis(400));
    let begun = Instant::now();
    serve_all(&kit).await;
    assert!(begun.elapsed() < Duration::from_secs(20));
    let found = ended(&kit, "slow");
    assert_eq!(
        (found.exit, found.stdout.as_str(), found.stderr.as_str()),
        (137, "begun\n", "")
    );
}

#[tokio::test]
async fn a_cancelled_command_is_killed() {
    let kit = seeded();
    kit.store.inner().cancel = true;
    kit.store.send("cancelled", "echo begun; sleep 50");
    serve_all(&kit).await;
    assert_eq!(ended(&kit, "cancelled").exit, 137);
}

#[tokio::test]
async fn a_child_that_holds_the_output_keeps_the_invocation_open() {
    let kit = seeded();
    kit.store
        .send("held", "(sleep 0.5; echo from the child) & echo parent");
    let begun = Instant::now();
    serve_all(&kit).await;
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert_eq!(ended(&kit, "held").stdout, "parent\nfrom the child\n");
}

#[tokio::test]
async fn what_is_detached_lives_on_and_keeps_the_agent() {
    let kit = seeded();
    kit.store.send(
        "start",
        "setsid sh -c 'sleep 0.8; echo done >/tmp/job' </dev/null >/dev/null 2>&1 & echo started",
    );
    let begun = Instant::now();
    serve_all(&kit).await;
    assert_eq!(ended(&kit, "start").stdout, "started\n");
    assert!(
        begun.elapsed() >= Duration::from_millis(800),
        "the agent waited for it"
    );
    assert_eq!(
        fs::read_to_string(kit.root().join("tmp/job")).unwrap(),
        "done\n"
    );
}

#[tokio::test]
async fn the_power_kills_everything_and_a_command_cut_off_comes_again() {
    let kit = seeded();
    kit.store.send("detached", "setsid sh -c 'while :; do echo x >>/tmp/alive; sleep 0.05; done' </dev/null >/dev/null 2>&1 &");
    kit.store.send("cut-off", "echo run >>/tmp/runs; [ -e /tmp/second ] || { sleep 60; }; cat /proc/sys/kernel/random/boot_id");
    let store = kit.store.clone();
    let alive = kit.root().join("tmp/alive");
    let runs = kit.root().join("tmp/runs");
    let second = kit.root().join("tmp/second");
    let first_boot = kit.store.edit(|host| host.boot_id.clone());
    let power = async {
        while !(alive.exists() && runs.exists()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store.edit(|host| host.power_off(jiff::Timestamp::now()));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let stopped_at = fs::metadata(&alive).unwrap().len();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(
            fs::metadata(&alive).unwrap().len(),
            stopped_at,
            "it still lives"
        );
        assert!(store.inner().ended.iter().all(|e| e.id != "cut-off"));
        fs::write(&second, "").unwrap();
        store.arrived(INSTANCE).unwrap();
        store.edit(|host| host.boot(jiff::Timestamp::now()));
    };
    let settings = AgentSettings {
        idle: Duration::from_secs(2),
        ..kit.settings()
    };
    let (served, ()) = tokio::join!(run_agent(&kit.store, &settings), power);
    served.unwrap();
    let found = ended(&kit, "cut-off");
    assert_eq!(found.exit, 0);
    assert_ne!(found.stdout.trim(), first_boot, "it ran after the boot");
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\nrun\n");
}

/// DESIGN.md: it never touches the engine or the files of the person who tries it.
#[tokio::test]
async fn a_script_finds_nothing_of_the_person_who_runs_it() {
    let kit = seeded();
    // A file of "the person", outside of the host's folder, by its full path.
    let secret = kit.dir.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let script = format!(
        "for p in /var/run/docker.sock /run/docker.sock /home /root \"${{HOME-/nowhere}}\" /etc/shadow /etc/hostname /sys /work /proc/1/environ /proc/self/environ /.outside {secret} {dir}; do
           if [ -e \"$p\" ]; then echo \"found $p\"; fi
         done
         echo x >/usr/bin/x && echo 'wrote to /usr'
         echo x >/.geusemaker/program && echo 'wrote to the program'
         mount -t tmpfs none /tmp && echo mounted
         umount -l /usr && echo unmounted
         mount -o remount,bind,rw /usr && echo remounted
         chroot /usr /bin/true && echo chrooted
         ls /dev
         docker --host unix:///var/run/docker.sock ps
         echo \"home ${{HOME-unset}} cargo ${{CARGO_MANIFEST_DIR-unset}}\"
         id -u; kill -0 2 2>/dev/null; ls -A /",
        secret = secret.display(),
        dir = kit.dir.path().display(),
    );
    kit.store.send("look", &script);
    serve_all(&kit).await;
    let found = ended(&kit, "look");
    assert_eq!(found.exit, 0, "{}", found.stderr);
    for word in ["found", "wrote", "mounted", "chrooted"] {
        assert!(!found.stdout.contains(word), "{}", found.stdout);
    }
    assert!(
        found.stdout.contains("full\nnull\nrandom\nurandom\nzero\n"),
        "{}",
        found.stdout
    );
    assert!(
        found.stdout.contains("sandbox-docker"),
        "docker is ours: {}",
        found.stdout
    );
    assert!(
        found.stdout.contains("home unset cargo unset\n0\n"),
        "{}",
        found.stdout
    );
}

#[tokio::test]
async fn each_mount_fault_is_true_for_a_script() {
    // fault, what reading says, whether writing goes well
    let probe = "f=/mnt/efs/.geusemaker/sentinel
        cat /mnt/efs/n8n/README 2>&1 | sed 's/.*: //'
        if mkdir -p /mnt/efs/.geusemaker && echo t >$f; then echo written; fi";
    for (fault, expected) in [
        (None, "data of n8n\nwritten\n"),
        (Some("gone"), "No such file or directory\nwritten\n"),
        (Some("other"), "No such file or directory\nwritten\n"),
        (Some("readonly"), "data of n8n\n"),
    ] {
        let kit = seeded();
        kit.store.mount_fault(fault);
        kit.store.send("probe", probe);
        serve_all(&kit).await;
        assert_eq!(
            ended(&kit, "probe").stdout,
            expected,
            "{fault:?}: {}",
            ended(&kit, "probe").stderr
        );
        let real = kit
            .root()
            .join(".efs/fs-0123456789abcdef0/.geusemaker/sentinel")
            .exists();
        assert_eq!(real, fault.is_none(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_mount_that_hangs_blocks_whoever_looks_and_the_data_is_unharmed() {
    let kit = seeded();
    kit.store.mount_fault(Some("hang"));
    let ask = "setsid sh -c 'stat -- /mnt/efs && stat -f -- /mnt/efs; echo >/tmp/answered' </dev/null >/dev/null 2>&1 &
        setsid sh -c 'cat /mnt/efs/.geusemaker/sentinel; echo >/tmp/answered' </dev/null >/dev/null 2>&1 &
        sleep 0.7; [ -e /tmp/answered ] || echo hangs";
    kit.store.send("ask", ask);
    let store = kit.store.clone();
    let power = async {
        while store.inner().ended.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What hangs on a mount keeps the host busy until the power goes off.
        store.edit(|host| host.power_off(jiff::Timestamp::now()));
    };
    let settings = kit.settings();
    let (served, ()) = tokio::join!(run_agent(&kit.store, &settings), power);
    served.unwrap();
    assert_eq!(ended(&kit, "ask").stdout, "hangs\n");
    let data = kit.root().join(".efs/fs-0123456789abcdef0/n8n/README");
    assert_eq!(fs::read_to_string(data).unwrap(), "data of n8n\n");
}

#[tokio::test]
async fn without_walls_only_our_own_scripts_run() {
    let kit = seeded();
    kit.store.send("theirs", "id");
    kit.store.send(
        "ours",
        "# geusemaker\necho \"$GEUSEMAKER_ROOT ${HOME-unset}\"; docker ps",
    );
    let settings = AgentSettings {
        confine: false,
        ..kit.settings()
    };
    run_agent(&kit.store, &settings).await.unwrap();
    let theirs = ended(&kit, "theirs");
    assert_eq!((theirs.exit, theirs.stdout.as_str()), (126, ""));
    assert!(
        theirs
            .stderr
            .contains("no confinement (it is switched off)"),
        "{}",
        theirs.stderr
    );
    let (root, dir) = (kit.root(), kit.dir.path());
    let (root, dir) = (root.display(), dir.display());
    assert_eq!(
        ended(&kit, "ours").stdout,
        format!("{root} unset\nsandbox-docker {dir} {INSTANCE} {root} docker ps\n")
    );
}

#[tokio::test]
async fn without_walls_detached_processes_end_with_the_power_too() {
    let kit = seeded();
    kit.store.send("ours", "# geusemaker\nsetsid sh -c 'while :; do echo x >>$GEUSEMAKER_ROOT/tmp/alive; sleep 0.05; done' </dev/null >/dev/null 2>&1 &");
    let settings = AgentSettings {
        confine: false,
        ..kit.settings()
    };
    let alive = kit.root().join("tmp/alive");
    let store = kit.store.clone();
    let power = async {
        while !alive.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store.edit(|host| host.power_off(jiff::Timestamp::now()));
    };
    let (served, ()) = tokio::join!(run_agent(&kit.store, &settings), power);
    served.unwrap();
    let size = fs::metadata(&alive).unwrap().len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(fs::metadata(&alive).unwrap().len(), size);
}

#[tokio::test]
async fn there_is_one_agent_a_host() {
    let kit = seeded();
    let held = lock(kit.dir.path(), INSTANCE).unwrap();
    assert!(held.is_some());
    kit.store.send("a", "true");
    serve_all(&kit).await;
    assert!(
        kit.store.inner().ended.is_empty(),
        "another one has the host"
    );
    assert!(!spawn_agent(Path::new("/bin/true"), kit.dir.path(), INSTANCE).unwrap());
    drop(held);
    serve_all(&kit).await;
    assert_eq!(ended(&kit, "a").exit, 0);
}

#[tokio::test]
async fn a_spawned_agent_is_called_in_a_session_of_its_own_without_our_environment() {
    let kit = seeded();
    let program = kit.dir.path().join("agent-program");
    let said = kit.dir.path().join("said");
    fs::write(
        &program,
        format!("#!/bin/sh\n{{ echo \"$@\"; env | grep -v -e ^PATH= -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=; }} >{0}.w; mv {0}.w {0}\n", said.display()),
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    assert!(spawn_agent(&program, kit.dir.path(), INSTANCE).unwrap());
    for _ in 0..250 {
        if said.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let expected = format!("sandbox-agent {} {INSTANCE}\n", kit.dir.path().display());
    assert_eq!(fs::read_to_string(said).unwrap(), expected);
}

#[tokio::test]
async fn an_instance_that_is_no_more_ends_its_agent() {
    let kit = seeded();
    kit.store.inner().gone = true;
    kit.store.send("a", "true");
    serve_all(&kit).await;
    assert!(kit.store.inner().ended.is_empty());
}

#[tokio::test]
async fn a_sandbox_that_was_deleted_ends_its_agent_and_stays_deleted() {
    let kit = seeded();
    let detached = "setsid sleep 60 </dev/null >/dev/null 2>&1 &";
    kit.store.send("a", detached);
    let deleted = async {
        while kit.store.inner().ended.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fs::remove_file(lock_file(kit.dir.path(), INSTANCE)).unwrap();
    };
    let settings = kit.settings();
    let begun = Instant::now();
    let (served, ()) = tokio::join!(run_agent(&kit.store, &settings), deleted);
    served.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(!lock_file(kit.dir.path(), INSTANCE).exists());
}

#[test]
fn the_stand_ins_work_on_the_world() {
    let kit = seeded();
    let argv = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let run = |text: &str| shim(&kit.store, INSTANCE, &kit.root(), &argv(text)).unwrap();
    let begun = Instant::now();
    assert_eq!(run("docker pull n8nio/n8n:1.20.0").code, 0);
    assert!(
        begun.elapsed() >= Duration::from_millis(50),
        "a pull takes its time"
    );
    assert_eq!(run("docker stop n8n").stdout, "n8n\n");
    let pids = fs::read_dir(kit.root().join("proc")).unwrap().count() - 2;
    assert_eq!(pids, 4, "its /proc entry went with it");
    assert_eq!(run("systemctl is-active docker").stdout, "active\n");
    assert_eq!(run("reboot now").code, 127);
    let config = "docker compose -p geusemaker --project-directory /opt/geusemaker/runtime -f /opt/geusemaker/runtime/docker-compose.yml --env-file /opt/geusemaker/runtime/runtime.env config -q";
    assert_eq!(run(config), crate::sandbox::host::docker::Answer::default());
}

/// Puts the pair of units and its script on the host, and switches the timer on as a script would.
fn arm_timer(kit: &Kit, timer: &str, script: &str) {
    use crate::sandbox::host::{Folder, HostFiles, SERVICE, TIMER};
    let mut folder = Folder(kit.root());
    let timer = format!("[Timer]\n{timer}\n[Install]\nWantedBy=timers.target\n");
    let service =
        "[Service]\nType=oneshot\nExecStart=/bin/sh /var/lib/geusemaker/restore/restore.sh tick\n";
    for (path, text) in [
        (format!("/etc/systemd/system/{TIMER}"), timer.as_str()),
        (format!("/etc/systemd/system/{SERVICE}"), service),
        ("/var/lib/geusemaker/restore/restore.sh".to_owned(), script),
    ] {
        folder.write(&path, text).unwrap();
    }
    let argv = ["systemctl", "enable", "--now", TIMER].map(str::to_owned);
    let answer = shim(&kit.store, INSTANCE, &kit.root(), &argv).unwrap();
    assert_eq!(answer.code, 0, "{}", answer.stderr);
}

#[tokio::test]
async fn a_tick_runs_in_a_real_shell_before_the_commands_and_is_none() {
    for confine in [true, false] {
        let kit = seeded();
        let script = "# geusemaker\ncd \"${GEUSEMAKER_ROOT:-}/tmp\"\n\
            echo \"$1 ${SSM_COMMAND_ID-none} ${INVOCATION_ID:+id}\" >>ticks; docker ps >>ticks; exit 3";
        arm_timer(&kit, "OnBootSec=0\nOnUnitInactiveSec=1h", script);
        kit.store.send(
            "ours",
            "# geusemaker\ncat \"${GEUSEMAKER_ROOT:-}/tmp/ticks\"",
        );
        let settings = AgentSettings {
            confine,
            ..kit.settings()
        };
        run_agent(&kit.store, &settings).await.unwrap();
        let found = ended(&kit, "ours").stdout;
        let (first, rest) = found.split_once('\n').unwrap();
        assert_eq!(first, "tick none id");
        assert!(rest.ends_with("docker ps\n"), "{rest}");
        assert_eq!(rest.lines().count(), 1, "it ran once");
        assert_eq!(kit.store.inner().ended.len(), 1, "and is no command");
        let next = kit.store.edit(|host| host.timer.due()).unwrap();
        assert!(
            next > jiff::Timestamp::now(),
            "the next one counts from its end"
        );
    }
}

#[tokio::test]
async fn a_tick_that_is_near_is_waited_for_and_one_that_is_far_is_not() {
    for (each, ticks) in [("1s", true), ("1h", false)] {
        let kit = seeded();
        arm_timer(&kit, &format!("OnActiveSec={each}"), "echo x >>/tmp/ticks");
        kit.store.send("a", "true");
        let begun = Instant::now();
        serve_all(&kit).await;
        assert_eq!(kit.root().join("tmp/ticks").exists(), ticks, "{each}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn what_a_tick_leaves_behind_is_killed_as_systemd_does() {
    let kit = seeded();
    let script =
        "setsid sh -c 'echo >/tmp/begun; sleep 1; echo >/tmp/late' </dev/null >/dev/null 2>&1 &
        while ! [ -e /tmp/begun ]; do sleep 0.05; done";
    arm_timer(&kit, "OnBootSec=0", script);
    kit.store.send("a", "sleep 1.5; ls /tmp");
    serve_all(&kit).await;
    assert_eq!(ended(&kit, "a").stdout, "begun\n");
}

#[tokio::test]
async fn power_off_ends_a_tick_and_the_boot_runs_it_again() {
    let kit = seeded();
    let script = "echo >>/tmp/ticks; [ -e /tmp/second ] || sleep 60";
    arm_timer(&kit, "OnBootSec=0", script);
    let (store, ticks) = (kit.store.clone(), kit.root().join("tmp/ticks"));
    let second = kit.root().join("tmp/second");
    let power = async {
        while !ticks.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store.edit(|host| host.power_off(jiff::Timestamp::now()));
        fs::write(&second, "").unwrap();
        store.edit(|host| host.boot(jiff::Timestamp::now()));
        store.send("a", "cat /tmp/ticks | wc -l");
    };
    let settings = AgentSettings {
        idle: Duration::from_secs(2),
        ..kit.settings()
    };
    let begun = Instant::now();
    let (served, ()) = tokio::join!(run_agent(&kit.store, &settings), power);
    served.unwrap();
    assert_eq!(ended(&kit, "a").stdout.trim(), "2");
    assert!(begun.elapsed() < Duration::from_secs(50));
}

#[tokio::test]
async fn without_walls_a_tick_runs_only_a_script_of_our_own() {
    let kit = seeded();
    let script = "echo x >\"$GEUSEMAKER_ROOT/tmp/ticks\"";
    arm_timer(
        &kit,
        "OnBootSec=0",
        &script.replace("GEUSEMAKER", "ANOTHER"),
    );
    let settings = AgentSettings {
        confine: false,
        allow: |script| script.contains("GEUSEMAKER"),
        ..kit.settings()
    };
    run_agent(&kit.store, &settings).await.unwrap();
    assert!(!kit.root().join("tmp/ticks").exists());
    kit.store.edit(|host| {
        host.power_off(jiff::Timestamp::now());
        host.boot(jiff::Timestamp::now());
    });
    arm_timer(&kit, "OnBootSec=0", script);
    run_agent(&kit.store, &settings).await.unwrap();
    assert!(kit.root().join("tmp/ticks").exists());
}
