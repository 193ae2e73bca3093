//! A letter as patterns look at it: texts in one case and one width, made once for all rules.

use crate::model::{Letter, Sender};
use unicode_normalization::UnicodeNormalization;

/// Text without differences of case and width: `ＡＢＣ`, `abc` and `ABC` are one.
pub(super) fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc().flat_map(char::to_lowercase).collect()
}

/// A text, as it was and folded.
#[derive(Clone, Debug, Default)]
pub struct Text {
    pub(super) plain: String,
    pub(super) folded: String,
}

impl Text {
    fn new(plain: &str) -> Self {
        Self { plain: plain.to_owned(), folded: folded(plain) }
    }
}

/// Somebody's name and address.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub(super) name: Text,
    pub(super) address: Text,
}

impl Person {
    fn new(sender: &Sender) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(Text::new).unwrap_or_default();
        Self { name: text(&sender.name), address: text(&sender.address) }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct View<'a> {
    pub(super) letter: &'a Letter,
    pub(super) from: Person,
    pub(super) to: Vec<Person>,
    pub(super) cc: Vec<Person>,
    pub(super) subject: Text,
    pub(super) list_id: Option<Text>,
    pub(super) attachments: Vec<Text>,
}

impl<'a> View<'a> {
    /// Of a letter.
    pub fn of(letter: &'a Letter) -> Self {
        Self {
            letter,
            from: Person::new(&letter.from),
            to: letter.to.iter().map(Person::new).collect(),
            cc: letter.cc.iter().map(Person::new).collect(),
            subject: letter.subject.as_deref().map(Text::new).unwrap_or_default(),
            list_id: letter.list_id.as_deref().map(Text::new),
            attachments: letter.attachments.iter().filter_map(|file| file.name.as_deref()).map(Text::new).collect(),
        }
    }
}
