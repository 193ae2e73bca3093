//! The client and the other WeCom of the tests: answers that are lost and tokens that are taken back more than once.

use super::{Hand, SECRET, config, text, user};
use crate::support::rival::Rival;
use crate::support::rival::corp::Corp;
use crate::support::rival::faults::Fault;
use mailbell::model::Recipient;
use mailbell::rules::retry::Outcome;
use mailbell::wecom::{Client, Message, Push};
use std::sync::Arc;

async fn open() -> (Rival, Client) {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let members = ["lisi", "wangwu", "zhaoliu"].map(str::to_owned);
    let rival = Rival::open(Corp::new("ww0123456789abcdef", SECRET, 1_000_002, &members)).await;
    let client = Client::new(&config(&format!("http://{}", rival.addr)), Arc::new(Hand::new())).unwrap();
    (rival, client)
}

async fn send(client: &Client, content: &str) -> Outcome {
    let to = user("lisi");
    client.send(std::slice::from_ref(&to), &text(client, &to, content)).await.outcome
}

/// A token that was refused is never used again, also where the one fetched in its place is refused at once.
#[tokio::test]
async fn a_token_refused_twice_in_a_row_is_dropped() {
    let (rival, client) = open().await;
    assert_eq!(send(&client, "first").await, Outcome::Sent);
    rival.next(&[Fault::Withdrawn, Fault::Withdrawn]);
    let outcome = send(&client, "second").await;
    assert!(matches!(&outcome, Outcome::Channel(reason) if reason.contains("40014")), "{outcome:?}");
    // Past the second in which a call may have been on its way.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(send(&client, "second").await, Outcome::Sent);
    let office = rival.office();
    assert_eq!(office.book.broken, []);
    assert_eq!(office.book.told("lisi", "second"), 1);
}

/// Whatever became of the first try, the second leaves the member with one message.
#[tokio::test]
async fn every_lost_answer_is_unknown_and_the_same_bytes_mend_it() {
    let (rival, client) = open().await;
    for taken in [false, true] {
        let faults = [
            Fault::Lost { taken },
            Fault::Status { status: 502, taken },
            Fault::Page { taken },
            Fault::Garbage { taken },
            Fault::Empty { taken },
            Fault::Cut,
        ];
        for fault in faults {
            let content = format!("{fault:?} {taken}");
            rival.next(&[fault]);
            let outcome = send(&client, &content).await;
            assert!(matches!(outcome, Outcome::Unknown(_)), "{content}: {outcome:?}");
            assert_eq!(send(&client, &content).await, Outcome::Sent);
            assert_eq!(rival.office().book.told("lisi", &content), 1, "{content}");
        }
    }
    rival.next(&[Fault::NoCode]);
    assert_eq!(send(&client, "no errcode").await, Outcome::Sent);
    assert_eq!(rival.office().book.broken, []);
}

#[tokio::test]
async fn a_group_learns_who_of_it_was_not_reached() {
    let (rival, client) = open().await;
    rival.office().corp.hidden.insert("wangwu".to_owned());
    rival.office().corp.unlicensed.insert("zhaoliu".to_owned());
    let to = ["LiSi", "WangWu", "ZhaoLiu"].map(user);
    let body = client.encode(&to, &Message::Text { content: "to three".to_owned() });
    let Outcome::Partly(refused) = client.send(&to, &body).await.outcome else { panic!("not partly") };
    assert_eq!(refused.iter().map(|(who, _)| who.clone()).collect::<Vec<Recipient>>(), to[1..]);
    let office = rival.office();
    assert_eq!((office.book.told("lisi", "to three"), office.book.told("wangwu", "to three")), (1, 0));
    assert_eq!(office.book.broken, []);
}
