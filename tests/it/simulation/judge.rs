//! What must have been told at the end, what must not, and whether the ledger says the same as the members saw.

use super::office::{Harm, Inner, Stay};
use super::run::{Counts, World};
use super::time::{HOUR, MINUTE};
use mailbell::model::{AlertKind, Recipient, Urgency};
use mailbell::state::{AlertState, Ledger, State, Store, Story, WasTold, Why};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a stay of a letter in a folder asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// It must not be told because of this stay.
    Never,
    May,
    Must,
}

fn claim_of(inner: &Inner, stay: &Stay, hidden: bool) -> Claim {
    let cabinet = &inner.posts[stay.post].folders[&stay.folder];
    if cabinet.urgency == Urgency::Silent || stay.seen_at == Some(stay.came) || stay.came - stay.date > 48 * HOUR {
        return Claim::Never;
    }
    let Some((from, to)) = cabinet.bound else { return Claim::May };
    // While the clock is ahead by hours, what comes seems to be old; what was there before a binding may not.
    let is_wrong = |at: i64| inner.wrong.iter().any(|(from, to)| (from - 5 * MINUTE..=*to).contains(&at));
    if is_wrong(stay.came) || (stay.came < from && is_wrong(from)) {
        return Claim::May;
    }
    if stay.came < from {
        return Claim::Never;
    }
    // One that lay in this folder when it was bound, and comes back.
    let same = |other: &&Stay| other.letter == stay.letter && other.post == stay.post && other.folder == stay.folder;
    if inner.stays.iter().filter(same).any(|other| other.came <= from) {
        return Claim::May;
    }
    // It may have been told without its header.
    if inner.ended.get(&stay.letter).is_some_and(|times| *times > 1) {
        return Claim::May;
    }
    let stays = stay.left_at.is_none() && stay.seen_at.is_none() && !hidden;
    if stay.came > to && stays && stay.came - stay.date < 10 * MINUTE { Claim::Must } else { Claim::May }
}

/// What each recipient must or must not be told, by letter.
fn claims(world: &World) -> BTreeMap<(Recipient, usize), Claim> {
    let inner = world.office.open();
    let mut claims = BTreeMap::new();
    for stay in &inner.stays {
        let claim = claim_of(&inner, stay, false);
        for who in &inner.posts[stay.post].folders[&stay.folder].audience {
            let entry = claims.entry((who.clone(), stay.letter)).or_insert(Claim::Never);
            *entry = claim.max(*entry);
        }
    }
    claims
}

/// How often each recipient was shown each letter by name, and by which bodies.
fn named(world: &World) -> BTreeMap<(Recipient, usize), Vec<(i64, usize)>> {
    let wecom = world.wecom.open();
    let mut named: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let catch_ups = catch_up_bodies(world, &wecom);
    for (who, shown) in &wecom.shown {
        for message in shown.iter().filter(|message| !catch_ups.contains(&message.body)) {
            for letter in &wecom.bodies[message.body].letters {
                named.entry((who.clone(), *letter)).or_default().push((message.at, message.body));
            }
        }
    }
    named
}

/// Bodies that name only some of their letters.
fn catch_up_bodies(world: &World, wecom: &super::wecom::Inner) -> BTreeSet<usize> {
    let given = world.eyes.given.lock().unwrap();
    let bodies =
        given.alerts.iter().filter(|(_, id)| given.kinds.get(id).is_some_and(|(kind, _)| *kind == AlertKind::CatchUp));
    bodies.filter_map(|(bytes, _)| wecom.number_of(bytes)).collect()
}

/// What is still to be done; `None`: nothing.
pub async fn left(world: &World, store: &Arc<Store>) -> Option<String> {
    let outbox = store.outbox().await.unwrap();
    if outbox.waiting + outbox.open > 0 {
        return Some(format!("{outbox:?}"));
    }
    let told = told(world, store).await;
    let claims = claims(world);
    let shows: Vec<_> = world.office.open().letters.iter().map(|letter| letter.shows).collect();
    let is_told = |(who, letter): &(Recipient, usize)| told.contains_key(&(who.clone(), shows[*letter]));
    let missing = claims.into_iter().find(|(key, claim)| *claim == Claim::Must && !is_told(key));
    missing.map(|((who, letter), _)| format!("letter {letter} for {who} is not in the ledger"))
}

