//! What passes look for, and near misses.

use super::{Maker, Value};

/// Returns the extents to which two shapes are broadcast.
fn broadcast(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let extent = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |own| shape[own]);
    (0..rank).map(|axis| extent(a, axis).max(extent(b, axis))).collect()
}

fn product_shape(a: &[usize], b: &[usize]) -> Vec<usize> {
    let (front, last) = (broadcast(&a[..a.len() - 2], &b[..b.len() - 2]), [a[a.len() - 2], b[b.len() - 1]]);
    [front.as_slice(), &last].concat()
}

impl Maker {
    /// A convolution of images or lines, and most often a normalisation.
    pub(super) fn conv(&mut self, x: &Value) -> Value {
        let (channels, axes) = (x.shape[1], x.shape.len() - 2);
        let (side, groups) = (self.random.one(&[1, 3]), if self.random.once_in(4) { channels } else { 1 });
        let results = if groups > 1 { channels } else { self.random.one(&[2, 3, 4, 8]) };
        let shape = [vec![results, channels / groups], vec![side; axes]].concat();
        let terms: usize = shape[1..].iter().product();
        let weight = match self.random.below(8) {
            // A weight that is not constant.
            0 => {
                let turned: Vec<usize> = [1, 0].into_iter().chain(2..shape.len()).collect();
                let own: Vec<usize> = turned.iter().map(|axis| shape[*axis]).collect();
                let name = self.constant(&own, 1.0 / (terms as f32).sqrt());
                self.transpose(&Value { name, shape: own }, &turned).name
            }
            _ => self.constant(&shape, 1.0 / (terms as f32).sqrt()),
        };
        let bias = self.random.once_in(2).then(|| self.constant(&[results], 0.5));
        let inputs: Vec<&str> = [x.name.as_str(), &weight].into_iter().chain(bias.as_deref()).collect();
        let pads = vec![(side / 2) as i64; 2 * axes];
        let shape = [&[x.shape[0], results], &x.shape[2..]].concat();
        let y = self.apply("Conv", &inputs, &shape, |node| node.ints("pads", &pads).int("group", groups as i64));
        if self.random.once_in(6) {
            return self.unary(&y);
        }
        let y = if self.random.once_in(8) { self.unary(&y) } else { y };
        let [gamma, beta, mean] = [1.0, 1.0, 0.5].map(|scale| self.constant(&[results], scale));
        let variance: Vec<f32> = self.random.numbers(results, 0.75).iter().map(|x| x + 0.8).collect();
        let variance = self.numbers(&[results], &variance);
        let epsilon = self.random.one(&[1e-5, 1e-3, 0.1]);
        let inputs = [&y.name, &gamma, &beta, &mean, &variance].map(String::as_str);
        let y = self.apply("BatchNormalization", &inputs, &shape, |node| node.float("epsilon", epsilon));
        if self.random.once_in(3) { y } else { self.unary(&y) }
    }

    /// Returns a matrix that is constant, or made of a constant one, to multiply what has so many columns.
    fn matrix(&mut self, rows: usize, cols: usize) -> String {
        let fits: Vec<Value> = self.matrices.iter().filter(|own| own.shape == [rows, cols]).cloned().collect();
        if !fits.is_empty() && self.random.once_in(4) {
            return self.random.one(&fits).name;
        }
        let scale = 1.0 / (rows as f32).sqrt();
        let name = match self.random.below(4) {
            0 => {
                let name = self.constant(&[cols, rows], scale);
                let order = self.random.once_in(2);
                let turned = |node: crate::build::Node| if order { node.ints("perm", &[1, 0]) } else { node };
                self.apply("Transpose", &[&name], &[rows, cols], turned).name
            }
            _ => self.constant(&[rows, cols], scale),
        };
        self.matrices.push(Value { name: name.clone(), shape: vec![rows, cols] });
        name
    }

