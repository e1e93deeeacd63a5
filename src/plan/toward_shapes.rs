//! Every plan shape, and what is to come of it.

use super::*;

pub(super) const NEW: (&str, &str) = ("n8n", "n8nio/n8n:1.20.0");
const DATA: &str = "data that a new version writes is not taken back by a rollback";

/// A shape, and what is to come of it. `{all}`, `{stop}`, `{up}`, `{kept}` and `{must}` stand for the five services.
pub(super) struct Shape {
    pub name: &'static str,
    pub scene: fn() -> Scene,
    pub steps: &'static [&'static str],
    pub changes: &'static [&'static str],
    pub warnings: &'static [&'static str],
    pub downtime: u64,
}

const TYPE_STEPS: &[&str] = &[
    " check_mounts(host, stops)",
    " write_snapshot",
    " hold_images",
    " reserve_capacity(t3.large t3.medium) <- release_capacity",
    " arm_restore(apply_images<(; {all}; {kept}); green {all}) <- commit_host",
    "!quiesce({up}) <- apply_images<(; {all}; {kept})",
    "!stop_instance <- start_instance, await_host",
    "!set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
    "!start_instance <- quiesce?({up}), stop_instance",
    "!await_host",
    "!apply_images(; {all}; {kept}) <- apply_images<(; -; {kept})",
    "!verify_health({must})",
    " commit_host",
    " release_capacity",
];
const IMAGE_STEPS: &[&str] = &[
    " check_mounts(host)",
    " write_snapshot",
    " hold_images",
    " pull_images(n8n)",
    " arm_restore(apply_images<(n8n=n8nio/n8n:1.19.0; {all}); green {all}) <- commit_host",
    "!apply_images(n8n=n8nio/n8n:1.20.0; {all}) <- apply_images<(n8n=n8nio/n8n:1.19.0; {all})",
    "!verify_health({must})",
    " commit_host",
];

