//! What is done to the fleet, and what is looked at meanwhile.

use crate::Options;
use crate::figures::{Figures, most_in_a_second};
use crate::place::{Place, Setup, name};
use crate::ticks::{now_ns, usage};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

const MIB: f64 = 1024.0 * 1024.0;

/// One fleet through all scenes that are asked for.
pub async fn run(options: &Options, accounts: usize) -> Value {
    let setup = Setup {
        accounts,
        logins_per_second: options.logins,
        mailbell: options.mailbell.clone(),
        log: options.log.clone(),
    };
    let mut scene = Scene { place: Place::make(setup).await, figures: Figures::default(), next: 0 };
    scene.begin().await;
    for what in &options.only {
        match what.as_str() {
            "idle" => scene.idle(options.idle_seconds).await,
            "quiet" => scene.quiet(options.letters).await,
            "rate" => scene.rate(options.rate, options.rate_seconds).await,
            "flood" => scene.flood(options.flood, options.flood_seconds, 1).await,
            "batch" => scene.flood(options.flood, options.flood_seconds, 10).await,
            "burst" => scene.burst(options.letters).await,
            "drop" => scene.dropped().await,
            "wecom" => scene.wecom_down(options.wecom_seconds).await,
            "kill" => scene.killed().await,
            other => panic!("there is no scene {other:?}"),
        }
    }
    let end = usage(scene.place.process());
    scene.add("resident at most", format!("{:.1} MiB", end.peak as f64 / MIB), json!(end.peak));
    let store = scene.place.store_bytes();
    scene.add("the store on the disk", format!("{:.1} MiB", store as f64 / MIB), json!(store));
    scene.figures.json()
}

struct Scene {
    place: Place,
    figures: Figures,
    /// The account that rang last.
    next: usize,
}

fn seconds(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1e9
}

impl Scene {
    fn add(&mut self, what: &str, words: String, number: Value) {
        self.figures.add(what, words, number);
    }

    /// As long as the login limit itself takes, and a minute.
    fn patience(&self) -> Duration {
        let setup = &self.place.setup;
        Duration::from_secs_f64(120.0 + setup.accounts as f64 / f64::from(setup.logins_per_second))
    }

    /// Rings the next account; never the first of several, which may have a burst to tell.
    async fn ring(&mut self, letters: usize) {
        let accounts = self.place.setup.accounts;
        // Neighbours in the list are no neighbours in time.
        self.next = (self.next + 7919) % accounts;
        if self.next == 0 && accounts > 1 {
            self.next = 7919 % accounts;
        }
        let line = format!("ring {} {letters}", name(self.next));
        self.place.tell(&line).await;
    }

    /// Waits until `told` letters were posted, or nothing more comes for some seconds; what came.
    async fn gather(&mut self, quiet: Duration) -> (HashMap<String, u64>, Vec<(String, u64)>) {
        let (mut told, mut posts) = (HashMap::new(), Vec::new());
        let mut last = Instant::now();
        while last.elapsed() < quiet {
            sleep(Duration::from_millis(300)).await;
            told.extend(self.place.told().await);
            let fresh = self.place.posts().await;
            if !fresh.is_empty() {
                last = Instant::now();
            }
            posts.extend(fresh);
        }
        (told, posts)
    }

    async fn begin(&mut self) {
        let began = self.place.start();
        let watching = self.place.all_watching(self.patience()).await;
        let logins = self.place.logins().await;
        let first = logins.first().map_or(f64::NAN, |first| seconds(began, *first));
        self.add("start to first login", format!("{first:.2} s"), json!(first));
        let all = watching.map(|at| seconds(began, at));
        let words =
            all.map_or("not within the limit's own time and two minutes".to_owned(), |all| format!("{all:.1} s"));
        self.add("start to all watching", words, json!(all));
        let most = most_in_a_second(&logins);
        self.add("logins in a second, at most", most.to_string(), json!(most));
        let cpu = usage(self.place.process()).cpu;
        self.add("processor time of the start", format!("{cpu:.1} s"), json!(cpu));
    }

