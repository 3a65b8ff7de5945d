//! [`Pattern`]: what nodes must look like for a rule, as it is read from a text, `Mul(x, Sigmoid(x))`.

use crate::attributes::Attribute;
use std::collections::BTreeMap;

/// How deep operators may be inside of each other.
const DEEPEST: usize = 64;

/// What makes a value.
#[derive(Debug, PartialEq)]
pub(crate) enum Pattern {
    /// Any value. The same name is the same value.
    Any(String),
    /// A constant without axes that is this number, rounded to its type.
    Number(f64),
    /// The only result of an operator.
    Made(Made),
}

/// The use of an operator in a pattern.
#[derive(Debug, PartialEq)]
pub(crate) struct Made {
    /// The operator, with its domain if that is not the standard's.
    pub(crate) operator: String,
    pub(crate) inputs: Vec<Pattern>,
    /// The attributes that the node has, with these values.
    pub(crate) attributes: BTreeMap<String, Attribute>,
}

impl Made {
    /// Reads a pattern, whose outermost part is an operator.
    pub(crate) fn parse(text: &str) -> Result<Made, String> {
        let mut reader = Reader { text, rest: text, depth: 0 };
        let pattern = reader.pattern()?;
        match (reader.peek(), pattern) {
            (None, Pattern::Made(made)) => Ok(made),
            (None, _) => Err("it has no operator: write it as `Mul(x, Sigmoid(x))`".to_owned()),
            (Some(_), _) => Err(reader.wanted("its end")),
        }
    }

    /// Returns the names of the values, each once, in the order in which they are written.
    pub(crate) fn values(&self) -> Vec<&str> {
        let mut all = Vec::new();
        self.each(&mut |pattern| {
            if let Pattern::Any(name) = pattern
                && !all.contains(&name.as_str())
            {
                all.push(name.as_str());
            }
        });
        all
    }

    /// Returns the operators.
    pub(crate) fn operators(&self) -> Vec<&str> {
        let mut all = vec![self.operator.as_str()];
        self.each(&mut |pattern| {
            if let Pattern::Made(made) = pattern {
                all.push(&made.operator);
            }
        });
        all
    }

    /// Calls a function with each part inside, in the order in which they are written.
    fn each<'a>(&'a self, f: &mut impl FnMut(&'a Pattern)) {
        for input in &self.inputs {
            f(input);
            if let Pattern::Made(made) = input {
                made.each(f);
            }
        }
    }
}

