//! The outage of an image bump beside that of a bare `docker compose up -d` of the same service, on a real Docker Engine,
//! seen by a probe every 10 ms. See docs/performance.md.
//!
//! ```sh
//! tests/engine/up /tmp/engine setup
//! GEUSEMAKER_ENGINE=/tmp/engine cargo bench --profile dev --bench outage
//! ```

mod measure;
#[path = "../tests/promises/engine/real.rs"]
#[allow(dead_code)]
mod real;
#[path = "../tests/promises/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use measure::median;
use real::{FILE, Real};

/// Runs of each.
const RUNS: usize = 10;
/// Between two probes.
const EVERY: Duration = Duration::from_millis(10);
/// Where the service answers, on the instance.
const PORT: u16 = 8080;

/// One service that answers HTTP, in two versions that differ in their text alone.
const SEED: &str = r#"
set -eu
cd "$(mktemp -d)"
cp /bin/busybox busybox
cat >main <<'SH'
#!/bin/sh
trap 'exit 0' TERM
httpd -f -p 80 -h /www &
wait $!
SH
chmod 755 main
for version in 1.0.0 1.1.0; do
  printf '%s\n' "$version" >index.html
  printf '%s\n' 'FROM scratch' 'COPY busybox /bin/busybox' 'COPY busybox /bin/sh' 'COPY main /' 'COPY index.html /www/' \
    'RUN ["/bin/busybox", "--install", "-s", "/bin"]' 'CMD ["/main"]' >Dockerfile
  DOCKER_BUILDKIT=0 docker build -q --network none -t "bench/web:$version" . >&2
  docker tag "bench/web:$version" "127.0.0.1:5000/bench/web:$version"
  docker push -q "127.0.0.1:5000/bench/web:$version" >&2
done
cd /opt/geusemaker/runtime
line=$(grep -n '^services:' docker-compose.yml | cut -d: -f1)
sed -i "${line}a\\
  web:\\
    image: bench/web:1.0.0\\
    container_name: web\\
    restart: unless-stopped\\
    ports: [ \"127.0.0.1:8080:80\" ]" docker-compose.yml
docker compose --env-file runtime.env up -d --no-deps web >&2
"#;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|a| a == "probe") {
        probe();
        return;
    }
    let Some(engine) = std::env::var_os("GEUSEMAKER_ENGINE").map(PathBuf::from) else {
        println!("outage: left out, for want of a Docker Engine: see docs/performance.md");
        return;
    };
    let real = Real::new(&engine, "outage");
    real.sh(SEED);
    let probe = Probe::on(&real);
    probe.until(true);
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    println!("run  compose up -d  geusemaker update");
    for run in 1..=RUNS {
        let theirs = probe.outage(|| bump_bare(&real, "1.1.0"));
        let here = probe.outage(|| bump(&real, "1.0.0"));
        println!("{run:>3}  {theirs:>10.1?} ms  {here:>14.1?} ms");
        bare.push(theirs);
        ours.push(here);
    }
    let (theirs, here) = (median(&mut bare), median(&mut ours));
    println!(
        "median {theirs:.1} ms, {here:.1} ms: {:.2} times",
        here / theirs
    );
}

/// What a person would do by hand.
fn bump_bare(real: &Real, version: &str) {
    real.sh(&format!(
        "cd /opt/geusemaker/runtime && sed -i 's,bench/web:.*,bench/web:{version},' docker-compose.yml && docker compose --env-file runtime.env up -d web 2>&1"
    ));
    assert!(
        real.compose().contains(&format!("bench/web:{version}")),
        "{FILE}"
    );
}

fn bump(real: &Real, version: &str) {
    let image = format!("web=bench/web:{version}");
    let result = real.update(&["--image", &image], 0);
    assert_eq!(result["outcome"], "updated");
}

/// Says each change of whether the service answers, with the milliseconds since it began.
fn probe() {
    let began = Instant::now();
    let address = SocketAddr::from(([127, 0, 0, 1], PORT));
    let mut was = None;
    for tick in 1u32.. {
        let at = began.elapsed();
        let is = answers(address).is_some();
        if was != Some(is) {
            // The end of it is where an answer came back, the beginning where a probe set out in vain.
            let at = if is { began.elapsed() } else { at };
            if writeln!(std::io::stdout(), "{is} {}", at.as_secs_f64() * 1000.0).is_err() {
                return;
            }
            was = Some(is);
        }
        std::thread::sleep((EVERY * tick).saturating_sub(began.elapsed()));
    }
}

fn answers(address: SocketAddr) -> Option<()> {
    let limit = Duration::from_millis(500);
    let mut stream = TcpStream::connect_timeout(&address, limit).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.lines().next()?;
    (status.split(' ').nth(1) == Some("200")).then_some(())
}

/// The probe, in the network of the instance.
struct Probe {
    child: Child,
    said: Receiver<(bool, f64)>,
}

impl Probe {
    fn on(real: &Real) -> Self {
        let pid = real.up(&["boot"]);
        let mut child = Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", pid.trim()))
            .arg(std::env::current_exe().expect("this program"))
            .arg("probe")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let (is, at) = line.split_once(' ').expect("two words");
                let change = (is == "true", at.parse().expect("milliseconds"));
                if tell.send(change).is_err() {
                    return;
                }
            }
        });
        Self { child, said }
    }

    /// When it answers, or does not any more.
    fn until(&self, answers: bool) -> f64 {
        loop {
            let limit = Duration::from_secs(60);
            let (is, at) = self
                .said
                .recv_timeout(limit)
                .expect("a change within a minute");
            if is == answers {
                return at;
            }
        }
    }

    /// The milliseconds from the first probe in vain to the last one before it answers for good.
    fn outage(&self, change: impl FnOnce()) -> f64 {
        change();
        let from = self.until(false);
        let mut to = self.until(true);
        // It may come and go while it starts.
        while let Ok((is, at)) = self.said.recv_timeout(Duration::from_secs(1)) {
            to = if is { at } else { self.until(true) };
        }
        to - from
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