/// All that the ledger says.
async fn stories(world: &World, store: &Arc<Store>) -> Vec<Story> {
    let mut all = Vec::new();
    for account in &world.config.accounts {
        let why = Why { account: Some(account.id.clone()), most: 1_000_000, ..Why::default() };
        all.extend(store.why(why).await.unwrap());
    }
    all
}

/// The same by recipient and letter.
async fn told(world: &World, store: &Arc<Store>) -> BTreeMap<(Recipient, usize), Vec<WasTold>> {
    let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for story in stories(world, store).await {
        let subject = story.sighting.item.letter.subject.unwrap_or_default();
        let Some(letter) = subject.get(1..6).and_then(|digits| digits.parse::<usize>().ok()) else { continue };
        for telling in story.tellings {
            told.entry((telling.recipient, letter)).or_default().push(telling.what);
        }
    }
    told
}

/// All promises, once all is quiet.
pub async fn at_the_end(world: &World, store: &Arc<Store>) {
    let outbox = store.outbox().await.unwrap();
    if outbox.waiting + outbox.open > 0 {
        world.witness.broken(format!("something is left: {outbox:?}"));
    }
    let (claims, named, told) = (claims(world), named(world), told(world, store).await);
    check_alike(world, &claims, &named, &told);
    let alike: Vec<bool> = world.office.open().letters.iter().map(|letter| letter.alike).collect();
    for (key, claim) in claims.iter().filter(|(key, _)| !alike[key.1]) {
        let shown = named.get(key).map(Vec::as_slice).unwrap_or_default();
        let words = told.get(key).map(Vec::as_slice).unwrap_or_default();
        judge(world, key, *claim, shown, words);
    }
    let shows: Vec<_> = world.office.open().letters.iter().map(|letter| letter.shows).collect();
    let theirs: BTreeSet<_> = claims.keys().map(|(who, letter)| (who.clone(), shows[*letter])).collect();
    for (key, shown) in &named {
        if !theirs.contains(key) {
            world.witness.broken(format!("{} was shown letter {}, which is none of theirs: {shown:?}", key.0, key.1));
        }
    }
    check_catch_ups(world, store).await;
    check_dead(world, store).await;
}

fn judge(world: &World, key: &(Recipient, usize), claim: Claim, shown: &[(i64, usize)], words: &[WasTold]) {
    let (who, letter) = key;
    let broken = |what: &str| {
        world.witness.broken(format!("letter {letter} for {who}: {what}; shown {shown:?}, ledger {words:?}"))
    };
    let mut alert = None;
    for word in words {
        match word {
            WasTold::Alert { .. } if alert.is_some() => broken("two alerts hold it"),
            WasTold::Alert { .. } => alert = Some(word),
            WasTold::Known { .. } => {}
            WasTold::Held { .. } | WasTold::Muted { .. } => broken("nobody asked for quiet"),
            WasTold::Waits { .. } => broken("it waits still"),
            WasTold::Unknown => broken("the ledger does not know"),
        }
    }
    let Some(WasTold::Alert { state, kind, maybe_twice, .. }) = alert else {
        if claim == Claim::Must || !shown.is_empty() {
            broken("no alert holds it");
        }
        return;
    };
    if claim == Claim::Never {
        broken("it was no news");
    }
    match (state, kind, shown.len()) {
        (AlertState::Sent, AlertKind::CatchUp, 0) | (AlertState::Sent, _, 1) => {}
        (AlertState::Sent, AlertKind::Letter | AlertKind::Digest, 2..) if *maybe_twice => {
            let mut bodies: Vec<_> = shown.iter().map(|(_, body)| body).collect();
            bodies.dedup();
            // The answer was lost, WeCom then refused them, and a person had it sent again, who was told that it may have
            // been shown.
            let by_a_person = world.wecom.open().refused_ever.contains(who);
            if !by_a_person && bodies.len() > 1
                || bodies.len() == 1 && shown.windows(2).any(|two| two[1].0 - two[0].0 < 4 * HOUR)
            {
                broken("twice, and not as it may be");
            }
        }
        (AlertState::Dead, _, _) => {
            let harm = world.office.open().letters[*letter].harm;
            if harm != Harm::Always && !world.wecom.open().refused_ever.contains(who) {
                broken("dead, and nobody refused it");
            }
        }
        _ => broken("the ledger and the member do not agree"),
    }
}

