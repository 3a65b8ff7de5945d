//! Changed models: bytes of their files, and fields of their messages.

#![allow(dead_code, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use crate::maker::Random;
use crate::proto::{
    AttributeProto, DimensionKind, GraphProto, ModelProto, NodeProto, TensorProto, TypeKind, TypeProto, ValueInfoProto,
};
use prost::Message;
use prost::bytes::Bytes;

/// Integers at which something may change.
const INTEGERS: [i64; 16] =
    [-1, 0, 1, 2, 3, 7, -2, 1 << 16, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 40, -(1 << 40), i64::MAX, i64::MIN, 1000];

const FLOATS: [f32; 8] = [0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, 1e-30, 0.5];

/// Operators that a node may become, beside those of the model.
const OPERATORS: [&str; 20] = [
    "Add",
    "Attention",
    "BatchNormalization",
    "Cast",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "Expand",
    "Gemm",
    "If",
    "Loop",
    "MatMul",
    "Range",
    "Reshape",
    "Scan",
    "Slice",
    "Softmax",
    "Split",
    "Transpose",
];

/// Returns the bytes of a model with one to three changes.
pub fn mutated(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    if random.once_in(4) {
        return bytes_of(bytes, &mut random);
    }
    let mut model = ModelProto::decode(bytes).unwrap();
    for _ in 0..random.below(3) + 1 {
        change(&mut model, &mut random);
    }
    let bytes = model.encode_to_vec();
    if random.once_in(16) { bytes_of(&bytes, &mut random) } else { bytes }
}

/// Changes, removes or repeats bytes.
fn bytes_of(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let begin = random.below(bytes.len());
    let end = (begin + 1 + random.below(32)).min(bytes.len());
    match random.below(4) {
        0 => changed.truncate(begin),
        1 => drop(changed.drain(begin..end)),
        2 => drop(changed.splice(begin..begin, bytes[begin..end].to_vec())),
        _ => (0..random.below(4) + 1).for_each(|_| changed[random.below(bytes.len())] ^= 1 + random.below(255) as u8),
    }
    changed
}

fn integer(random: &mut Random) -> i64 {
    if random.once_in(4) { random.below(64) as i64 - 8 } else { random.one(&INTEGERS) }
}

/// Returns one element of a list to be changed.
fn of<'a, T>(list: &'a mut [T], random: &mut Random) -> Option<&'a mut T> {
    if list.is_empty() { None } else { Some(&mut list[random.below(list.len())]) }
}

fn change(model: &mut ModelProto, random: &mut Random) {
    if random.once_in(24) {
        if let Some(import) = of(&mut model.opset_import, random) {
            match random.below(3) {
                0 => import.domain = Some("local".to_owned()),
                _ => import.version = Some(random.below(40) as i64 - 2),
            }
        }
        return;
    }
    if random.once_in(8) {
        if let Some(function) = of(&mut model.functions, random) {
            let names = function.input.clone();
            if let Some(node) = of(&mut function.node, random) {
                of_node(node, &names, random);
            }
            return;
        }
    }
    let Some(graph) = &mut model.graph else { return };
    of_graph(graph, random, 0);
}

/// Changes a graph, or one inside of its nodes.
fn of_graph(graph: &mut GraphProto, random: &mut Random, depth: usize) {
    let whole = (graph.encoded_len() < 1 << 16).then(|| graph.clone());
    let inner = graph.node.iter_mut().flat_map(|node| &mut node.attribute).filter_map(|own| own.g.as_mut());
    let mut inner: Vec<&mut GraphProto> = inner.collect();
    if depth < 8 && !inner.is_empty() && random.once_in(2) {
        return of_graph(of(&mut inner, random).unwrap(), random, depth + 1);
    }
    let mut names: Vec<String> = graph.node.iter().flat_map(|node| node.output.iter().cloned()).collect();
    names.extend(graph.initializer.iter().filter_map(|own| own.name.clone()));
    names.extend(graph.input.iter().filter_map(|own| own.name.clone()));
    match random.below(16) {
        0..=6 => {
            if let Some(node) = of(&mut graph.node, random) {
                of_node(node, &names, random);
            }
        }
        7 if !graph.node.is_empty() => drop(graph.node.remove(random.below(graph.node.len()))),
        8 => {
            let copy = of(&mut graph.node, random).map(|node| node.clone());
            graph.node.extend(copy);
        }
        9..=11 => {
            if let Some(tensor) = of(&mut graph.initializer, random) {
                of_tensor(tensor, random);
            }
        }
        12 => {
            if let Some(info) = of(&mut graph.input, random) {
                of_info(info, &names, random);
            }
        }
        13 => match of(&mut graph.output, random) {
            Some(info) if random.below(4) > 0 => of_info(info, &names, random),
            _ => graph.output.clear(),
        },
        14 => {
            if let (Some(node), Some(whole)) = (of(&mut graph.node, random), whole) {
                let name = random.one(&["body", "then_branch", "else_branch", "x"]).to_owned();
                node.attribute.push(AttributeProto {
                    name: Some(name),
                    g: Some(whole),
                    r#type: Some(5),
                    ..Default::default()
                });
            }
        }
        _ => {
            let tensor = of(&mut graph.initializer, random).map(|own| own.clone());
            graph.initializer.extend(tensor);
        }
    }
}

