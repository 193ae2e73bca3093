//! Folders that are renamed, made anew, missing, or chosen by their special use. On paused time, with a mailbox in
//! memory.

use super::modes::{now_of, stored};
use crate::support::desk::Watch;
use crate::support::mailbox::Mailbox;
use crate::support::secs;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_renamed_folder_is_known_again_by_its_mailboxid() {
    let mailbox = Mailbox::new(&["INBOX", "项目-甲"]);
    mailbox.change("项目-甲", |cabinet| cabinet.mailbox_id = Some(77));
    let watch = Watch::of(&["INBOX", "项目*"]);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(400)).await;
            mailbox.arrive("项目-甲", "known", watch.clock.now());
            stored(&watch, 1).await;
            {
                let mut office = mailbox.office();
                let cabinet = office.folders.remove("项目-甲").unwrap();
                office.folders.insert("项目-乙".to_owned(), cabinet);
            }
            mailbox.arrive("项目-乙", "after the rename", watch.clock.now());
            assert!(stored(&watch, 2).await <= secs(600));
            sleep(secs(900)).await;
            let subjects = watch.subjects().await;
            assert_eq!(subjects, ["known", "after the rename"]);
            let shown: Vec<_> = now_of(&watch).folders.iter().map(|folder| folder.shown.to_string()).collect();
            assert_eq!(shown, ["INBOX", "项目-乙"], "the old name is left");
        })
        .await;
}

/// Dovecot has no MAILBOXID; a folder keeps its UIDVALIDITY when it is renamed.
#[tokio::test(start_paused = true)]
async fn a_renamed_folder_is_known_again_by_its_uidvalidity() {
    for (validity, expected) in [(1_770_000_123, vec!["between", "put there"]), (1, vec!["between"])] {
        let mailbox = Mailbox::new(&["INBOX", "项目-甲"]);
        mailbox.change("项目-甲", |cabinet| cabinet.uid_validity = Some(validity));
        let watch = Watch::of(&["INBOX", "项目*"]);
        watch
            .during(mailbox.clone(), async {
                sleep(secs(400)).await;
                {
                    let mut office = mailbox.office();
                    let cabinet = office.folders.remove("项目-甲").unwrap();
                    office.folders.insert("项目-乙".to_owned(), cabinet);
                }
                mailbox.arrive("项目-乙", "between", watch.clock.now());
                // In a folder that is not known it may have been there.
                mailbox.arrive("项目-乙", "put there", watch.clock.now().minus(secs(1000)));
                sleep(secs(700)).await;
                assert_eq!(watch.subjects().await, expected, "UIDVALIDITY {validity}");
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_the_config_names_and_the_server_lacks_is_shown() {
    let mailbox = Mailbox::new(&["INBOX"]);
    let watch = Watch::of(&["INBOX", "合同", "项目/*"]);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(30)).await;
            let folders = now_of(&watch).folders;
            let names: Vec<_> = folders.iter().map(|folder| (&*folder.shown, folder.refused.is_some())).collect();
            assert_eq!(names, [("INBOX", false), ("合同", true)]);
            let since = folders[1].since;
            mailbox.cut();
            sleep(secs(600)).await;
            assert_eq!(now_of(&watch).folders[1].since, since, "over a reconnect too");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_made_anew_under_its_name_is_another() {
    let mailbox = Mailbox::new(&["INBOX", "a"]);
    mailbox.change("a", |cabinet| cabinet.mailbox_id = Some(1));
    let watch = Watch::of(&["INBOX", "a"]);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            for at in 1..=3 {
                mailbox.arrive("a", &format!("old {at}"), watch.clock.now());
            }
            stored(&watch, 3).await;
            mailbox.change("a", |cabinet| {
                cabinet.letters.clear();
                (cabinet.mailbox_id, cabinet.next) = (Some(2), 1);
            });
            for at in 1..=3 {
                mailbox.arrive("a", &format!("new {at}"), watch.clock.now());
            }
            // UIDVALIDITY and UIDNEXT are what they were.
            assert!(stored(&watch, 6).await <= secs(600));
            assert_eq!(watch.subjects().await, ["old 1", "old 2", "old 3", "new 1", "new 2", "new 3"]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn special_uses_choose_folders() {
    let mailbox = Mailbox::new(&["INBOX", "垃圾邮件", "其他"]);
    mailbox.change("垃圾邮件", |cabinet| cabinet.uses = vec!["\\junk".to_owned()]);
    let watch = Watch::of(&["\\Inbox", "\\Junk"]);
    watch
        .during(mailbox.clone(), async {
            sleep(secs(10)).await;
            let shown: Vec<_> = now_of(&watch).folders.iter().map(|folder| folder.shown.to_string()).collect();
            assert_eq!(shown, ["INBOX", "垃圾邮件"]);
        })
        .await;
}
