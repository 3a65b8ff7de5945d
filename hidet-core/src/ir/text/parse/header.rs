//! The signature, the launch, the constraints, and the memory declared at the head of the body.

use super::super::error;
use super::super::layout;
use super::super::lex::Token;
use super::Parser;
use crate::Result;
use crate::ir::{
    Access, Buffer, BufferId, Constraint, Dim, Entries, Im2col, Launch, MapAxis, Param, Relation, Scope, Span, Swizzle,
    TensorMap,
};

impl<'s> Parser<'s> {
    pub(super) fn function(&mut self) -> Result<()> {
        let line = self.line();
        self.word("kernel")?;
        if self.places {
            self.f.place = Span { file: 0, line, column: 1 };
        }
        self.f.name = self.plain_name("the name of the kernel")?.text.into_owned();
        if *self.peek() == Token::Sign("<") {
            self.list("<", ">", Self::dim)?;
        }
        let mut aliases = Vec::new();
        let params = self.list("(", ")", |parser| parser.param(&mut aliases))?;
        self.f.params = params;
        self.launch()?;
        while self.try_word("where") {
            let constraint = self.constraint()?;
            self.f.constraints.push(constraint);
        }
        if self.try_word("files") {
            self.f.files = self.list("[", "]", |parser| parser.text("a file"))?;
        }
        self.sign("{")?;
        loop {
            let scope = match self.peek() {
                Token::Word("global") => Scope::Global,
                Token::Word("shared") => Scope::Shared,
                Token::Word("register") => Scope::Register,
                _ => break,
            };
            self.next();
            let name = self.peek().clone();
            let line = self.line();
            self.handle('@', "a buffer")?;
            self.sign(":")?;
            self.buffer_type(name, line, scope, &mut aliases)?;
        }
        for (buffer, name, line, what) in aliases {
            let other = Some(self.known_buffer(&name, line)?);
            match what {
                Refers::Alias => self.f.buffers[buffer].alias = other,
                Refers::Rows => self.f.buffers[buffer].entries = Some(Entries { rows: other }),
            }
        }
        while self.try_word("map") {
            self.tensor_map()?;
        }
        self.f.body = self.block_rest()?;
        Ok(())
    }

    fn dim(&mut self) -> Result<()> {
        let line = self.line();
        let name = self.plain_name("the name of an extent")?;
        let id = self.f.dims.push(Dim { name: name.text.to_string() });
        let shown = Token::Quoted(name.clone());
        match self.dims.insert(name, crate::ir::Handle::index(id) as u32) {
            None => Ok(()),
            Some(_) => Err(error(line, format!("the extent {shown} is declared twice"))),
        }
    }

    /// Parses `@x: in f32[rows]`, or `%alpha: f32`.
    fn param(&mut self, aliases: &mut Vec<Alias<'s>>) -> Result<Param> {
        if matches!(self.peek(), Token::Handle('%', _)) {
            let value = self.definition()?;
            let name = match self.try_word("as") {
                true => self.text("the name of the parameter")?,
                false => self.f.values[value].name.clone(),
            };
            return Ok(Param::Scalar { name, value });
        }
        let name = self.peek().clone();
        let line = self.line();
        self.handle('@', "a parameter: a buffer (`@...`) or a value (`%...`)")?;
        self.sign(":")?;
        let access = match self.peek() {
            Token::Word("in") => Access::In,
            Token::Word("out") => Access::Out,
            Token::Word("inout") => Access::InOut,
            _ => return Err(self.expected("`in`, `out` or `inout`")),
        };
        self.next();
        let access = if access == Access::Out && self.try_word("partial") { Access::PartialOut } else { access };
        let scope = match self.peek() {
            Token::Word("shared") => Scope::Shared,
            Token::Word("register") => Scope::Register,
            _ => Scope::Global,
        };
        if scope != Scope::Global {
            self.next();
        }
        let buffer = self.buffer_type(name, line, scope, aliases)?;
        Ok(Param::Tensor { buffer, access })
    }

    /// Parses `f32[4, 4] layout .. align .. alias .. table ..` and declares the buffer.
    fn buffer_type(
        &mut self,
        handle: Token<'s>,
        line: u32,
        scope: Scope,
        aliases: &mut Vec<Alias<'s>>,
    ) -> Result<BufferId> {
        let elem = self.scalar()?;
        let shape = self.shape()?;
        let layout = if self.try_word("layout") { self.layout()? } else { layout::row(&shape) };
        let align = if self.try_word("align") { self.number("a number of bytes")? } else { elem.bytes() as u32 };
        let Token::Handle(_, name) = handle else { return Err(self.expected("a buffer")) };
        let buffer =
            Buffer { name: name.text.to_string(), scope, elem, shape, layout, align, alias: None, entries: None };
        let id = self.f.buffers.push(buffer);
        if self.buffers.contains_key(&name) {
            return Err(error(line, format!("the buffer {} is declared twice", Token::Handle('@', name))));
        }
        self.buffers.insert(name, id);
        if self.try_word("alias") {
            let line = self.line();
            aliases.push((id, self.handle('@', "a buffer")?, line, Refers::Alias));
        }
        if self.try_word("table") {
            self.f.buffers[id].entries = Some(Entries { rows: None });
            if matches!(self.peek(), Token::Handle('@', _)) {
                let line = self.line();
                aliases.push((id, self.handle('@', "a buffer")?, line, Refers::Rows));
            }
        }
        Ok(id)
    }

