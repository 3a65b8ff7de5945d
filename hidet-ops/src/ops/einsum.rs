//! Sums of products by an equation of labels.

use super::{Input, computed_in, refused};
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::ReduceOp;
use crate::tensor::Tensor;
use hidet::types::Scalar;
use std::collections::BTreeMap;

/// The label of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    /// An axis of an ellipsis, counted from its last one.
    Ellipsis(usize),
    /// A letter.
    Letter(char),
}

/// The labels of an operand, or of the result.
#[derive(Debug)]
struct Term {
    front: Vec<char>,
    /// What follows `...`, if that is there.
    behind: Option<Vec<char>>,
}

impl Term {
    fn of(text: &str) -> std::result::Result<Term, String> {
        let letters = |text: &str| match text.chars().find(|own| !own.is_ascii_alphabetic()) {
            Some(other) => {
                Err(format!("`{text}` has `{other}`, but labels are letters, and `...` once for other axes"))
            }
            None => Ok(text.chars().collect::<Vec<char>>()),
        };
        match text.split_once("...") {
            Some((front, behind)) => Ok(Term { front: letters(front)?, behind: Some(letters(behind)?) }),
            None => Ok(Term { front: letters(text)?, behind: None }),
        }
    }

    /// Returns the labels if the ellipsis, if any, stands for that many axes.
    fn labels(&self, ellipsis: usize) -> Vec<Label> {
        let front = self.front.iter().copied().map(Label::Letter);
        let others = (0..if self.behind.is_some() { ellipsis } else { 0 }).rev().map(Label::Ellipsis);
        front.chain(others).chain(self.behind.iter().flatten().copied().map(Label::Letter)).collect()
    }

    /// Returns the labels of an operand, and how many axes its ellipsis stands for.
    fn labels_of(&self, ty: &TensorType) -> std::result::Result<(Vec<Label>, usize), String> {
        let letters = self.front.len() + self.behind.as_ref().map_or(0, Vec::len);
        match ty.rank().checked_sub(letters) {
            Some(others) if others == 0 || self.behind.is_some() => Ok((self.labels(others), others)),
            _ => Err(format!("{letters} letters are given for the axes of {ty}; `...` stands for other axes")),
        }
    }
}

/// An equation with the extents of its labels.
struct Equation {
    operands: Vec<Vec<Label>>,
    result: Vec<Label>,
    extents: BTreeMap<Label, usize>,
}

impl Equation {
    fn of(text: &str, types: &[&TensorType]) -> std::result::Result<Equation, String> {
        let text: String = text.chars().filter(|own| !own.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(Term::of(right)?)),
            None => (text.as_str(), None),
        };
        let terms = left.split(',').map(Term::of).collect::<std::result::Result<Vec<Term>, String>>()?;
        if terms.len() != types.len() {
            return Err(format!("`{left}` has labels of {} operands, but there are {}", terms.len(), types.len()));
        }
        let (mut operands, mut extents, mut ellipsis) = (Vec::new(), BTreeMap::new(), 0);
        for (term, ty) in terms.iter().zip(types) {
            let (labels, others) = term.labels_of(ty)?;
            for (label, extent) in labels.iter().zip(&ty.shape) {
                let known = extents.entry(*label).or_insert(*extent);
                match label {
                    _ if known == extent => {}
                    Label::Ellipsis(_) if *known == 1 => *known = *extent,
                    Label::Ellipsis(_) if *extent == 1 => {}
                    Label::Ellipsis(_) => {
                        return Err(format!(
                            "axes of `...` have {known} and {extent} elements: extents must be equal, or one of them 1"
                        ));
                    }
                    Label::Letter(letter) => {
                        return Err(format!("axes `{letter}` have {known} and {extent} elements: they must be equal"));
                    }
                }
            }
            ellipsis = ellipsis.max(others);
            operands.push(labels);
        }
        let result = match right {
            Some(right) => right.labels(ellipsis),
            None => {
                let count = |label: &Label| operands.iter().flatten().filter(|own| *own == label).count();
                let is_single = |label: &Label| matches!(label, Label::Letter(_)) && count(label) == 1;
                let letters = extents.keys().copied().filter(is_single);
                (0..ellipsis).rev().map(Label::Ellipsis).chain(letters).collect()
            }
        };
        for (at, label) in result.iter().enumerate() {
            let Label::Letter(letter) = label else { continue };
            if !extents.contains_key(label) {
                return Err(format!("`{letter}` of the result is not a label of an operand"));
            }
            if result[..at].contains(label) {
                return Err(format!("`{letter}` is twice in the result"));
            }
        }
        Ok(Equation { operands, result, extents })
    }

    /// Returns the extents of labels.
    fn shape(&self, labels: &[Label]) -> Vec<usize> {
        labels.iter().map(|label| self.extents[label]).collect()
    }

    /// Returns the product of operands, at most two, summed over the labels that the result lacks.
    fn product(&self, operands: &[(&Tensor, &[Label])], result: &[Label], dtype: Scalar) -> Result<Tensor> {
        let sums = computed_in(dtype);
        let mut summed: Vec<Label> = Vec::new();
        for label in operands.iter().flat_map(|(_, labels)| labels.iter()) {
            if !result.contains(label) && !summed.contains(label) {
                summed.push(*label);
            }
        }
        let all = [result, &summed].concat();
        let tensors: Vec<&Tensor> = operands.iter().map(|(tensor, _)| *tensor).collect();
        let output = TensorType::new(dtype, &self.shape(result));
        let term = |inputs: &[Input], at: &[ScalarExpr]| {
            let factor = |(input, (tensor, labels)): (&Input, &(&Tensor, &[Label]))| {
                let index = labels.iter().zip(tensor.shape()).map(|(label, extent)| {
                    let place = all.iter().position(|own| own == label);
                    match place.filter(|_| *extent == self.extents[label]) {
                        Some(place) => at[place].clone(),
                        None => ScalarExpr::constant(Scalar::I32, 0.0),
                    }
                });
                input.at(index).cast(sums)
            };
            let factors = inputs.iter().zip(operands).map(factor);
            factors.reduce(|all, factor| all * factor).unwrap_or_else(|| ScalarExpr::constant(sums, 1.0))
        };
        if summed.is_empty() {
            return Tensor::define("einsum", &tensors, output, |inputs, at| term(inputs, at).cast(dtype));
        }
        Tensor::define_reduction("einsum", &tensors, output, (ReduceOp::Sum, &self.shape(&summed)), term)
    }
}

