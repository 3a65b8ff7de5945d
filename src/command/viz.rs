//! `hidet viz`: reads a composition of mappings or layouts and draws it.

use super::{Outcome, say};
use clap::Args;
use hidet::layout::Layout;
use hidet::mapping::{self, TaskMapping};
use std::path::PathBuf;

/// What to draw, and where to.
#[derive(Args)]
pub struct Viz {
    /// Mappings: `spatial([4, 8]) * repeat([2, 2])`, also `col_spatial`, `col_repeat`, `auto_map([8, 32], 64)`.
    /// Layouts: `row_major([8, 8]).swizzle(1, 0, 0)`, also `column_major`, `local`, composed by `*`, joined by `+`.
    expression: String,
    /// Write an SVG file instead of text.
    #[arg(long)]
    svg: Option<PathBuf>,
}

impl Viz {
    /// Draws it.
    pub fn run(&self) -> Outcome {
        let parsed = Parser::new(&self.expression).whole()?;
        let (text, svg) = match parsed {
            Shape::One(mapping) => draw_mapping(&mapping)?,
            Shape::Two(mapping) => draw_mapping(&mapping)?,
            Shape::Three(mapping) => draw_mapping(&mapping)?,
            Shape::Layout(layout) => {
                layout.check().map_err(say)?;
                let svg = hidet::layout::draw::svg(&layout, hidet::layout::draw::Colors::Bank { bytes: 4 });
                (hidet::layout::draw::text(&layout).map_err(say)?, svg.map_err(say)?)
            }
        };
        match &self.svg {
            None => println!("{text}"),
            Some(path) => std::fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()))?,
        }
        Ok(true)
    }
}

fn draw_mapping<const R: usize>(mapping: &TaskMapping<R>) -> Result<(String, String), String> {
    mapping.check().map_err(say)?;
    Ok((mapping::draw::text(mapping).map_err(say)?, mapping::draw::svg(mapping).map_err(say)?))
}

/// What an expression means.
#[derive(Clone)]
enum Shape {
    One(TaskMapping<1>),
    Two(TaskMapping<2>),
    Three(TaskMapping<3>),
    Layout(Layout),
}

/// Reads `factor (('*' | '+') factor)*`, `factor = name(args)(.name(args))*`, `args` numbers and lists of numbers.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

/// An argument: a list, or a number as a list of one.
type Argument = Vec<u32>;

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Parser { text, at: 0 }
    }

    fn whole(mut self) -> Result<Shape, String> {
        let mut shape = self.factor()?;
        loop {
            match self.next() {
                None => return Ok(shape),
                Some('*') => shape = compose(shape, self.factor()?).map_err(|why| self.wrong(&why))?,
                Some('+') => match (shape, self.factor()?) {
                    (Shape::Layout(a), Shape::Layout(b)) => shape = Shape::Layout(a + b),
                    _ => return Err(self.wrong("only layouts are joined by `+`; mappings are composed by `*`")),
                },
                Some(_) => return Err(self.wrong("expected `*`, `+` or the end")),
            }
        }
    }

    fn factor(&mut self) -> Result<Shape, String> {
        self.peek();
        let from = self.at;
        let (name, arguments) = self.call()?;
        let mut shape = start(&name, &arguments).map_err(|why| self.wrong_at(from, &why))?;
        while self.peek() == Some('.') {
            self.next();
            let from = self.at;
            let (name, arguments) = self.call()?;
            shape = method(shape, &name, &arguments).map_err(|why| self.wrong_at(from, &why))?;
        }
        Ok(shape)
    }

    fn call(&mut self) -> Result<(String, Vec<Argument>), String> {
        self.peek();
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        if length == 0 {
            return Err(self.wrong("expected a name, as in `spatial([4, 8])`"));
        }
        self.at += length;
        self.expect('(')?;
        let mut arguments = Vec::new();
        while self.peek() != Some(')') {
            if self.peek() == Some('[') {
                self.next();
                let mut list = Vec::new();
                while self.peek() != Some(']') {
                    list.push(self.number()?);
                    if self.peek() == Some(',') {
                        self.next();
                    }
                }
                self.next();
                arguments.push(list);
            } else {
                arguments.push(vec![self.number()?]);
            }
            if self.peek() == Some(',') {
                self.next();
            }
        }
        self.expect(')')?;
        Ok((rest[..length].to_owned(), arguments))
    }

    fn number(&mut self) -> Result<u32, String> {
        self.peek();
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..length].parse().map_err(|_| self.wrong("expected a number"))?;
        self.at += length;
        Ok(number)
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.next() {
            Some(found) if found == wanted => Ok(()),
            _ => Err(self.wrong(&format!("expected `{wanted}`"))),
        }
    }

    /// The message, and the place where reading stopped.
    fn wrong(&self, why: &str) -> String {
        self.wrong_at(self.at, why)
    }

    /// The message, and a place in the text under a caret.
    fn wrong_at(&self, at: usize, why: &str) -> String {
        format!("{why}\n  {}\n  {}^", self.text, " ".repeat(self.text[..at].chars().count()))
    }
}

