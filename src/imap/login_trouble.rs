//! Why a login was not taken, read from the server's words. Pure.

use std::time::Duration;

/// No hint of a server makes us wait longer (imap-servers B.6).
const MOST_WAIT: Duration = Duration::from_secs(300);

/// Why a login was not taken, told apart where the caller acts differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LoginTrouble {
    /// Wrong name or password, and the server says so: each further try brings the account nearer to a lock.
    #[error("wrong name or password")]
    WrongPassword,
    /// Refused in words that tell no cause. They may stand for a wrong password, for IMAP that is not opened, or for a
    /// server that is busy (QQ has one sentence for all of these), so for a while it counts as passing.
    #[error("refused")]
    Refused,
    /// IMAP is not opened for the account, or a rule (addresses, clients, a domain's contract) forbids the login.
    #[error("not allowed")]
    NotAllowed,
    /// The password was right once and has run out (RFC 5530 EXPIRED).
    #[error("the password has expired")]
    Expired,
    /// The master user may not log in for this account (RFC 5530 AUTHORIZATIONFAILED).
    #[error("the delegation is not accepted")]
    Delegation,
    /// Out of order for now.
    #[error("not possible just now")]
    Temporary,
    /// Too many connections.
    #[error("too many connections")]
    TooMany,
    /// The mail server refuses the access token, a fresh one too.
    #[error("the access token was refused")]
    TokenRefused,
    /// The token source gives no access token: its configuration or the consent is wrong. No connection was made.
    #[error("the token source refuses")]
    SourceRefused,
    /// The token source cannot be reached or is out of order. No connection was made.
    #[error("the token source does not answer")]
    SourceDown,
    /// The vault cannot open the account's password. No connection was made.
    #[error("the stored password cannot be opened")]
    Sealed,
    /// The server does not take this way to log in on this connection (LOGINDISABLED, RFC 3501 6.2.3; an unknown
    /// mechanism), or we do not: no secret is said without TLS.
    #[error("not offered")]
    Disabled,
}

use LoginTrouble::{
    Delegation, Disabled, Expired, NotAllowed, Refused, Temporary, TokenRefused, TooMany, WrongPassword,
};

/// What words mean; all words of a row must be there, the first row that fits decides. In upper case.
const ROWS: &[(&[&str], LoginTrouble)] = &[
    // One text for everything, QQ and Exmail (imap-servers A.1, CURSOR-294).
    (&["ACCOUNT IS ABNORMAL", "SYSTEM IS BUSY"], Refused),
    // Response codes (RFC 5530), whatever the words behind them say ("too many failed attempts").
    (&["[AUTHENTICATIONFAILED]"], WrongPassword),
    (&["[AUTHORIZATIONFAILED]"], Delegation),
    (&["[EXPIRED]"], Expired),
    (&["[PRIVACYREQUIRED]"], Disabled),
    (&["[CONTACTADMIN]"], NotAllowed),
    (&["[NOPERM]"], NotAllowed),
    (&["[LIMIT]"], TooMany),
    // Connections, also behind [UNAVAILABLE] (old Dovecot, imap-servers B.6).
    (&["MAXIMUM NUMBER OF CONNECTIONS"], TooMany),
    (&["TOO MANY", "CONNECTIONS"], TooMany),
    (&["TOO MANY", "SESSIONS"], TooMany),
    (&["USER IS AUTHENTICATED BUT NOT CONNECTED"], TooMany),
    (&["[UNAVAILABLE]"], Temporary),
    (&["[INUSE]"], Temporary),
    (&["[SERVERBUG]"], Temporary),
    (&["[CORRUPTION]"], Temporary),
    (&["[OVERQUOTA]"], Temporary),
    // NetEase enterprise (imap-servers A.1, FILE-ERR).
    (&["ERR.LOGIN.SYSTEMBUSY"], Temporary),
    (&["ERR.LOGIN.REQCODE"], WrongPassword),
    (&["ERR.LOGIN.PASSERR"], WrongPassword),
    (&["ERR.LOGIN.USERNOTEXIST"], WrongPassword),
    (&["ERR.LOGIN.IPDENY"], NotAllowed),
    (&["ERR.LOGINRULE."], NotAllowed),
    (&["ERR.LOGIN.DOMAIN"], NotAllowed),
    (&["ERR.ILLEGAL.EMAIL"], NotAllowed),
    // Gmail (mutt-wizard #831).
    (&["APPLICATION-SPECIFIC PASSWORD REQUIRED"], WrongPassword),
    (&["NOT ENABLED FOR IMAP"], NotAllowed),
    (&["LOG IN VIA YOUR WEB BROWSER"], NotAllowed),
    (&["BANDWIDTH LIMITS"], Temporary),
    // Exchange (imap-servers A.3, B.6).
    (&["THROTTLED"], Temporary),
    (&["BACKOFF TIME"], Temporary),
    (&["SERVER UNAVAILABLE"], Temporary),
    // Cyrus: the words of its SASL library's results.
    (&["AUTHORIZATION FAILURE"], Delegation),
    (&["AUTHENTICATION FAILURE", "TEMPORARY"], Temporary),
    (&["AUTHENTICATION FAILURE"], WrongPassword),
    (&["PASSPHRASE EXPIRED"], Expired),
    (&["LOGIN ONLY AVAILABLE UNDER A LAYER"], Disabled),
    // A mechanism that the server does not have (Dovecot).
    (&["UNSUPPORTED AUTHENTICATION MECHANISM"], Disabled),
    // Plain words, of whatever server.
    (&["TOO MANY"], Temporary),
    (&["TRY AGAIN"], Temporary),
    (&["TEMPORAR"], Temporary),
    (&["SYSTEM BUSY"], Temporary),
    (&["系统繁忙"], Temporary),
    (&["稍后再试"], Temporary),
    (&["INVALID CREDENTIALS"], WrongPassword),
    (&["PASSWORD ERROR"], WrongPassword),
    (&["密码错误"], WrongPassword),
    (&["密码不正确"], WrongPassword),
];

