//! Headers of 4 KiB as a FETCH brings them, of the usual kinds.

use mailbell::model::{AccountId, Locale, Timestamp};
use mailbell::parse::Source;

/// The size that the goal speaks of.
pub const HEADER_BYTES: usize = 4096;
/// Recipients as a mail to a department has them, to fill a header up.
const MORE: &str = "=?UTF-8?B?5p2O5Zub?= <lisi@corp.example>,\r\n\t=?UTF-8?B?546L5LqU?= <wangwu@corp.example>,\r\n\t";

/// The kinds, by name.
pub fn headers() -> [(&'static str, Vec<u8>); 5] {
    let raw_gbk = encoding_rs::GBK.encode("关于第四季度合同付款安排的通知（请各部门于本周五前确认）").0.into_owned();
    let subject = "=?UTF-8?B?5YWz5LqO56ys5Zub5a2j5bqm5ZCI5ZCM5LuY5qy+5a6J5o6S55qE6YCa55+l?=\r\n \
                   =?UTF-8?B?77yI6K+35ZCE6YOo6Zeo5LqO5pys5ZGo5LqU5YmN56Gu6K6k77yJ?=";
    [
        ("encoded words, UTF-8", header(b"=?UTF-8?B?5byg5LiJ?= <zs@partner.example>", subject.as_bytes())),
        ("encoded words, GB2312", header(b"=?gb2312?B?1cXI/Q==?= <zs@partner.example>", b"=?gb2312?B?u+HS6c2o1qo=?=")),
        ("unlabelled GBK", header(b"zs@partner.example", &raw_gbk)),
        ("a whole header", whole()),
        ("plain ASCII", header(b"Ann Lee <ann@partner.example>", b"Minutes of the quarterly meeting, please confirm")),
    ]
}

/// A header and what the server tells beside it.
pub fn source<'a>(account: &'a AccountId, header: &'a [u8]) -> Source<'a> {
    Source {
        account,
        uid_validity: 1,
        uid: 2,
        time: Timestamp(1_795_223_287_000),
        size: 20_480,
        seen: false,
        locale: Locale::default(),
        trusted: &[],
        names: false,
        parts: &[],
        header: Some(header),
    }
}

/// A header of [`HEADER_BYTES`] as a FETCH brings it, with these fields and many recipients.
fn header(from: &[u8], subject: &[u8]) -> Vec<u8> {
    let mut bytes = [
        b"Date: Sat, 21 Nov 2026 09:08:07 +0800\r\nFrom: ",
        from,
        b"\r\nSubject: ",
        subject,
        b"\r\nMessage-ID: <20261121090807.1234567@mail.partner.example>\r\n",
        b"Content-Type: multipart/mixed; boundary=\"----=_Part_1_2\"\r\nTo: ",
    ]
    .concat();
    while bytes.len() + MORE.len() + 100 < HEADER_BYTES {
        bytes.extend_from_slice(MORE.as_bytes());
    }
    bytes.extend_from_slice(b"zhangsan@corp.example\r\nReferences: <");
    bytes.resize(HEADER_BYTES - 5, b'r');
    bytes.extend_from_slice(b">\r\n\r\n");
    bytes
}

/// A whole header of the same size, as servers answer that know no list of fields: many fields, most of them unread.
fn whole() -> Vec<u8> {
    let mut bytes = Vec::new();
    for hop in 0.. {
        let received = format!(
            "Received: from mx{hop}.partner.example (mx{hop}.partner.example [192.0.2.{hop}])\r\n\tby mail.corp.example \
             with ESMTPS id 4Xyz{hop}\r\n\tfor <zhangsan@corp.example>; Sat, 21 Nov 2026 09:08:{hop:02} +0800 (CST)\r\n"
        );
        if bytes.len() + received.len() > HEADER_BYTES - 400 {
            break;
        }
        bytes.extend_from_slice(received.as_bytes());
    }
    bytes.extend_from_slice(
        b"Date: Sat, 21 Nov 2026 09:08:07 +0800\r\nFrom: =?UTF-8?B?5byg5LiJ?= <zs@partner.example>\r\n\
          Subject: =?UTF-8?B?5YWz5LqO56ys5Zub5a2j5bqm5ZCI5ZCM5LuY5qy+5a6J5o6S55qE6YCa55+l?=\r\n\
          Message-ID: <1@mail.partner.example>\r\nContent-Type: multipart/mixed; boundary=x\r\nX-Rest: ",
    );
    bytes.resize(HEADER_BYTES - 4, b'r');
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}