    async fn idle(&mut self, length: u64) {
        sleep(Duration::from_secs(5)).await;
        let before = usage(self.place.process());
        sleep(Duration::from_secs(length)).await;
        let after = usage(self.place.process());
        self.add("resident when idle", format!("{:.1} MiB", after.resident as f64 / MIB), json!(after.resident));
        self.add("descriptors", after.descriptors.to_string(), json!(after.descriptors));
        self.add("threads", after.threads.to_string(), json!(after.threads));
        let cpu = (after.cpu - before.cpu) / length as f64 * 100.0;
        self.add("processor when idle", format!("{cpu:.2} % of one core, over {length} s"), json!(cpu));
    }

    /// One letter at a time.
    async fn quiet(&mut self, letters: usize) {
        for _ in 0..letters {
            self.ring(1).await;
            sleep(Duration::from_millis(100)).await;
        }
        let (told, posts) = self.gather(Duration::from_secs(3)).await;
        self.figures.letters("latency, one letter at a time", &told, &posts);
    }

    /// Rings at a pace, whatever becomes of it.
    async fn pace(&mut self, pushes_a_second: usize, length: usize, letters: usize) {
        let began = Instant::now();
        for n in 0..pushes_a_second * length {
            let at = began + Duration::from_secs_f64(n as f64 / pushes_a_second as f64);
            if at > Instant::now() {
                sleep_until(at).await;
            }
            self.ring(letters).await;
        }
    }

    async fn rate(&mut self, rate: usize, length: usize) {
        let before = usage(self.place.process()).cpu;
        self.pace(rate, length, 1).await;
        let cpu = (usage(self.place.process()).cpu - before) / length as f64 * 100.0;
        let (told, posts) = self.gather(Duration::from_secs(5)).await;
        self.figures.letters(&format!("latency at {rate} letters a second for {length} s"), &told, &posts);
        self.add_whole("all of these letters", rate * length, &posts);
        self.add(&format!("processor at {rate} letters a second"), format!("{cpu:.1} % of one core"), json!(cpu));
    }

    /// More than it can: how many come through, a second.
    async fn flood(&mut self, rate: usize, length: usize, at_once: usize) {
        let before = usage(self.place.process()).cpu;
        self.pace(rate / at_once, length, at_once).await;
        let (told, posts) = self.gather(Duration::from_secs(8)).await;
        let cpu = usage(self.place.process()).cpu - before;
        let (first, last) = (told.values().min(), posts.iter().map(|(_, at)| at).max());
        let span = first.zip(last).map_or(f64::NAN, |(first, last)| seconds(*first, *last));
        let through = posts.len() as f64 / span;
        let what = format!("throughput, {at_once} letter(s) a push, {rate} offered a second");
        let each = cpu * 1e6 / posts.len() as f64;
        self.add(&what, format!("{through:.0} a second, {each:.0} µs of processor time each"), json!(through));
        self.figures.letters(&format!("{what}: latency"), &told, &posts);
        let rung = rate / at_once * length * at_once;
        self.add_whole(&format!("all of these letters, {at_once} a push"), rung, &posts);
    }

    /// One account has very many letters at once: what letters to the others take meanwhile.
    async fn burst(&mut self, letters: usize) {
        let before = usage(self.place.process()).resident;
        self.place.tell(&format!("ring {} 100000", name(0))).await;
        for _ in 0..letters {
            self.ring(1).await;
            sleep(Duration::from_millis(100)).await;
        }
        let (mut told, mut posts) = self.gather(Duration::from_secs(3)).await;
        let of_others = |name: &String| !name.starts_with("u0x");
        told.retain(|name, _| of_others(name));
        posts.retain(|(name, _)| of_others(name));
        self.figures.letters("latency beside an account with 100,000 new letters", &told, &posts);
        let grown = usage(self.place.process()).peak.saturating_sub(before);
        self.add("memory for these, at most", format!("{:.1} MiB", grown as f64 / MIB), json!(grown));
    }

