//! Prints a function: its header, and the names of handles.

mod mapping;
mod stmt;

use super::layout;
use super::names::{escape, unique};
use crate::ir::{
    Access, Buffer, BufferId, Entries, Function, Handle, Im2col, LoopId, MapAxis, MapId, Param, Relation, Scope, Stmt,
    StmtId, Swizzle, TensorMap, ValueId, VarId,
};
use crate::types::Type;
use hidet_mapping::IndexExpr;
use std::collections::HashSet;
use std::fmt::Write;

/// Prints a function.
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
    /// The loops that are targets of jumps.
    targets: HashSet<LoopId>,
    spans: bool,
    /// The statements being printed: a statement inside of itself is invalid, and must not be printed forever.
    open: HashSet<StmtId>,
    indent: usize,
    out: String,
}

/// Returns the name; a handle that names no item prints as `%?`, which cannot be read back.
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
        expr.text(&self.symbol())
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
            let text = format!("map {} = {}{}", self.map(id), self.buffer(map.buffer), self.map_geometry(map));
            self.line(&text);
        }
        self.block(&f.body);
        self.indent -= 1;
        self.line("}");
    }

    /// Prints what follows the buffer of a tensor map; axes that are those of the buffer are omitted.
    fn map_geometry(&self, map: &TensorMap) -> String {
        let mut text = String::new();
        if map.offset != 0.into() {
            let _ = write!(text, " offset {}", self.formula(&map.offset));
        }
        let own = self.f.buffers.get(map.buffer).and_then(|buffer| TensorMap::axes(&buffer.layout));
        let plain: Vec<MapAxis> = map.axes.iter().map(|axis| MapAxis { step: 1, ..axis.clone() }).collect();
        if own.as_ref() != Some(&plain) {
            let axes =
                map.axes.iter().map(|axis| format!("{}: {}", self.formula(&axis.extent), self.formula(&axis.stride)));
            let _ = write!(text, " axes [{}]", axes.collect::<Vec<_>>().join(", "));
        }
        let _ = write!(text, " tile {:?}", map.tile);
        if let Some(Im2col { lower, upper }) = &map.im2col {
            let _ = write!(text, " im2col {lower:?} to {upper:?}");
        }
        if plain != map.axes {
            let steps: Vec<u32> = map.axes.iter().map(|axis| axis.step).collect();
            let _ = write!(text, " step {steps:?}");
        }
        let _ = write!(text, " swizzle {}", swizzle_name(map.swizzle));
        text
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
                // The name of the parameter is that of its value, unless one of them was renamed.
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
        if let Some(Entries { rows }) = buffer.entries {
            text.push_str(" table");
            rows.iter().for_each(|rows| text.push_str(&format!(" {}", self.buffer(*rows))));
        }
        text
    }
}

/// Returns the buffers that are parameters.
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
        Access::PartialOut => "out partial",
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
