//! A pull that cannot be: each is refused, and the containers are the very same.

use super::real::Real;

/// A registry with a sign-in, over the same store. Its one user is `someone`, with the password `secret`.
const PRIVATE: &str = r#"
cat >/etc/private.yml <<Y
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}
http: {addr: "127.0.0.1:5001"}
auth: {htpasswd: {realm: private, path: /etc/htpasswd}}
Y
printf '%s\n' 'someone:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a' >/etc/htpasswd
systemd-run -q --unit=private docker-registry serve /etc/private.yml
n=0; until busybox nc 127.0.0.1 5001 </dev/null 2>/dev/null; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done
"#;

/// Refused with this code, and nothing was touched; what is said.
#[track_caller]
fn refused(real: &Real, args: &[&str], code: &str) -> String {
    let (before, file) = (real.containers(), real.compose());
    let result = real.update(args, 3);
    assert_eq!(result["error"]["code"], code, "{result}");
    assert_eq!(real.containers(), before);
    assert_eq!(real.compose(), file);
    assert_eq!(real.held(), Vec::<String>::new(), "nothing is left behind");
    result["error"].to_string()
}

/// Without a sign-in it says which; with one it goes ahead, since the job has root's own.
pub fn private(real: &Real) {
    real.sh(PRIVATE);
    let image = ["--image", "n8n=127.0.0.1:5001/n8nio/n8n:1.1.0"];
    let said = refused(real, &image, "registry_auth");
    assert!(said.contains("docker login 127.0.0.1:5001"), "{said}");
    real.sh("docker login -u someone -p secret 127.0.0.1:5001 2>/dev/null");
    real.update(&image, 0);
    assert_eq!(
        real.container("n8n").image,
        "127.0.0.1:5001/n8nio/n8n:1.1.0"
    );
}

/// What Docker keeps goes onto a small file system.
fn small(real: &Real, options: &str) {
    real.sh(&format!(
        "systemctl stop docker docker.socket && mkdir -p /srv/full && cp -a /var/lib/docker /srv/full/ && files=$(du -s --inodes /srv/full/docker | cut -f1) && mount -t tmpfs -o {options} tmpfs /var/lib/docker && cp -a /srv/full/docker/. /var/lib/docker/ && systemctl start docker"
    ));
    for name in ["n8n", "ollama", "qdrant", "crawl4ai", "postgres"] {
        real.sh(&format!("docker start {name}"));
    }
    real.sh("n=0; until [ \"$(docker ps -q --filter health=healthy | wc -l)\" = 3 ]; do n=$((n + 1)); [ $n -lt 200 ] || exit 1; sleep 0.1; done");
}

/// The disk has room when the plan is made, and is full as soon as the first layer comes in.
pub fn fills(real: &Real) {
    real.own_registry();
    real.sh("mkdir /srv/fat && cd /srv/fat && head -c 40000000 /dev/urandom >fat && printf 'FROM n8nio/n8n:1.0.0\nCOPY fat /fat\n' >Dockerfile && docker build -q -t 127.0.0.1:5000/n8nio/n8n:1.3.0 . && docker push -q 127.0.0.1:5000/n8nio/n8n:1.3.0 && docker rmi 127.0.0.1:5000/n8nio/n8n:1.3.0 && rm -r /srv/fat");
    small(real, "size=3g");
    real.sh("systemd-run -q --unit=filler sh -c 'until ls /var/lib/docker/tmp/GetImageBlob* >/dev/null 2>&1; do :; done; mount -o remount,size=$(($(du -sk /var/lib/docker | cut -f1) + 2000))k /var/lib/docker'");
    // By its own name: of a mirror that fails Docker does not say why, it asks the next registry instead.
    let image = ["--image", "n8n=127.0.0.1:5000/n8nio/n8n:1.3.0"];
    let said = refused(real, &image, "no_space");
    assert!(said.contains("no space left on device"), "{said}");
    // With room again it goes: nothing of the first try is in its way.
    real.sh("mount -o remount,size=3g /var/lib/docker");
    real.update(&image, 0);
}

/// A registry that takes the connection and says nothing: given up after the time for it, or when Docker gives it up,
/// which is after 15 s. Once it speaks, it goes.
pub fn silent(real: &Real) {
    real.sh("kill -s STOP $(pidof docker-registry)");
    let image = ["--image", "n8n=n8nio/n8n:1.1.0", "--progress-timeout", "4s"];
    let began = std::time::Instant::now();
    let said = refused(real, &image, "job_timeout");
    // Not for ever; all else of a refused update is in it.
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    assert!(said.contains("no sign of progress for 4 s"), "{said}");
    let direct = ["--image", "n8n=127.0.0.1:5000/n8nio/n8n:1.1.0"];
    refused(real, &direct, "registry_unreachable");
    real.sh("kill -s CONT $(pidof docker-registry)");
    real.update(&image[..2], 0);
}

/// Less than the floor is refused by the plan; nothing is pulled.
pub fn floor(real: &Real) {
    small(real, "size=900m");
    let said = refused(real, &["--image", "n8n=n8nio/n8n:1.1.0"], "disk_space");
    assert!(said.contains("expected 1024 MiB or more"), "{said}");
    assert!(
        real.try_sh("docker image inspect n8nio/n8n:1.1.0")
            .is_none()
    );
}
