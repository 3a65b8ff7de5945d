//! The tokens of the text form.

use super::error;
use crate::Result;
use crate::ir::name::is_letter;
use std::borrow::Cow;
use std::fmt;

/// A name as it is written: `row`, `"2nd"`, `row.1`; a number alone has an empty name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name<'s> {
    pub text: Cow<'s, str>,
    pub number: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'s> {
    /// Letters, digits and `_`, separated by points: `thread.x`.
    Word(&'s str),
    /// A name after one of `% $ @ ' #`.
    Handle(char, Name<'s>),
    /// A string, or a quoted name.
    Quoted(Name<'s>),
    /// Digits, without a sign.
    Number(&'s str),
    /// One of `( ) [ ] { } < > , : = + - * / % ^ & ! == <= ..`.
    Sign(&'static str),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |f: &mut fmt::Formatter<'_>, name: &Name<'_>| match name.number {
            Some(number) if name.text.is_empty() => write!(f, "{number}`"),
            Some(number) => write!(f, "{}.{number}`", name.text),
            None => write!(f, "{}`", name.text),
        };
        match self {
            Token::Word(text) | Token::Number(text) => write!(f, "`{text}`"),
            Token::Handle(sigil, handle) => {
                write!(f, "`{sigil}")?;
                name(f, handle)
            }
            Token::Quoted(text) => write!(f, "{:?}", text.text),
            Token::Sign(sign) => write!(f, "`{sign}`"),
            Token::End => f.write_str("the end of the text"),
        }
    }
}

const SIGNS: [&str; 24] = [
    "==", "<=", "..=", "..", "(", ")", "[", "]", "{", "}", "<", ">", ",", ":", "=", "+", "-", "*", "/", "%", "^", "&",
    "!", ".",
];

/// Returns all tokens with their line numbers, terminated by `End`.
pub(super) fn lex(text: &str) -> Result<Vec<(Token<'_>, u32)>> {
    let mut lexer = Lexer { rest: text, line: 1 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space();
        let line = lexer.line;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((token, line));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    rest: &'s str,
    line: u32,
}

impl<'s> Lexer<'s> {
    fn skip_space(&mut self) {
        loop {
            let trimmed = self.rest.trim_start();
            let skipped = &self.rest[..self.rest.len() - trimmed.len()];
            self.line += skipped.matches('\n').count() as u32;
            self.rest = trimmed;
            if !trimmed.starts_with(';') {
                return;
            }
            self.rest = trimmed.find('\n').map_or("", |end| &trimmed[end..]);
        }
    }

    fn take(&mut self, len: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'s str {
        let len = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        self.take(len)
    }

    /// Returns the character `skip` bytes ahead; `skip` is on a character boundary.
    fn peek(&self, skip: usize) -> Option<char> {
        self.rest.get(skip..).and_then(|rest| rest.chars().next())
    }

    fn token(&mut self) -> Result<Token<'s>> {
        let Some(first) = self.peek(0) else { return Ok(Token::End) };
        match first {
            '0'..='9' => Ok(Token::Number(self.number())),
            _ if is_letter(first) => Ok(Token::Word(self.word())),
            '"' => {
                let text = self.string()?;
                let number = self.suffix()?;
                Ok(Token::Quoted(Name { text: text.into(), number }))
            }
            '$' | '@' | '\'' | '#' => self.handle(first),
            '%' if self.peek(1).is_some_and(|c| is_letter(c) || c == '"') => self.handle(first),
            _ => match SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
                Some(sign) => {
                    self.take(sign.len());
                    Ok(Token::Sign(sign))
                }
                None => Err(error(self.line, format!("unexpected character {first:?}"))),
            },
        }
    }

    fn word(&mut self) -> &'s str {
        let start = self.rest;
        self.take_while(is_letter);
        while self.peek(0) == Some('.') && self.peek(1).is_some_and(is_letter) {
            self.take(1);
            self.take_while(is_letter);
        }
        &start[..start.len() - self.rest.len()]
    }

    fn number(&mut self) -> &'s str {
        let start = self.rest;
        if self.rest.starts_with("0x") {
            self.take_while(is_letter);
        } else {
            self.take_while(|c| c.is_ascii_digit());
            if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
                self.take(1);
                self.take_while(|c| c.is_ascii_digit());
            }
            let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
            if matches!(self.peek(0), Some('e' | 'E')) && self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit()) {
                self.take(1 + sign);
                self.take_while(|c| c.is_ascii_digit());
            }
        }
        &start[..start.len() - self.rest.len()]
    }

    /// Reads an optional `.1` after a name.
    fn suffix(&mut self) -> Result<Option<u32>> {
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            self.take(1);
            return self.digits().map(Some);
        }
        Ok(None)
    }

    fn digits(&mut self) -> Result<u32> {
        let digits = self.take_while(is_letter);
        digits.parse().map_err(|_| error(self.line, format!("expected a number, found `{digits}`")))
    }

    fn handle(&mut self, sigil: char) -> Result<Token<'s>> {
        self.take(sigil.len_utf8());
        let name = match self.peek(0) {
            Some('"') => {
                let text = self.string()?;
                Name { text: text.into(), number: self.suffix()? }
            }
            Some('0'..='9') => Name { text: "".into(), number: Some(self.digits()?) },
            Some(c) if is_letter(c) => {
                let text = self.take_while(is_letter);
                Name { text: text.into(), number: self.suffix()? }
            }
            _ => return Err(error(self.line, format!("expected a name after `{sigil}`"))),
        };
        Ok(Token::Handle(sigil, name))
    }

    /// Reads a string with the escapes of Rust's `{:?}`.
    fn string(&mut self) -> Result<String> {
        let line = self.line;
        let unclosed = || error(line, "the string that begins here has no closing quote");
        self.take(1);
        let mut out = String::new();
        loop {
            let c = self.peek(0).ok_or_else(unclosed)?;
            self.take(c.len_utf8());
            match c {
                '"' => return Ok(out),
                '\n' => return Err(unclosed()),
                '\\' => {
                    let escape = self.peek(0).ok_or_else(unclosed)?;
                    self.take(escape.len_utf8());
                    out.push(match escape {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        '0' => '\0',
                        '"' | '\\' | '\'' => escape,
                        'u' => self.unicode()?,
                        _ => return Err(error(line, format!("unknown escape `\\{escape}`"))),
                    });
                }
                _ => out.push(c),
            }
        }
    }

    fn unicode(&mut self) -> Result<char> {
        let bad = error(self.line, "expected `\\u{...}` with a code point in hexadecimal");
        if self.peek(0) != Some('{') {
            return Err(bad);
        }
        self.take(1);
        let digits = self.take_while(is_letter);
        let c = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        match (c, self.peek(0)) {
            (Some(c), Some('}')) => {
                self.take(1);
                Ok(c)
            }
            _ => Err(bad),
        }
    }
}
