//! Between a client and the engine: stops at the n-th request that changes something.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// When the caller is killed: the engine has not got the request, or has answered it and nobody hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Before,
    After,
}

/// What it does at which request.
type Kill = Box<dyn Fn() + Send + Sync>;

struct Plan {
    seen: usize,
    at: usize,
    phase: Phase,
}

/// Listens at `socket`, which leads to the engine's own one. At the request with this number (from one on) it calls
/// `kill`, and gives the client nothing more.
pub fn listen(socket: &Path, engine: &Path, at: usize, phase: Phase, kill: Kill) {
    let _ = fs_err::remove_file(socket);
    let listener = UnixListener::bind(socket).unwrap();
    let (engine, kill) = (engine.to_owned(), Arc::new(kill));
    let plan = Arc::new(Mutex::new(Plan { seen: 0, at, phase }));
    // It ends with the instance, whose socket it is.
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = UnixStream::connect(&engine) else {
                break;
            };
            let (plan, kill) = (Arc::clone(&plan), Arc::clone(&kill));
            std::thread::spawn(move || serve(&client, &server, &plan, &**kill));
        }
    });
}

/// One connection. A client writes the head of a request in one piece, and waits for the answer before the next one.
fn serve(
    client: &UnixStream,
    server: &UnixStream,
    plan: &Mutex<Plan>,
    kill: &(dyn Fn() + Send + Sync),
) {
    // Set while the answer to come is the one that nobody is to hear.
    let mute = Arc::new(Mutex::new(false));
    let mut back = {
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let mute = Arc::clone(&mute);
        move |kill: &(dyn Fn() + Send + Sync)| {
            let mut bytes = [0; 65536];
            while let Ok(n @ 1..) = from.read(&mut bytes) {
                if *mute.lock().unwrap() {
                    kill();
                    break;
                }
                if to.write_all(&bytes[..n]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| back(kill));
        let (mut from, mut to) = (client, server);
        let mut bytes = [0; 65536];
        while let Ok(n @ 1..) = from.read(&mut bytes) {
            if changes(&bytes[..n]) {
                let (now, phase) = {
                    let mut plan = plan.lock().unwrap();
                    plan.seen += 1;
                    (plan.seen == plan.at, plan.phase)
                };
                match phase {
                    Phase::Before if now => {
                        kill();
                        break;
                    }
                    Phase::After if now => *mute.lock().unwrap() = true,
                    _ => {}
                }
            }
            if to.write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
    });
}

/// Whether this is the beginning of a request that changes something.
fn changes(bytes: &[u8]) -> bool {
    bytes.starts_with(b"POST /") || bytes.starts_with(b"DELETE /")
}
