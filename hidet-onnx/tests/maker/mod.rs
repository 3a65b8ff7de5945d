//! Random models: formulas that passes look for, with what is around them, and near misses of each.

#![allow(dead_code, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod formulas;
mod moves;

use crate::build::{Graph, Message, Node, list, node, tensor, truth};
use std::collections::HashSet;

/// A generator of numbers (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    /// Returns true once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Returns numbers from `-scale` to `scale`.
    pub fn numbers(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| (self.below(65) as f32 / 32.0 - 1.0) * scale).collect()
    }
}

/// A value of a model: its name and extents.
#[derive(Clone)]
pub struct Value {
    pub name: String,
    pub shape: Vec<usize>,
}

/// A random model, and the inputs that it needs.
pub struct Made {
    pub graph: Graph,
    pub inputs: Vec<Value>,
}

/// What passes add to names of values for names of their own.
const SUFFIXES: [&str; 8] = [
    ".folded.weight",
    ".folded.bias",
    ".joined.weight",
    ".joined.bias",
    ".joined.product",
    ".joined.sum",
    ".joined.sizes",
    ".turned",
];

/// The most elements of a value.
const MOST: usize = 2048;

/// A model while it is made.
pub(crate) struct Maker {
    pub(crate) random: Random,
    inputs: Vec<Value>,
    /// Inputs that are initializers too: they are not constant.
    open: Vec<Value>,
    initializers: Vec<Message>,
    nodes: Vec<Node>,
    /// Results of nodes.
    made: Vec<Value>,
    /// Matrices that are constant, to be used again.
    matrices: Vec<Value>,
    names: HashSet<String>,
}

/// Returns the random model of a seed.
pub fn model(seed: u64) -> Made {
    let mut maker = Maker {
        random: Random(seed),
        inputs: Vec::new(),
        open: Vec::new(),
        initializers: Vec::new(),
        nodes: Vec::new(),
        made: Vec::new(),
        matrices: Vec::new(),
        names: HashSet::new(),
    };
    for _ in 0..maker.random.below(2) + 1 {
        let (batch, random) = (maker.random.below(2) + 1, &mut maker.random);
        let shape = match random.below(5) {
            0 | 1 => vec![batch, random.one(&[2, 3, 4, 8]), 4 + random.below(3), 4 + random.below(3)],
            2 | 3 => vec![batch, random.one(&[3, 4, 5]), random.one(&[8, 12, 16])],
            _ => vec![random.below(5) + 1, random.one(&[6, 8, 9])],
        };
        let input = Value { name: maker.name(), shape };
        maker.inputs.push(input.clone());
        maker.made.push(input);
    }
    for _ in 0..maker.random.below(5) + 2 {
        let x = maker.some();
        maker.block(&x);
    }
    maker.finish()
}

impl Maker {
    /// Returns a value for the next formula, of those that were made last most often.
    fn some(&mut self) -> Value {
        let count = self.made.len();
        let back = self.random.below(count).min(self.random.below(count));
        self.made[count - 1 - back].clone()
    }

    fn block(&mut self, x: &Value) {
        match (self.random.below(13), x.shape.len()) {
            (0..=2, 4) => self.conv(x),
            (0, 3) => self.conv(x),
            (1 | 2, 3) => self.attention(x),
            (3, 3) if self.random.once_in(2) => self.attention(x),
            (3 | 4, 1..) => self.joined(x),
            (5, 2..) => self.product(x),
            (6..=7, _) => self.gelu(x),
            (8, 1..) => self.norm(x),
            (9, _) => self.unary(x),
            (10, _) => self.binary(x),
            (_, 1..) => self.moved(x),
            _ => self.unary(x),
        };
    }

