//! `hidet viz`: reads a composition of mappings or layouts and draws it.

use super::{Outcome, say};
use clap::Args;
use hidet::layout::Layout;
use hidet::mapping::{self, TaskMapping};
use std::path::PathBuf;

/// The expression to draw, and the output.
#[derive(Args)]
pub struct Viz {
    /// Mappings: `spatial([4, 8]) * repeat([2, 2])`, also `col_spatial`, `col_repeat`, `auto_map([8, 32], 64)`.
    /// Layouts: `row_major([8, 8]).swizzle(1, 0, 0)`, also `column_major`, `local` (an axis distributed over
    /// the workers), composed by `*`, joined by `+`.
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

/// The value of an expression.
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
        let arguments = self.list(')', |parser| {
            if parser.peek() != Some('[') {
                return Ok(vec![parser.number()?]);
            }
            parser.next();
            parser.list(']', Self::number)
        })?;
        Ok((rest[..length].to_owned(), arguments))
    }

    /// Parses items between commas, up to `end`.
    fn list<T>(&mut self, end: char, item: impl Fn(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let mut items = Vec::new();
        while self.peek() != Some(end) {
            items.push(item(self)?);
            match self.peek() {
                Some(',') => drop(self.next()),
                _ => break,
            }
        }
        self.expect(end)?;
        Ok(items)
    }

    fn number(&mut self) -> Result<u32, String> {
        self.peek();
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..length].parse().map_err(|_| self.wrong("expected a number"))?;
        self.at += length;
        Ok(number)
    }

    /// Returns the next character that is not a space.
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

    /// Returns the message with the position where reading stopped.
    fn wrong(&self, why: &str) -> String {
        self.wrong_at(self.at, why)
    }

    /// Returns the message with a caret under a position of the text.
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

/// Returns the arguments, or an error if their number is not `N`.
fn exactly<'a, const N: usize>(name: &str, arguments: &'a [Argument]) -> Result<&'a [Argument; N], String> {
    let found = arguments.len();
    arguments.try_into().map_err(|_| format!("`{name}` takes {N} argument(s), found {found}"))
}

/// Returns the number that an argument is, or an error if it is a list.
fn number(argument: &Argument) -> Result<u32, String> {
    match argument[..] {
        [number] => Ok(number),
        _ => Err(format!("expected a number, found {argument:?}")),
    }
}

/// Returns a small number, such as an axis or a number of bits.
fn small(number: u32) -> Result<u8, String> {
    u8::try_from(number).map_err(|_| format!("{number} is too large here, at most 255 is allowed"))
}

fn start(name: &str, arguments: &[Argument]) -> Result<Shape, String> {
    let one = || exactly(name, arguments).map(|[list]| list);
    match name {
        "spatial" => by_rank!(one()?, mapping::spatial),
        "repeat" => by_rank!(one()?, mapping::repeat),
        "col_spatial" => by_rank!(one()?, mapping::col_spatial),
        "col_repeat" => by_rank!(one()?, mapping::col_repeat),
        "auto_map" => {
            let [list, workers] = exactly(name, arguments)?;
            let workers = number(workers)?;
            by_rank!(list, |shape| mapping::auto_map(shape, workers))
        }
        "row_major" => Ok(Shape::Layout(Layout::row_major(one()?.clone()))),
        "column_major" => Ok(Shape::Layout(Layout::column_major(one()?.clone()))),
        "local" => Ok(Shape::Layout(Layout::local(one()?.clone()))),
        _ => Err(format!(
            "`{name}` is unknown; mappings start with spatial, repeat, col_spatial, col_repeat or auto_map, layouts \
             with row_major, column_major or local"
        )),
    }
}

fn method(shape: Shape, name: &str, arguments: &[Argument]) -> Result<Shape, String> {
    match (shape, name) {
        (Shape::Layout(layout), "swizzle") => {
            let [axis, by, step] =
                exactly(name, arguments)?.each_ref().map(|argument| number(argument).and_then(small));
            Ok(Shape::Layout(layout.swizzle(axis?, by?, step?)))
        }
        (Shape::Layout(layout), "permute") => {
            let [order] = exactly(name, arguments)?;
            let order = order.iter().map(|&axis| small(axis)).collect::<Result<Vec<u8>, _>>()?;
            Ok(Shape::Layout(layout.permute(&order)))
        }
        (Shape::Layout(layout), "reshape") => {
            let [shape] = exactly(name, arguments)?;
            Ok(Shape::Layout(layout.reshape(shape.clone())))
        }
        (shape, "spatial" | "repeat" | "col_spatial" | "col_repeat") => compose(shape, start(name, arguments)?),
        (Shape::Layout(_), name) => Err(format!("`.{name}(..)` is unknown; layouts have swizzle, permute and reshape")),
        (_, name) => {
            Err(format!("`.{name}(..)` is unknown; mappings have spatial, repeat, col_spatial and col_repeat"))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(expression: &str) -> String {
        Viz { expression: expression.to_owned(), svg: None }.run().unwrap_err()
    }

    #[test]
    fn nothing_is_cut_or_ignored() {
        assert!(refused("row_major([8, 8]).swizzle(257, 0, 0)").starts_with("257 is too large here"));
        assert!(refused("row_major([8, 8]).permute([256, 1])").starts_with("256 is too large here"));
        assert!(refused("row_major([8, 8]).swizzle([1, 2], 0, 0)").starts_with("expected a number, found [1, 2]"));
        assert!(refused("row_major([8, 8]).swizzle(1, 0)").starts_with("`swizzle` takes 3 argument(s), found 2"));
        assert!(refused("spatial([4], [7])").starts_with("`spatial` takes 1 argument(s), found 2"));
        assert!(refused("spatial()").starts_with("`spatial` takes 1 argument(s), found 0"));
        assert!(refused("auto_map([8, 32], [])").starts_with("expected a number, found []"));
        assert!(refused("spatial([4 8])").starts_with("expected `]`"));
        assert!(refused("spatial([4]).swizzle(1, 0, 0)").starts_with("`.swizzle(..)` is unknown; mappings have"));
        assert!(refused("spatial([4], ").starts_with("expected a number"));
        for right in ["row_major([8, 8,],).swizzle(1, 0, 0) * local([2, 2])", "auto_map([8, 32], 64).spatial([2, 2])"] {
            assert!(Parser::new(right).whole().is_ok(), "{right}");
        }
    }
}