    fn launch(&mut self) -> Result<()> {
        let mut launch = Launch::default();
        self.word("grid")?;
        launch.grid = self.three(|parser| parser.dim_formula())?;
        self.word("block")?;
        launch.block = self.three(|parser| parser.number("a number of threads"))?;
        if self.try_word("cluster") {
            launch.cluster = self.three(|parser| parser.number("a number of blocks"))?;
        }
        launch.cooperative = self.try_word("cooperative");
        launch.dependent = self.try_word("dependent");
        if self.try_word("min_blocks") {
            launch.min_blocks = self.number("a number of blocks")?;
        }
        self.f.launch = launch;
        Ok(())
    }

    /// Parses `(x, y, z)`.
    fn three<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<[T; 3]> {
        let line = self.line();
        let items = self.list("(", ")", item)?;
        items.try_into().map_err(|_| error(line, "expected three numbers: along x, y and z"))
    }

    fn constraint(&mut self) -> Result<Constraint> {
        let left = self.dim_formula()?;
        let relation = match self.peek() {
            Token::Sign("==") => Relation::Equal,
            Token::Sign("<") => Relation::Less,
            Token::Sign("<=") => Relation::LessEqual,
            Token::Word("multiple_of") => Relation::MultipleOf,
            _ => return Err(self.expected("`==`, `<`, `<=` or `multiple_of`")),
        };
        self.next();
        let right = self.dim_formula()?;
        let message = self.text("the message of the constraint")?;
        Ok(Constraint { left, relation, right, message })
    }

    /// Parses `#0 = @x tile [64, 64] swizzle b128`, or with `offset n * 4`, `axes [m: n, n: 1]` (extents and strides),
    /// `im2col [-1, -1] to [0, 0]` and `step [2, 1]`.
    fn tensor_map(&mut self) -> Result<()> {
        let line = self.line();
        let name = self.handle('#', "a tensor map")?;
        self.sign("=")?;
        let buffer = self.buffer()?;
        let offset = if self.try_word("offset") { self.dim_formula()? } else { 0.into() };
        let mut axes = match self.try_word("axes") {
            true => self.list("[", "]", Self::map_axis)?,
            false => TensorMap::axes(&self.f.buffers[buffer].layout)
                .ok_or_else(|| error(line, "a tensor map of a buffer without strides needs `axes`"))?,
        };
        self.word("tile")?;
        let tile = self.list("[", "]", |parser| parser.number("an extent"))?;
        let im2col = if self.try_word("im2col") { Some(self.im2col()?) } else { None };
        if self.try_word("step") {
            let line = self.line();
            let steps: Vec<u32> = self.list("[", "]", |parser| parser.number("a step"))?;
            if steps.len() != axes.len() {
                return Err(error(line, format!("{} steps for {} axes", steps.len(), axes.len())));
            }
            axes.iter_mut().zip(steps).for_each(|(axis, step)| axis.step = step);
        }
        self.word("swizzle")?;
        let swizzle = match self.peek() {
            Token::Word("none") => Swizzle::None,
            Token::Word("b32") => Swizzle::B32,
            Token::Word("b64") => Swizzle::B64,
            Token::Word("b128") => Swizzle::B128,
            _ => return Err(self.expected("`none`, `b32`, `b64` or `b128`")),
        };
        self.next();
        let id = self.f.maps.push(TensorMap { buffer, offset, axes, tile, im2col, swizzle });
        let shown = Token::Handle('#', name.clone());
        match self.maps.insert(name, id) {
            None => Ok(()),
            Some(_) => Err(error(line, format!("the tensor map {shown} is declared twice"))),
        }
    }

    /// Parses `[-1, -1] to [0, 0]`, the corners of the box of pixels.
    fn im2col(&mut self) -> Result<Im2col> {
        let corner = |parser: &mut Self| {
            let line = parser.line();
            let number = parser.integer("a corner")?;
            i32::try_from(number).map_err(|_| error(line, format!("{number} is not the corner of a box of pixels")))
        };
        let lower = self.list("[", "]", corner)?;
        self.word("to")?;
        Ok(Im2col { lower, upper: self.list("[", "]", corner)? })
    }

    /// Parses `m: n`, the extent and stride of an axis.
    fn map_axis(&mut self) -> Result<MapAxis> {
        let extent = self.dim_formula()?;
        self.sign(":")?;
        Ok(MapAxis { extent, stride: self.dim_formula()?, step: 1 })
    }
}

/// A buffer, the name of another one and its line, and what that one is for it.
type Alias<'s> = (BufferId, super::super::lex::Name<'s>, u32, Refers);

/// What another buffer is for a buffer.
enum Refers {
    Alias,
    Rows,
}