    pub(super) fn product(&mut self, x: &Value) -> Value {
        let (depth, cols) = (x.shape[x.shape.len() - 1], self.random.one(&[5, 8, 9, 16]));
        if x.shape.len() == 2 && self.random.once_in(2) {
            let turned = self.random.once_in(2);
            let weight = if turned { self.matrix(cols, depth) } else { self.matrix(depth, cols) };
            let shape = self.random.one(&[vec![cols], vec![1, cols], vec![], vec![x.shape[0], 1]]);
            let bias = self.random.once_in(2).then(|| self.constant(&shape, 0.5));
            let inputs: Vec<&str> = [x.name.as_str(), &weight].into_iter().chain(bias.as_deref()).collect();
            let factors = [1.0, 0.5, 2.0];
            let (alpha, beta) = (self.random.one(&factors), self.random.one(&factors));
            return self.apply("Gemm", &inputs, &[x.shape[0], cols], |node| {
                node.int("transB", i64::from(turned)).float("alpha", alpha).float("beta", beta)
            });
        }
        let weight = self.matrix(depth, cols);
        let shape = product_shape(&x.shape, &[depth, cols]);
        let y = self.plain("MatMul", &[&x.name, &weight], &shape);
        if self.random.once_in(2) { self.unary(&y) } else { y }
    }

    /// Products of the same rows, to which a bias is added, and which are reshaped.
    pub(super) fn joined(&mut self, x: &Value) -> Value {
        let depth = x.shape[x.shape.len() - 1];
        let front = x.shape[..x.shape.len() - 1].to_vec();
        let mut last = x.clone();
        for _ in 0..self.random.below(3) + 2 {
            last = self.projected(x, &front, depth);
            let count: usize = last.shape.iter().product();
            last = match self.random.below(8) {
                0 => self.unary(&last),
                _ => self.reshape(&last, &[count / last.shape[last.shape.len() - 1], last.shape[last.shape.len() - 1]]),
            };
        }
        last
    }

    fn projected(&mut self, x: &Value, front: &[usize], depth: usize) -> Value {
        let cols = self.random.one(&[4, 8, 8, 6]);
        let (weight, shape) = (self.matrix(depth, cols), [front, &[cols]].concat());
        let y = self.plain("MatMul", &[&x.name, &weight], &shape);
        let of_bias = match self.random.below(8) {
            0 => vec![],
            1 if shape.len() > 1 => vec![1, cols],
            2 => vec![1],
            _ => vec![cols],
        };
        let bias = self.constant(&of_bias, 0.5);
        if self.random.once_in(12) {
            return self.either("Mul", &y.name, &bias, &shape);
        }
        self.either("Add", &y.name, &bias, &shape)
    }

    /// Queries, keys or values as heads in an order of axes, or rarely a constant that is broadcast.
    fn heads(&mut self, x: &Value, heads: usize, order: [usize; 4]) -> Value {
        let [batch, length, all] = x.shape[..] else { panic!() };
        let own = [batch, length, heads, all / heads];
        if self.random.once_in(8) {
            let full: Vec<usize> = order.iter().map(|axis| own[*axis]).collect();
            let shape = match self.random.below(4) {
                0 => full[2..].to_vec(),
                1 => full[1..].to_vec(),
                2 => [&[1, 1], &full[2..]].concat(),
                _ => [&[1], &full[1..]].concat(),
            };
            return Value { name: self.constant(&shape, 1.0), shape };
        }
        let x = match self.random.below(3) {
            0 => {
                let (weight, bias) = (self.matrix(all, all), self.constant(&[all], 0.5));
                let y = self.plain("MatMul", &[&x.name, &weight], &x.shape);
                self.either("Add", &y.name, &bias, &x.shape)
            }
            _ => x.clone(),
        };
        let x = self.reshape(&x, &own);
        if order == [0, 2, 3, 1] && self.random.once_in(2) {
            let x = self.transpose(&x, &[0, 2, 1, 3]);
            return self.transpose(&x, &[0, 1, 3, 2]);
        }
        self.transpose(&x, &order)
    }

