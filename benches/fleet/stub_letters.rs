//! The letters of the fleet: headers as they come, about 1.5 KiB, each with its own name in the subject.

/// What stands around a letter's name in its subject, so that it is found again in a message.
pub const MARK: &str = "flt-";

/// The header of one letter: `name` is its mailbox, without a domain.
pub fn header(name: &str, uid: u64) -> String {
    let date = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S %z");
    format!(
        "Return-Path: <zhaoliu@partner.example>\r\nAuthentication-Results: mx.corp.example; spf=pass \
         smtp.mailfrom=partner.example; dkim=pass header.d=partner.example; dmarc=pass\r\nDate: {date}\r\n\
         From: =?UTF-8?B?6LW15YWtKOWQiOS9nOS8meS8tCk=?= <zhaoliu@partner.example>\r\nTo: <{name}@corp.example>\r\n\
         Cc: =?GB18030?B?1cXI/Q==?= <zhangsan@corp.example>, <lisi@corp.example>\r\n\
         Subject: =?UTF-8?B?5YWz5LqO?= {MARK}{name}x{uid}z\r\nMessage-ID: <{name}.{uid}.7f3a@partner.example>\r\n\
         In-Reply-To: <20261120.1@corp.example>\r\nReferences: <20261118.1@corp.example> <20261119.7@corp.example> \
         <20261120.1@corp.example>\r\nContent-Type: multipart/alternative; boundary=\"b1_7f3a99\"\r\n\r\n"
    )
}

/// The names of the letters in a message's body, as `NAMExUID`.
pub fn names(body: &str) -> impl Iterator<Item = &str> {
    body.match_indices(MARK).filter_map(|(at, _)| body[at + MARK.len()..].split_once('z').map(|(name, _)| name))
}