impl LoginTrouble {
    /// What a tagged NO or BAD (or a BYE) to a login means, by its response code (RFC 5530) or, where servers send only
    /// words, by these (imap-servers A.1, A.3, B.6). Words that are not known are [`LoginTrouble::Refused`].
    pub fn of(text: &str) -> Self {
        let text = text.to_uppercase();
        let fits = |words: &[&str]| words.iter().all(|word| text.contains(word));
        ROWS.iter().find(|(words, _)| fits(words)).map_or(Refused, |(_, trouble)| *trouble)
    }

    /// The same for a login by access token: what would be a wrong password is a refused token.
    pub(super) fn of_token(text: &str) -> Self {
        match Self::of(text) {
            WrongPassword | Refused | Expired => TokenRefused,
            other => other,
        }
    }

    /// Whether further tries are likely in vain and may do harm: after few of them stop, tell, and try again rarely.
    pub fn is_refusal(self) -> bool {
        !matches!(self, Temporary | TooMany | Self::SourceDown)
    }

    /// Whether it is a refusal whose cause is certain. [`LoginTrouble::Refused`] is none: it may pass.
    pub fn is_definite(self) -> bool {
        self.is_refusal() && self != Refused
    }
}

/// How long a server asks us to wait ("Suggested Backoff Time: N milliseconds", Exchange), at most 5 minutes.
pub(super) fn suggested_wait(text: &str) -> Option<Duration> {
    const HINT: &str = "SUGGESTED BACKOFF TIME:";
    let text = text.to_ascii_uppercase();
    let rest = text.get(text.find(HINT)? + HINT.len()..)?.trim_start();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, unit) = rest.split_at_checked(digits)?;
    // More digits than fit are a long time too.
    let number = if number.is_empty() { return None } else { number.parse().unwrap_or(u64::MAX) };
    let wait = match unit.trim_start() {
        unit if unit.starts_with("MILLISECOND") || unit.starts_with("MS") => Duration::from_millis(number),
        unit if unit.starts_with("SEC") => Duration::from_secs(number),
        unit if unit.starts_with("MIN") => Duration::from_secs(number.saturating_mul(60)),
        _ => Duration::from_millis(number),
    };
    Some(wait.min(MOST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server said, what it means, who says so.
    const CASES: &[(&str, LoginTrouble, &str)] = &[
        ("[AUTHENTICATIONFAILED] Authentication failed.", WrongPassword, "RFC 5530 3; Dovecot"),
        ("[AUTHENTICATIONFAILED] Too many failed attempts.", WrongPassword, "RFC 5530 3: the code decides"),
        ("[AUTHENTICATIONFAILED] Invalid credentials (Failure)", WrongPassword, "Gmail, emailjs-imap-client #96"),
        ("[AUTHORIZATIONFAILED] no right to act as this user", Delegation, "RFC 5530 3; imap-servers F.6"),
        ("[EXPIRED] the password has run out", Expired, "RFC 5530 3"),
        ("[CONTACTADMIN] Please call", NotAllowed, "RFC 5530 3"),
        ("[NOPERM] no", NotAllowed, "RFC 5530 3"),
        ("[PRIVACYREQUIRED] Plaintext authentication disallowed", Disabled, "RFC 5530 3; Dovecot"),
        ("[UNAVAILABLE] Temporary authentication failure.", Temporary, "RFC 5530 3; Dovecot"),
        ("[UNAVAILABLE] Maximum number of connections from user+IP exceeded", TooMany, "old Dovecot, node-imap #606"),
        ("[LIMIT] Maximum number of connections from user+IP exceeded", TooMany, "Dovecot, imap-servers A.4"),
        ("[INUSE] locked", Temporary, "RFC 5530 3"),
        ("[SERVERBUG] oops", Temporary, "RFC 5530 3"),
        ("Too many simultaneous connections. (Failure)", TooMany, "Gmail, wildduck #35"),
        (
            "Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)",
            WrongPassword,
            "Gmail, mutt-wizard #831",
        ),
        ("ERR.LOGIN.REQCODE", WrongPassword, "NetEase enterprise, imap-servers A.1"),
        ("ERR.LOGIN.PASSERR", WrongPassword, "NetEase enterprise, imap-servers A.1"),
        ("ERR.LOGIN.USERNOTEXIST", WrongPassword, "NetEase enterprise, imap-servers A.1"),
        ("ERR.LOGIN.IPDENY", NotAllowed, "NetEase enterprise, imap-servers A.1"),
        ("ERR.LOGINRULE.IPDENY", NotAllowed, "NetEase enterprise, imap-servers A.1"),
        ("ERR.LOGIN.DOMAINDENY", NotAllowed, "NetEase enterprise, imap-servers A.1"),
        ("ERR.LOGIN.DOMAINEXPED", NotAllowed, "NetEase enterprise, imap-servers A.1"),
        ("ERR.LOGIN.DOMAINNOTEXIST", NotAllowed, "NetEase enterprise, imap-servers A.1: the wrong region's host"),
        ("ERR.ILLEGAL.EMAIL", NotAllowed, "NetEase enterprise, imap-servers A.1: IMAP is not opened"),
        ("ERR.LOGIN.SYSTEMBUSY", Temporary, "NetEase enterprise, imap-servers A.1"),
        (
            "Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, or \
             system is busy. More information at https://help.mail.qq.com/",
            Refused,
            "QQ and Exmail, cursor-auto-free #294: one text for all",
        ),
        ("Request is throttled. Suggested Backoff Time: 100 milliseconds", Temporary, "Exchange, imap-servers A.3"),
        ("User is authenticated but not connected.", TooMany, "Exchange, php-imap #464, node-imap #523"),
        ("LOGIN failed.", Refused, "Exchange, MailKit #483: says it of everything"),
        ("Login failed: authentication failure", WrongPassword, "Cyrus SASL, result BADAUTH"),
        ("Login failed: authorization failure", Delegation, "Cyrus SASL, result NOAUTHZ"),
        ("Unsupported authentication mechanism.", Disabled, "Dovecot"),
        ("LOGIN Login error or password error", WrongPassword, "the words say so"),
        ("用户名或密码错误", WrongPassword, "the words say so"),
        ("系统繁忙，请稍后再试", Temporary, "the words say so"),
        ("", Refused, "imap-servers B.6: unknown text"),
        ("登录失败", Refused, "imap-servers B.6: unknown text"),
    ];

    #[test]
    fn logins_are_judged_by_their_words() {
        for (text, expected, source) in CASES {
            assert_eq!(LoginTrouble::of(text), *expected, "{text} ({source})");
        }
    }

    #[test]
    fn a_refused_token_is_no_wrong_password() {
        for (text, expected, _) in CASES {
            let token = match expected {
                WrongPassword | Refused | Expired => TokenRefused,
                other => *other,
            };
            assert_eq!(LoginTrouble::of_token(text), token, "{text}");
        }
    }

    #[test]
    fn only_known_words_are_definite() {
        for trouble in [WrongPassword, NotAllowed, Expired, Delegation, TokenRefused, Disabled] {
            assert!(trouble.is_refusal() && trouble.is_definite(), "{trouble:?}");
        }
        assert!(Refused.is_refusal() && !Refused.is_definite());
        for trouble in [Temporary, TooMany, LoginTrouble::SourceDown] {
            assert!(!trouble.is_refusal() && !trouble.is_definite(), "{trouble:?}");
        }
    }

    #[test]
    fn hints_of_servers_are_read_and_bounded() {
        let ms = Duration::from_millis;
        let cases = [
            ("Request is throttled. Suggested Backoff Time: 1500 milliseconds", Some(ms(1500))),
            ("request is throttled. suggested backoff time: 7 Seconds", Some(ms(7000))),
            ("Suggested Backoff Time: 299000 milliseconds", Some(ms(299_000))),
            ("Suggested Backoff Time: 86400000 milliseconds", Some(MOST_WAIT)),
            ("Suggested Backoff Time: 99999999999999999999999 milliseconds", Some(MOST_WAIT)),
            ("Suggested Backoff Time: 20", Some(ms(20))),
            ("Suggested Backoff Time: soon", None),
            ("Suggested Backoff Time:", None),
            ("Request is throttled.", None),
            ("等 Suggested Backoff Time: 5毫秒", Some(ms(5))),
        ];
        for (text, expected) in cases {
            assert_eq!(suggested_wait(text), expected, "{text}");
        }
    }
}
