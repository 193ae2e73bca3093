//! Nothing is seen outside before it is on the disk: the binary's system calls, as strace tells them.

use super::world::{Setup, World};
use mailbell::demo::dovecot::Dovecot;
use std::path::Path;
use std::process::Command;

const MAILS: usize = 4;
/// Files and the network, both ways.
const CALLS: &str = "trace=fsync,fdatasync,write,writev,pwrite64,pwritev,sendto,sendmsg,read,readv,recvfrom,recvmsg";

/// One system call: in which lines of the trace it begins and ends.
struct Call {
    begins: usize,
    ends: usize,
    /// Name and arguments, data among them.
    text: String,
}

/// Reads a trace; calls that were interrupted by the lines of other threads are put together.
fn calls(trace: &str) -> Vec<Call> {
    let mut open: Vec<(String, Call)> = Vec::new();
    let mut done = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.trim_start().split_once(' ') else { continue };
        let text = text.trim_start();
        if let Some(begun) = text.strip_suffix(" <unfinished ...>") {
            open.push((thread.to_owned(), Call { begins: at, ends: usize::MAX, text: begun.to_owned() }));
        } else if text.starts_with("<... ") {
            let Some(place) = open.iter().position(|(whose, _)| whose == thread) else { continue };
            let (_, call) = open.remove(place);
            let rest = text.split_once(" resumed>").map_or("", |(_, rest)| rest);
            done.push(Call { ends: at, text: call.text + rest, ..call });
        } else {
            done.push(Call { begins: at, ends: at, text: text.to_owned() });
        }
    }
    done.sort_by_key(|call| call.begins);
    done
}

fn is_write_to(call: &Call, file: &str) -> bool {
    call.text.starts_with("pwrite") && call.text.contains(file)
}

/// Whether, after the last of `writes` before `moment` that holds all `words`, there was a whole sync of `file` before it.
fn is_durable(calls: &[Call], file: &str, words: &[&str], moment: usize) -> bool {
    let before = |call: &&Call| call.ends < moment;
    let holds = |call: &&Call| is_write_to(call, file) && words.iter().all(|word| call.text.contains(word));
    let Some(written) = calls.iter().filter(before).filter(holds).map(|call| call.ends).next() else { return false };
    let is_sync = |call: &&Call| call.text.starts_with("fsync(") || call.text.starts_with("fdatasync(");
    let synced = calls.iter().filter(before).filter(is_sync).filter(|call| call.text.contains(file));
    synced.into_iter().any(|call| call.begins > written && call.text.trim_end().ends_with("= 0"))
}

fn may_trace() -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let works = tried.is_ok_and(|out| out.status.success());
    if !works {
        eprintln!("NOT RUN: what is on the disk before it is seen. strace is missing or may not trace here");
    }
    works
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_and_syncs_begin_after_the_disk_has_what_they_are_about() {
    fn plain(dovecot: &Dovecot) -> String {
        format!("port = {}\ntls = \"none\"\n", dovecot.imap_port())
    }
    if !may_trace() {
        return;
    }
    let mut world = World::new(Setup { users: vec!["zhangsan"], provider: Some(plain), ..Setup::default() }).await;
    let file = world.dir.path().join("trace");
    world.start_traced(&file, CALLS);
    world.ready().await;
    let subjects: Vec<_> = (0..MAILS).map(|n| format!("subject-{n}-end")).collect();
    for subject in &subjects {
        world.mail("zhangsan", subject, subject).await;
        world.sees("zhangsan", &[subject]).await;
    }
    let (status, _) = world.stop().await;
    assert!(status.success());
    look(&file, &subjects);
}

fn look(file: &Path, subjects: &[String]) {
    let bytes = std::fs::read(file).unwrap();
    let calls = calls(&String::from_utf8_lossy(&bytes));
    let db = "state/db>";
    for subject in subjects {
        let send = send_of(&calls, subject);
        // The body itself, which holds the recipient, not only the letter.
        assert!(is_durable(&calls, db, &["touser", subject], send), "{subject} was sent before it was safe");
    }
    // Each sync: a permit, then headers are fetched. Between two sends there is one.
    let fetch = |call: &&Call| !call.text.starts_with("re") && call.text.contains("UID FETCH");
    let mut after = 0;
    for subject in subjects {
        let since = |call: &&Call| call.begins >= after;
        let fetch = calls.iter().filter(since).find(fetch).unwrap_or_else(|| panic!("no fetch for {subject}")).begins;
        let mine = &calls[calls.partition_point(|call| call.begins < after)..];
        assert!(is_durable(mine, db, &["uuser:zhangsan"], fetch), "{subject} was fetched before the permit was safe");
        after = send_of(&calls, subject);
        assert!(fetch < after);
    }
}

/// When the message about a letter began to go out.
fn send_of(calls: &[Call], subject: &str) -> usize {
    let outgoing = |call: &&Call| !call.text.starts_with("pwrite") && call.text.contains("touser");
    let send = calls.iter().filter(outgoing).find(|call| call.text.contains(subject));
    send.unwrap_or_else(|| panic!("no send with {subject} in the trace")).begins
}