fn array<const R: usize>(list: &[u32]) -> Result<[u32; R], String> {
    list.try_into().map_err(|_| format!("expected {R} extents, found {}", list.len()))
}

/// Calls `$make::<R>` for a list of 1, 2 or 3 extents.
macro_rules! by_rank {
    ($list:expr, $make:expr) => {
        match $list.len() {
            1 => Ok(Shape::One($make(array::<1>($list)?))),
            2 => Ok(Shape::Two($make(array::<2>($list)?))),
            3 => Ok(Shape::Three($make(array::<3>($list)?))),
            other => Err(format!("mappings of rank 1 to 3 can be drawn, this has {other} extents")),
        }
    };
}

fn start(name: &str, arguments: &[Argument]) -> Result<Shape, String> {
    let list = |index: usize| arguments.get(index).ok_or(format!("`{name}` needs {} arguments", index + 1));
    let first = list(0)?;
    match name {
        "spatial" => by_rank!(first, mapping::spatial),
        "repeat" => by_rank!(first, mapping::repeat),
        "col_spatial" => by_rank!(first, mapping::col_spatial),
        "col_repeat" => by_rank!(first, mapping::col_repeat),
        "auto_map" => {
            let workers = list(1)?.first().copied().unwrap_or(0);
            by_rank!(first, |shape| mapping::auto_map(shape, workers))
        }
        "row_major" => Ok(Shape::Layout(Layout::row_major(first.clone()))),
        "column_major" => Ok(Shape::Layout(Layout::column_major(first.clone()))),
        "local" => Ok(Shape::Layout(Layout::local(first.clone()))),
        _ => Err(format!(
            "`{name}` is unknown; mappings start with spatial, repeat, col_spatial, col_repeat or auto_map, layouts \
             with row_major, column_major or local"
        )),
    }
}

fn method(shape: Shape, name: &str, arguments: &[Argument]) -> Result<Shape, String> {
    match (shape, name, arguments) {
        (Shape::Layout(layout), "swizzle", [axis, by, step]) => {
            let small = |list: &Argument| list.first().map_or(0, |&value| value as u8);
            Ok(Shape::Layout(layout.swizzle(small(axis), small(by), small(step))))
        }
        (Shape::Layout(layout), "permute", [order]) => {
            let order: Vec<u8> = order.iter().map(|&axis| axis as u8).collect();
            Ok(Shape::Layout(layout.permute(&order)))
        }
        (Shape::Layout(layout), "reshape", [shape]) => Ok(Shape::Layout(layout.reshape(shape.clone()))),
        (shape, "spatial" | "repeat" | "col_spatial" | "col_repeat", _) => compose(shape, start(name, arguments)?),
        (_, name, _) => Err(format!("`.{name}(..)` with {} arguments is unknown here", arguments.len())),
    }
}

fn compose(outer: Shape, inner: Shape) -> Result<Shape, String> {
    match (outer, inner) {
        (Shape::One(a), Shape::One(b)) => Ok(Shape::One(a * b)),
        (Shape::Two(a), Shape::Two(b)) => Ok(Shape::Two(a * b)),
        (Shape::Three(a), Shape::Three(b)) => Ok(Shape::Three(a * b)),
        (Shape::Layout(a), Shape::Layout(b)) => Ok(Shape::Layout(a * b)),
        _ => Err("factors of a composition must be of one kind and one rank".to_owned()),
    }
}
