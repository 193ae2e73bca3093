//! Patterns for texts and for people: a part of the text, the whole with wildcards, or `/an expression/`; `!` excludes.

use super::view::{Person, Text, folded};
use crate::model::Lang;
use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};
use std::fmt;

/// Longer patterns are a slip.
const MAX_CHARS: usize = 1000;
/// What a compiled expression may take.
const MAX_BYTES: usize = 1 << 20;

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// Nothing is in it.
    Empty,
    /// More than a thousand characters.
    Long,
    /// The expression between the slashes; what the library says of it, in one line.
    Expression(String),
}

impl PatternError {
    /// What is wrong and what to write instead.
    pub fn text(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::Empty, Lang::ZhCn) => "空的条件；请写要匹配的文字".to_owned(),
            (Self::Empty, Lang::En) => "this is empty; write what is to be found".to_owned(),
            (Self::Long, Lang::ZhCn) => "超过 1000 个字符；请写得短些，或拆成几条".to_owned(),
            (Self::Long, Lang::En) => "more than 1000 characters; write less, or several".to_owned(),
            (Self::Expression(said), Lang::ZhCn) => format!("正则表达式有误：{said}；请改正，或去掉两边的 /"),
            (Self::Expression(said), Lang::En) => {
                format!("the expression is not understood: {said}; mend it, or leave out the slashes around it")
            }
        }
    }
}

/// How one pattern finds what it means.
#[derive(Clone)]
enum How {
    /// The text holds this.
    Holds(Box<Finder<'static>>),
    /// The text is this.
    Is,
    /// The text begins with this, or ends with it.
    Begins(String),
    Ends(String),
    /// Of the folded text.
    Wild(Regex),
    /// Of the text as it is.
    Expression(Regex),
}

#[derive(Clone)]
struct Pattern {
    /// As it was written, without the `!`, folded unless it is an expression.
    text: String,
    how: How,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        let kind = |pattern: &Self| std::mem::discriminant(&pattern.how);
        self.text == other.text && kind(self) == kind(other)
    }
}

impl Pattern {
    /// `whole`: what has no wildcard has to be the whole text, rather than a part of it.
    fn new(written: &str, whole: bool) -> Result<Self, PatternError> {
        if written.trim().is_empty() {
            return Err(PatternError::Empty);
        }
        if written.chars().count() > MAX_CHARS {
            return Err(PatternError::Long);
        }
        if let Some(inside) = written.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'))
            && !inside.is_empty()
        {
            return Ok(Self { text: inside.to_owned(), how: How::Expression(compiled(inside)?) });
        }
        let text = folded(written);
        let inside = text.trim_matches('*');
        let how = if !text.contains('*') && whole && text.contains('?') {
            How::Wild(compiled(&wild(&text))?)
        } else if !text.contains('*') {
            if whole { How::Is } else { How::Holds(Box::new(Finder::new(&text).into_owned())) }
        } else if inside.contains(['*', '?']) {
            How::Wild(compiled(&wild(&text))?)
        } else {
            match (text.starts_with('*'), text.ends_with('*')) {
                (true, true) => How::Holds(Box::new(Finder::new(inside).into_owned())),
                (true, false) => How::Ends(inside.to_owned()),
                (false, _) => How::Begins(inside.to_owned()),
            }
        };
        Ok(Self { text, how })
    }

    fn finds(&self, text: &Text) -> bool {
        match &self.how {
            How::Holds(finder) => finder.find(text.folded.as_bytes()).is_some(),
            How::Is => text.folded == self.text,
            How::Begins(start) => text.folded.starts_with(start.as_str()),
            How::Ends(end) => text.folded.ends_with(end.as_str()),
            How::Wild(regex) => regex.is_match(&text.folded),
            How::Expression(regex) => regex.is_match(&text.plain),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        let literal = |pattern: &Self| match &pattern.how {
            How::Is => Some(pattern.text.clone()),
            How::Holds(finder) => String::from_utf8(finder.needle().to_vec()).ok(),
            How::Begins(text) | How::Ends(text) => Some(text.clone()),
            How::Wild(_) | How::Expression(_) => None,
        };
        let Some(theirs) = literal(other) else { return false };
        match (&self.how, &other.how) {
            (How::Holds(finder), _) => finder.find(theirs.as_bytes()).is_some(),
            (How::Begins(start), How::Begins(_) | How::Is) => theirs.starts_with(start.as_str()),
            (How::Ends(end), How::Ends(_) | How::Is) => theirs.ends_with(end.as_str()),
            (How::Wild(regex), How::Is) => regex.is_match(&theirs),
            _ => false,
        }
    }
}

fn compiled(expression: &str) -> Result<Regex, PatternError> {
    let built = RegexBuilder::new(expression).size_limit(MAX_BYTES).dfa_size_limit(MAX_BYTES).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => PatternError::Long,
        // The last line says what, those above draw where.
        other => {
            let said = other.to_string();
            let last = said.lines().last().unwrap_or_default().trim();
            PatternError::Expression(last.strip_prefix("error: ").unwrap_or(last).to_owned())
        }
    })
}

