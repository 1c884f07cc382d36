//! The text of a Rust file as tokens, without comments; enough to tell its items and paths apart.

use std::iter::Peekable;
use std::str::Chars;

/// One token; the text of literals is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String),
    /// The `::` between the segments of a path.
    Separator,
    Mark(char),
    Literal,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        match self {
            Self::Word(word) => word == text,
            Self::Separator => text == "::",
            Self::Mark(mark) => text.chars().eq([*mark]),
            Self::Literal => false,
        }
    }

    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader {
        chars: text.chars().peekable(),
    };
    let mut tokens = Vec::new();
    while let Some(first) = reader.chars.next() {
        tokens.extend(reader.token(first));
    }
    tokens
}

struct Reader<'t> {
    chars: Peekable<Chars<'t>>,
}

impl Reader<'_> {
    /// The token that begins with this character; white space and comments are none.
    fn token(&mut self, first: char) -> Option<Token> {
        let next = self.chars.peek().copied();
        match (first, next) {
            ('/', Some('/')) => self.skip_while(|c| c != '\n'),
            ('/', Some('*')) => self.skip_comment(),
            (':', Some(':')) => {
                self.chars.next();
                return Some(Token::Separator);
            }
            ('"', _) => return Some(self.text()),
            ('\'', _) => return self.quoted(),
            ('0'..='9', _) => return Some(self.number()),
            _ if first.is_whitespace() => {}
            _ if first.is_alphabetic() || first == '_' => return Some(self.word(first)),
            _ => return Some(Token::Mark(first)),
        }
        None
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.chars.next_if(|c| wanted(*c)).is_some() {}
    }

    fn skip_comment(&mut self) {
        let (mut depth, mut last) = (1, ' ');
        self.chars.next();
        while depth > 0
            && let Some(c) = self.chars.next()
        {
            match (last, c) {
                ('/', '*') => (depth, last) = (depth + 1, ' '),
                ('*', '/') => (depth, last) = (depth - 1, ' '),
                _ => last = c,
            }
        }
    }

    fn text(&mut self) -> Token {
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => drop(self.chars.next()),
                '"' => break,
                _ => {}
            }
        }
        Token::Literal
    }

    /// A character, or nothing for a lifetime.
    fn quoted(&mut self) -> Option<Token> {
        let first = self.chars.next()?;
        if first == '\\' {
            self.chars.next();
            self.skip_while(|c| c != '\'');
        } else if self.chars.peek() != Some(&'\'') {
            self.skip_while(|c| c.is_alphanumeric() || c == '_');
            return None;
        }
        self.chars.next();
        Some(Token::Literal)
    }

    fn number(&mut self) -> Token {
        self.skip_while(|c| c.is_alphanumeric() || c == '_');
        let mut ahead = self.chars.clone();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
            self.chars.next();
            self.skip_while(|c| c.is_alphanumeric() || c == '_');
        }
        Token::Literal
    }

    /// A word, or the literal whose prefix it is.
    fn word(&mut self, first: char) -> Token {
        let mut word = String::from(first);
        while let Some(c) = self.chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
        }
        match (word.as_str(), self.chars.peek()) {
            ("r" | "br" | "cr", Some('"' | '#')) => self.raw(),
            ("b" | "c", Some('"')) => {
                self.chars.next();
                self.text()
            }
            ("b", Some('\'')) => {
                self.chars.next();
                self.quoted().unwrap_or(Token::Literal)
            }
            _ => Token::Word(word),
        }
    }

    /// A raw text, or a word that is raw.
    fn raw(&mut self) -> Token {
        let mut hashes = 0;
        while self.chars.next_if_eq(&'#').is_some() {
            hashes += 1;
        }
        match self.chars.next() {
            Some('"') => {}
            Some(first) => return self.word(first),
            None => return Token::Literal,
        }
        let mut closing = None;
        while closing != Some(hashes)
            && let Some(c) = self.chars.next()
        {
            closing = match (c, closing) {
                ('"', _) => Some(0),
                ('#', Some(seen)) => Some(seen + 1),
                _ => None,
            };
        }
        Token::Literal
    }
}

/// The number of tokens of the first item; an attribute counts as one.
pub(crate) fn item_end(tokens: &[Token]) -> usize {
    let is_attribute = tokens[0].is("#");
    let ends_with_brace = !matches!(
        declared(tokens),
        Some(("use" | "const" | "static" | "type", _))
    );
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(close @ (')' | ']' | '}')) => {
                depth -= 1;
                let is_end = (*close == '}' && ends_with_brace) || is_attribute;
                if depth < 0 || (depth == 0 && is_end) {
                    return at + usize::from(depth == 0);
                }
            }
            Token::Mark(';') if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// The keyword and the name of an item that declares something.
pub(crate) fn declared(item: &[Token]) -> Option<(&str, &str)> {
    let mut at = 0;
    loop {
        let is_next = |word: &str| item.get(at + 1).is_some_and(|token| token.is(word));
        match item.get(at)?.word()? {
            "pub" if is_next("(") => at += 1 + item[at..].iter().position(|token| token.is(")"))?,
            "extern" if item.get(at + 1) == Some(&Token::Literal) => at += 2,
            "const" if ["fn", "unsafe", "async", "extern"].into_iter().any(is_next) => at += 1,
            "pub" | "unsafe" | "async" => at += 1,
            "use" => return Some(("use", "")),
            keyword @ ("fn" | "struct" | "enum" | "union" | "trait" | "type" | "const"
            | "static" | "mod") => return Some((keyword, item.get(at + 1)?.word()?)),
            _ => return None,
        }
    }
}

/// The tokens between the braces of an item that has some.
pub(crate) fn body(item: &[Token]) -> Option<&[Token]> {
    let start = item.iter().position(|token| token.is("{"))?;
    item.get(start + 1..item.len() - 1)
}

/// The tokens without the items that are for tests alone.
pub(crate) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let marks = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut left = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_test = tokens.len() >= at + marks.len()
            && tokens[at..]
                .iter()
                .zip(marks)
                .all(|(token, mark)| token.is(mark));
        if is_test {
            at += marks.len();
            while tokens.get(at).is_some_and(|token| token.is("#")) {
                at += item_end(&tokens[at..]);
            }
            at += tokens.get(at..).map_or(0, item_end);
        } else {
            left.push(tokens[at].clone());
            at += 1;
        }
    }
    left
}
