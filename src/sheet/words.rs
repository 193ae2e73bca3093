//! Columns that take one of a few words, in either language.

use super::told::{Said, say};

/// The words that a column takes.
#[derive(Debug)]
pub(super) struct Words {
    /// Spellings in lower case, and what each means.
    spellings: &'static [(&'static str, &'static str)],
    /// What to write, in English and Chinese.
    write: (&'static str, &'static str),
}

/// What the state of an account that is not to be watched is called.
pub(super) const DISABLED: &str = "disabled";

/// `tls`
pub(super) const TLS: Words = Words {
    spellings: &[
        ("implicit", "implicit"),
        ("ssl", "implicit"),
        ("ssl/tls", "implicit"),
        ("tls/ssl", "implicit"),
        ("imaps", "implicit"),
        ("starttls", "starttls"),
        ("none", "none"),
        ("无", "none"),
        ("不加密", "none"),
    ],
    write: (
        "write implicit (usually port 993), starttls (usually port 143), none, or leave it empty",
        "请写 implicit（一般为 993 端口）、starttls（一般为 143 端口）、none，或留空",
    ),
};

/// `mode`
pub(super) const MODES: Words = Words {
    spellings: &[
        ("auto", "auto"),
        ("自动", "auto"),
        ("notify", "notify"),
        ("idle", "idle"),
        ("poll", "poll"),
        ("轮询", "poll"),
    ],
    write: ("write auto, notify, idle, poll, or leave it empty", "请写 auto、notify、idle、poll，或留空"),
};

/// Whether the account is to be watched.
pub(super) const STATES: Words = Words {
    spellings: &[
        ("enabled", "enabled"),
        ("enable", "enabled"),
        ("on", "enabled"),
        ("yes", "enabled"),
        ("true", "enabled"),
        ("1", "enabled"),
        ("启用", "enabled"),
        ("已启用", "enabled"),
        ("啟用", "enabled"),
        ("是", "enabled"),
        ("disabled", DISABLED),
        ("disable", DISABLED),
        ("off", DISABLED),
        ("no", DISABLED),
        ("false", DISABLED),
        ("0", DISABLED),
        ("停用", DISABLED),
        ("已停用", DISABLED),
        ("禁用", DISABLED),
        ("已禁用", DISABLED),
        ("否", DISABLED),
    ],
    write: ("write enabled, disabled, or leave it empty", "请写 启用、停用，或留空"),
};

impl Words {
    /// What a text means, in any case.
    pub fn find(&self, text: &str) -> Option<&'static str> {
        let text = text.to_lowercase();
        self.spellings.iter().find(|(spelling, _)| *spelling == text).map(|(_, meant)| *meant)
    }

    /// What to say of a text that means nothing here.
    pub fn said(&self) -> Said {
        let (en, zh) = self.write;
        say(format!("this is not known here; {en}"), format!("不认识该值；{zh}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_both_languages_and_any_case() {
        assert_eq!(STATES.find("停用"), Some("disabled"));
        assert_eq!(STATES.find("Enabled"), Some("enabled"));
        assert_eq!(TLS.find("SSL/TLS"), Some("implicit"));
        assert_eq!(TLS.find("STARTTLS"), Some("starttls"));
        // Some programs mean STARTTLS by it.
        assert_eq!(TLS.find("tls"), None);
        assert_eq!(MODES.find("轮询"), Some("poll"));
        for words in [&TLS, &MODES, &STATES] {
            assert!(words.spellings.iter().all(|(spelling, _)| spelling.to_lowercase() == *spelling));
        }
    }
}