    pub(super) fn attention(&mut self, x: &Value) -> Value {
        let [batch, length, all] = x.shape[..] else { panic!() };
        let count = self.random.one(&[1, 2, 4]);
        if all % count != 0 {
            return self.product(x);
        }
        let [q, k, v] = match self.random.below(8) {
            // Three axes.
            0 => [x.clone(), self.transpose(x, &[0, 2, 1]), x.clone()],
            _ => [[0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]].map(|order| self.heads(x, count, order)),
        };
        let shape = product_shape(&q.shape, &k.shape);
        let mut scores = self.plain("MatMul", &[&q.name, &k.name], &shape);
        for _ in 0..self.random.below(3) {
            let factor = match self.random.below(8) {
                0 if shape.len() == 4 => self.constant(&[shape[1], 1, 1], 0.5),
                1 => self.number(-0.5),
                _ => {
                    let number = self.random.one(&[0.35, 0.5, 1.5]);
                    self.number(number)
                }
            };
            scores = match self.random.once_in(3) {
                true => self.plain("Div", &[&scores.name, &factor], &shape),
                false => self.either("Mul", &scores.name, &factor, &shape),
            };
        }
        if self.random.below(3) > 0 {
            let shapes = [
                vec![length, length],
                vec![1, 1, length, length],
                vec![batch, 1, 1, length],
                vec![1, count, length, length],
                vec![length],
                vec![length, 1],
                vec![],
                vec![2, 1, 1, length],
                vec![1, 1, 1, 1, length],
            ];
            let usual = if self.random.once_in(3) { shapes.len() } else { 4 };
            let own = self.random.one(&shapes[..usual]);
            let fits =
                |mask: &[usize]| mask.iter().rev().zip(shape.iter().rev()).all(|(a, b)| *a == 1 || *b == 1 || a == b);
            if fits(&own) {
                let mut numbers = self.random.numbers(own.iter().product(), 1.0);
                let hidden = self.random.one(&[-1.0, -1e4, f32::NEG_INFINITY]);
                let last = own.last().copied().unwrap_or(1);
                numbers
                    .iter_mut()
                    .enumerate()
                    .filter(|(at, x)| at % last > 0 && **x > 0.5)
                    .for_each(|(_, x)| *x = hidden);
                let mask = self.numbers(&own, &numbers);
                let shape = broadcast(&shape, &own);
                scores = self.either("Add", &scores.name, &mask, &shape);
            }
        }
        if self.random.once_in(8) {
            scores = self.cast(&scores);
        }
        let rank = scores.shape.len();
        let axis = match self.random.below(8) {
            0 => self.random.below(rank) as i64,
            1 => 3.min(rank as i64 - 1),
            _ => -1,
        };
        let mut shares = self.apply("Softmax", &[&scores.name], &scores.shape.clone(), |node| node.int("axis", axis));
        if self.random.once_in(8) {
            shares = self.cast(&shares);
        }
        let shape = product_shape(&shares.shape, &v.shape);
        let y = self.plain("MatMul", &[&shares.name, &v.name], &shape);
        if shape.len() != 4 || self.random.once_in(4) {
            return y;
        }
        let y = self.transpose(&y, &[0, 2, 1, 3]);
        let [batch, length, heads, width] = y.shape[..] else { panic!() };
        self.reshape(&y, &[batch, length, heads * width])
    }

    /// A cast to the type that it has, or one to half precision and back.
    fn cast(&mut self, x: &Value) -> Value {
        let halves = self.random.once_in(4);
        let x = if halves { self.apply("Cast", &[&x.name], &x.shape, |node| node.int("to", 10)) } else { x.clone() };
        if halves {
            // Other formulas are of `f32`.
            self.made.pop();
        }
        self.apply("Cast", &[&x.name], &x.shape, |node| node.int("to", 1))
    }

