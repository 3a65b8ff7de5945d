//! [`Lexer`]: the tokens of a text, one after the other, with their places.

use crate::error::{Error, Result};
use std::fmt;

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// Letters, digits and `_`, not beginning with a digit.
    Name(&'a str),
    /// What is between quotes, where `\` stands for the next character.
    Quoted(String),
    /// A number, which may be `-inf` or `-nan`, as it is written.
    Number(&'a str),
    /// `=>`.
    Arrow,
    /// Two or more dots.
    Dots,
    /// Any other character.
    Symbol(char),
    /// After the last one.
    End,
}

/// The most characters of a token that messages show.
const SHOWN: usize = 40;

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}..", &text[..end]),
            None => text.to_owned(),
        };
        match self {
            Token::Name(text) | Token::Number(text) => write!(f, "`{}`", shown(text)),
            Token::Quoted(text) => write!(f, "the text `\"{}\"`", shown(text).escape_debug()),
            Token::Arrow => write!(f, "`=>`"),
            Token::Dots => write!(f, "`..`"),
            Token::Symbol(c) => write!(f, "`{}`", c.escape_debug()),
            Token::End => write!(f, "the end of the text"),
        }
    }
}

/// A text that is read from left to right.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    /// Returns an error at a byte of the text, with its line and column.
    pub(super) fn error(&self, at: usize, why: impl fmt::Display) -> Error {
        let before = &self.text[..at];
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let (line, column) = (before.matches('\n').count() + 1, before[begin..].chars().count() + 1);
        Error::Invalid(format!("line {line}, column {column}: {why}"))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Reads characters while they are of a kind.
    fn skip(&mut self, is_part: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    }

    /// Returns the next token, and the byte at which it begins.
    pub(super) fn next(&mut self) -> Result<(Token<'a>, usize)> {
        self.skip(is_space);
        while self.rest().starts_with('#') {
            self.skip(|c| c != '\n');
            self.skip(is_space);
        }
        let begin = self.at;
        let mut chars = self.rest().chars();
        let (first, second) = (chars.next(), chars.next());
        let token = match (first, second) {
            (None, _) => Token::End,
            (Some('"'), _) => Token::Quoted(self.quoted()?),
            (Some('='), Some('>')) => {
                self.at += 2;
                Token::Arrow
            }
            (Some('.'), Some('.')) => {
                self.skip(|c| c == '.');
                Token::Dots
            }
            (Some('-'), Some(c)) if c.is_ascii_alphanumeric() => {
                self.at += 1;
                if c.is_ascii_digit() {
                    self.number();
                } else {
                    self.skip(|c| c.is_ascii_alphanumeric());
                }
                Token::Number(&self.text[begin..self.at])
            }
            (Some(c), _) if c.is_ascii_digit() => {
                self.number();
                Token::Number(&self.text[begin..self.at])
            }
            (Some(c), _) if c.is_ascii_alphabetic() || c == '_' => {
                self.skip(|c| c.is_ascii_alphanumeric() || c == '_');
                Token::Name(&self.text[begin..self.at])
            }
            (Some(c), _) => {
                self.at += c.len_utf8();
                Token::Symbol(c)
            }
        };
        Ok((token, begin))
    }

    /// Reads digits, a point, and an exponent.
    fn number(&mut self) {
        let is_digit = |c: char| c.is_ascii_digit();
        self.skip(is_digit);
        if self.rest().starts_with('.') {
            self.at += 1;
            self.skip(is_digit);
        }
        if self.rest().starts_with(['e', 'E']) {
            self.at += 1;
            self.at += usize::from(self.rest().starts_with(['+', '-']));
            self.skip(is_digit);
        }
    }

    fn quoted(&mut self) -> Result<String> {
        let begin = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = begin + at + 1;
                    return Ok(text);
                }
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                c => text.push(c),
            }
        }
        Err(self.error(begin, "the text that begins here has no closing `\"`"))
    }
}

/// Returns true for what C calls space.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}
