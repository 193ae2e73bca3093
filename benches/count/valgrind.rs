//! Counts the instructions of this very program under valgrind.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The instructions that this program executes with these words, from its start to its end. The profile stays below
/// `target/tmp/count/`, under this name, for `callgrind_annotate`.
///
/// # Errors
/// valgrind is not there, the program failed, or nothing was counted; in words.
pub fn instructions(words: &[&str], name: &str) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|e| format!("this program does not know where it is: {e}"))?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("count");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let profile = folder.join(format!("{}.out", name.chars().map(plain).collect::<String>()));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", profile.display()));
    // What the allocator or the compiler's runtime reads from the environment would change the count.
    valgrind.arg(program).args(words).env_clear();
    let done = valgrind.output().map_err(|e| format!("valgrind: {e}. Debian has it in the package valgrind"))?;
    if !done.status.success() {
        return Err(format!("valgrind {words:?}: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr)));
    }
    let text = std::fs::read_to_string(&profile).map_err(|e| format!("{}: {e}", profile.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: ")));
    total.and_then(|number| number.trim().parse().ok()).ok_or_else(|| format!("{}: no sum in it", profile.display()))
}

/// What changes the counts without a change of mailbell.
///
/// # Errors
/// The compiler or valgrind cannot be asked; in words.
pub fn taken_with() -> Result<BTreeMap<String, String>, String> {
    let compiler = answer("rustc", &["-vV"])?;
    let line = |start: &str| compiler.lines().find_map(|line| line.strip_prefix(start)).unwrap_or("unknown").to_owned();
    // A machine without glibc has no such answer.
    let libc = answer("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_else(|_| "unknown".to_owned());
    let with = [
        ("rustc", line("rustc ")),
        ("target", line("host: ")),
        ("libc", libc),
        ("valgrind", answer("valgrind", &["--version"])?),
        ("vectors", vectors().to_owned()),
    ];
    Ok(with.map(|(what, with)| (what.to_owned(), with)).into())
}

fn answer(program: &str, words: &[&str]) -> Result<String, String> {
    let done = Command::new(program).args(words).output().map_err(|e| format!("{program}: {e}"))?;
    if !done.status.success() {
        return Err(format!("{program} {words:?}: {}", done.status));
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// Searching and copying use what the processor has; valgrind shows a program no more than AVX2.
fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return "avx2";
    }
    "as the target has them"
}
