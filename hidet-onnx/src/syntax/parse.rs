//! [`parse`]: the messages of a model that is given as text.

use super::DEEPEST;
use super::lexer::{Lexer, Token};
use crate::error::{Error, Result};
use crate::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};
use std::fmt;

/// Returns the messages of a model.
///
/// # Errors
///
/// If the text is not in the syntax of ONNX: the line, the column, what was found, and what was expected.
pub(crate) fn parse(text: &str) -> Result<ModelProto> {
    let mut lexer = Lexer::new(text);
    let (token, at) = lexer.next()?;
    Parser { lexer, token, at, depth: 0 }.model()
}

/// A text of which a token is looked at.
pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    pub(super) token: Token<'a>,
    /// The byte at which the token begins.
    pub(super) at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// Returns an error at a byte of the text.
    pub(super) fn error(&self, at: usize, why: impl fmt::Display) -> Error {
        self.lexer.error(at, why)
    }

    /// Returns the error that something else was expected than the next token.
    pub(super) fn wanted(&self, what: &str) -> Error {
        self.error(self.at, format!("found {}, expected {what}", self.token))
    }

    /// Goes on to the next token, and returns this one.
    pub(super) fn take(&mut self) -> Result<Token<'a>> {
        let (next, at) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, next))
    }

    pub(super) fn is(&self, symbol: char) -> bool {
        self.token == Token::Symbol(symbol)
    }

    /// Returns true if a symbol comes next, which is read.
    pub(super) fn takes(&mut self, symbol: char) -> Result<bool> {
        let found = self.is(symbol);
        if found {
            self.take()?;
        }
        Ok(found)
    }

    pub(super) fn expect(&mut self, symbol: char) -> Result<()> {
        if self.takes(symbol)? { Ok(()) } else { Err(self.wanted(&format!("`{symbol}`"))) }
    }

    /// Reads what has commas between, up to a symbol.
    pub(super) fn list(&mut self, end: char, mut one: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        if self.takes(end)? {
            return Ok(());
        }
        loop {
            one(self)?;
            if self.takes(end)? {
                return Ok(());
            }
            if !self.takes(',')? {
                return Err(self.wanted(&format!("`,` or `{end}`")));
            }
        }
    }

    /// Goes into a graph or a type, or returns an error if they are too deep.
    pub(super) fn inside<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEEPEST {
            let why = format!("graphs or types are more than {DEEPEST} deep inside of each other");
            return Err(self.error(self.at, why));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Reads a name without quotes.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str> {
        let Token::Name(name) = self.token else { return Err(self.wanted(what)) };
        self.take()?;
        Ok(name)
    }

    /// Reads a name, which may be quoted.
    pub(super) fn name(&mut self, what: &str) -> Result<String> {
        match self.optional_name()? {
            Some(name) => Ok(name),
            None => Err(self.wanted(what)),
        }
    }

    pub(super) fn optional_name(&mut self) -> Result<Option<String>> {
        if !matches!(self.token, Token::Name(_) | Token::Quoted(_)) {
            return Ok(None);
        }
        Ok(match self.take()? {
            Token::Name(name) => Some(name.to_owned()),
            Token::Quoted(name) => Some(name),
            _ => None,
        })
    }

    pub(super) fn quoted(&mut self) -> Result<String> {
        if !matches!(self.token, Token::Quoted(_)) {
            return Err(self.wanted("a text in quotes"));
        }
        Ok(self.optional_name()?.unwrap_or_default())
    }

    pub(super) fn integer(&mut self) -> Result<i64> {
        let Token::Number(text) = self.token else { return Err(self.wanted("an integer")) };
        let number = text.parse().map_err(|_| self.wanted("an integer of 64 bits"))?;
        self.take()?;
        Ok(number)
    }

    /// Reads pairs in brackets, of a text and another thing, with a colon between.
    pub(super) fn pairs<T>(&mut self, other: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<(String, T)>> {
        let mut pairs = Vec::new();
        self.expect('[')?;
        self.list(']', |parser| {
            let key = parser.quoted()?;
            parser.expect(':')?;
            pairs.push((key, other(parser)?));
            Ok(())
        })?;
        Ok(pairs)
    }

    fn imports(&mut self) -> Result<Vec<OperatorSetIdProto>> {
        let pairs = self.pairs(Self::integer)?.into_iter();
        let import = |(domain, version)| OperatorSetIdProto { domain: Some(domain), version: Some(version) };
        Ok(pairs.map(import).collect())
    }

    /// Reads what is in front of a model or function, of which each key is read by a function; others are refused.
    fn header(&mut self, keys: &[&str], mut value: impl FnMut(&mut Self, &str) -> Result<()>) -> Result<()> {
        if !self.takes('<')? {
            return Ok(());
        }
        self.list('>', |parser| {
            let what = format!("one of `{}`", keys.join("`, `"));
            let Token::Name(key) = parser.token else { return Err(parser.wanted(&what)) };
            if !keys.contains(&key) {
                return Err(parser.wanted(&what));
            }
            parser.take()?;
            parser.expect(':')?;
            value(parser, key)
        })
    }

    fn model(mut self) -> Result<ModelProto> {
        const KEYS: [&str; 8] = [
            "ir_version",
            "opset_import",
            "producer_name",
            "producer_version",
            "domain",
            "model_version",
            "doc_string",
            "metadata_props",
        ];
        let mut model = ModelProto::default();
        self.header(&KEYS, |parser, key| {
            match key {
                "ir_version" => model.ir_version = Some(parser.integer()?),
                "opset_import" => model.opset_import = parser.imports()?,
                "model_version" => drop(parser.integer()?),
                "metadata_props" => drop(parser.pairs(Self::quoted)?),
                _ => drop(parser.quoted()?),
            }
            Ok(())
        })?;
        let name = self.name("the name of the graph")?;
        model.graph = Some(self.graph(name)?);
        while self.token != Token::End {
            model.functions.push(self.function()?);
        }
        Ok(model)
    }

    /// Reads a graph behind its name.
    pub(super) fn graph(&mut self, name: String) -> Result<GraphProto> {
        self.inside(|parser| {
            let mut graph = GraphProto { name: Some(name), ..GraphProto::default() };
            if parser.takes('(')? {
                parser.list(')', |parser| {
                    let (info, value) = parser.info()?;
                    graph.input.push(info);
                    graph.initializer.extend(value);
                    Ok(())
                })?;
            }
            parser.arrow()?;
            parser.expect('(')?;
            parser.list(')', |parser| {
                let info = parser.declared()?;
                graph.output.push(info);
                Ok(())
            })?;
            if parser.takes('<')? {
                parser.list('>', |parser| {
                    // What has no elements is the type of a value in the middle.
                    graph.initializer.extend(parser.info()?.1);
                    Ok(())
                })?;
            }
            graph.node = parser.nodes()?;
            Ok(graph)
        })
    }

    fn arrow(&mut self) -> Result<()> {
        if self.token != Token::Arrow {
            return Err(self.wanted("`=>`"));
        }
        self.take().map(drop)
    }

    /// Reads an input or initializer: its type, its name, and its elements if it has any.
    fn info(&mut self) -> Result<(ValueInfoProto, Option<TensorProto>)> {
        let at = self.at;
        let info = self.declared()?;
        let name = info.name.clone().unwrap_or_default();
        let value = self.takes('=')?.then(|| self.elements(info.r#type.as_ref(), at, name)).transpose()?;
        Ok((info, value))
    }

    /// Reads a type, if there is one, and a name.
    fn declared(&mut self) -> Result<ValueInfoProto> {
        let r#type = self.is_type().then(|| self.r#type()).transpose()?;
        Ok(ValueInfoProto { name: Some(self.name("a name")?), r#type })
    }

    fn function(&mut self) -> Result<FunctionProto> {
        let mut function = FunctionProto::default();
        self.header(&["domain", "overload", "opset_import", "doc_string"], |parser, key| {
            match key {
                "domain" => function.domain = Some(parser.quoted()?),
                "overload" => function.overload = Some(parser.quoted()?),
                "opset_import" => function.opset_import = parser.imports()?,
                _ => drop(parser.quoted()?),
            }
            Ok(())
        })?;
        function.name = Some(self.name("a function: its header in `<` and `>`, or its name")?);
        if self.takes('<')? {
            self.list('>', |parser| {
                let name = parser.name("the name of an attribute")?;
                if parser.is(':') || parser.is('=') {
                    function.attribute_proto.push(parser.attribute(name)?);
                } else {
                    function.attribute.push(name);
                }
                Ok(())
            })?;
        }
        function.input = self.declared_names()?;
        self.arrow()?;
        function.output = self.declared_names()?;
        if self.takes('<')? {
            self.list('>', |parser| parser.declared().map(drop))?;
        }
        function.node = self.nodes()?;
        Ok(function)
    }

    /// Reads the inputs or outputs of a function, whose types are skipped.
    fn declared_names(&mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.expect('(')?;
        self.list(')', |parser| {
            names.extend(parser.declared()?.name);
            Ok(())
        })?;
        Ok(names)
    }

    fn nodes(&mut self) -> Result<Vec<NodeProto>> {
        let mut nodes = Vec::new();
        self.expect('{')?;
        while !self.takes('}')? {
            nodes.push(self.node()?);
        }
        Ok(nodes)
    }

    fn node(&mut self) -> Result<NodeProto> {
        let mut node = NodeProto::default();
        if self.takes('[')? {
            node.name = self.optional_name()?;
            self.expect(']')?;
        }
        node.output = self.names()?;
        if !self.takes('=')? {
            let what = if node.output.is_empty() && node.name.is_none() { "a node or `}`" } else { "`=`" };
            return Err(self.wanted(what));
        }
        let mut parts = vec![self.name("an operator")?];
        while self.takes('.')? {
            parts.push(self.name("an operator")?);
        }
        node.op_type = parts.pop();
        node.domain = (!parts.is_empty()).then(|| parts.join("."));
        if self.takes(':')? {
            node.overload = Some(self.name("the overload of a function")?);
        }
        node.attribute = self.attributes()?;
        self.expect('(')?;
        node.input = self.names()?;
        self.expect(')')?;
        if node.attribute.is_empty() {
            node.attribute = self.attributes()?;
        }
        Ok(node)
    }

    /// Reads names with commas between, where nothing in front of a comma is an empty name.
    fn names(&mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        loop {
            match self.optional_name()? {
                Some(name) => names.push(name),
                None if self.is(',') => names.push(String::new()),
                None => return Ok(names),
            }
            if !self.takes(',')? {
                return Ok(names);
            }
        }
    }

    fn attributes(&mut self) -> Result<Vec<AttributeProto>> {
        let mut attributes = Vec::new();
        if self.takes('<')? {
            self.list('>', |parser| {
                let name = parser.name("the name of an attribute")?;
                attributes.push(parser.attribute(name)?);
                Ok(())
            })?;
        }
        Ok(attributes)
    }
}
