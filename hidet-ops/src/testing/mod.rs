//! Every operator on every type and awkward shapes, beside its definition evaluated on the host in `f64`.
//!
//! `hidet check --only operators` and the tests of this crate run [`cases`]; the table of operators in the documentation is
//! made of the same list. Each family of operators has a file of cases.

mod elementwise;
mod inputs;
mod reduce;
mod transform;
mod window;

pub use crate::run::made;
pub use inputs::Inputs;

use crate::error::Result;
use crate::tensor::Tensor;
use hidet::device::Device;
use hidet::types::Scalar;

/// An operator, the types that it takes, and a use of it.
pub struct Case {
    /// The name of the method of [`Tensor`].
    pub operator: &'static str,
    /// The types of elements.
    pub dtypes: &'static [Scalar],
    /// Applies the operator to inputs of its choice.
    pub apply: fn(&mut Inputs) -> Result<Tensor>,
}

/// All types that operators take: floats, then integers, then `bool`.
pub const ALL: &[Scalar] = &[
    Scalar::F32,
    Scalar::F16,
    Scalar::BF16,
    Scalar::F64,
    Scalar::I32,
    Scalar::I64,
    Scalar::U32,
    Scalar::U64,
    Scalar::U8,
    Scalar::I8,
    Scalar::I16,
    Scalar::U16,
    Scalar::Bool,
];
/// Floats and integers.
pub const NUMBERS: &[Scalar] = ALL.split_at(12).0;
/// Floats.
pub const FLOATS: &[Scalar] = ALL.split_at(4).0;
/// Integers.
pub const INTEGERS: &[Scalar] = NUMBERS.split_at(4).1;
/// Integers and `bool`.
const BITS: &[Scalar] = ALL.split_at(4).1;
/// Numbers of 32 and 64 bits, and smaller floats: those whose sums are taken in types that are no smaller.
const SUMMED: &[Scalar] = ALL.split_at(8).0;

/// Returns all cases, by family.
pub fn cases() -> Vec<Case> {
    [elementwise::cases(), reduce::cases(), transform::cases(), window::cases()].into_iter().flatten().collect()
}

/// What came out of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The kernels.
    pub kernels: Vec<String>,
    /// The elements that were compared.
    pub elements: usize,
    /// What differed, or the error of a case that did not run.
    pub problem: Option<String>,
}

impl Case {
    /// Runs the case with inputs of one type, drawn from a seed.
    pub fn run(&self, device: &Device, dtype: Scalar, seed: u64) -> Outcome {
        let mut inputs = Inputs::new(device, dtype, seed);
        let mut outcome = Outcome { kernels: Vec::new(), elements: 0, problem: None };
        let compared = (self.apply)(&mut inputs).and_then(|result| {
            outcome.kernels = result.kernels();
            let wanted = result.reference()?;
            outcome.elements = wanted.len();
            differing(&result, &wanted)
        });
        outcome.problem = match compared {
            Ok(None) => None,
            Ok(Some(problem)) => Some(format!("{problem}; inputs {}", inputs.text())),
            Err(error) => Some(format!("{error}; inputs {}", inputs.text())),
        };
        outcome
    }
}

/// Returns the first element that is not within the bounds of its type.
///
/// Operators round each result to its type; what the host computes in `f64` is not rounded between operators. So bounds are
/// some roundings of the type, of the element or of 1.
fn differing(result: &Tensor, wanted: &[f64]) -> Result<Option<String>> {
    let bound = match result.dtype() {
        Scalar::F64 => 1e-11,
        Scalar::F32 => 2e-5,
        Scalar::F16 => 8.0 / 1024.0,
        Scalar::BF16 => 8.0 / 128.0,
        _ => 0.0,
    };
    let found = result.elements()?;
    if found.len() != wanted.len() {
        return Ok(Some(format!("{} elements instead of {}", found.len(), wanted.len())));
    }
    let differs = |(found, wanted): (&f64, &f64)| {
        let near = (found - wanted).abs() <= bound * wanted.abs().max(1.0);
        // What is not representable in a small type is infinite there.
        let both = found == wanted || found.is_nan() && wanted.is_nan();
        let beyond = found.is_infinite() && wanted.abs() > 6e4 && result.dtype() == Scalar::F16;
        !(near || both || beyond)
    };
    let at = found.iter().zip(wanted).position(differs);
    Ok(at.map(|at| format!("element {at} of {}: {} instead of {}", result.ty(), found[at], wanted[at])))
}