fn of_node(node: &mut NodeProto, names: &[String], random: &mut Random) {
    let name = |random: &mut Random| match random.below(6) {
        0 | 5 if names.is_empty() => "none".to_owned(),
        0 => String::new(),
        1 => "none".to_owned(),
        _ if names.is_empty() => "none".to_owned(),
        _ => random.one(names),
    };
    match random.below(10) {
        0..=4 if !node.attribute.is_empty() => {
            if random.once_in(8) {
                node.attribute.remove(random.below(node.attribute.len()));
            } else if let Some(attribute) = of(&mut node.attribute, random) {
                of_attribute(attribute, random);
            }
        }
        0 | 5 => {
            let new = name(random);
            match of(&mut node.input, random) {
                Some(input) => *input = new,
                None => node.input.push(new),
            }
        }
        1 => node.input.truncate(random.below(node.input.len() + 1)),
        2 => node.input.push(name(random)),
        6 => {
            let new = name(random);
            if let Some(output) = of(&mut node.output, random) {
                *output = new;
            }
        }
        7 => node.output.truncate(random.below(node.output.len() + 1)),
        8 => node.output.push(name(random)),
        3 => node.domain = Some(random.one(&["local", "hidet", "ai.onnx", ""]).to_owned()),
        _ => node.op_type = Some(random.one(&OPERATORS).to_owned()),
    }
}

fn of_attribute(attribute: &mut AttributeProto, random: &mut Random) {
    match random.below(10) {
        0 => attribute.r#type = Some(random.below(16) as i32),
        1 => attribute.name = Some(random.one(&["axis", "perm", "to", "epsilon", "kernel_shape", "x"]).to_owned()),
        2 => attribute.ints.push(integer(random)),
        3 => drop(attribute.ints.pop()),
        _ if attribute.i.is_some() => attribute.i = Some(integer(random)),
        _ if attribute.f.is_some() => attribute.f = Some(random.one(&FLOATS)),
        _ if attribute.s.is_some() => attribute.s = Some(random.one(&["", "SAME_UPPER", "none", "\u{fffd}"]).into()),
        _ if attribute.t.is_some() => attribute.t.iter_mut().for_each(|tensor| of_tensor(tensor, random)),
        _ => {
            let number = integer(random);
            of(&mut attribute.ints, random).into_iter().for_each(|own| *own = number);
            let float = random.one(&FLOATS);
            of(&mut attribute.floats, random).into_iter().for_each(|own| *own = float);
        }
    }
}

fn of_tensor(tensor: &mut TensorProto, random: &mut Random) {
    let number = integer(random);
    match random.below(8) {
        0 => of(&mut tensor.dims, random).into_iter().for_each(|dim| *dim = number),
        1 => tensor.dims.push(number),
        2 => drop(tensor.dims.pop()),
        3 => tensor.data_type = Some(random.below(30) as i32),
        4 => tensor.data_location = Some(random.below(3) as i32),
        _ => {
            of(&mut tensor.int64_data, random).into_iter().for_each(|own| *own = number);
            of(&mut tensor.int32_data, random).into_iter().for_each(|own| *own = number as i32);
            let float = random.one(&FLOATS);
            of(&mut tensor.float_data, random).into_iter().for_each(|own| *own = float);
            if let Some(raw) = &tensor.raw_data {
                let mut raw = raw.to_vec();
                match raw.len() {
                    // Numbers of 64 bits as a whole: they may be extents.
                    len if len >= 8 && tensor.data_type == Some(7) => {
                        let at = random.below(len / 8) * 8;
                        raw[at..at + 8].copy_from_slice(&number.to_le_bytes());
                    }
                    0 => raw.push(0),
                    len if random.once_in(2) => raw[random.below(len)] ^= 1 + random.below(255) as u8,
                    len => raw.truncate(random.below(len)),
                }
                tensor.raw_data = Some(Bytes::from(raw));
            }
        }
    }
}

fn of_info(info: &mut ValueInfoProto, names: &[String], random: &mut Random) {
    match &mut info.r#type {
        Some(TypeProto { value: Some(TypeKind::Tensor(tensor)) }) if random.below(3) > 0 => {
            let number = integer(random);
            match (&mut tensor.shape, random.once_in(3)) {
                (Some(shape), false) => {
                    let dim = of(&mut shape.dim, random);
                    dim.into_iter().for_each(|dim| dim.value = Some(DimensionKind::Value(number)));
                }
                _ => tensor.elem_type = Some(random.below(30) as i32),
            }
        }
        _ if !names.is_empty() => info.name = Some(random.one(names)),
        _ => info.name = None,
    }
}
