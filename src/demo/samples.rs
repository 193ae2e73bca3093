//! The sample mails of the demo, as raw bytes.

use encoding_rs::GBK;
use jiff::Zoned;

use super::compose::{Mail, crlf, lines_of_base64, word, words};

/// A kind of sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Chinese text in UTF-8.
    Plain,
    /// Subject, display name and body in GBK, as older Chinese systems send them.
    Gbk,
    /// A PDF with a Chinese file name.
    Attachment,
    /// A mailing list's mail, with List-Id and Precedence.
    List,
    /// Two mails in one second.
    Pair,
}

impl Sample {
    /// All of them, in the order of the page.
    pub const ALL: [Sample; 5] = [Sample::Plain, Sample::Gbk, Sample::Attachment, Sample::List, Sample::Pair];

    /// Its name in a request.
    pub fn key(self) -> &'static str {
        match self {
            Sample::Plain => "plain",
            Sample::Gbk => "gbk",
            Sample::Attachment => "attachment",
            Sample::List => "list",
            Sample::Pair => "pair",
        }
    }

    /// The sample of this name.
    pub fn of_key(key: &str) -> Option<Sample> {
        Sample::ALL.into_iter().find(|sample| sample.key() == key)
    }

    /// What the page calls it: in Chinese and in English.
    pub fn label(self) -> (&'static str, &'static str) {
        match self {
            Sample::Plain => ("普通邮件", "a plain mail"),
            Sample::Gbk => ("GBK 编码标题", "a subject in GBK"),
            Sample::Attachment => ("带附件", "with an attachment"),
            Sample::List => ("邮件列表", "a mailing list"),
            Sample::Pair => ("一秒两封", "two in one second"),
        }
    }

    /// The address it comes from.
    pub fn from(self) -> &'static str {
        match self {
            Sample::Plain => "limei@partner.example",
            Sample::Gbk => "caiwu@oldsystem.example",
            Sample::Attachment => "hr@corp.example",
            Sample::List => "announce-bounces@lists.example",
            Sample::Pair => "monitor@corp.example",
        }
    }

    /// The mail, or the two of a pair, to this address. `id` becomes the left part of the Message-ID (with `-1` and `-2`
    /// for a pair) and must differ from mail to mail.
    pub fn build(self, to: &str, id: &str, date: &Zoned) -> Vec<Vec<u8>> {
        let mail = Mail { from_name: "", from: self.from(), to, subject: "", body: "", id, date };
        match self {
            Sample::Plain => vec![plain(mail)],
            Sample::Gbk => vec![gbk(mail)],
            Sample::Attachment => vec![attachment(mail)],
            Sample::List => vec![list(mail)],
            Sample::Pair => pair(mail),
        }
    }
}

fn plain(mail: Mail<'_>) -> Vec<u8> {
    let subject = "周五下午三点的评审会改到 4 楼会议室";
    let body = "张三你好：\n\n原定周五 15:00 的评审会改到 4 楼会议室，其余不变。\n请带上最新的进度表。\n\n李梅\n";
    Mail { from_name: "李梅", subject, body, ..mail }.to_bytes()
}

