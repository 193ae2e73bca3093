//! Who a letter says it is from.

use super::guess::Hint;
use super::words::{self, Piece};
use super::{Fields, short};
use crate::model::{Letter, Sender};
use mail_parser::{Address, HeaderName, HeaderValue, MessageParser};

/// Characters that mean something in an address, moved to a plane of no meaning while they stand in decoded text.
const AWAY: u32 = 0xf_0000;

/// The first From with an address, else Sender, else Return-Path (imap-servers E.3).
pub(super) fn sender(fields: &Fields<'_>, hint: Hint<'_>) -> Sender {
    let mut nameless = Sender::default();
    for name in ["from", "sender", "return-path"] {
        let Some(raw) = fields.first(name) else { continue };
        let found = first(raw, hint);
        if found.address.is_some() {
            return Sender { name: found.name.or(nameless.name), address: found.address };
        }
        if nameless.name.is_none() {
            nameless.name = found.name;
        }
    }
    nameless
}

/// More bytes of a list of people are not read.
const LIST_BYTES: usize = 4096;

/// All people of a field that have an address.
pub(super) fn people(raw: &[u8], hint: Hint<'_>) -> Vec<Sender> {
    let text = unfolded(raw.get(..LIST_BYTES).unwrap_or(raw), hint);
    let one = |a: &mail_parser::Addr<'_>| {
        let address = a.address.as_deref().filter(|address| address.contains('@'))?;
        Some(Sender { name: tidy(a.name.as_deref()), address: tidy(Some(without_route(address))) })
    };
    with_addresses(&text, |all| all.iter().filter_map(|a| one(a)).take(Letter::PEOPLE).collect())
}

/// The first of a list of addresses that has one; a comma in its name that nobody quoted does not part it.
pub(super) fn first(raw: &[u8], hint: Hint<'_>) -> Sender {
    let text = unfolded(raw, hint);
    let found = parsed(&text);
    match found.address.is_none() && text.matches('"').count() % 2 == 1 {
        // A quote that nobody closed takes the address with it.
        true => parsed(&text.replace('"', "")),
        false => found,
    }
}

/// The decoded text of a field, with the meaning of its decoded parts hidden.
fn unfolded(raw: &[u8], hint: Hint<'_>) -> String {
    let mut text = String::new();
    for piece in words::pieces(raw, hint) {
        match piece {
            Piece::Plain(plain) => text.push_str(&plain),
            Piece::Encoded(encoded) => text.extend(encoded.chars().map(hidden)),
        }
    }
    text
}

/// What is made of the addresses of a text, those of groups among them.
fn with_addresses<T: Default>(text: &str, make: impl FnOnce(&[&mail_parser::Addr<'_>]) -> T) -> T {
    let block = format!("From: {text}\r\n\r\n");
    let parsed = MessageParser::new().header_address(HeaderName::From).default_header_ignore().parse_headers(&block);
    let value = parsed.as_ref().and_then(|message| message.header(HeaderName::From));
    let Some(HeaderValue::Address(list)) = value else { return T::default() };
    let all: Vec<_> = match list {
        Address::List(list) => list.iter().collect(),
        Address::Group(groups) => groups.iter().flat_map(|group| group.addresses.iter()).collect(),
    };
    make(&all)
}

fn parsed(text: &str) -> Sender {
    with_addresses(text, named)
}

fn named(all: &[&mail_parser::Addr<'_>]) -> Sender {
    let has_address = |a: &&&mail_parser::Addr<'_>| a.address.as_ref().is_some_and(|a| a.contains('@'));
    let Some(at) = all.iter().position(|a| has_address(&a)) else {
        let name = all.iter().find_map(|a| tidy(a.name.as_deref().or(a.address.as_deref())));
        return Sender { name, address: None };
    };
    let parts: Vec<_> = all.iter().take(at + 1).filter_map(|a| a.name.as_deref()).collect();
    let name = parts.join(", ");
    // Comments in comments say nothing.
    let name = name.split(" ((").next();
    Sender { name: tidy(name), address: all.get(at).and_then(|a| tidy(a.address.as_deref().map(without_route))) }
}

/// An old form names the hosts on the way: `@one,@two:user@host` (RFC 5322 4.4).
fn without_route(address: &str) -> &str {
    address.strip_prefix('@').and_then(|rest| rest.rsplit_once(':')).map_or(address, |(_, address)| address)
}

fn hidden(c: char) -> char {
    match c {
        '(' | ')' | '<' | '>' | '[' | ']' | ':' | ';' | '@' | '\\' | ',' | '.' | '"' | '=' | '?' => {
            char::from_u32(AWAY + u32::from(c)).unwrap_or(c)
        }
        _ if c.is_control() => ' ',
        _ => c,
    }
}

fn tidy(text: Option<&str>) -> Option<String> {
    let shown = |c: char| match u32::from(c) {
        n @ AWAY..=0xf_007f => char::from_u32(n - AWAY).unwrap_or(c),
        _ => c,
    };
    text.map(|text| short(&text.chars().map(shown).collect::<String>())).filter(|text| !text.is_empty())
}
