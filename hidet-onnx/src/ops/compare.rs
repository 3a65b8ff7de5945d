//! Comparisons, conditions and choices.

use super::Row;
use super::tools::{each, one};
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;

pub(super) const ROWS: &[Row] = &[
    Row("And", 7, &[], |call| one(call.tensor(0)?.logical_and(&call.tensor(1)?)?)),
    Row("Equal", 7, &[], |call| one(call.tensor(0)?.equal(&call.tensor(1)?)?)),
    Row("Greater", 7, &[], |call| one(call.tensor(0)?.greater(&call.tensor(1)?)?)),
    Row("GreaterOrEqual", 12, &[], |call| one(call.tensor(0)?.greater_equal(&call.tensor(1)?)?)),
    Row("IsInf", 10, &["detect_negative", "detect_positive"], is_inf),
    Row("IsNaN", 9, &[], |call| one(call.tensor(0)?.is_nan()?)),
    Row("Less", 7, &[], |call| one(call.tensor(0)?.less(&call.tensor(1)?)?)),
    Row("LessOrEqual", 12, &[], |call| one(call.tensor(0)?.less_equal(&call.tensor(1)?)?)),
    Row("Not", 1, &[], |call| one(call.tensor(0)?.logical_not()?)),
    Row("Or", 7, &[], |call| one(call.tensor(0)?.logical_or(&call.tensor(1)?)?)),
    Row("Where", 9, &[], |call| one(call.tensor(0)?.choose(&call.tensor(1)?, &call.tensor(2)?)?)),
    Row("Xor", 7, &[], |call| one(call.tensor(0)?.logical_xor(&call.tensor(1)?)?)),
];

fn is_inf(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let (negative, positive) = (call.flag("detect_negative", true)?, call.flag("detect_positive", true)?);
    one(each("is_inf", &[&x], Scalar::Bool, |xs| {
        let is = |wanted: bool, value: f64| if wanted { xs[0].equals(value) } else { xs[0].lt(f64::NEG_INFINITY) };
        is(negative, f64::NEG_INFINITY) | is(positive, f64::INFINITY)
    })?)
}
