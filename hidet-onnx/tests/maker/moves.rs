//! What is around the formulas: operators on elements, other shapes, parts, and pools.

use super::{MOST, Maker, Value};

impl Maker {
    pub(super) fn unary(&mut self, x: &Value) -> Value {
        let kind = self.random.one(&["Relu", "Tanh", "Sigmoid", "Neg", "Abs", "Identity", "Erf"]);
        self.plain(kind, &[&x.name], &x.shape)
    }

    /// An operator of a value with another one, or with a constant that is broadcast.
    pub(super) fn binary(&mut self, x: &Value) -> Value {
        let fits: Vec<Value> = self.made.iter().filter(|own| own.shape == x.shape).cloned().collect();
        let other = match self.random.below(3) {
            0 => self.random.one(&fits).name,
            _ => {
                let mut shape = x.shape[self.random.below(x.shape.len() + 1)..].to_vec();
                shape.iter_mut().for_each(|extent| *extent = if self.random.once_in(3) { 1 } else { *extent });
                self.constant(&shape, 1.0)
            }
        };
        let kind = self.random.one(&["Add", "Mul", "Sub", "Max"]);
        self.either(kind, &x.name, &other, &x.shape)
    }

    /// The elements of a value in another shape or order, a part of them, or what is made of several.
    pub(super) fn moved(&mut self, x: &Value) -> Value {
        let rank = x.shape.len();
        let axis = self.random.below(rank);
        let (extent, mut shape) = (x.shape[axis], x.shape.clone());
        match self.random.below(9) {
            0 => {
                let mut order: Vec<usize> = (0..rank).collect();
                (1..rank).for_each(|at| order.swap(at, self.random.below(at + 1)));
                self.transpose(x, &order)
            }
            1 => {
                let count: usize = x.shape.iter().product();
                let last = self.random.one(&[1, 2, 3, 4]);
                let rows = if count.is_multiple_of(last) { [count / last, last] } else { [1, count] };
                self.reshape(x, &rows)
            }
            2 => {
                let front: usize = x.shape[..axis].iter().product();
                let behind: usize = x.shape[axis..].iter().product();
                self.apply("Flatten", &[&x.name], &[front, behind], |node| node.int("axis", axis as i64))
            }
            3 if extent > 1 => {
                let [starts, ends, axes] = [1, i64::MAX, axis as i64].map(|number| self.list(&[number]));
                shape[axis] = extent - 1;
                self.plain("Slice", &[&x.name, &starts, &ends, &axes], &shape)
            }
            4 if extent > 1 => self.split(x, axis),
            5 if x.shape.iter().product::<usize>() * 2 <= MOST => {
                shape[axis] = 2 * extent;
                let other = if self.random.once_in(2) { self.unary(x) } else { x.clone() };
                let inputs = [x.name.as_str(), &other.name];
                self.apply("Concat", &inputs, &shape, |node| node.int("axis", axis as i64))
            }
            6 => {
                let (kind, axes) = (self.random.one(&["ReduceMean", "ReduceMax", "ReduceSum"]), [axis as i64]);
                let axes = self.list(&axes);
                shape[axis] = 1;
                self.plain(kind, &[&x.name, &axes], &shape)
            }
            7 => self.apply("Softmax", &[&x.name], &shape, |node| node.int("axis", axis as i64)),
            _ if rank == 4 && shape[2] > 2 && shape[3] > 2 => self.pool(x),
            _ => self.unary(x),
        }
    }

    fn split(&mut self, x: &Value, axis: usize) -> Value {
        let first = 1 + self.random.below(x.shape[axis] - 1);
        let parts = [first, x.shape[axis] - first];
        let sizes = self.list(&parts.map(|part| part as i64));
        let [a, b] = parts.map(|part| {
            let mut shape = x.shape.clone();
            shape[axis] = part;
            Value { name: self.name(), shape }
        });
        let split = crate::build::node("Split", &[&x.name, &sizes], &[&a.name, &b.name]);
        self.nodes.push(split.int("axis", axis as i64));
        self.made.extend([a, b.clone()]);
        b
    }

    fn pool(&mut self, x: &Value) -> Value {
        let [n, c, h, w] = x.shape[..] else { panic!() };
        match self.random.below(3) {
            0 => self.plain("GlobalAveragePool", &[&x.name], &[n, c, 1, 1]),
            kind => {
                let kind = ["MaxPool", "AveragePool"][kind - 1];
                self.apply(kind, &[&x.name], &[n, c, h - 1, w - 1], |node| node.ints("kernel_shape", &[2, 2]))
            }
        }
    }
}
