//! Contents of tensors, compared bit for bit, except that all NaNs of a type are equal.

use hidet::ir::{Function, Param, eval, text};
use hidet::testing::random::Program;
use hidet::types::{Const, Scalar};

/// The content of each argument; `None` for numbers.
pub type Contents = Vec<Option<Vec<u8>>>;

/// The byte that fills unset memory, on all devices.
pub const POISON: u8 = 0xa5;

/// Returns the buffer of the first parameter that an argument is passed to.
fn first_use(program: &Program, argument: usize) -> Option<(&Function, &Param)> {
    program.steps.iter().find_map(|step| {
        let position = step.arguments.iter().position(|of| *of == argument)?;
        let kernel = program.kernels.get(step.kernel)?;
        Some((kernel, kernel.params.get(position)?))
    })
}

/// Returns the access of the first launch that uses an argument, the name it has there, and the type of its elements.
pub fn tensor(program: &Program, argument: usize) -> Option<(hidet::ir::Access, &str, Scalar)> {
    match first_use(program, argument)? {
        (kernel, Param::Tensor { buffer, access }) => {
            let buffer = &kernel.buffers[*buffer];
            Some((*access, &buffer.name, buffer.elem))
        }
        (_, Param::Scalar { .. }) => None,
    }
}

/// Returns the first element that differs, with both values, or `None` if all are equal.
pub fn difference(program: &Program, wanted: &Contents, found: &Contents) -> Option<String> {
    for (argument, (wanted, found)) in wanted.iter().zip(found).enumerate() {
        let (Some(wanted), Some(found)) = (wanted, found) else { continue };
        let Some((_, name, elem)) = tensor(program, argument) else { continue };
        let size = elem.bytes();
        let mut pairs = wanted.chunks(size).zip(found.chunks(size)).enumerate();
        let differs =
            |(wanted, found): (&[u8], &[u8])| wanted != found && !(is_nan(elem, wanted) && is_nan(elem, found));
        if let Some((at, (wanted, found))) = pairs.find(|(_, pair)| differs(*pair)) {
            let count = 1 + pairs.filter(|(_, pair)| differs(*pair)).count();
            let (wanted, found) = (shown(elem, wanted), shown(elem, found));
            return Some(format!("@{name}[{at}] must be {wanted}, is {found} ({count} elements of {elem} differ)"));
        }
    }
    None
}

fn bits(element: &[u8]) -> u64 {
    element.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

fn is_nan(elem: Scalar, element: &[u8]) -> bool {
    elem.is_float() && eval::to_f64(elem, bits(element)).is_nan()
}

fn shown(elem: Scalar, element: &[u8]) -> String {
    let bits = bits(element);
    format!("{} ({bits:#x})", text::print_constant(Const { scalar: elem, bits }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hidet::testing::random::{ArgumentValue, Step};

    fn program(elem: &str) -> Program {
        let source = format!("kernel k(@y: out {elem}[2])\ngrid (1, 1, 1)\nblock (1, 1, 1)\n{{\n}}\n");
        Program {
            kernels: vec![text::parse(&source).unwrap()],
            steps: vec![Step { kernel: 0, arguments: vec![0] }],
            arguments: vec![ArgumentValue::Tensor(Vec::new())],
            ..Program::default()
        }
    }

    #[test]
    fn one_bit_differs_and_nans_do_not() {
        let floats = |a: u32, b: u32| vec![Some([a.to_le_bytes(), b.to_le_bytes()].concat())];
        let program = program("f32");
        let one = 1f32.to_bits();
        assert_eq!(difference(&program, &floats(one, 0x7fc0_0000), &floats(one, 0xffff_ffff)), None);
        let message = difference(&program, &floats(one, 0), &floats(one, 0x8000_0000)).unwrap();
        assert_eq!(message, "@y[1] must be 0.0 (0x0), is -0.0 (0x80000000) (1 elements of f32 differ)");
        assert!(difference(&program, &floats(one, 0), &floats(0x7fc0_0000, 0)).is_some());
    }
}