    /// Returns a name that no value has, sometimes one that a pass would take.
    fn name(&mut self) -> String {
        let count = self.names.len();
        let mut name = match self.random.below(8) {
            0 => format!("/h.{count}/attn/MatMul_output_0"),
            1 => format!("ü \"{count}\\"),
            2 => format!("v{}{}", count + self.random.below(6), self.random.one(&SUFFIXES)),
            3 if !self.made.is_empty() => format!("{}{}", self.some().name, self.random.one(&SUFFIXES)),
            _ => format!("v{count}"),
        };
        while !self.names.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    /// Adds a constant: an initializer, the result of a node, or an input with a default, which may change.
    pub(crate) fn numbers(&mut self, shape: &[usize], numbers: &[f32]) -> String {
        let name = self.name();
        let dims: Vec<i64> = shape.iter().map(|extent| *extent as i64).collect();
        let message = tensor(&name, &dims, numbers);
        match self.random.below(40) {
            0 => self.open.push(Value { name: name.clone(), shape: shape.to_vec() }),
            1..=4 => {
                self.nodes.push(node("Constant", &[], &[&name]).tensor("value", &message));
                return name;
            }
            _ => {}
        }
        self.initializers.push(message);
        name
    }

    pub(crate) fn constant(&mut self, shape: &[usize], scale: f32) -> String {
        let numbers = self.random.numbers(shape.iter().product(), scale);
        self.numbers(shape, &numbers)
    }

    /// Adds a number, rarely with axes.
    pub(crate) fn number(&mut self, number: f32) -> String {
        let shape: &[usize] = match self.random.below(60) {
            0 => &[1],
            1 => &[1, 1, 1, 1],
            2 => &[1, 1, 1, 1, 1],
            _ => &[],
        };
        self.numbers(shape, &[number])
    }

    pub(crate) fn list(&mut self, numbers: &[i64]) -> String {
        let name = self.name();
        self.initializers.push(list(&name, numbers));
        name
    }

    /// Adds a node with one result.
    pub(crate) fn apply(
        &mut self,
        kind: &str,
        inputs: &[&str],
        shape: &[usize],
        with: impl FnOnce(Node) -> Node,
    ) -> Value {
        let name = self.name();
        self.nodes.push(with(node(kind, inputs, &[&name])));
        let value = Value { name, shape: shape.to_vec() };
        self.made.push(value.clone());
        value
    }

    pub(crate) fn plain(&mut self, kind: &str, inputs: &[&str], shape: &[usize]) -> Value {
        self.apply(kind, inputs, shape, |node| node)
    }

    /// Applies an operator of two operands that may be exchanged.
    pub(crate) fn either(&mut self, kind: &str, a: &str, b: &str, shape: &[usize]) -> Value {
        let inputs = if self.random.once_in(2) { [a, b] } else { [b, a] };
        self.plain(kind, &inputs, shape)
    }

    pub(crate) fn reshape(&mut self, x: &Value, shape: &[usize]) -> Value {
        let sizes: Vec<i64> = shape.iter().map(|extent| *extent as i64).collect();
        let sizes = self.list(&sizes);
        self.plain("Reshape", &[&x.name, &sizes], shape)
    }

    pub(crate) fn transpose(&mut self, x: &Value, order: &[usize]) -> Value {
        let shape: Vec<usize> = order.iter().map(|axis| x.shape[*axis]).collect();
        let order: Vec<i64> = order.iter().map(|axis| *axis as i64).collect();
        self.apply("Transpose", &[&x.name], &shape, |node| node.ints("perm", &order))
    }

    /// Adds further uses of values in the middle, and the outputs.
    fn finish(mut self) -> Made {
        let last = self.made.last().unwrap().clone();
        let mut outputs = vec![last];
        if self.random.once_in(3) {
            outputs.push(self.some());
        }
        if self.random.once_in(3) {
            let at = self.random.below(self.made.len());
            let x = self.made[at].clone();
            outputs.push(self.unary(&x));
        }
        if self.random.once_in(8) {
            let at = self.random.below(self.made.len());
            outputs.push(self.captured(at));
        }
        let mut graph = Graph::default();
        for Value { name, shape } in self.inputs.iter().chain(&self.open) {
            let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
            graph = graph.input(name, 1, &dims.iter().map(String::as_str).collect::<Vec<&str>>());
        }
        let mut named = HashSet::new();
        for output in outputs.iter().filter(|output| named.insert(output.name.clone())) {
            graph = graph.output(&output.name);
        }
        if self.random.once_in(4) {
            for at in (1..self.nodes.len()).rev() {
                let other = self.random.below(at + 1);
                self.nodes.swap(at, other);
            }
        }
        graph = self.nodes.into_iter().fold(graph, Graph::node);
        graph = self.initializers.into_iter().fold(graph, Graph::initializer);
        Made { graph, inputs: self.inputs }
    }

    /// A choice of which a branch reads a value that is not among the inputs of the node.
    fn captured(&mut self, at: usize) -> Value {
        let (x, condition) = (self.made[at].clone(), self.name());
        self.initializers.push(truth(&condition, self.random.once_in(2)));
        let [one, other] = ["Neg", "Relu"].map(|kind| {
            let name = self.name();
            Graph::default().node(node(kind, &[&x.name], &[&name])).output(&name)
        });
        self.apply("If", &[&condition], &x.shape, |node| node.graph("then_branch", &one).graph("else_branch", &other))
    }
}