/// Letters that look the same are told as often as there are letters.
fn check_alike(
    world: &World,
    claims: &BTreeMap<(Recipient, usize), Claim>,
    named: &BTreeMap<(Recipient, usize), Vec<(i64, usize)>>,
    told: &BTreeMap<(Recipient, usize), Vec<WasTold>>,
) {
    let shows: Vec<_> = world.office.open().letters.iter().map(|letter| (letter.alike, letter.shows)).collect();
    let mut wanted: BTreeMap<(Recipient, usize), (usize, usize)> = BTreeMap::new();
    for ((who, letter), claim) in claims.iter().filter(|((_, letter), _)| shows[*letter].0) {
        let (least, most) = wanted.entry((who.clone(), shows[*letter].1)).or_default();
        *least += usize::from(*claim == Claim::Must);
        *most += usize::from(*claim != Claim::Never);
    }
    for (key, (least, most)) in wanted {
        let count = named.get(&key).map_or(0, Vec::len);
        let words = told.get(&key).map(Vec::as_slice).unwrap_or_default();
        let elsewhere = |word: &WasTold| match word {
            WasTold::Alert { state, kind, maybe_twice, .. } => {
                *state == AlertState::Dead || *kind == AlertKind::CatchUp || *maybe_twice
            }
            _ => false,
        };
        if (count < least || count > most) && !words.iter().any(elsewhere) {
            let (who, letter) = key;
            world.witness.broken(format!(
                "{who} was shown {count} letters that look like {letter}, of {least} to {most}; ledger {words:?}"
            ));
        }
    }
}

/// A catch-up says how many letters it is about; its letters are in the ledger.
async fn check_catch_ups(world: &World, store: &Arc<Store>) {
    // Letters whose header could not be had are among them.
    let mut held: BTreeMap<(Recipient, mailbell::model::AlertId), usize> = BTreeMap::new();
    for telling in stories(world, store).await.into_iter().flat_map(|story| story.tellings) {
        if let WasTold::Alert { id, kind: AlertKind::CatchUp, .. } = telling.what {
            *held.entry((telling.recipient, id)).or_default() += 1;
        }
    }
    let wecom = world.wecom.open();
    let given = world.eyes.given.lock().unwrap();
    for ((who, id), count) in held {
        // One that was dead and is sent again has another body.
        let bodies = given.alerts.iter().filter(|(_, other)| **other == id);
        let numbers: BTreeSet<_> = bodies.filter_map(|(bytes, _)| wecom.number_of(bytes)).collect();
        let shown = wecom.shown.get(&who).into_iter().flatten().find(|message| numbers.contains(&message.body));
        let says = |body: usize| wecom.bodies[body].text.contains(&count.to_string());
        if !shown.is_some_and(|message| says(message.body)) {
            world.witness.broken(format!("catch-up {id} for {who} holds {count} letters; shown {shown:?}"));
        }
    }
}

/// Dead alerts are kept for a reason.
async fn check_dead(world: &World, store: &Arc<Store>) {
    for view in store.alerts(Some(AlertState::Dead), 1000).await.unwrap() {
        let harmful = view.named.iter().any(|named| {
            let letter = named.subject.as_deref().and_then(|s| s.get(1..6)?.parse::<usize>().ok());
            letter.is_some_and(|no| world.office.open().letters[no].harm == Harm::Always)
        });
        let refused = view.recipients.iter().any(|who| world.wecom.open().refused_ever.contains(who));
        if !harmful && !refused {
            world.witness.broken(format!("dead without a reason: {view:?}"));
        }
    }
}

pub fn counts(world: &World, processes: u64) -> Counts {
    let wecom = world.wecom.open();
    let shown = wecom.shown.values().map(Vec::len).sum();
    let mut seen = BTreeMap::new();
    for (who, messages) in &wecom.shown {
        for message in messages {
            *seen.entry((who, message.body)).or_insert(0_usize) += 1;
        }
    }
    Counts {
        processes,
        letters: world.office.open().letters.len(),
        told: shown,
        twice: seen.values().filter(|n| **n > 1).count(),
        requests: wecom.requests,
        most_permits: world.eyes.given.lock().unwrap().most_permits,
        minutes: world.time.now() / MINUTE,
    }
}
