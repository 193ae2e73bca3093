//! Folders that come to be while their account is watched.

use crate::support::desk::Watch;
use crate::support::mailbox::{Cabinet, Fault, Mailbox};
use crate::support::secs;
use mailbell::model::{Fate, Silence};
use tokio::time::sleep;

/// A rule of the server makes a folder with the first mail in it.
#[tokio::test(start_paused = true)]
async fn a_folder_made_with_its_first_letters_is_told_of() {
    for tells_next in [true, false] {
        let (watch, mailbox) = (Watch::of(&["INBOX", "项目*"]), Mailbox::new(&["INBOX"]));
        let story = async {
            sleep(secs(400)).await;
            mailbox.office().folders.insert("项目甲".to_owned(), Cabinet::default());
            mailbox.change("项目甲", |c| c.tells_next = tells_next);
            mailbox.arrive("项目甲", "by rule", watch.clock.now());
            mailbox.arrive("项目甲", "moved there", watch.clock.now().minus(secs(1200)));
            mailbox.arrive("项目甲", "archived there", watch.clock.now().minus(secs(900_000)));
            mailbox.arrive("项目甲", "read", watch.clock.now());
            mailbox.change("项目甲", |c| c.letters[3].seen = true);
            sleep(secs(301)).await;
            assert_eq!(watch.subjects().await, ["by rule"]);
            let stories = watch.stories().await;
            let silent = |silence| stories.iter().filter(move |s| s.sighting.fate == Fate::Silent(silence));
            assert_eq!((silent(Silence::Seen).count(), silent(Silence::Old).count()), (1, 0), "{stories:?}");
            mailbox.arrive("项目甲", "after", watch.clock.now());
            sleep(secs(301)).await;
            assert_eq!(watch.subjects().await, ["after"]);
            // Numbered anew: what was there when it was found is no news either.
            mailbox.change("项目甲", |c| c.uid_validity = Some(9));
            sleep(secs(700)).await;
            assert!(watch.subjects().await.is_empty());
        };
        watch.during(mailbox.clone(), story).await;
    }
}

/// The session ends over a letter of the new folder; the next one knows that it is new.
#[tokio::test(start_paused = true)]
async fn a_bad_letter_does_not_make_a_new_folder_an_old_one() {
    let (watch, mailbox) = (Watch::of(&["*"]), Mailbox::new(&["INBOX"]));
    let story = async {
        sleep(secs(400)).await;
        mailbox.office().folders.insert("new".to_owned(), Cabinet::default());
        mailbox.arrive("new", "one", watch.clock.now());
        mailbox.arrive_with("new", "bad", watch.clock.now(), Fault::Kills);
        mailbox.arrive("new", "two", watch.clock.now());
        sleep(secs(600)).await;
        assert_eq!(watch.subjects().await, ["one", "?", "two"]);
    };
    watch.during(mailbox.clone(), story).await;
}

/// Nobody knows what was there before the first list of a process: it is bound silently, whatever was bound before.
#[tokio::test(start_paused = true)]
async fn a_folder_of_the_first_list_is_bound_silently() {
    let (mut watch, mailbox) = (Watch::new(), Mailbox::new(&["INBOX", "a"]));
    watch.during(mailbox.clone(), sleep(secs(400))).await;
    watch.account.subscriptions = vec![mailbell::config::Subscription::to(&["*"])];
    mailbox.arrive("a", "just now", watch.clock.now());
    watch.during(mailbox.clone(), sleep(secs(400))).await;
    assert!(watch.subjects().await.is_empty());
}
