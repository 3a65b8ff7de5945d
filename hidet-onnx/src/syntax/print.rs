//! [`print`]: a model as text.

use super::{Constants, KINDS, MOST_SMALL, TYPE_WORDS, UNDEFINED, is_float, is_name};
use crate::array::Array;
use crate::build::kind;
use crate::error::{Error, Result};
use crate::proto::{
    AttributeProto, DimensionKind, DimensionProto, FunctionProto, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorTypeProto, TypeKind, TypeProto, ValueInfoProto,
};
use crate::{element, file};
use hidet::types::Scalar;
use std::fmt::Write;

/// How far each graph is indented more than that around it.
const INDENT: usize = 3;

/// Returns the text of a model.
///
/// # Errors
///
/// If it has something that the syntax does not have: sequences, maps, lists of graphs or tensors, and elements of types that hidet
/// does not have.
pub(crate) fn print(model: &ModelProto, constants: Constants) -> Result<String> {
    let Some(graph) = &model.graph else { return Err(Error::Invalid("it has no graph".to_owned())) };
    let mut printer = Printer { text: "<\n".to_owned(), indent: INDENT, constants };
    if let Some(version) = model.ir_version {
        printer.put(&format!("   ir_version: {version},\n"));
    }
    printer.put(&format!("   opset_import: {}\n>\n", imports(&model.opset_import)));
    let name = id(graph.name.as_deref().unwrap_or_default());
    printer.graph(&name, graph)?;
    printer.put("\n");
    for function in &model.functions {
        printer.function(function)?;
    }
    Ok(printer.text)
}

