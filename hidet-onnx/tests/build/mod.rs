//! Small models as bytes: the fields of their messages, written one by one.

#![allow(dead_code, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use prost::encoding::{WireType, encode_key, encode_varint};

/// A message as bytes.
#[derive(Clone, Default)]
pub struct Message(Vec<u8>);

impl Message {
    fn int(mut self, tag: u32, value: i64) -> Message {
        encode_key(tag, WireType::Varint, &mut self.0);
        encode_varint(value as u64, &mut self.0);
        self
    }

    fn bytes(mut self, tag: u32, value: &[u8]) -> Message {
        encode_key(tag, WireType::LengthDelimited, &mut self.0);
        encode_varint(value.len() as u64, &mut self.0);
        self.0.extend_from_slice(value);
        self
    }

    fn text(self, tag: u32, value: &str) -> Message {
        self.bytes(tag, value.as_bytes())
    }
}

/// A node.
#[derive(Clone)]
pub struct Node(Message);

/// Returns a node of the standard's operators.
pub fn node(op_type: &str, inputs: &[&str], outputs: &[&str]) -> Node {
    let message = inputs.iter().fold(Message::default(), |message, name| message.text(1, name));
    Node(outputs.iter().fold(message, |message, name| message.text(2, name)).text(4, op_type))
}

impl Node {
    pub fn named(self, name: &str) -> Node {
        Node(self.0.text(3, name))
    }

    pub fn of(self, domain: &str) -> Node {
        Node(self.0.text(7, domain))
    }

    pub fn int(self, name: &str, value: i64) -> Node {
        let attribute = Message::default().text(1, name).int(3, value).int(20, 2);
        Node(self.0.bytes(5, &attribute.0))
    }

    pub fn ints(self, name: &str, values: &[i64]) -> Node {
        let attribute = Message::default().text(1, name).int(20, 7);
        Node(self.0.bytes(5, &values.iter().fold(attribute, |message, value| message.int(8, *value)).0))
    }

    pub fn text(self, name: &str, value: &str) -> Node {
        Node(self.0.bytes(5, &Message::default().text(1, name).text(4, value).int(20, 3).0))
    }

    pub fn float(self, name: &str, value: f32) -> Node {
        let mut attribute = Message::default().text(1, name).int(20, 1);
        encode_key(2, WireType::ThirtyTwoBit, &mut attribute.0);
        attribute.0.extend_from_slice(&value.to_le_bytes());
        Node(self.0.bytes(5, &attribute.0))
    }

    /// An attribute that is a tensor.
    pub fn tensor(self, name: &str, value: &Message) -> Node {
        Node(self.0.bytes(5, &Message::default().text(1, name).bytes(5, &value.0).int(20, 4).0))
    }

    /// An attribute that is a graph.
    pub fn graph(self, name: &str, value: &Graph) -> Node {
        Node(self.0.bytes(5, &Message::default().text(1, name).bytes(6, &value.message.0).int(20, 5).0))
    }

    /// An attribute that is one of the function's call.
    pub fn reference(self, name: &str, of_call: &str) -> Node {
        let attribute = Message::default().text(1, name).text(21, of_call).int(20, 1);
        Node(self.0.bytes(5, &attribute.0))
    }
}

fn extents(dims: &[i64]) -> Message {
    dims.iter().fold(Message::default(), |message, dim| message.int(1, *dim))
}

/// Returns a tensor of floats, whose extents need not fit.
pub fn tensor(name: &str, dims: &[i64], numbers: &[f32]) -> Message {
    let raw: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    extents(dims).int(2, 1).text(8, name).bytes(9, &raw)
}

/// Returns a list of integers.
pub fn list(name: &str, numbers: &[i64]) -> Message {
    let raw: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    extents(&[numbers.len() as i64]).int(2, 7).text(8, name).bytes(9, &raw)
}

/// Returns a truth value.
pub fn truth(name: &str, value: bool) -> Message {
    Message::default().int(2, 9).text(8, name).bytes(9, &[u8::from(value)])
}

/// Returns a tensor of floats in another file.
pub fn external(name: &str, dims: &[i64], location: &str, offset: &str, length: &str) -> Message {
    let entries = [("location", location), ("offset", offset), ("length", length)];
    let message = extents(dims).int(2, 1).text(8, name).int(14, 1);
    entries
        .iter()
        .fold(message, |message, (key, value)| message.bytes(13, &Message::default().text(1, key).text(2, value).0))
}

/// A graph, and the functions of its model.
#[derive(Clone, Default)]
pub struct Graph {
    message: Message,
    functions: Message,
    imports: Message,
}

impl Graph {
    pub fn node(mut self, node: Node) -> Graph {
        self.message = self.message.bytes(1, &node.0.0);
        self
    }

    pub fn initializer(mut self, tensor: Message) -> Graph {
        self.message = self.message.bytes(5, &tensor.0);
        self
    }

    /// An input with elements of a type, by its number, and extents that are numbers or names.
    pub fn input(mut self, name: &str, dtype: i64, dims: &[&str]) -> Graph {
        let shape = dims.iter().fold(Message::default(), |shape, dim| {
            let dim = match dim.parse::<i64>() {
                Ok(value) => Message::default().int(1, value),
                Err(_) => Message::default().text(2, dim),
            };
            shape.bytes(1, &dim.0)
        });
        let of_tensor = Message::default().int(1, dtype).bytes(2, &shape.0);
        let info = Message::default().text(1, name).bytes(2, &Message::default().bytes(1, &of_tensor.0).0);
        self.message = self.message.bytes(11, &info.0);
        self
    }

    pub fn output(mut self, name: &str) -> Graph {
        self.message = self.message.bytes(12, &Message::default().text(1, name).0);
        self
    }

    /// Operators of another domain than the standard's.
    pub fn imports(mut self, domain: &str) -> Graph {
        self.imports = self.imports.bytes(8, &opset(domain, 1).0);
        self
    }

    /// A function of the domain `local` with one node, from `a` to `b`.
    pub fn function(mut self, name: &str, node: Node) -> Graph {
        let function = Message::default().text(1, name).text(4, "a").text(5, "b").text(10, "local");
        let function = function.bytes(7, &node.0.0).bytes(9, &opset("", 21).0).bytes(9, &opset("local", 1).0);
        self.functions = self.functions.bytes(25, &function.0);
        self
    }
}

fn opset(domain: &str, version: i64) -> Message {
    Message::default().text(1, domain).int(2, version)
}

/// Returns the bytes of a model with opset 21.
pub fn model(graph: &Graph) -> Vec<u8> {
    let model = Message::default().int(1, 10).bytes(8, &opset("", 21).0);
    [model.0, graph.imports.0.clone(), graph.functions.0.clone(), Message::default().bytes(7, &graph.message.0).0]
        .concat()
}