fn gbk(mail: Mail<'_>) -> Vec<u8> {
    let subject = gbk_words("关于十一月份差旅报销单据补交的通知（请于本周五前完成）");
    let from = format!("{} <{}>", gbk_words("财务部 陈会计"), mail.from);
    let mut bytes = mail.headers_with(&from, &subject).into_bytes();
    bytes.extend_from_slice(b"Content-Type: text/plain; charset=gb2312\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    bytes.extend_from_slice(&in_gbk(&crlf("各位同事：\n\n请在本周五前补交十一月份的差旅报销单据。\n\n财务部\n")));
    bytes
}

fn attachment(mail: Mail<'_>) -> Vec<u8> {
    let boundary = "=_mailbell_demo_part";
    let mail = Mail { from_name: "人力资源部", subject: "十二月排班表（见附件）", ..mail };
    let (file, ascii) = ("十二月排班表.pdf", "schedule.pdf");
    let extended: String = file.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let text = lines_of_base64(crlf("各位好，\n\n十二月的排班表见附件，有问题请在周四前回复。\n").as_bytes());
    let named = word("UTF-8", file.as_bytes());
    format!(
        "{headers}Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}\
         --{boundary}\r\n\
         Content-Type: application/pdf; name=\"{named}\"\r\n\
         Content-Disposition: attachment; filename=\"{ascii}\";\r\n filename*=UTF-8''{extended}\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{pdf}\
         --{boundary}--\r\n",
        headers = mail.headers(),
        pdf = lines_of_base64(&small_pdf()),
    )
    .into_bytes()
}

fn list(mail: Mail<'_>) -> Vec<u8> {
    let body = "本周更新：\n\n- 1.8.2 修复了两处内存泄漏\n- 文档新增中文版\n\n退订请访问列表页面。\n";
    let mail = Mail { from_name: "开源公告", subject: "[announce] 1.8.2 发布 / 1.8.2 released", body, ..mail };
    let mut bytes = b"List-Id: =?UTF-8?B?5byA5rqQ5YWs5ZGK?= <announce.lists.example>\r\n\
        List-Unsubscribe: <https://lists.example/announce>\r\nList-Post: NO\r\nPrecedence: list\r\n"
        .to_vec();
    bytes.extend_from_slice(&mail.to_bytes());
    bytes
}

fn pair(mail: Mail<'_>) -> Vec<Vec<u8>> {
    let texts = [
        ("-1", "告警：支付网关响应超过 2 秒", "节点 pay-3，持续 60 秒。\n"),
        ("-2", "恢复：支付网关响应恢复正常", "节点 pay-3，共影响 14 笔。\n"),
    ];
    let build = |(tail, subject, body): (&str, &str, &str)| {
        let id = format!("{}{tail}", mail.id);
        Mail { from_name: "运维监控", subject, body, id: &id, ..mail }.to_bytes()
    };
    texts.map(build).to_vec()
}

/// Encoded words in GBK, none cut inside a character.
fn gbk_words(text: &str) -> String {
    // at most 39 bytes of UTF-8 are no more of GBK, and a line of at most 76 characters
    words(text, 39).iter().map(|piece| word("GBK", &in_gbk(piece))).collect::<Vec<_>>().join("\r\n ")
}

fn in_gbk(text: &str) -> Vec<u8> {
    GBK.encode(text).0.into_owned()
}

/// A PDF with one empty page.
fn small_pdf() -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
    ];
    let mut pdf = String::from("%PDF-1.4\n");
    let mut places = String::new();
    for (index, object) in objects.iter().enumerate() {
        places.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.push_str(&format!("{} 0 obj\n{object}\nendobj\n", index + 1));
    }
    let start = pdf.len();
    pdf.push_str(&format!(
        "xref\n0 4\n0000000000 65535 f \n{places}trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    ));
    pdf.into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;
    use mail_parser::{MessageParser, MimeHeaders as _};

    fn built(sample: Sample) -> Vec<Vec<u8>> {
        let date: Zoned = "2026-11-21T09:08:07+08:00[Asia/Shanghai]".parse().unwrap();
        sample.build("zhangsan@corp.example", "s1", &date)
    }

    #[test]
    fn each_is_well_formed_and_reads_right() {
        let expected = [
            (Sample::Plain, "李梅", "周五下午三点的评审会改到 4 楼会议室"),
            (Sample::Attachment, "人力资源部", "十二月排班表（见附件）"),
            (Sample::List, "开源公告", "[announce] 1.8.2 发布 / 1.8.2 released"),
            (Sample::Pair, "运维监控", "告警：支付网关响应超过 2 秒"),
            (Sample::Gbk, "财务部 陈会计", "关于十一月份差旅报销单据补交的通知（请于本周五前完成）"),
        ];
        for (sample, name, subject) in expected {
            for bytes in built(sample) {
                for line in bytes.split(|b| *b == b'\n') {
                    assert!(line.is_empty() || line.ends_with(b"\r"), "{sample:?}");
                    assert!(line.len() <= 120, "{sample:?}");
                }
            }
            let mail = &built(sample)[0];
            let parsed = MessageParser::new().parse(mail).unwrap();
            assert_eq!(parsed.subject(), Some(subject));
            let from = parsed.from().unwrap().first().unwrap();
            assert_eq!((from.name(), from.address()), (Some(name), Some(sample.from())));
            assert_eq!(parsed.date().unwrap().to_rfc3339(), "2026-11-21T09:08:07+08:00");
            assert!(parsed.message_id().unwrap().starts_with("s1"), "{sample:?}");
        }
    }

    #[test]
    fn the_gbk_one_really_is_gbk() {
        let mail = &built(Sample::Gbk)[0];
        assert!(std::str::from_utf8(mail).is_err());
        assert!(mail.windows(9).any(|part| part == b": =?GBK?B"));
        let parsed = MessageParser::new().parse(mail).unwrap();
        assert!(parsed.body_text(0).unwrap().contains("请在本周五前补交"));
    }

    #[test]
    fn the_attachment_has_its_chinese_name() {
        let mail = &built(Sample::Attachment)[0];
        let parsed = MessageParser::new().parse(mail).unwrap();
        let part = parsed.attachment(0).unwrap();
        let disposition = part.content_disposition().unwrap();
        let names: Vec<_> = disposition.attributes().unwrap().iter().map(|named| named.value.as_ref()).collect();
        assert!(names.contains(&"十二月排班表.pdf"), "{names:?}");
        assert!(part.contents().starts_with(b"%PDF-1.4"));
    }

    #[test]
    fn a_pair_is_two_with_two_ids() {
        let mails = built(Sample::Pair);
        let ids: Vec<_> = mails
            .iter()
            .map(|mail| MessageParser::new().parse(mail).unwrap().message_id().unwrap().to_owned())
            .collect();
        assert_eq!(ids, ["s1-1@demo.mailbell.example", "s1-2@demo.mailbell.example"]);
    }
}
