//! File descriptors: one for each connection, so a company needs more than most systems give a process at first.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{error, info};

/// For the store, WeCom, the web surface, the socket for commands and what the runtime itself needs.
const BESIDE_ACCOUNTS: u64 = 200;

/// How many this process may have, and whether somebody was told that they are too few.
#[derive(Debug)]
pub(super) struct Descriptors {
    /// `None`: as many as it likes, or nobody knows.
    most: Option<u64>,
    told: u64,
}

impl Descriptors {
    /// Raises the limit as far as the system lets a process do by itself: to the hard limit.
    pub(super) fn raised() -> Self {
        let now = getrlimit(Resource::Nofile);
        if now.current != now.maximum {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
            info!(from = now.current, to = now.maximum, ok = raised.is_ok(), "the limit of open files is raised");
        }
        Self { most: getrlimit(Resource::Nofile).current, told: 0 }
    }

    /// Says which number to set where so many accounts with so many connections each need more than there are; again only
    /// where it is more than was said.
    pub(super) fn check(&mut self, accounts: usize, connections: u32) {
        let needed = needed(accounts, connections);
        if self.most.is_some_and(|most| needed > most) && needed > self.told {
            self.told = needed;
            error!(
                limit = self.most,
                accounts,
                "too few open files are allowed: set LimitNOFILE={needed} (systemctl edit mailbell) or ulimit -n {needed}, and start again. 允许打开的文件数不足：请设为 {needed} 后重启"
            );
        }
    }
}

/// So many descriptors for so many accounts.
fn needed(accounts: usize, connections: u32) -> u64 {
    let accounts = u64::try_from(accounts).unwrap_or(u64::MAX);
    accounts.saturating_mul(u64::from(connections)).saturating_add(BESIDE_ACCOUNTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_accounts_need_twice_as_many_and_some() {
        assert_eq!(needed(10_000, 2), 20_200);
    }
}