impl Tensor {
    /// Returns the products of elements of tensors, summed, by an equation as that of `einsum` of NumPy: a label for each axis
    /// of each operand, and of the result, `"ij,jk->ik"` for a matrix product. Axes with the same label have the same
    /// coordinate; labels that the result lacks are summed over. A label may be twice in an operand, which is a diagonal.
    /// `...` stands for any number of axes, which are broadcast. Without `->` the result has the axes of `...`, and behind
    /// them the labels that occur once, in alphabetical order, capital letters first.
    ///
    /// Elements are of one type; those of `f16` and `bf16` are multiplied and added in `f32`. More than two operands are
    /// multiplied from the left, two at a time, and labels are summed over as soon as no further operand has them.
    ///
    /// ```
    /// use hidet::prelude::Device;
    /// use hidet_ops::Tensor;
    ///
    /// let x = Tensor::from(&Device::sim().tensor(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert_eq!(Tensor::einsum("ij,kj->ik", &[&x, &x])?.to_vec::<f32>()?, [5.0, 11.0, 11.0, 25.0]);
    /// assert_eq!(Tensor::einsum("ii", &[&x])?.to_vec::<f32>()?, [5.0]);
    /// # Ok::<(), hidet_ops::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the equation does not fit the tensors, types of elements differ, or are not `f16`, `bf16`, `f32`, `f64`, `i32`,
    /// `i64`, `u32` or `u64`.
    pub fn einsum(equation: &str, tensors: &[&Tensor]) -> Result<Tensor> {
        let types: Vec<&TensorType> = tensors.iter().map(|tensor| tensor.ty()).collect();
        let refused = |why: String| refused("einsum", &types, why);
        let Some(dtype) = tensors.first().map(|first| first.dtype()) else {
            return Err(refused("it needs one tensor or more".to_owned()));
        };
        if types.iter().any(|ty| ty.dtype != dtype) {
            let why = format!("their elements have different types; convert them with `cast(Scalar::{dtype:?})`");
            return Err(refused(why));
        }
        if !ReduceOp::TYPES.contains(&computed_in(dtype)) {
            return Err(refused(format!(
                "products of {dtype} are not supported; convert them with `cast(Scalar::F32)`"
            )));
        }
        let own = Equation::of(equation, &types).map_err(refused)?;
        let (mut product, mut labels) = (tensors[0].clone(), own.operands[0].clone());
        let last = tensors.len() - 1;
        for number in 1..last {
            // What further operands or the result have is kept.
            let rest = || own.operands[number + 1..].iter().chain([&own.result]).flatten();
            let mut kept: Vec<Label> = Vec::new();
            for label in labels.iter().chain(&own.operands[number]) {
                if !kept.contains(label) && rest().any(|other| other == label) {
                    kept.push(*label);
                }
            }
            let pair = [(&product, labels.as_slice()), (tensors[number], &own.operands[number])];
            product = own.product(&pair, &kept, computed_in(dtype))?;
            labels = kept;
        }
        let mut operands = vec![(&product, labels.as_slice())];
        if last > 0 {
            operands.push((tensors[last], &own.operands[last]));
        }
        own.product(&operands, &own.result, dtype)
    }
}