    /// A number of a formula, or rarely another one.
    fn about(&mut self, number: f32) -> String {
        let number = if self.random.once_in(24) { number * 1.25 } else { number };
        self.number(number)
    }

    /// The formulas of GELU, with factors in any order.
    pub(super) fn gelu(&mut self, x: &Value) -> Value {
        let (x, other) = (if self.random.once_in(2) { self.unary(x) } else { x.clone() }, x.clone());
        let shape = x.shape.clone();
        // The same value, or rarely another one.
        let again = |maker: &mut Maker| if maker.random.once_in(24) { other.name.clone() } else { x.name.clone() };
        let curve = if self.random.once_in(2) {
            let by = if self.random.once_in(2) { ("Div", 2f32.sqrt()) } else { ("Mul", 0.5f32.sqrt()) };
            let (root, own) = (self.about(by.1), again(self));
            let inner = self.plain(by.0, &[&own, &root], &shape);
            self.plain("Erf", &[&inner.name], &shape)
        } else {
            let exponent = if self.random.once_in(3) {
                let name = self.name();
                self.initializers.push(crate::build::list(&name, &[3]));
                name
            } else {
                self.about(3.0)
            };
            let own = again(self);
            let cube = self.plain("Pow", &[&own, &exponent], &shape);
            let small = self.about(0.044_715);
            let cube = self.either("Mul", &cube.name, &small, &shape);
            let own = again(self);
            let sum = self.either("Add", &own, &cube.name, &shape);
            let factor = self.about(0.797_884_6);
            let inner = self.either("Mul", &sum.name, &factor, &shape);
            self.plain("Tanh", &[&inner.name], &shape)
        };
        let one = self.about(1.0);
        let curve = self.either("Add", &curve.name, &one, &shape);
        let (half, own) = (self.about(0.5), again(self));
        match self.random.below(4) {
            0 => {
                let y = self.either("Mul", &own, &half, &shape);
                self.either("Mul", &y.name, &curve.name, &shape)
            }
            1 => {
                let y = self.either("Mul", &curve.name, &half, &shape);
                self.either("Mul", &y.name, &own, &shape)
            }
            2 => {
                let (y, two) = (self.either("Mul", &own, &curve.name, &shape), self.about(2.0));
                self.plain("Div", &[&y.name, &two], &shape)
            }
            _ => {
                let y = self.either("Mul", &own, &curve.name, &shape);
                self.either("Mul", &y.name, &half, &shape)
            }
        }
    }

    /// A normalisation of rows, as a node or as its formula.
    pub(super) fn norm(&mut self, x: &Value) -> Value {
        let (shape, last) = (x.shape.clone(), x.shape[x.shape.len() - 1]);
        let [scale, bias] = [1.0, 0.5].map(|scale| self.constant(&[last], scale));
        if self.random.once_in(2) {
            let inputs = [x.name.as_str(), &scale, &bias];
            return self.apply("LayerNormalization", &inputs, &shape, |node| node.float("epsilon", 0.01));
        }
        let (axes, mut one) = (self.list(&[-1]), shape.clone());
        one[shape.len() - 1] = 1;
        let mean = self.plain("ReduceMean", &[&x.name, &axes], &one);
        let less = self.plain("Sub", &[&x.name, &mean.name], &shape);
        let square = self.plain("Mul", &[&less.name, &less.name], &shape);
        let variance = self.plain("ReduceMean", &[&square.name, &axes], &one);
        let small = self.numbers(&[], &[0.01]);
        let variance = self.either("Add", &variance.name, &small, &one);
        let root = self.plain("Sqrt", &[&variance.name], &one);
        let y = self.plain("Div", &[&less.name, &root.name], &shape);
        let y = self.either("Mul", &y.name, &scale, &shape);
        self.either("Add", &y.name, &bias, &shape)
    }
}