/// Returns a name, in quotes if it needs them.
fn id(name: &str) -> String {
    let is_word = TYPE_WORDS.contains(&name) || name == UNDEFINED || element::number(name).is_some();
    if is_name(name) && !is_word { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn ids(names: &[String]) -> String {
    names.iter().map(|name| id(name)).collect::<Vec<String>>().join(", ")
}

/// Returns the name of a graph inside of a node, which must not need quotes for other readers than this one. Nothing refers to it.
fn inner_name(name: &str) -> String {
    let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !is_name(&name) {
        name.insert(0, '_');
    }
    if is_float(&name) || id(&name) != name {
        name.push('_');
    }
    name
}

fn imports(imports: &[OperatorSetIdProto]) -> String {
    let import = |own: &OperatorSetIdProto| {
        format!("{} : {}", quoted(own.domain.as_deref().unwrap_or_default()), own.version.unwrap_or(0))
    };
    format!("[{}]", imports.iter().map(import).collect::<Vec<String>>().join(", "))
}

/// Returns a type with a space behind it, or nothing if none is known.
fn type_of(info: &ValueInfoProto) -> Result<String> {
    let failed = |why| Error::Invalid(format!("`{}`: {why}", info.name.as_deref().unwrap_or_default()));
    let Some(ty) = info.r#type.as_ref().filter(|ty| ty.value.is_some()) else { return Ok(String::new()) };
    Ok(r#type(ty).map_err(failed)? + " ")
}

fn r#type(ty: &TypeProto) -> std::result::Result<String, String> {
    let kind = match &ty.value {
        Some(TypeKind::Tensor(tensor)) => return tensor_type(tensor),
        Some(TypeKind::Optional(inner)) => {
            let unknown = TypeProto::default();
            return Ok(format!("optional({})", r#type(inner.elem_type.as_deref().unwrap_or(&unknown))?));
        }
        Some(TypeKind::Sequence(_)) => "a sequence",
        Some(TypeKind::Map(_)) => "a map",
        Some(TypeKind::SparseTensor(_)) => "a sparse tensor",
        None => "of an unknown type",
    };
    Err(format!("it is {kind}, which cannot be written as text"))
}

fn tensor_type(ty: &TensorTypeProto) -> std::result::Result<String, String> {
    let dim = |dim: &DimensionProto| match &dim.value {
        Some(DimensionKind::Value(value)) => value.to_string(),
        Some(DimensionKind::Name(name)) => id(name),
        None => "?".to_owned(),
    };
    let shape = ty.shape.as_ref().map(|shape| shape.dim.iter().map(dim).collect::<Vec<String>>());
    let word = match ty.elem_type.unwrap_or(0) {
        0 => UNDEFINED,
        number => element::name(number).ok_or_else(|| format!("there is no type of elements with number {number}"))?,
    };
    Ok(match shape {
        None => format!("{word}[]"),
        Some(shape) if shape.is_empty() => word.to_owned(),
        Some(shape) => format!("{word}[{}]", shape.join(",")),
    })
}

/// Returns a float such that it is read back, as short as possible.
macro_rules! float {
    ($number:expr) => {{
        let number = $number;
        match number.is_nan() {
            true if number.is_sign_negative() => "-nan".to_owned(),
            true => "nan".to_owned(),
            false => format!("{number:?}"),
        }
    }};
}

/// Returns all elements. Floats of 16 and 8 bits are their bits.
fn elements(array: &Array) -> String {
    let dtype = array.dtype();
    let spare = 64 - 8 * dtype.bytes() as u32;
    let element = |bits: u64| match dtype {
        Scalar::F32 => float!(f32::from_bits(bits as u32)),
        Scalar::F64 => float!(f64::from_bits(bits)),
        _ if dtype.is_signed_int() => (((bits << spare) as i64) >> spare).to_string(),
        _ => bits.to_string(),
    };
    let mut text = String::new();
    for (at, bits) in array.bits().enumerate() {
        text.push_str(if at == 0 { "" } else { "," });
        text.push_str(&element(bits));
    }
    text
}

/// A text that is written.
struct Printer {
    text: String,
    /// Spaces in front of the nodes of the graph.
    indent: usize,
    constants: Constants,
}

impl Printer {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Begins a line.
    fn line(&mut self, text: &str) {
        // Writing to a `String` does not fail.
        let _ = write!(self.text, "{:indent$}{text}", "", indent = self.indent);
    }

    fn graph(&mut self, name: &str, graph: &GraphProto) -> Result<()> {
        let infos = |all: &[ValueInfoProto]| -> Result<String> {
            let one = |own: &ValueInfoProto| Ok(type_of(own)? + &id(own.name.as_deref().unwrap_or_default()));
            Ok(all.iter().map(one).collect::<Result<Vec<String>>>()?.join(", "))
        };
        let (inputs, outputs) = (infos(&graph.input)?, infos(&graph.output)?);
        self.put(&format!("{name} ({inputs}) => ({outputs})"));
        let dense = |sparse| file::dense(sparse, None).map(|array| (sparse, array)).map_err(Error::Invalid);
        let sparse = graph.sparse_initializer.iter().map(dense).collect::<Result<Vec<_>>>()?;
        let sparse: Vec<TensorProto> = sparse
            .into_iter()
            .map(|(sparse, array)| {
                let name = sparse.values.as_ref().and_then(|values| values.name.clone()).unwrap_or_default();
                super::of_graph::tensor(&array, &name)
            })
            .collect();
        for (at, tensor) in graph.initializer.iter().chain(&sparse).enumerate() {
            self.put(if at == 0 { "\n" } else { ",\n" });
            self.line(if at == 0 { "<" } else { " " });
            self.tensor(tensor, true)?;
        }
        self.put(if graph.initializer.len() + sparse.len() == 0 { "" } else { ">\n" });
        self.nodes(&graph.node)
    }

    fn nodes(&mut self, nodes: &[NodeProto]) -> Result<()> {
        // A brace that begins a line is as far from its beginning as the one that closes it.
        if self.text.ends_with('\n') {
            self.indent -= INDENT;
            self.line("");
            self.indent += INDENT;
        } else {
            self.put(" ");
        }
        self.put("{\n");
        for node in nodes {
            self.node(node)?;
        }
        self.indent -= INDENT;
        self.line("}");
        self.indent += INDENT;
        Ok(())
    }

    fn node(&mut self, node: &NodeProto) -> Result<()> {
        let name = node.name.as_deref().unwrap_or_default();
        let op_type = node.op_type.as_deref().unwrap_or_default();
        let domain = node.domain.as_deref().filter(|domain| !domain.is_empty());
        let parts: Vec<String> = domain.iter().flat_map(|domain| domain.split('.')).chain([op_type]).map(id).collect();
        let overload = node.overload.as_deref().filter(|overload| !overload.is_empty());
        let overload = overload.map_or(String::new(), |overload| format!(":{}", id(overload)));
        let label = if name.is_empty() { String::new() } else { format!("[{}] ", id(name)) };
        self.line(&format!("{label}{} = {}{overload} ", ids(&node.output), parts.join(".")));
        let inputs = format!("({})", ids(&node.input));
        let failed = |error| match error {
            Error::Invalid(why) => Error::Invalid(format!("node `{name}` ({op_type}): {why}")),
            other => other,
        };
        if node.attribute.iter().any(|own| own.g.is_some()) {
            self.put(&inputs);
            self.put(" ");
            self.attributes(&node.attribute).map_err(failed)?;
        } else {
            let before = self.text.len();
            self.attributes(&node.attribute).map_err(failed)?;
            self.put(if self.text.len() == before { "" } else { " " });
            self.put(&inputs);
        }
        self.put("\n");
        Ok(())
    }

    /// Writes attributes that have a value.
    fn attributes(&mut self, attributes: &[AttributeProto]) -> Result<()> {
        let is_given = |own: &&AttributeProto| own.g.is_some() || reference(own).is_some() || kind(own) != 0;
        let mut close = "";
        for attribute in attributes.iter().filter(is_given) {
            self.put(if close.is_empty() { "<" } else { ", " });
            self.attribute(attribute)?;
            close = ">";
        }
        self.put(close);
        Ok(())
    }

    fn attribute(&mut self, attribute: &AttributeProto) -> Result<()> {
        let name = attribute.name.as_deref().unwrap_or_default();
        // A graph is one, whatever kind is given.
        let kind = if attribute.g.is_some() { 5 } else { kind(attribute) };
        self.put(&id(name));
        let Some((_, word, words)) = KINDS.iter().find(|(number, ..)| *number == kind) else {
            return match reference(attribute) {
                Some(of_call) if kind == 0 => {
                    self.put(&format!(" = @{}", id(of_call)));
                    Ok(())
                }
                _ => Err(Error::Invalid(format!("attribute `{name}` is of kind {kind}, which is not known"))),
            };
        };
        self.put(&format!(": {word} = "));
        if let Some(of_call) = reference(attribute) {
            self.put(&format!("@{}", id(of_call)));
            return Ok(());
        }
        let missing = || Error::Invalid(format!("attribute `{name}` has no value"));
        let text = |bytes: &[u8]| quoted(&String::from_utf8_lossy(bytes));
        let list = |all: Vec<String>| format!("[{}]", all.join(", "));
        let value = match kind {
            1 => float!(attribute.f.ok_or_else(missing)?),
            2 => attribute.i.ok_or_else(missing)?.to_string(),
            3 => text(attribute.s.as_ref().ok_or_else(missing)?),
            4 => return self.tensor(attribute.t.as_ref().ok_or_else(missing)?, false),
            5 => {
                let graph = attribute.g.as_ref().ok_or_else(missing)?;
                self.indent += INDENT;
                self.graph(&inner_name(graph.name.as_deref().unwrap_or_default()), graph)?;
                self.indent -= INDENT;
                return Ok(());
            }
            6 => list(attribute.floats.iter().map(|own| float!(*own)).collect()),
            7 => list(attribute.ints.iter().map(i64::to_string).collect()),
            8 => list(attribute.strings.iter().map(|own| text(own)).collect()),
            _ => {
                return Err(Error::Invalid(format!("attribute `{name}` is {words}, which cannot be written as text")));
            }
        };
        self.put(&value);
        Ok(())
    }

    /// Writes a tensor, which is an initializer or an attribute.
    fn tensor(&mut self, tensor: &TensorProto, is_initializer: bool) -> Result<()> {
        let name = tensor.name.as_deref().unwrap_or_default();
        let dtype = tensor.data_type.unwrap_or(0);
        let Some(word) = element::name(dtype) else {
            let why = format!("tensor `{name}`: there is no type of elements with number {dtype}");
            return Err(Error::Invalid(why));
        };
        self.put(word);
        if !tensor.dims.is_empty() {
            self.put(&format!("[{}]", tensor.dims.iter().map(i64::to_string).collect::<Vec<String>>().join(",")));
        }
        // Nothing refers to the name of an attribute, and other readers refuse one in quotes.
        self.put(&if is_initializer { format!(" {} = ", id(name)) } else { " ".to_owned() });
        if tensor.data_location.unwrap_or(0) == 1 {
            let text = |text: &Option<String>| quoted(text.as_deref().unwrap_or_default());
            let entries = tensor.external_data.iter();
            let entries: Vec<String> = entries.map(|own| format!("{}: {}", text(&own.key), text(&own.value))).collect();
            self.put(&format!("[{}]", entries.join(", ")));
            return Ok(());
        }
        let count = tensor.dims.iter().try_fold(1usize, |all, dim| all.checked_mul(usize::try_from(*dim).ok()?));
        let is_small = count.is_none_or(|count| count <= MOST_SMALL);
        if self.constants == Constants::Small && !is_small {
            self.put("{..}");
            return Ok(());
        }
        let array = file::array(tensor, None).map_err(Error::Invalid)?;
        self.put("{");
        self.put(&elements(&array));
        self.put("}");
        Ok(())
    }

    fn function(&mut self, function: &FunctionProto) -> Result<()> {
        self.put(&format!("\n<\n   domain: {},\n", quoted(function.domain.as_deref().unwrap_or_default())));
        if let Some(overload) = function.overload.as_deref().filter(|overload| !overload.is_empty()) {
            self.put(&format!("   overload: {},\n", quoted(overload)));
        }
        self.put(&format!("   opset_import: {}\n>\n", imports(&function.opset_import)));
        self.put(&format!("{} ", id(function.name.as_deref().unwrap_or_default())));
        if !function.attribute.is_empty() || !function.attribute_proto.is_empty() {
            self.put(&format!("<{}", ids(&function.attribute)));
            for (at, default) in function.attribute_proto.iter().enumerate() {
                self.put(if at == 0 && function.attribute.is_empty() { "" } else { ", " });
                self.attribute(default)?;
            }
            self.put("> ");
        }
        self.put(&format!("({}) => ({})\n", ids(&function.input), ids(&function.output)));
        self.nodes(&function.node)?;
        self.put("\n");
        Ok(())
    }
}

/// Returns the attribute of a function's call that is the value of one of its nodes.
fn reference(attribute: &AttributeProto) -> Option<&str> {
    attribute.ref_attr_name.as_deref().filter(|name| !name.is_empty())
}
