//! One clock for all processes of the fleet, and what Linux tells of a process.

use std::fs;

/// Nanoseconds of the machine's monotonic clock: the same in every process.
pub fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Linux counts processor time for programs in these, on every machine (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has and has used.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Usage {
    /// Resident bytes.
    pub resident: u64,
    /// The most of them so far.
    pub peak: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
    /// Seconds of processor time.
    pub cpu: f64,
}

/// See [`Usage`]. What cannot be read is zero.
pub fn usage(process: u32) -> Usage {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(':').split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum::<u64>();
    Usage {
        resident: field("VmRSS") * 1024,
        peak: field("VmHWM") * 1024,
        descriptors: fs::read_dir(format!("/proc/{process}/fd")).map_or(0, |all| all.count() as u64),
        threads: field("Threads"),
        cpu: ticks as f64 / TICKS_PER_SECOND,
    }
}