    /// The server ends all connections; letters come meanwhile.
    async fn dropped(&mut self) {
        self.place.logins().await;
        self.place.tell("drop").await;
        let (began, before) = (now_ns(), usage(self.place.process()).cpu);
        for _ in 0..self.place.setup.accounts / 20 {
            self.ring(1).await;
        }
        let watching = self.all_again().await;
        let cpu = (usage(self.place.process()).cpu - before) / seconds(began, now_ns()) * 100.0;
        self.add_return("the server dropped everybody", began, watching).await;
        self.add("processor meanwhile", format!("{cpu:.1} % of one core"), json!(cpu));
        let posts = self.gather(Duration::from_secs(5)).await.1;
        self.add_whole("letters that came meanwhile", self.place.setup.accounts / 20, &posts);
    }

    /// mailbell is killed; letters come meanwhile.
    async fn killed(&mut self) {
        self.place.kill();
        self.place.logins().await;
        sleep(Duration::from_secs(1)).await;
        for _ in 0..self.place.setup.accounts / 20 {
            self.ring(1).await;
        }
        let began = self.place.start();
        let watching = self.all_again().await;
        self.add_return("killed and begun again", began, watching).await;
        let posts = self.gather(Duration::from_secs(5)).await.1;
        self.add_whole("letters that came meanwhile (killed)", self.place.setup.accounts / 20, &posts);
        let after = usage(self.place.process());
        self.add("resident after that", format!("{:.1} MiB", after.resident as f64 / MIB), json!(after.resident));
    }

    async fn all_again(&mut self) -> Option<u64> {
        sleep(Duration::from_millis(500)).await;
        self.place.all_watching(self.patience()).await
    }

    async fn add_return(&mut self, what: &str, began: u64, watching: Option<u64>) {
        let logins = self.place.logins().await;
        let all = watching.map_or(f64::NAN, |at| seconds(began, at));
        let first = logins.first().map_or(f64::NAN, |at| seconds(began, *at));
        let (most, count) = (most_in_a_second(&logins), logins.len());
        let twice = self.place.ask("stats").await["most_at_one_mailbox"].clone();
        self.add(
            what,
            format!("first login after {first:.2} s, all watching after {all:.1} s; {count} logins, at most {most} in a second, {twice} at one mailbox"),
            json!({ "first_s": first, "all_s": all, "logins": count, "most_in_a_second": most, "most_at_one_mailbox": twice }),
        );
    }

    /// That all letters of a time came, each once.
    fn add_whole(&mut self, what: &str, rung: usize, posts: &[(String, u64)]) {
        let different: std::collections::HashSet<_> = posts.iter().map(|(name, _)| name).collect();
        let (lost, twice) = (rung.saturating_sub(different.len()), posts.len() - different.len());
        let words = format!("{rung}: {lost} lost, {twice} twice");
        self.add(what, words, json!({ "letters": rung, "lost": lost, "twice": twice }));
    }

    /// WeCom fails for so long, while letters come.
    async fn wecom_down(&mut self, length: u64) {
        self.place.wecom_down(length).await;
        let began = now_ns();
        let rung = (self.place.setup.accounts / 10).min(length as usize * 20);
        self.pace(20, rung.div_ceil(20), 1).await;
        let left = length as f64 - seconds(began, now_ns());
        sleep(Duration::from_secs_f64(left.max(0.0))).await;
        let up = now_ns();
        let posts = self.gather(Duration::from_secs(45)).await.1;
        let first = posts.iter().map(|(_, at)| *at).min().map_or(f64::NAN, |at| seconds(up, at));
        let last = posts.iter().map(|(_, at)| *at).max().map_or(f64::NAN, |at| seconds(up, at));
        let what = format!("WeCom was down for {length} s");
        self.add(
            &what,
            format!("first message {first:.1} s after, the last {last:.1} s after"),
            json!({ "first_s": first, "last_s": last }),
        );
        self.add_whole("letters that waited for it", rung.div_ceil(20) * 20, &posts);
    }
}
