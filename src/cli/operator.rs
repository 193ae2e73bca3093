//! Who is at the terminal, for the audit.

use crate::model::{By, Who};

/// Whoever runs this command: the name of the system's user, and who they were before sudo.
pub(super) fn by() -> By {
    let uid = rustix::process::getuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_of(&passwd, uid).map_or_else(|| format!("uid {uid}"), str::to_owned);
    let before = std::env::var("SUDO_USER").ok().filter(|before| *before != name && is_name(before));
    let who = before.map_or_else(|| name.clone(), |before| format!("{name} (sudo: {before})"));
    By { who: Who::Operator(who), from: "terminal".to_owned() }
}

/// The name of a user in the text of `/etc/passwd`.
fn name_of(passwd: &str, uid: u32) -> Option<&str> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1) == Some(&uid)).then_some(name)
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nmailbell:x:100:101::/var/lib/mailbell:/usr/sbin/nologin\n";
        assert_eq!(name_of(passwd, 0), Some("root"));
        assert_eq!(name_of(passwd, 100), Some("mailbell"));
        assert_eq!(name_of(passwd, 10), None);
    }
}