/// A text that is read from left to right.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    /// Returns true if a character comes next, which is read.
    fn takes(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    /// Reads characters while they are of a kind.
    fn word(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        self.peek();
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn name(&mut self) -> &'a str {
        self.word(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
    }

    fn wanted(&self, what: &str) -> String {
        let at = self.text.len() - self.rest.len();
        let there = if self.rest.is_empty() { "at its end".to_owned() } else { format!("before `{}`", self.rest) };
        format!("{what} is expected {there} (byte {at})")
    }

    fn pattern(&mut self) -> Result<Pattern, String> {
        match self.peek() {
            Some(c) if c.is_ascii_digit() || c == '-' => self.number().map(Pattern::Number),
            Some(c) if c.is_alphabetic() || c == '_' => {
                let name = self.name().to_owned();
                if self.takes('(') { self.made(name).map(Pattern::Made) } else { Ok(Pattern::Any(name)) }
            }
            _ => Err(self.wanted("an operator, a value or a number")),
        }
    }

    /// Reads what is behind the parenthesis of an operator.
    fn made(&mut self, operator: String) -> Result<Made, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("operators are inside of each other more than {DEEPEST} deep"));
        }
        let mut made = Made { operator, inputs: Vec::new(), attributes: BTreeMap::new() };
        while !self.takes(')') {
            let has_comma = (made.inputs.is_empty() && made.attributes.is_empty()) || self.takes(',');
            if !has_comma {
                return Err(self.wanted("`,` or `)`"));
            }
            match self.pattern()? {
                Pattern::Any(name) if self.takes('=') => {
                    let value = self.attribute()?;
                    if made.attributes.insert(name.clone(), value).is_some() {
                        return Err(format!("the attribute `{name}` is there twice"));
                    }
                }
                _ if !made.attributes.is_empty() => return Err(self.wanted("inputs before attributes; `=`")),
                input => made.inputs.push(input),
            }
        }
        self.depth -= 1;
        Ok(made)
    }

    fn digits(&mut self) -> &'a str {
        self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'))
    }

    fn number(&mut self) -> Result<f64, String> {
        let digits = self.digits();
        digits.parse().map_err(|_| format!("`{digits}` is not a number"))
    }

    /// Reads the value of an attribute: `1`, `0.5`, `"text"`, `[1, 2]`.
    fn attribute(&mut self) -> Result<Attribute, String> {
        if self.takes('"') {
            let (text, rest) = self.rest.split_once('"').ok_or_else(|| self.wanted("`\"` behind a text"))?;
            self.rest = rest;
            return Ok(Attribute::Text(text.to_owned()));
        }
        if !self.takes('[') {
            let digits = self.digits();
            let int = || digits.parse().map(Attribute::Int).ok();
            let found = int().or_else(|| digits.parse().map(Attribute::Float).ok());
            return found.ok_or_else(|| format!("`{digits}` is not the value of an attribute"));
        }
        let mut list: Vec<&str> = Vec::new();
        while !self.takes(']') {
            if !list.is_empty() && !self.takes(',') {
                return Err(self.wanted("`,` or `]`"));
            }
            list.push(self.digits());
        }
        let ints = || list.iter().map(|own| own.parse().ok()).collect::<Option<Vec<i64>>>().map(Attribute::Ints);
        let floats = || list.iter().map(|own| own.parse().ok()).collect::<Option<Vec<f32>>>().map(Attribute::Floats);
        ints().or_else(floats).ok_or_else(|| format!("[{}] is not a list of numbers", list.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_they_are_written() {
        let made =
            Made::parse("com.acme.Op( Mul(x,-0.5), Softmax(y, axis=-1), x, by = [1, 2], how = \"a b\", s=1e-5 )");
        let made = made.unwrap();
        assert_eq!((made.values(), made.operators()), (vec!["x", "y"], vec!["com.acme.Op", "Mul", "Softmax"]));
        let Pattern::Made(mul) = &made.inputs[0] else { panic!("{made:?}") };
        assert_eq!(mul.inputs[1], Pattern::Number(-0.5));
        let Pattern::Made(softmax) = &made.inputs[1] else { panic!("{made:?}") };
        assert_eq!(softmax.attributes["axis"], Attribute::Int(-1));
        let of = |name: &str| made.attributes[name].clone();
        assert_eq!((of("by"), of("s")), (Attribute::Ints(vec![1, 2]), Attribute::Float(1e-5)));
        assert_eq!(of("how"), Attribute::Text("a b".to_owned()));
    }

    #[test]
    fn what_is_no_pattern_is_an_error_that_says_where() {
        for (text, why) in [
            ("x", "it has no operator"),
            ("", "an operator, a value or a number is expected at its end (byte 0)"),
            ("Mul(x", "`,` or `)` is expected at its end (byte 5)"),
            ("Mul(x y)", "`,` or `)` is expected before `y)` (byte 6)"),
            ("Mul(x, )", "an operator, a value or a number is expected before `)`"),
            ("Mul(x))", "its end is expected before `)`"),
            ("Mul(x, 1.2.3)", "`1.2.3` is not a number"),
            ("Softmax(x, axis=)", "`` is not the value of an attribute"),
            ("Softmax(axis=1, x)", "inputs before attributes"),
            ("Softmax(x, axis=1, axis=2)", "the attribute `axis` is there twice"),
            ("Op(x, by=[1,)", "is expected"),
            ("Op(x, by=[a])", "[a] is not a list of numbers"),
            ("Op(x, by=\"a)", "`\"` behind a text"),
            (&"A(".repeat(100), "more than 64 deep"),
        ] {
            let error = Made::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
