//! Rust sources as tokens: enough to know which names stand in the code, and not in comments, texts or tests.

/// A word or a sign, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// One file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the top of the project, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// Its code outside tests; empty in a file of tests.
    pub(super) code: Vec<Token>,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let is_test = path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || !path.starts_with("src/");
        let code = if is_test { Vec::new() } else { without_tests(&tokens(text)) };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// Below `src/`, the folder, or the file that stands there alone without `.rs`.
    pub(super) fn room(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or_default();
        below.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// The lines on which `pattern`, written as code, stands.
    pub(super) fn lines_with(&self, pattern: &str) -> Vec<usize> {
        let wanted = tokens(pattern);
        if !self.text.contains(&wanted[0].text) {
            return Vec::new();
        }
        let found = self.code.windows(wanted.len());
        found.filter(|w| w.iter().zip(&wanted).all(|(a, b)| a.text == b.text)).map(|w| w[0].line).collect()
    }
}

/// Cuts code into words, numbers and signs; `::` is one sign, a text is `"`, comments are nothing.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut at, mut line, mut found) = (0, 1, Vec::new());
    while at < bytes.len() {
        let rest = &text[at..];
        let length = one(rest, bytes, at);
        let piece = &text[at..at + length];
        if let Some(kept) = kept(piece) {
            found.push(Token { text: kept.to_owned(), line });
        }
        line += piece.matches('\n').count();
        at += length;
    }
    found
}

/// What a piece counts as; nothing for blanks and comments.
fn kept(piece: &str) -> Option<&str> {
    let quoted = piece.contains('"') || (piece.starts_with('\'') && piece.len() > 2 && piece.ends_with('\''));
    match piece {
        p if p.starts_with("//") || p.starts_with("/*") || p.trim().is_empty() => None,
        _ if quoted => Some("\""),
        p => Some(p),
    }
}

/// The length of the piece that `rest` begins with.
fn one(rest: &str, bytes: &[u8], at: usize) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    for prefix in ["", "b", "c"] {
        if let Some(text) = rest.strip_prefix(prefix).filter(|t| t.starts_with('"')) {
            return prefix.len() + quoted(text);
        }
    }
    for prefix in ["r", "br", "cr"] {
        let hashes = rest.strip_prefix(prefix).map(|t| t.bytes().take_while(|b| *b == b'#').count());
        if let Some(hashes) = hashes.filter(|n| rest[prefix.len() + n..].starts_with('"')) {
            let (start, end) = (prefix.len() + hashes + 1, format!("\"{}", "#".repeat(hashes)));
            return rest[start..].find(&end).map_or(rest.len(), |found| start + found + end.len());
        }
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if rest.starts_with("::") {
        return 2;
    }
    let first = rest.chars().next().map_or(1, char::len_utf8);
    if bytes[at].is_ascii_whitespace() {
        return rest.find(|c: char| !c.is_ascii_whitespace()).unwrap_or(rest.len());
    }
    if rest.starts_with(is_word) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character such as `'a'` or `'\n'`, else the sign of a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(1, |end| 3 + end + 1),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(1, |(end, _)| end + 1),
        None => 1,
    }
}

/// Leaves out what stands behind `#[cfg(test)]`.
fn without_tests(all: &[Token]) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut left = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if all[at..].len() >= MARK.len() && all[at..].iter().zip(MARK).all(|(token, mark)| token.text == mark) {
            at = item_end(all, at + MARK.len());
        } else {
            left.push(all[at].clone());
            at += 1;
        }
    }
    left
}

/// Where the item that begins at `at` is over: behind its block, or its `;`.
fn item_end(all: &[Token], mut at: usize) -> usize {
    let (mut depth, mut in_block) = (0_i32, false);
    let is_use = all.get(at).is_some_and(|t| t.text == "use");
    while let Some(token) = all.get(at) {
        at += 1;
        match token.text.as_str() {
            "{" | "[" | "(" => {
                in_block |= depth == 0 && token.text == "{" && !is_use;
                depth += 1;
            }
            "}" | "]" | ")" => {
                depth -= 1;
                if depth == 0 && in_block {
                    return at;
                }
            }
            ";" if depth == 0 => return at,
            _ => {}
        }
    }
    at
}
