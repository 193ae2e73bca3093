//! The rival on its port, and its faults.

use super::{CORP, KEY, corp, text};
use crate::support::rival::Rival;
use crate::support::rival::faults::{Fault, Plan, brief};
use crate::support::rival::office::{GETTOKEN, SEND};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use std::time::{Duration, Instant};

struct Visit {
    rival: Rival,
    client: Client,
    token: String,
}

impl Visit {
    async fn new() -> Self {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        let mut visit = Self { rival: Rival::open(corp()).await, client, token: String::new() };
        visit.fetch().await;
        visit
    }

    async fn fetch(&mut self) {
        let url = format!("http://{}{GETTOKEN}?corpid={CORP}&corpsecret={}", self.rival.addr, KEY.replace(' ', "%20"));
        let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        self.token = answer["access_token"].as_str().unwrap().to_owned();
    }

    /// Status and body, or that there was none.
    async fn send(&self, content: &str) -> Result<(StatusCode, String), reqwest::Error> {
        let url = format!("http://{}{SEND}?access_token={}", self.rival.addr, self.token);
        let answer = self.client.post(url).body(text("lisi", content).to_string()).send().await?;
        let status = answer.status();
        Ok((status, answer.text().await?))
    }

    async fn code(&self, content: &str) -> i64 {
        let answer: Value = serde_json::from_str(&self.send(content).await.unwrap().1).unwrap();
        answer["errcode"].as_i64().unwrap()
    }

    fn told(&self, content: &str) -> usize {
        self.rival.office().book.told("lisi", content)
    }
}

#[tokio::test]
async fn answers_are_lost_before_and_after_acceptance() {
    let visit = Visit::new().await;
    let faults = [Fault::Lost { taken: false }, Fault::Lost { taken: true }, Fault::Cut];
    visit.rival.faults().next(faults.into_iter().flat_map(|fault| [Some(fault), None]));
    for (word, shown) in [("not taken", 0), ("yes taken", 1), ("broken off", 1)] {
        assert!(visit.send(word).await.is_err(), "{word}");
        assert_eq!(visit.told(word), shown, "{word}");
        assert_eq!(visit.code(word).await, 0);
        assert_eq!(visit.told(word), 1, "{word}");
    }
    let book = &visit.rival.office().book;
    assert_eq!((book.chat("lisi").len(), book.accepted.len()), (3, 5));
    assert_eq!(book.faults.values().sum::<usize>(), 3);
    assert_eq!(book.broken, []);
}

#[tokio::test]
async fn front_ends_answer_pages_garbage_and_nothing() {
    let visit = Visit::new().await;
    for taken in [false, true] {
        let kinds = [
            (Fault::Status { status: 502, taken }, 502, "<html>"),
            (Fault::Page { taken }, 200, "<html>"),
            (Fault::Garbage { taken }, 200, "\u{1}"),
            (Fault::Empty { taken }, 200, ""),
        ];
        for (fault, status, begins) in kinds {
            visit.rival.next(&[fault]);
            let word = format!("{fault:?}");
            let answer = visit.send(&word).await.unwrap();
            assert_eq!(answer.0.as_u16(), status);
            assert!(answer.1.starts_with(begins) && answer.1.is_empty() == begins.is_empty(), "{answer:?}");
            assert_eq!(visit.told(&word), usize::from(taken), "{word}");
        }
    }
}

#[tokio::test]
async fn slow_answers_are_slow_on_either_side_of_acceptance() {
    let visit = Visit::new().await;
    let by = Duration::from_millis(200);
    for taken in [false, true] {
        visit.rival.next(&[Fault::Slow { by, taken }]);
        let begun = visit.rival.now();
        let clock = Instant::now();
        assert_eq!(visit.code(&format!("slow {taken}")).await, 0);
        assert!(clock.elapsed() >= by);
        let at = visit.rival.office().book.accepted.last().unwrap().at;
        assert_eq!(at >= begun + by, !taken, "{at:?}, {begun:?}");
    }
}

#[tokio::test]
async fn codes_come_with_and_without_acceptance_and_one_answer_has_none() {
    let visit = Visit::new().await;
    visit.rival.next(&[Fault::Code(-1), Fault::BusyTaken, Fault::Code(49_999), Fault::NoCode]);
    assert_eq!((visit.code("a").await, visit.told("a")), (-1, 0));
    assert_eq!((visit.code("b").await, visit.told("b")), (-1, 1));
    assert_eq!((visit.code("c").await, visit.told("c")), (49_999, 0));
    let (_, answer) = visit.send("d").await.unwrap();
    assert!(answer.contains("msgid") && !answer.contains("errcode"), "{answer}");
    assert_eq!(visit.told("d"), 1);
}

#[tokio::test]
async fn tokens_are_withdrawn_sends_blocked_and_addresses_refused() {
    let mut visit = Visit::new().await;
    visit.rival.next(&[Fault::Withdrawn]);
    assert_eq!(visit.code("a").await, 40014);
    visit.fetch().await;
    assert_eq!(visit.code("a").await, 0);
    visit.rival.next(&[Fault::Untrusted(Duration::from_millis(100))]);
    assert_eq!(visit.code("b").await, 60020);
    tokio::time::sleep(Duration::from_millis(101)).await;
    assert_eq!(visit.code("b").await, 0);
    visit.rival.next(&[Fault::Quota]);
    assert_eq!((visit.code("c").await, visit.code("c").await), (45009, 45009));
    assert_eq!(visit.rival.office().book.broken, []);
    assert_eq!(visit.rival.office().book.codes[&45009], 2);
}

#[tokio::test]
async fn what_is_no_http_is_written_down() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let visit = Visit::new().await;
    for nonsense in ["GET / HTTP/1.0\r\n\r\n", "GET /\n\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"] {
        let mut stream = tokio::net::TcpStream::connect(visit.rival.addr).await.unwrap();
        stream.write_all(nonsense.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert_eq!(rest, b"");
    }
    assert_eq!(visit.rival.office().book.broken.len(), 3);
}

/// The same seed gives the same faults, each kind comes, and no content meets more than three.
#[tokio::test]
async fn a_plan_is_drawn_by_its_seed() {
    let drawn = |seed: u64| {
        let mut faults = crate::support::rival::faults::Faults::none();
        faults.follow(Some(Plan::new(seed, 500, brief())));
        let call = |n: usize| super::send("t", format!("content {}", n % 600).as_bytes());
        (0..3000).map(|n| faults.draw(&call(n), Duration::from_secs(n as u64))).collect::<Vec<_>>()
    };
    let faults = drawn(7);
    assert_eq!(faults, drawn(7));
    assert_ne!(faults, drawn(8));
    for (kind, _) in brief() {
        assert!(faults.contains(&Some(kind)), "{kind:?}");
    }
    for content in 0..600 {
        let met = faults.iter().skip(content).step_by(600).flatten();
        assert!(met.clone().count() <= 3);
        assert!(met.filter(|fault| **fault == Fault::Code(49_999)).count() <= 1);
    }
}
