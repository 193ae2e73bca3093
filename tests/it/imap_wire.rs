//! The session of `imap` against a scripted server: paused time and pipes, no sockets.

mod auth;
mod dovecot;
mod fetch;
mod flood;
mod guard;
mod idle;
mod login;
mod look;
mod many;
mod notify;
mod odd;
mod whole;
mod words;

use crate::support::server::{Peer, PipeDial};
use crate::support::{account, imap};
use mailbell::config::Account;
use mailbell::imap::{ImapError, ImapSource, MailSession, MailSource};
use mailbell::model::RawName;
use std::sync::Arc;

/// Connects as the account while `server` plays its part.
async fn connect(
    account: &Account,
    server: impl AsyncFnOnce(&mut Peer),
) -> (Result<Box<dyn MailSession>, ImapError>, Peer) {
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), imap());
    let part = async {
        let mut peer = dial.accept().await;
        server(&mut peer).await;
        peer
    };
    tokio::join!(source.connect(account), part)
}

/// A session after login at a server with these capabilities.
async fn session_with(capabilities: &str) -> (Box<dyn MailSession>, Peer) {
    let (session, peer) = connect(&account(), async |peer: &mut Peer| peer.log_in(capabilities).await).await;
    (session.unwrap(), peer)
}

/// A session with the INBOX open: three letters, UIDNEXT 10.
async fn session() -> (Box<dyn MailSession>, Peer) {
    let (mut session, mut peer) = session_with("IDLE").await;
    let inbox = RawName::new(b"INBOX");
    let part = peer
        .answer("EXAMINE \"INBOX\"", "* 3 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 10] x\r\n");
    tokio::join!(session.examine(&inbox), part).0.unwrap();
    (session, peer)
}
