//! From a function to its text.

use super::names::{escape, unique};
use super::{constant, index, layout};
use crate::ir::{
    Access, Arg, AsmOperand, Block, Buffer, BufferId, Extent, Format, Function, Handle, LoopId, MapId, Mapping,
    MappingAtom, Op, Param, PrintPiece, Relation, Scope, Stmt, StmtId, Swizzle, Unroll, ValueId, VarId,
};
use crate::types::Type;
use hidet_mapping::IndexExpr;
use std::collections::HashSet;
use std::fmt::Write;

/// The text of a function.
pub(super) fn print(function: &Function, spans: bool) -> String {
    let f = &function.compacted();
    let mut targets = HashSet::new();
    f.stmts.iter().for_each(|(_, stmt)| {
        if let Stmt::Break(label) | Stmt::Continue(label) = stmt {
            targets.insert(*label);
        }
    });
    let mut printer = Printer {
        f,
        dims: unique("", f.dims.iter().map(|(_, dim)| dim.name.as_str())),
        values: unique("%", f.values.iter().map(|(_, value)| value.name.as_str())),
        vars: unique("$", f.vars.iter().map(|(_, var)| var.name.as_str())),
        buffers: unique("@", f.buffers.iter().map(|(_, buffer)| buffer.name.as_str())),
        loops: unique("'", f.loops.iter().map(|(_, label)| label.name.as_str())),
        targets,
        spans,
        open: HashSet::new(),
        indent: 0,
        out: String::new(),
    };
    printer.function();
    printer.out
}

struct Printer<'a> {
    f: &'a Function,
    dims: Vec<String>,
    values: Vec<String>,
    vars: Vec<String>,
    buffers: Vec<String>,
    loops: Vec<String>,
    /// The loops that some jump names.
    targets: HashSet<LoopId>,
    spans: bool,
    /// The statements being printed: one inside of itself is invalid, and must not be printed for ever.
    open: HashSet<StmtId>,
    indent: usize,
    out: String,
}

/// A handle that names nothing prints as `%?`, which is not read back.
fn name_of(names: &[String], index: usize, sigil: &str) -> String {
    names.get(index).cloned().unwrap_or_else(|| format!("{sigil}?"))
}

