//! What systemd hears of the service: the binary with a socket of the test's in the place of systemd's.

use super::world::{PATIENCE, Setup, World, address};
use serde_json::json;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::UnixDatagram;
use tokio::time::timeout;

/// Proofs of life come each second then.
const WATCHDOG: Duration = Duration::from_secs(2);

/// The place of systemd.
struct Manager(UnixDatagram);

impl Manager {
    /// Listens where the service of this world will tell.
    fn of(world: &mut World) -> Self {
        let path = world.dir.path().join("notify");
        world.env.push(("NOTIFY_SOCKET", path.to_str().unwrap().to_owned()));
        world.env.push(("WATCHDOG_USEC", WATCHDOG.as_micros().to_string()));
        Self(UnixDatagram::bind(path).unwrap())
    }

    async fn next(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).await.unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// The next message but proofs of life and status.
    async fn hears(&self) -> String {
        timeout(PATIENCE, async {
            loop {
                let message = self.next().await;
                if message != "WATCHDOG=1\n" && !message.starts_with("STATUS=") {
                    return message;
                }
            }
        })
        .await
        .expect("a message")
    }

    /// Waits until the next message that begins so.
    async fn waits_for(&self, begins: &str) -> String {
        let heard = timeout(PATIENCE, async {
            loop {
                let message = self.next().await;
                if message.starts_with(begins) {
                    return message;
                }
            }
        });
        heard.await.unwrap_or_else(|_| panic!("no {begins}"))
    }

    /// Waits until there was no proof of life for longer than the service is allowed to take.
    async fn misses_life(&self) {
        let (begun, mut heard) = (Instant::now(), Instant::now());
        while heard.elapsed() < WATCHDOG + WATCHDOG / 2 {
            assert!(begun.elapsed() < PATIENCE, "it lives on");
            if let Ok(message) = timeout(WATCHDOG / 4, self.next()).await
                && message == "WATCHDOG=1\n"
            {
                heard = Instant::now();
            }
        }
    }

    /// It lives: proofs come often enough.
    async fn sees_life(&self) {
        self.waits_for("WATCHDOG=1\n").await;
        for _ in 0..3 {
            let heard = timeout(WATCHDOG, self.waits_for("WATCHDOG=1\n")).await;
            heard.expect("a proof of life in time");
        }
    }
}

fn is_reloading(message: &str) -> bool {
    let time = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.strip_suffix('\n'));
    time.is_some_and(|time| time.parse::<u64>().is_ok_and(|time| time > 0))
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_when_it_works_reloads_and_stops() {
    let mut world = World::new(Setup { users: vec!["zhangsan", "lisi"], ..Setup::default() }).await;
    let manager = Manager::of(&mut world);
    let both = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, &both[..both.find("[[account]]\nuser = \"lisi\"").unwrap()]).unwrap();
    // It works without WeCom and without the mail server: it is there for whoever asks.
    world.control(json!({"down": true})).await;
    world.dovecot.stop().await;
    world.start();
    assert_eq!(manager.hears().await, "READY=1\n");
    assert_eq!(world.all_status()["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(world.web_text("/healthz").await.1, "ok\n");
    std::fs::write(&world.file, &both).unwrap();
    world.signal("HUP");
    let message = manager.hears().await;
    assert!(is_reloading(&message), "{message}");
    assert_eq!(manager.hears().await, "READY=1\n");
    assert_eq!(world.all_status()["accounts"].as_array().unwrap().len(), 2, "ready means applied");
    std::fs::write(&world.file, "nonsense = 1\n").unwrap();
    world.signal("HUP");
    let message = manager.hears().await;
    assert!(is_reloading(&message), "{message}");
    assert_eq!(manager.hears().await, "READY=1\n", "also where nothing was applied");
    assert!(world.log().contains("the config was not applied"));
    world.signal("TERM");
    assert_eq!(manager.hears().await, "STOPPING=1\n");
    let (status, _) = world.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_begin_is_not_ready_and_nobody_need_listen() {
    let mut world = World::one().await;
    let manager = Manager::of(&mut world);
    let taken = std::net::TcpListener::bind(world.web).unwrap();
    assert_eq!(world.command(&["run"]).output().unwrap().status.code(), Some(1));
    drop(taken);
    let mut heard = [0; 99];
    assert!(manager.0.try_recv(&mut heard).is_err(), "{heard:?}");
    // systemd is gone.
    drop(manager);
    world.run().await;
    world.mail("zhangsan", "无人监听", "n").await;
    world.sees("zhangsan", &["无人监听"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_counts_and_names_nobody() {
    let mut world = World::one().await;
    let manager = Manager::of(&mut world);
    world.start();
    let status = manager.waits_for("STATUS=").await;
    let right = status.starts_with("STATUS=accounts: 1 ") && status.contains("; outbox: 0 waiting, 0 open, 0 dead\n");
    assert!(right, "{status}");
    assert!(!status.contains("zhangsan"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_still_proves_no_life() {
    let mut world = World::one().await;
    let manager = Manager::of(&mut world);
    world.run().await;
    manager.sees_life().await;
    world.signal("STOP");
    manager.misses_life().await;
    world.signal("CONT");
    manager.sees_life().await;
}

/// From now on every sync of the disk takes longer than anybody waits; until this is ended.
fn deaf_disk(world: &World) -> Option<Child> {
    let calls = "fsync,fdatasync";
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    strace.args(["-e", &format!("inject={calls}:delay_enter=600s"), "-p", &world.process().to_string()]);
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_no_life() {
    let mut world = World::one().await;
    let manager = Manager::of(&mut world);
    world.run().await;
    manager.sees_life().await;
    let Some(mut strace) = deaf_disk(&world) else {
        eprintln!("NOT RUN: a disk that does not answer. strace is missing");
        return;
    };
    let traced = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", world.process())).unwrap();
        !status.contains("TracerPid:\t0\n")
    };
    let begun = Instant::now();
    while !traced() {
        if strace.try_wait().unwrap().is_some() || begun.elapsed() > PATIENCE {
            eprintln!("NOT RUN: a disk that does not answer. strace may not trace here");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.mail("zhangsan", "磁盘不应答", "d").await;
    manager.misses_life().await;
    assert_eq!(world.web_text("/healthz").await.1, "ok\n", "the process itself lives");
    // strace leaves at SIGTERM, and what it held goes on.
    assert!(Command::new("kill").arg(strace.id().to_string()).status().unwrap().success());
    strace.wait().unwrap();
    manager.sees_life().await;
    world.sees("zhangsan", &["磁盘不应答"]).await;
    assert_eq!(world.dovecot.logins(&address("zhangsan")), 1);
}
