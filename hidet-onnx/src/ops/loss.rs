//! Losses of classes: one number for each place, or for all.

use super::Row;
use super::tools::{from_start, inside, one, unsupported, wide};
use crate::call::Call;
use crate::error::NodeResult;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{Input, Tensor, TensorType};

pub(super) const ROWS: &[Row] = &[
    Row("NegativeLogLikelihoodLoss", 12, &["ignore_index", "reduction"], |call| one(loss(call, &call.tensor(0)?)?)),
    Row("SoftmaxCrossEntropyLoss", 12, &["ignore_index", "reduction"], |call| {
        let logarithms = call.tensor(0)?.log_softmax(1)?;
        let loss = loss(call, &logarithms)?;
        Ok(vec![loss.into(), logarithms.into()])
    }),
];

/// Returns the negative logarithms of targets, `[n, classes, places..]` at `[n, places..]`, times the weights of their classes.
fn loss(call: &Call, logarithms: &Tensor) -> NodeResult<Tensor> {
    let (targets, weights) = (call.tensor(1)?, call.optional(2)?);
    let (dtype, shape) = (logarithms.dtype(), logarithms.shape());
    if shape.len() < 2 || targets.shape() != [&shape[..1], &shape[2..]].concat() {
        return Err(format!("the targets {} do not fit {}", targets.ty(), logarithms.ty()).into());
    }
    let classes = shape[1];
    if weights.as_ref().is_some_and(|weights| weights.shape() != [classes]) {
        return Err(format!("there must be a weight for each of {classes} classes").into());
    }
    let ignored = call.node.attributes.int("ignore_index")?;
    let output = TensorType::new(wide(dtype), targets.shape());
    let weight = |class: &ScalarExpr, target: &ScalarExpr, weights: Option<&Input>| {
        let one = ScalarExpr::constant(wide(dtype), 1.0);
        let weight = weights.map_or(one, |weights| weights.at([class.clone()]).cast(wide(dtype)));
        match ignored {
            Some(ignored) => target.equals(ignored).select(&weight.same(0.0), &weight),
            None => weight,
        }
    };
    let inputs: Vec<&Tensor> = [&targets, logarithms].into_iter().chain(&weights).collect();
    let losses = Tensor::define("loss", &inputs, output.clone(), |inputs, at| {
        let target = inputs[0].at(at.to_vec());
        let class = inside(&from_start(&target, classes), classes);
        let logarithm = inputs[1].at([&at[..1], std::slice::from_ref(&class), &at[1..]].concat()).cast(wide(dtype));
        let weight = weight(&class, &target, inputs.get(2));
        // What is ignored does not count, whatever it is.
        weight.equals(0.0).select(&weight.same(0.0), &(logarithm * &weight * -1.0))
    })?;
    let axes: Vec<usize> = (0..targets.ty().rank()).collect();
    let result = match call.text("reduction", "mean")?.as_str() {
        "none" => losses,
        "sum" => losses.sum(&axes, false)?,
        "mean" => {
            let inputs: Vec<&Tensor> = [&targets].into_iter().chain(&weights).collect();
            let counted = Tensor::define("weight", &inputs, output, |inputs, at| {
                let target = inputs[0].at(at.to_vec());
                let class = inside(&from_start(&target, classes), classes);
                weight(&class, &target, inputs.get(1))
            })?;
            losses.sum(&axes, false)?.div(&counted.sum(&axes, false)?)?
        }
        other => return unsupported("reduction", other),
    };
    Ok(result.cast(dtype)?)
}