pub(super) fn shapes() -> Vec<Shape> {
    vec![
        Shape {
            name: "type",
            scene: || scene(Some("t3.large"), &[]),
            steps: TYPE_STEPS,
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[],
            downtime: 110,
        },
        Shape {
            name: "image",
            scene: || scene(None, &[NEW]),
            steps: IMAGE_STEPS,
            changes: &["image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0"],
            warnings: &[DATA],
            downtime: 20,
        },
        Shape {
            name: "type and image: one outage, the pull before it",
            scene: || scene(Some("t3.large"), &[NEW]),
            steps: &[
                " check_mounts(host, stops)",
                " write_snapshot",
                " hold_images",
                " pull_images(n8n)",
                " reserve_capacity(t3.large t3.medium) <- release_capacity",
                " arm_restore(apply_images<(n8n=n8nio/n8n:1.19.0; {all}); green {all}) <- commit_host",
                "!quiesce({stop}) <- apply_images<(n8n=n8nio/n8n:1.19.0; {all})",
                "!stop_instance <- start_instance, await_host",
                "!set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
                "!start_instance <- quiesce?({stop}), stop_instance",
                "!await_host",
                "!apply_images(n8n=n8nio/n8n:1.20.0; {all}) <- apply_images<(n8n=n8nio/n8n:1.19.0; -)",
                "!verify_health({must})",
                " commit_host",
                " release_capacity",
            ],
            changes: &[
                "instance_type: t3.medium -> t3.large",
                "image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0",
            ],
            warnings: &[DATA],
            downtime: 110,
        },
        Shape {
            name: "several images",
            scene: || scene(None, &[NEW, ("qdrant", "qdrant/qdrant:v1.13.0")]),
            steps: &[
                " check_mounts(host)",
                " write_snapshot",
                " hold_images",
                " pull_images(n8n qdrant)",
                " arm_restore(apply_images<(n8n=n8nio/n8n:1.19.0 qdrant=qdrant/qdrant:v1.11.3; {all}); green {all}) <- commit_host",
                "!apply_images(n8n=n8nio/n8n:1.20.0 qdrant=qdrant/qdrant:v1.13.0; {all}) <- apply_images<(n8n=n8nio/n8n:1.19.0 qdrant=qdrant/qdrant:v1.11.3; {all})",
                "!verify_health({must})",
                " commit_host",
            ],
            changes: &[
                "image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0",
                "image: qdrant: qdrant/qdrant:v1.11.3 -> qdrant/qdrant:v1.13.0",
            ],
            warnings: &[DATA],
            downtime: 20,
        },
        Shape {
            name: "rollback by ids: its gate is the evidence, and what it leaves alone is measured by what it was",
            scene: || {
                let all = [("n8n", "n8nio/n8n:1.18.0"), ("postgres", "postgres:15.8")];
                scene(Some("t3.large"), &all).back(&["n8n", "qdrant"])
            },
            steps: &[
                " check_mounts(host, stops)",
                " write_snapshot",
                " hold_images",
                " pull_images(n8n)",
                " reserve_capacity(t3.large t3.medium) <- release_capacity",
                " arm_restore(apply_images<(n8n=n8nio/n8n:1.19.0; {all}); green {all}) <- commit_host",
                "!quiesce({stop}) <- apply_images<(n8n=n8nio/n8n:1.19.0; {all})",
                "!stop_instance <- start_instance, await_host",
                "!set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
                "!start_instance <- quiesce?({stop}), stop_instance",
                "!await_host",
                "!apply_images(n8n=n8nio/n8n:1.18.0; {all}) <- apply_images<(n8n=n8nio/n8n:1.19.0; -)",
                "!verify_health(crawl4ai n8n ollama qdrant; red postgres)",
                " commit_host",
                " release_capacity",
            ],
            changes: &[
                "instance_type: t3.medium -> t3.large",
                "image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.18.0",
            ],
            warnings: &[DATA],
            downtime: 110,
        },
        Shape {
            name: "rollback: the tag has moved since",
            scene: || {
                let mut s = scene(None, &[("n8n", "n8nio/n8n:1.19.0")]).back(&["n8n"]);
                s.container("n8n").image_id = image_id("moved");
                s
            },
            steps: &[
                " check_mounts(host)",
                " write_snapshot",
                " hold_images",
                " pull_images(n8n)",
                " arm_restore(apply_images<(n8n=n8nio/n8n:1.19.0; {all}); green {all}) <- commit_host",
                "!apply_images(n8n=n8nio/n8n:1.19.0; {all}) <- apply_images<(n8n=n8nio/n8n:1.19.0; {all})",
                "!verify_health({must})",
                " commit_host",
            ],
            changes: &[
                "image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.19.0 (the tag means another image now)",
            ],
            warnings: &[DATA],
            downtime: 20,
        },
        Shape {
            name: "type of a stopped instance: it stays stopped",
            scene: || scene(Some("t3.large"), &[]).stopped(),
            steps: &[
                " check_mounts(cloud)",
                " write_snapshot",
                " set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
                " verify_health()",
            ],
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[],
            downtime: 0,
        },
        Shape {
            name: "type while nothing runs: nothing is started",
            scene: || {
                let mut s = scene(Some("t3.large"), &[]);
                for name in ALL.split(' ') {
                    s.down(name);
                }
                s
            },
            steps: &[
                " check_mounts(host, stops)",
                " write_snapshot",
                " reserve_capacity(t3.large t3.medium) <- release_capacity",
                "!stop_instance <- start_instance, await_host",
                "!set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
                "!start_instance <- stop_instance",
                "!await_host",
                "!verify_health()",
                " release_capacity",
            ],
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[],
            downtime: 110,
        },
        Shape {
            name: "type while nothing runs, but a boot would bring a container up",
            scene: || {
                let mut s = scene(Some("t3.large"), &[]);
                for name in ALL.split(' ') {
                    s.down(name);
                }
                s.container("n8n").restart_policy = "always".into();
                s
            },
            steps: &[
                " check_mounts(host, stops)",
                " write_snapshot",
                " reserve_capacity(t3.large t3.medium) <- release_capacity",
                " arm_restore(apply_images<(; ; n8n:always); green ) <- commit_host",
                "!quiesce(n8n:always) <- apply_images<(; ; n8n:always)",
                "!stop_instance <- start_instance, await_host",
                "!set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
                "!start_instance <- quiesce?(n8n:always), stop_instance",
                "!await_host",
                "!apply_images(; ; n8n:always) <- apply_images<(; -; n8n:always)",
                "!verify_health()",
                " commit_host",
                " release_capacity",
            ],
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[],
            downtime: 110,
        },
        Shape {
            name: "policies that survive a stop by hand are put back at both ends",
            scene: || {
                let mut s = scene(Some("t3.large"), &[]);
                s.container("postgres").restart_policy = "always".into();
                s.container("qdrant").restart_policy = "on-failure".into();
                s.container("ollama").restart_policy = "always".into();
                s.down("ollama");
                s
            },
            steps: &[
                " check_mounts(host, stops)",
                " write_snapshot",
                " hold_images",
                " reserve_capacity(t3.large t3.medium) <- release_capacity",
                " arm_restore(apply_images<(; crawl4ai postgres n8n qdrant; crawl4ai:unless-stopped; n8n:unless-stopped; ollama:always; postgres:always; qdrant:on-failure); green crawl4ai postgres n8n qdrant) <- commit_host",
                "!quiesce(qdrant:on-failure n8n^ postgres:always^ crawl4ai^ ollama:always) <- apply_images<(; crawl4ai postgres n8n qdrant; crawl4ai:unless-stopped; n8n:unless-stopped; ollama:always; postgres:always; qdrant:on-failure)",
                "!stop_instance <- start_instance, await_host",
                "!set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
                "!start_instance <- quiesce?(qdrant:on-failure n8n^ postgres:always^ crawl4ai^ ollama:always), stop_instance",
                "!await_host",
                "!apply_images(; crawl4ai postgres n8n qdrant; crawl4ai:unless-stopped; n8n:unless-stopped; ollama:always; postgres:always; qdrant:on-failure) <- apply_images<(; -; crawl4ai:unless-stopped; n8n:unless-stopped; ollama:always; postgres:always; qdrant:on-failure)",
                "!verify_health(crawl4ai n8n postgres qdrant)",
                " commit_host",
                " release_capacity",
            ],
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[],
            downtime: 110,
        },
        Shape {
            name: "the file already says so, another image runs",
            scene: || {
                let mut s = scene(None, &[NEW]);
                s.says("n8nio/n8n:1.19.0", "n8nio/n8n:1.20.0");
                s.means("n8nio/n8n:1.20.0", image_id("n8nio/n8n:1.20.0"));
                s
            },
            steps: &[
                " check_mounts(host)",
                " write_snapshot",
                " hold_images",
                " pull_images(n8n)",
                " arm_restore(apply_images<(n8n=n8nio/n8n:1.20.0; {all}); green {all}) <- commit_host",
                "!apply_images(n8n=n8nio/n8n:1.20.0; {all}) <- apply_images<(n8n=n8nio/n8n:1.20.0; {all})",
                "!verify_health({must})",
                " commit_host",
            ],
            changes: &[
                "image: n8n: n8nio/n8n:1.20.0 -> n8nio/n8n:1.20.0 (the tag means another image now)",
            ],
            warnings: &[DATA],
            downtime: 20,
        },
        Shape {
            name: "a service that is named and lies stopped: the file alone, nothing goes down",
            scene: || {
                let mut s = scene(None, &[NEW]);
                s.down("n8n");
                s
            },
            steps: &[
                " check_mounts(host)",
                " write_snapshot",
                " hold_images",
                " pull_images(n8n)",
                " arm_restore(apply_images<(n8n=n8nio/n8n:1.19.0; crawl4ai ollama postgres qdrant); green crawl4ai ollama postgres qdrant) <- commit_host",
                " apply_images(n8n=n8nio/n8n:1.20.0; crawl4ai ollama postgres qdrant) <- apply_images<(n8n=n8nio/n8n:1.19.0; crawl4ai ollama postgres qdrant)",
                " verify_health(crawl4ai ollama postgres qdrant)",
                " commit_host",
            ],
            changes: &["image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0"],
            warnings: &[
                "n8n does not run: its image is changed in the file, and it is not started",
                DATA,
            ],
            downtime: 0,
        },
        Shape {
            name: "a one-off container is no service that runs",
            scene: || {
                let mut s = scene(None, &[NEW]);
                s.down("n8n");
                s.one_off("n8n", "dev-n8n-run-1");
                s.container("dev-n8n-run-1").status = "running".into();
                s
            },
            steps: &[
                " check_mounts(host)",
                " write_snapshot",
                " hold_images",
                " pull_images(n8n)",
                " arm_restore(apply_images<(n8n=n8nio/n8n:1.19.0; crawl4ai ollama postgres qdrant); green crawl4ai ollama postgres qdrant) <- commit_host",
                " apply_images(n8n=n8nio/n8n:1.20.0; crawl4ai ollama postgres qdrant) <- apply_images<(n8n=n8nio/n8n:1.19.0; crawl4ai ollama postgres qdrant)",
                " verify_health(crawl4ai ollama postgres qdrant)",
                " commit_host",
            ],
            changes: &["image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0"],
            warnings: &[
                "n8n does not run: its image is changed in the file, and it is not started",
                DATA,
            ],
            downtime: 0,
        },
        Shape {
            name: "type with a scaled service: both containers stop and start",
            scene: || {
                let mut s = scene(Some("t3.large"), &[]);
                let mut twin = s.container("crawl4ai").clone();
                (twin.name, twin.id) = ("dev-crawl4ai-2".into(), "2".into());
                s.project().containers.push(twin);
                s
            },
            steps: &[
                " check_mounts(host, stops)",
                " write_snapshot",
                " hold_images",
                " reserve_capacity(t3.large t3.medium) <- release_capacity",
                " arm_restore(apply_images<(; crawl4ai dev-crawl4ai-2 ollama postgres n8n qdrant; crawl4ai:unless-stopped; dev-crawl4ai-2:unless-stopped; n8n:unless-stopped; ollama:unless-stopped; postgres:unless-stopped; qdrant:unless-stopped); green crawl4ai dev-crawl4ai-2 ollama postgres n8n qdrant) <- commit_host",
                "!quiesce(qdrant^ n8n^ postgres^ ollama^ dev-crawl4ai-2^ crawl4ai^) <- apply_images<(; crawl4ai dev-crawl4ai-2 ollama postgres n8n qdrant; crawl4ai:unless-stopped; dev-crawl4ai-2:unless-stopped; n8n:unless-stopped; ollama:unless-stopped; postgres:unless-stopped; qdrant:unless-stopped)",
                "!stop_instance <- start_instance, await_host",
                "!set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
                "!start_instance <- quiesce?(qdrant^ n8n^ postgres^ ollama^ dev-crawl4ai-2^ crawl4ai^), stop_instance",
                "!await_host",
                "!apply_images(; crawl4ai dev-crawl4ai-2 ollama postgres n8n qdrant; crawl4ai:unless-stopped; dev-crawl4ai-2:unless-stopped; n8n:unless-stopped; ollama:unless-stopped; postgres:unless-stopped; qdrant:unless-stopped) <- apply_images<(; -; crawl4ai:unless-stopped; dev-crawl4ai-2:unless-stopped; n8n:unless-stopped; ollama:unless-stopped; postgres:unless-stopped; qdrant:unless-stopped)",
                "!verify_health({must})",
                " commit_host",
                " release_capacity",
            ],
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[],
            downtime: 110,
        },
        Shape {
            name: "what is beside the stack goes down with the instance, and is named",
            scene: || {
                let mut s = scene(Some("t3.large"), &[]);
                s.host().other_containers = vec!["watchtower".into()];
                let mut blog = s.project().clone();
                blog.name = "blog".into();
                blog.containers.truncate(2);
                blog.containers[0].name = "blog-web-1".into();
                blog.containers[1].name = "blog-old-1".into();
                blog.containers[1].status = "exited".into();
                s.one_off("crawl4ai", "dev-crawl4ai-run-1");
                s.host().projects.insert(0, blog);
                s
            },
            steps: TYPE_STEPS,
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[
                "containers outside this stack go down with the instance and come up by their own restart policy: blog-web-1, dev-crawl4ai-run-1, watchtower",
            ],
            downtime: 110,
        },
        Shape {
            name: "what is beside the stack is not touched by an image",
            scene: || {
                let mut s = scene(None, &[NEW]);
                s.host().other_containers = vec!["watchtower".into()];
                s
            },
            steps: IMAGE_STEPS,
            changes: &["image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0"],
            warnings: &[DATA],
            downtime: 20,
        },
        Shape {
            name: "a label that an up without dependencies has emptied is made good by the file",
            scene: || {
                let mut s = scene(Some("t3.large"), &[]);
                s.container("n8n").depends_on.clear();
                s
            },
            steps: TYPE_STEPS,
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[],
            downtime: 110,
        },
        Shape {
            name: "whose namespace it lives in starts first",
            scene: || {
                let mut s = scene(Some("t3.large"), &[]);
                s.says(
                    "    image: unclecode/crawl4ai:0.3.74\n",
                    "    image: unclecode/crawl4ai:0.3.74\n    network_mode: 'service:qdrant'\n    pid: 'container:n8n'\n",
                );
                s
            },
            steps: &[
                " check_mounts(host, stops)",
                " write_snapshot",
                " hold_images",
                " reserve_capacity(t3.large t3.medium) <- release_capacity",
                " arm_restore(apply_images<(; ollama postgres n8n qdrant crawl4ai; {kept}); green ollama postgres n8n qdrant crawl4ai) <- commit_host",
                "!quiesce(crawl4ai^ qdrant^ n8n^ postgres^ ollama^) <- apply_images<(; ollama postgres n8n qdrant crawl4ai; {kept})",
                "!stop_instance <- start_instance, await_host",
                "!set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
                "!start_instance <- quiesce?(crawl4ai^ qdrant^ n8n^ postgres^ ollama^), stop_instance",
                "!await_host",
                "!apply_images(; ollama postgres n8n qdrant crawl4ai; {kept}) <- apply_images<(; -; {kept})",
                "!verify_health({must})",
                " commit_host",
                " release_capacity",
            ],
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[],
            downtime: 110,
        },
        Shape {
            name: "depends_on decides the order, both ways",
            scene: || {
                let mut s = scene(Some("t3.large"), &[]);
                s.container("crawl4ai").depends_on = vec!["qdrant".into(), "gone".into()];
                s.container("qdrant").depends_on = vec!["n8n".into()];
                s
            },
            steps: &[
                " check_mounts(host, stops)",
                " write_snapshot",
                " hold_images",
                " reserve_capacity(t3.large t3.medium) <- release_capacity",
                " arm_restore(apply_images<(; ollama postgres n8n qdrant crawl4ai; {kept}); green ollama postgres n8n qdrant crawl4ai) <- commit_host",
                "!quiesce(crawl4ai^ qdrant^ n8n^ postgres^ ollama^) <- apply_images<(; ollama postgres n8n qdrant crawl4ai; {kept})",
                "!stop_instance <- start_instance, await_host",
                "!set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
                "!start_instance <- quiesce?(crawl4ai^ qdrant^ n8n^ postgres^ ollama^), stop_instance",
                "!await_host",
                "!apply_images(; ollama postgres n8n qdrant crawl4ai; {kept}) <- apply_images<(; -; {kept})",
                "!verify_health({must})",
                " commit_host",
                " release_capacity",
            ],
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[],
            downtime: 110,
        },
        Shape {
            name: "what was red or starting before only warns; an Elastic IP stays",
            scene: || {
                let mut s = scene(Some("t3.large"), &[]);
                s.container("n8n").health = Some("unhealthy".into());
                s.container("postgres").health = Some("starting".into());
                s.observed.instance.elastic_ip = true;
                s
            },
            steps: &[
                " check_mounts(host, stops)",
                " write_snapshot",
                " hold_images",
                " reserve_capacity(t3.large t3.medium) <- release_capacity",
                " arm_restore(apply_images<(; {all}; {kept}); green crawl4ai ollama qdrant) <- commit_host",
                "!quiesce({up}) <- apply_images<(; {all}; {kept})",
                "!stop_instance <- start_instance, await_host",
                "!set_instance_type(t3.medium t3.large) <- set_instance_type(t3.large t3.medium)",
                "!start_instance <- quiesce?({up}), stop_instance",
                "!await_host",
                "!apply_images(; {all}; {kept}) <- apply_images<(; -; {kept})",
                "!verify_health(crawl4ai ollama qdrant; red n8n postgres)",
                " commit_host",
                " release_capacity",
            ],
            changes: &["instance_type: t3.medium -> t3.large"],
            warnings: &[],
            downtime: 110,
        },
        Shape {
            name: "a type without EBS optimization: off before the type, on again behind it",
            scene: || {
                scene(Some("t2.medium"), &[])
                    .stopped()
                    .of_type("t3.medium", true)
            },
            steps: &[
                " check_mounts(cloud)",
                " write_snapshot",
                " set_ebs_optimized(true false) <- set_ebs_optimized(false true)",
                " set_instance_type(t3.medium t2.medium) <- set_instance_type(t2.medium t3.medium)",
                " verify_health()",
            ],
            changes: &[
                "instance_type: t3.medium -> t2.medium",
                "ebs_optimized: true -> false",
            ],
            warnings: &[],
            downtime: 0,
        },
        Shape {
            name: "back from a type without EBS optimization",
            scene: || {
                let mut s = scene(Some("t3.medium"), &[]).of_type("t2.medium", false);
                s.desired.ebs_optimized = Some(true);
                s
            },
            steps: &[
                " check_mounts(host, stops)",
                " write_snapshot",
                " hold_images",
                " reserve_capacity(t3.medium t2.medium) <- release_capacity",
                " arm_restore(apply_images<(; {all}; {kept}); green {all}) <- commit_host",
                "!quiesce({up}) <- apply_images<(; {all}; {kept})",
                "!stop_instance <- start_instance, await_host",
                "!set_instance_type(t2.medium t3.medium) <- set_instance_type(t3.medium t2.medium)",
                "!set_ebs_optimized(false true) <- set_ebs_optimized(true false)",
                "!start_instance <- quiesce?({up}), stop_instance",
                "!await_host",
                "!apply_images(; {all}; {kept}) <- apply_images<(; -; {kept})",
                "!verify_health({must})",
                " commit_host",
                " release_capacity",
            ],
            changes: &[
                "instance_type: t2.medium -> t3.medium",
                "ebs_optimized: false -> true",
            ],
            warnings: &[],
            downtime: 110,
        },
    ]
}
