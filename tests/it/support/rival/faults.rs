//! What goes wrong at the rival: by script, and by seed.

use super::office::{Call, SEND};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// What happens to one call. `taken` says whether it is acted upon all the same: a message is accepted and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends without an answer.
    Lost { taken: bool },
    /// It is taken, and the answer breaks off in the middle.
    Cut,
    /// A front end's error with a page.
    Status { status: u16, taken: bool },
    /// 200 with a page in place of JSON.
    Page { taken: bool },
    /// 200 with bytes that are nothing.
    Garbage { taken: bool },
    /// 200 with nothing.
    Empty { taken: bool },
    /// It takes so long, before it is acted upon or behind it.
    Slow { by: Duration, taken: bool },
    /// This code.
    Code(i64),
    /// "System busy", though it is taken.
    BusyTaken,
    /// Taken, and the answer has no errcode (missing is 0: wecom-api 1).
    NoCode,
    /// 45009, and for a minute from now.
    Quota,
    /// 60020, and for so long from now.
    Untrusted(Duration),
    /// All tokens stop being good before the call is looked at.
    Withdrawn,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost { taken: false } => "answer lost before acceptance",
            Self::Lost { taken: true } => "answer lost after acceptance",
            Self::Cut => "answer broken off",
            Self::Status { taken: false, .. } => "5xx before acceptance",
            Self::Status { taken: true, .. } => "5xx after acceptance",
            Self::Page { .. } => "page",
            Self::Garbage { .. } => "garbage",
            Self::Empty { .. } => "empty",
            Self::Slow { taken: false, .. } => "slow before acceptance",
            Self::Slow { taken: true, .. } => "slow after acceptance",
            Self::Code(-1) => "-1",
            Self::Code(45033) => "45033",
            Self::Code(_) => "unknown code",
            Self::BusyTaken => "-1 after acceptance",
            Self::NoCode => "no errcode",
            Self::Quota => "45009",
            Self::Untrusted(_) => "60020",
            Self::Withdrawn => "token withdrawn",
        }
    }

    /// Whether it can befall a call that is no send.
    fn is_general(self) -> bool {
        matches!(
            self,
            Self::Lost { .. }
                | Self::Cut
                | Self::Status { .. }
                | Self::Page { .. }
                | Self::Garbage { .. }
                | Self::Empty { .. }
                | Self::Slow { .. }
                | Self::Code(-1)
        )
    }
}

/// The faults of about a second, each both before and after acceptance, with the weight of each. 45009, 60020 and
/// withdrawn tokens come by script, or by a plan that adds them.
pub fn brief() -> Vec<(Fault, u32)> {
    let slow = |ms, taken| Fault::Slow { by: Duration::from_millis(ms), taken };
    let mut kinds = vec![
        (Fault::Lost { taken: false }, 3),
        (Fault::Lost { taken: true }, 3),
        (Fault::Cut, 2),
        (slow(400, false), 2),
        (slow(1500, false), 1),
        (slow(400, true), 2),
        (slow(2500, true), 1),
        (Fault::Code(-1), 2),
        (Fault::BusyTaken, 1),
        (Fault::Code(45033), 1),
        (Fault::Code(49_999), 1),
        (Fault::NoCode, 2),
    ];
    for taken in [false, true] {
        kinds.extend([
            (Fault::Status { status: 502, taken }, 1),
            (Fault::Status { status: 503, taken }, 1),
            (Fault::Page { taken }, 1),
            (Fault::Garbage { taken }, 1),
            (Fault::Empty { taken }, 1),
        ]);
    }
    kinds
}

/// Which faults come, and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Of so many calls in a thousand.
    pub per_mille: u32,
    pub kinds: Vec<(Fault, u32)>,
    /// So often at most for one content, and a code that nobody knows once only: an alert must not die of chance.
    pub most_per_content: u32,
    /// So far apart at least are two withdrawals of tokens, and two blocks.
    pub apart: Duration,
}

impl Plan {
    /// These faults at this share of calls.
    pub fn new(seed: u64, per_mille: u32, kinds: Vec<(Fault, u32)>) -> Self {
        Self { seed, per_mille, kinds, most_per_content: 3, apart: Duration::from_secs(5) }
    }
}

/// Draws the faults.
#[derive(Debug)]
pub struct Faults {
    /// The next sends, one each; `None` goes well.
    script: VecDeque<Option<Fault>>,
    plan: Option<(Plan, StdRng)>,
    per_content: HashMap<Vec<u8>, (u32, bool)>,
    last_rare: Option<Duration>,
}

impl Faults {
    pub fn none() -> Self {
        Self { script: VecDeque::new(), plan: None, per_content: HashMap::new(), last_rare: None }
    }

    /// From now on by this plan, or well.
    pub fn follow(&mut self, plan: Option<Plan>) {
        self.plan = plan.map(|plan| {
            let dice = StdRng::seed_from_u64(plan.seed);
            (plan, dice)
        });
    }

    /// What the next sends meet.
    pub fn next(&mut self, script: impl IntoIterator<Item = Option<Fault>>) {
        self.script.extend(script);
    }

    /// What this call meets.
    pub fn draw(&mut self, call: &Call, now: Duration) -> Option<Fault> {
        let is_send = call.path == SEND;
        if is_send && let Some(fault) = self.script.pop_front() {
            return fault;
        }
        let (plan, dice) = self.plan.as_mut()?;
        let content = [call.path.as_bytes(), &call.body].concat();
        let (count, had_unknown) = self.per_content.entry(content).or_default();
        if dice.random_range(0..1000) >= plan.per_mille || (is_send && *count >= plan.most_per_content) {
            return None;
        }
        let mut at = dice.random_range(0..plan.kinds.iter().map(|(_, weight)| weight).sum());
        let fault = plan.kinds.iter().find_map(|(fault, weight)| {
            let hit = at < *weight;
            at = at.saturating_sub(*weight);
            hit.then_some(*fault)
        })?;
        if matches!(fault, Fault::Withdrawn | Fault::Quota | Fault::Untrusted(_)) {
            if self.last_rare.is_some_and(|last| now < last + plan.apart) {
                return None;
            }
            self.last_rare = Some(now);
        }
        let is_unknown = fault.name() == "unknown code";
        if (is_unknown && *had_unknown) || (!is_send && !fault.is_general()) {
            return None;
        }
        *count += 1;
        *had_unknown |= is_unknown;
        Some(fault)
    }
}