/// Wildcards as an expression over the whole text.
fn wild(text: &str) -> String {
    let mut out = String::from("(?s)^");
    for c in text.chars() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    out
}

/// Patterns for a text: with `*` of the whole text, else of a part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextPatterns {
    any: Vec<Pattern>,
    none: Vec<Pattern>,
}

impl TextPatterns {
    /// One more; `!` before it excludes.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn add(&mut self, written: &str) -> Result<(), PatternError> {
        match written.strip_prefix('!') {
            Some(rest) => self.none.push(Pattern::new(rest, false)?),
            None => self.any.push(Pattern::new(written, false)?),
        }
        Ok(())
    }

    /// Whether one of the texts is wanted (where something is) and none is excluded.
    pub(super) fn take(&self, texts: &[Text]) -> bool {
        let found = |pattern: &Pattern| texts.iter().any(|text| pattern.finds(text));
        (self.any.is_empty() || self.any.iter().any(found)) && !self.none.iter().any(found)
    }

    pub(super) fn is_impossible(&self) -> bool {
        !self.any.is_empty() && self.any.iter().all(|wanted| self.none.iter().any(|none| none.covers(wanted)))
    }

    pub(super) fn wants_one(&self) -> bool {
        !self.any.is_empty()
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        covers((&self.any, &self.none), (&other.any, &other.none))
    }
}

fn covers((any, none): (&[Pattern], &[Pattern]), (others, others_none): (&[Pattern], &[Pattern])) -> bool {
    let wider =
        any.is_empty() || !others.is_empty() && others.iter().all(|theirs| any.iter().any(|own| own.covers(theirs)));
    wider && none.iter().all(|own| others_none.iter().any(|theirs| theirs.covers(own)))
}

/// Patterns for people: with `@` for their address (`*@corp.example`, or `@corp.example` in short, for a domain), without
/// for their name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddressPatterns {
    /// Of addresses and of names.
    any: (Vec<Pattern>, Vec<Pattern>),
    none: (Vec<Pattern>, Vec<Pattern>),
}

impl AddressPatterns {
    /// One more; `!` before it excludes.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn add(&mut self, written: &str) -> Result<(), PatternError> {
        let (list, text) = match written.strip_prefix('!') {
            Some(rest) => (&mut self.none, rest),
            None => (&mut self.any, written),
        };
        if text.starts_with('/') && text.ends_with('/') && text.len() > 2 {
            // Whatever it is about.
            list.0.push(Pattern::new(text, false)?);
            list.1.push(Pattern::new(text, false)?);
        } else if text.starts_with('@') {
            list.0.push(Pattern::new(&format!("*{text}"), true)?);
        } else if text.contains('@') {
            list.0.push(Pattern::new(text, true)?);
        } else {
            list.1.push(Pattern::new(text, false)?);
        }
        Ok(())
    }

    /// Whether names are looked at, too.
    pub(super) fn ask_names(&self) -> bool {
        !self.any.1.is_empty() || !self.none.1.is_empty()
    }

    /// Whether one of these people is wanted (where somebody is) and none is excluded.
    pub(super) fn take(&self, people: &[Person]) -> bool {
        let is_named = |(addresses, names): &(Vec<Pattern>, Vec<Pattern>)| {
            people.iter().any(|person| {
                addresses.iter().any(|pattern| pattern.finds(&person.address))
                    || names.iter().any(|pattern| pattern.finds(&person.name))
            })
        };
        (self.any.0.is_empty() && self.any.1.is_empty() || is_named(&self.any)) && !is_named(&self.none)
    }

    pub(super) fn is_impossible(&self) -> bool {
        let (addresses, names) = &self.any;
        let denied = |wanted: &[Pattern], none: &[Pattern]| wanted.iter().all(|w| none.iter().any(|n| n.covers(w)));
        !(addresses.is_empty() && names.is_empty()) && denied(addresses, &self.none.0) && denied(names, &self.none.1)
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        let all = self.any.0.is_empty() && self.any.1.is_empty();
        let some = !(other.any.0.is_empty() && other.any.1.is_empty());
        let wider = |own: &[Pattern], theirs: &[Pattern]| theirs.iter().all(|t| own.iter().any(|o| o.covers(t)));
        let any = all || some && wider(&self.any.0, &other.any.0) && wider(&self.any.1, &other.any.1);
        any && wider(&other.none.0, &self.none.0) && wider(&other.none.1, &self.none.1)
    }
}