impl Printer<'_> {
    fn value(&self, value: ValueId) -> String {
        name_of(&self.values, value.index(), "%")
    }
    fn typed(&self, value: ValueId) -> String {
        let ty = self.f.values.get(value).map_or(Type::I32, |value| value.ty);
        format!("{}: {ty}", self.value(value))
    }
    fn var(&self, var: VarId) -> String {
        name_of(&self.vars, var.index(), "$")
    }
    fn buffer(&self, buffer: BufferId) -> String {
        name_of(&self.buffers, buffer.index(), "@")
    }
    fn map(&self, map: MapId) -> String {
        format!("#{}", map.index())
    }
    fn label(&self, label: LoopId) -> String {
        name_of(&self.loops, label.index(), "'")
    }
    fn values(&self, values: &[ValueId]) -> String {
        values.iter().map(|value| self.value(*value)).collect::<Vec<_>>().join(", ")
    }
    fn address(&self, buffer: BufferId, index: &[ValueId]) -> String {
        format!("{}[{}]", self.buffer(buffer), self.values(index))
    }
    fn symbol(&self) -> impl Fn(u32) -> String {
        |symbol| name_of(&self.dims, symbol as usize, "")
    }
    fn formula(&self, expr: &IndexExpr) -> String {
        index::print(expr, &self.symbol())
    }

    fn line(&mut self, text: &str) {
        let indent = self.indent;
        let _ = writeln!(self.out, "{:indent$}{text}", "", indent = 2 * indent);
    }

    fn function(&mut self) {
        let f = self.f;
        let mut head = format!("kernel {}", escape(&f.name));
        if !f.dims.is_empty() {
            let _ = write!(head, "<{}>", self.dims.join(", "));
        }
        let params: Vec<String> = f.params.iter().map(|param| self.param(param)).collect();
        let one_line = format!("{head}({})", params.join(", "));
        if one_line.len() <= 110 {
            self.line(&one_line);
        } else {
            self.line(&format!("{head}("));
            params.iter().for_each(|param| self.line(&format!("  {param},")));
            self.line(")");
        }
        let grid: Vec<String> = f.launch.grid.iter().map(|extent| self.formula(extent)).collect();
        self.line(&format!("grid ({})", grid.join(", ")));
        let [x, y, z] = f.launch.block;
        self.line(&format!("block ({x}, {y}, {z})"));
        if f.launch.cluster != [1; 3] {
            let [x, y, z] = f.launch.cluster;
            self.line(&format!("cluster ({x}, {y}, {z})"));
        }
        if f.launch.cooperative {
            self.line("cooperative");
        }
        if f.launch.dependent {
            self.line("dependent");
        }
        if f.launch.min_blocks != 0 {
            self.line(&format!("min_blocks {}", f.launch.min_blocks));
        }
        for constraint in &f.constraints {
            let relation = relation_name(constraint.relation);
            let (left, right) = (self.formula(&constraint.left), self.formula(&constraint.right));
            self.line(&format!("where {left} {relation} {right} {:?}", constraint.message));
        }
        if self.spans && !f.files.is_empty() {
            self.line(&format!("files {:?}", f.files));
        }
        self.line("{");
        self.indent += 1;
        let params: HashSet<BufferId> = param_buffers(f).collect();
        for (id, buffer) in f.buffers.iter().filter(|(id, _)| !params.contains(id)) {
            let text = format!("{} {}: {}", buffer.scope.name(), self.buffer(id), self.buffer_type(buffer));
            self.line(&text);
        }
        for (id, map) in f.maps.iter() {
            let swizzle = swizzle_name(map.swizzle);
            let text =
                format!("map {} = {} tile {:?} swizzle {swizzle}", self.map(id), self.buffer(map.buffer), map.tile);
            self.line(&text);
        }
        self.block(&f.body);
        self.indent -= 1;
        self.line("}");
    }

    fn param(&self, param: &Param) -> String {
        match param {
            Param::Tensor { buffer: id, access } => match self.f.buffers.get(*id) {
                Some(buffer) => {
                    let scope = match buffer.scope {
                        Scope::Global => String::new(),
                        other => format!("{} ", other.name()),
                    };
                    let access = access_name(*access);
                    format!("{}: {access} {scope}{}", self.buffer(*id), self.buffer_type(buffer))
                }
                None => "@?".to_owned(),
            },
            Param::Scalar { name, value } => match self.f.values.get(*value) {
                // The name of the parameter is that of its value, unless somebody renamed one of them.
                Some(known) if known.name == *name => self.typed(*value),
                _ => format!("{} as {name:?}", self.typed(*value)),
            },
        }
    }

    fn buffer_type(&self, buffer: &Buffer) -> String {
        let symbol = self.symbol();
        let mut text = format!("{}{}", buffer.elem, layout::print_shape(&buffer.shape, &symbol));
        if buffer.layout != layout::row(&buffer.shape) {
            let _ = write!(text, " layout {}", layout::print(&buffer.layout, &symbol));
        }
        if buffer.align as usize != buffer.elem.bytes() {
            let _ = write!(text, " align {}", buffer.align);
        }
        if let Some(alias) = buffer.alias {
            let _ = write!(text, " alias {}", self.buffer(alias));
        }
        text
    }

    fn block(&mut self, block: &Block) {
        for &id in &block.0 {
            match self.f.stmts.get(id) {
                Some(stmt) if self.open.insert(id) => {
                    self.stmt(id, stmt);
                    self.open.remove(&id);
                }
                Some(_) => self.line("; a statement inside of itself"),
                None => self.line("; no such statement"),
            }
        }
    }

    /// ` !file:line:column`, where wanted.
    fn span(&self, id: StmtId) -> String {
        let span = self.f.spans[id];
        if self.spans && span != Default::default() {
            format!(" !{}:{}:{}", span.file, span.line, span.column)
        } else {
            String::new()
        }
    }

    /// `head { body }`
    fn nest(&mut self, id: StmtId, head: &str, body: &Block) {
        let span = self.span(id);
        self.line(&format!("{head}{span} {{"));
        self.indent += 1;
        self.block(body);
        self.indent -= 1;
        self.line("}");
    }

    fn stmt(&mut self, id: StmtId, stmt: &Stmt) {
        let text = match stmt {
            Stmt::Let { value, op } => format!("{} = {}", self.typed(*value), self.op(*value, op)),
            Stmt::Declare { var, init } => {
                let ty = self.f.vars.get(*var).map_or(Type::I32, |var| var.ty);
                let init = init.map_or(String::new(), |value| format!(" = {}", self.value(value)));
                format!("var {}: {ty}{init}", self.var(*var))
            }
            Stmt::Assign { var, value } => format!("{} = {}", self.var(*var), self.value(*value)),
            Stmt::Store { buffer, index, value, guard } => {
                let guard = if *guard { ".guard" } else { "" };
                format!("store{guard} {} = {}", self.address(*buffer, index), self.value(*value))
            }
            Stmt::If { cond, then, otherwise } => {
                let head = format!("if {}", self.value(*cond));
                self.nest(id, &head, then);
                if !otherwise.0.is_empty() {
                    self.out.truncate(self.out.trim_end().len());
                    self.out.push_str(" else {\n");
                    self.indent += 1;
                    self.block(otherwise);
                    self.indent -= 1;
                    self.line("}");
                }
                return;
            }
            Stmt::For { label, index, start, end, step, unroll, body } => {
                let range = format!("{}..{} step {}", self.value(*start), self.value(*end), self.value(*step));
                let unroll = match unroll {
                    Unroll::Auto => String::new(),
                    other => format!(" unroll {}", unroll_name(*other)),
                };
                let head = format!("{}for {} in {range}{unroll}", self.loop_start(*label), self.typed(*index));
                return self.nest(id, &head, body);
            }
            Stmt::ForTask { label, mapping, worker, task, body } => {
                let task: Vec<String> = task.iter().map(|value| self.typed(*value)).collect();
                let (mapping, worker) = (self.mapping(mapping), self.value(*worker));
                let head = format!("{}for ({}) in {mapping} on {worker}", self.loop_start(*label), task.join(", "));
                return self.nest(id, &head, body);
            }
            Stmt::Loop { label, body } => {
                let head = format!("{}loop", self.loop_start(*label));
                return self.nest(id, &head, body);
            }
            Stmt::Break(label) => format!("break {}", self.label(*label)),
            Stmt::Continue(label) => format!("continue {}", self.label(*label)),
            Stmt::Return => "return".to_owned(),
            Stmt::Group { first, threads, body } => {
                return self.nest(id, &format!("group first {first} threads {threads}"), body);
            }
            Stmt::Call { intrinsic, args, result } => {
                let result = result.map_or(String::new(), |value| format!("{} = ", self.typed(value)));
                let args: Vec<String> = args.iter().map(|arg| self.arg(arg)).collect();
                format!("{result}call {}({})", intrinsic.row().name, args.join(", "))
            }
            Stmt::Check { buffer, index, tile, shape } => {
                let alone = tile.len() == index.len() && tile.iter().all(|extent| *extent == 1);
                let tile = if alone { String::new() } else { format!(" tile {tile:?}") };
                let shape = layout::print_shape(shape, &self.symbol());
                format!("check {}{tile} in {shape}", self.address(*buffer, index))
            }
            Stmt::Align { buffer, index, bytes } => format!("align {} to {bytes}", self.address(*buffer, index)),
            Stmt::Assert { cond, message } => format!("assert {}, {message:?}", self.value(*cond)),
            Stmt::Print { pieces } => {
                let pieces: Vec<String> = pieces.iter().map(|piece| self.piece(piece)).collect();
                format!("print({})", pieces.join(", "))
            }
            Stmt::Asm { template, operands } => {
                let operands: Vec<String> = operands.iter().map(|operand| self.asm_operand(operand)).collect();
                format!("asm {template:?} ({})", operands.join(", "))
            }
        };
        let span = self.span(id);
        self.line(&format!("{text}{span}"));
    }

    /// `'label: `, where the label says something.
    fn loop_start(&self, label: LoopId) -> String {
        let unnamed = self.f.loops.get(label).is_some_and(|label| label.name.is_empty());
        if unnamed && !self.targets.contains(&label) { String::new() } else { format!("{}: ", self.label(label)) }
    }

    fn op(&self, result: ValueId, op: &Op) -> String {
        match op {
            Op::Const(constant) => {
                let text = constant::print(*constant);
                let ty = Type::from(constant.scalar);
                // The type of the constant is that of the value, but in invalid functions.
                match self.f.values.get(result).is_some_and(|value| value.ty == ty) {
                    true => format!("const {text}"),
                    false => format!("const {ty} {text}"),
                }
            }
            Op::Dim(dim) => format!("dim {}", name_of(&self.dims, dim.index(), "")),
            Op::Special(special) => special.name().to_owned(),
            Op::Read(var) => format!("read {}", self.var(*var)),
            Op::Load { buffer, index, guard } => {
                let guard = if *guard { ".guard" } else { "" };
                format!("load{guard} {}", self.address(*buffer, index))
            }
            Op::Unary(op, a) => format!("{} {}", op.name(), self.value(*a)),
            Op::Binary(op, a, b) => format!("{} {}", op.name(), self.values(&[*a, *b])),
            Op::Compare(op, a, b) => format!("{} {}", op.name(), self.values(&[*a, *b])),
            Op::Select(a, b, c) => format!("select {}", self.values(&[*a, *b, *c])),
            Op::Fma(a, b, c) => format!("fma {}", self.values(&[*a, *b, *c])),
            Op::Cast(a) => format!("cast {}", self.value(*a)),
            Op::Bitcast(a) => format!("bitcast {}", self.value(*a)),
            Op::Vector(values) => format!("vector({})", self.values(values)),
            Op::Extract(a, lane) => format!("extract {}, {lane}", self.value(*a)),
        }
    }

    fn arg(&self, arg: &Arg) -> String {
        match arg {
            Arg::Value(value) => self.value(*value),
            Arg::Address { buffer, index } => self.address(*buffer, index),
            Arg::Imm(number) => number.to_string(),
            Arg::Map(map) => self.map(*map),
        }
    }

    fn piece(&self, piece: &PrintPiece) -> String {
        match piece {
            PrintPiece::Text(text) => format!("{text:?}"),
            PrintPiece::Value { value, format } if *format == Format::default() => self.value(*value),
            PrintPiece::Value { value, format } => format!("{} as {:?}", self.value(*value), format.to_string()),
        }
    }

    fn asm_operand(&self, operand: &AsmOperand) -> String {
        match operand {
            AsmOperand::In(value) => format!("in {}", self.value(*value)),
            AsmOperand::Out(value) => format!("out {}", self.typed(*value)),
            AsmOperand::Address { buffer, index } => format!("address {}", self.address(*buffer, index)),
        }
    }

    fn mapping(&self, mapping: &Mapping) -> String {
        let atoms: Vec<String> = mapping.atoms.iter().map(|atom| self.atom(atom)).collect();
        if atoms.is_empty() { "empty".to_owned() } else { atoms.join(" * ") }
    }

    fn atom(&self, atom: &MappingAtom) -> String {
        let extents = |shape: &[Extent]| {
            let extents: Vec<String> = shape
                .iter()
                .map(|extent| match extent {
                    Extent::Const(number) => number.to_string(),
                    Extent::Value(value) => self.value(*value),
                })
                .collect();
            format!("[{}]", extents.join(", "))
        };
        let order = |ranks: &[u8], rank: usize| match ranks.iter().copied().eq((0..=u8::MAX).take(rank)) {
            true => String::new(),
            false => format!(" ranks{ranks:?}"),
        };
        let gone = |projected: &[bool], rank: usize| {
            if projected.len() == rank && !projected.contains(&true) {
                return String::new();
            }
            let axes: Vec<&str> = projected.iter().map(|gone| if *gone { "1" } else { "0" }).collect();
            format!(" projected[{}]", axes.join(", "))
        };
        match atom {
            MappingAtom::Spatial { shape, ranks, projected } => {
                let rank = shape.len();
                format!("spatial{}{}{}", extents(shape), order(ranks, rank), gone(projected, rank))
            }
            MappingAtom::Repeat { shape, ranks, unroll, projected } => {
                let mut text = format!("repeat{}{}", extents(shape), order(ranks, shape.len()));
                if unroll.len() != shape.len() || unroll.iter().any(|unroll| *unroll != Unroll::Auto) {
                    let unroll: Vec<String> = unroll.iter().map(|unroll| unroll_name(*unroll)).collect();
                    let _ = write!(text, " unroll[{}]", unroll.join(", "));
                }
                text.push_str(&gone(projected, shape.len()));
                text
            }
            MappingAtom::Custom { workers, shape, tasks } => {
                let symbol = |symbol| if symbol == 0 { "worker".to_owned() } else { "?".to_owned() };
                let tasks: Vec<String> = tasks
                    .iter()
                    .map(|task| {
                        let axes: Vec<String> = task.iter().map(|axis| index::print(axis, &symbol)).collect();
                        format!("({})", axes.join(", "))
                    })
                    .collect();
                format!("custom{shape:?} workers {workers} tasks [{}]", tasks.join(", "))
            }
        }
    }
}

/// The buffers that are parameters.
fn param_buffers(f: &Function) -> impl Iterator<Item = BufferId> {
    f.params.iter().filter_map(|param| match param {
        Param::Tensor { buffer, .. } => Some(*buffer),
        Param::Scalar { .. } => None,
    })
}

fn relation_name(relation: Relation) -> &'static str {
    match relation {
        Relation::Equal => "==",
        Relation::Less => "<",
        Relation::LessEqual => "<=",
        Relation::MultipleOf => "multiple_of",
    }
}

fn access_name(access: Access) -> &'static str {
    match access {
        Access::In => "in",
        Access::Out => "out",
        Access::InOut => "inout",
    }
}

fn swizzle_name(swizzle: Swizzle) -> &'static str {
    match swizzle {
        Swizzle::None => "none",
        Swizzle::B32 => "b32",
        Swizzle::B64 => "b64",
        Swizzle::B128 => "b128",
    }
}

fn unroll_name(unroll: Unroll) -> String {
    match unroll {
        Unroll::Auto => "auto".to_owned(),
        Unroll::Never => "never".to_owned(),
        Unroll::Full => "full".to_owned(),
        Unroll::By(times) => times.to_string(),
        Unroll::Explicit => "explicit".to_owned(),
    }
}
