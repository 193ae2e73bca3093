//! Accounts with many rules, and a letter that meets the last one alone.

use mailbell::config::{Account, load_text};
use mailbell::model::{Letter, Sender};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// The rules of an account that has `count` of them, of all usual kinds; the last one takes the rest.
pub fn account(count: usize) -> Arc<Account> {
    let mut text = "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1000002\nsecret = \"s\"\n\
                    [[account]]\nuser = \"zhangsan\"\nemail = \"zhangsan@corp.example\"\nprovider = \"exmail\"\n\
                    password = \"p\"\n"
        .to_owned();
    for n in 1..count {
        let conditions = match n % 8 {
            0 => format!("from = [\"boss{n}@corp.example\"]"),
            1 => format!("from = [\"*@partner{n}.example\", \"@customer{n}.example\"]"),
            2 => format!("subject = [\"项目{n}\", \"合同{n}\"]"),
            3 => format!("subject = \"/^\\\\[#{n}\\\\]/\""),
            4 => format!("to = \"team{n}@corp.example\"\nlarger_than = \"5MB\""),
            5 => format!("list_id = \"list{n}.lists.example\""),
            6 => format!("from = \"张{n}\"\nhas_attachment = true"),
            _ => format!("any = [{{ subject = \"发票{n}\" }}, {{ attachment = \"*{n}.pdf\" }}]"),
        };
        write!(text, "[[account.subscription]]\nfolders = [\"INBOX\"]\n{conditions}\n").unwrap();
    }
    text += "[[account.subscription]]\nfolders = [\"*\"]\n";
    load_text(Path::new("/bench/mailbell.toml"), &text, &|_| None).unwrap().accounts.remove(0)
}

/// The letter.
pub fn letter() -> Letter {
    let person = |name: &str, address: &str| Sender { name: Some(name.to_owned()), address: Some(address.to_owned()) };
    Letter {
        from: person("李四（采购部）", "lisi@supplier.example"),
        to: vec![person("张三", "zhangsan@corp.example"), person("王五", "wangwu@corp.example")],
        cc: vec![person("Team", "team@corp.example")],
        subject: Some("Re: 关于第四季度采购合同付款安排的通知".to_owned()),
        size: 48_000,
        readable: true,
        ..Letter::default()
    }
}
