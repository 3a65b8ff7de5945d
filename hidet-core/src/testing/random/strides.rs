//! Random programs on tensors that are not contiguous: those of the other families with one kernel, whose tensors get
//! strides that come with the launch.

use super::rng::Rng;
use super::{ArgumentValue, Program, Step, exact_kernel, numbers_program, talking_program, tma_program};
use crate::ir::{BufferId, Constraint, Function, Param};
use crate::passes;

/// The byte between the rows, before and after the launch: that of memory that was never written.
pub(super) const BETWEEN: u8 = 0xa5;

/// Returns the program of a seed.
pub fn strided_program(seed: u64) -> Program {
    let program = match seed % 4 {
        0 => numbers_program(seed),
        1 => talking_program(seed),
        2 => return strided_copies(seed),
        _ => exact_kernel(seed).into(),
    };
    moved_apart(if program.kernels.len() == 1 { program } else { exact_kernel(seed).into() }, seed)
}

/// Returns a program of copies by TMA. Many maps have axes of their own, so that their tensor takes no strides: of a few
/// programs the first one of which it does.
fn strided_copies(seed: u64) -> Program {
    let tried = |number: u64| moved_apart(tma_program(seed ^ number << 32).unwrap_or_default(), seed);
    let is_strided = |program: &Program| {
        let maps =
            program.kernels.iter().flat_map(|kernel| kernel.maps.iter().map(|(_, map)| &kernel.buffers[map.buffer]));
        maps.into_iter().any(|buffer| !buffer.layout.is_row_major())
    };
    (1..4).map(tried).find(is_strided).unwrap_or_else(|| tried(0))
}

/// Moves the rows of most tensors of a program apart.
fn moved_apart(program: Program, seed: u64) -> Program {
    with_most_arguments(program, seed ^ 0x7374_7269, move_apart)
}

/// Changes most arguments of a program, as far as it can be done.
pub(super) fn with_most_arguments(
    mut program: Program,
    seed: u64,
    change: fn(&mut Program, usize, &mut Rng) -> Option<()>,
) -> Program {
    let mut rng = Rng::new(seed);
    for argument in 0..program.arguments.len() {
        if rng.percent(70) {
            change(&mut program, argument, &mut rng);
        }
    }
    program
}

/// Moves the rows of a tensor apart, if the kernel takes it so.
fn move_apart(program: &mut Program, argument: usize, rng: &mut Rng) -> Option<()> {
    let (buffer, shape, bytes) = contiguous(program, argument)?;
    let kernel = program.kernels.first()?;
    let memory = &kernel.buffers[buffer];
    let (elem, unit) = (memory.elem.bytes(), i64::from(memory.align) / memory.elem.bytes() as i64);
    let strided: Function = passes::strided(kernel, &[buffer]).ok()?;
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        let end: i64 = strides[axis] * shape[axis];
        strides[axis - 1] = (end + unit - 1) / unit * unit + unit * rng.between(0, 3);
    }
    let dims = [program.dims.as_slice(), &strides[..strides.len() - 1]].concat();
    // A kernel whose conditions do not hold is never launched.
    let holds = |constraint: &Constraint| {
        let sides = [&constraint.left, &constraint.right].map(|side| side.eval(&dims));
        matches!(sides, [Ok(left), Ok(right)] if constraint.relation.holds(left, right))
    };
    if !strided.constraints.iter().all(holds) {
        return None;
    }
    program.arguments[argument] = ArgumentValue::Tensor(apart(&bytes, elem, &shape, &strides));
    if let Some(Some(expected)) = program.expected.get_mut(argument) {
        *expected = apart(expected, elem, &shape, &strides);
    }
    program.dims = dims;
    program.kernels = vec![strided];
    Some(())
}

/// Returns the parameter, the extents and the content of an argument, if it is a contiguous tensor with more than one axis
/// that is passed for one parameter only.
pub(super) fn contiguous(program: &Program, argument: usize) -> Option<(BufferId, Vec<i64>, Vec<u8>)> {
    let kernel = program.kernels.first()?;
    let used = |step: &Step| step.arguments.iter().position(|of| *of == argument);
    let parameter = used(program.steps.first()?)?;
    if !program.steps.iter().all(|step| used(step) == Some(parameter) && step.arguments.len() == kernel.params.len()) {
        return None;
    }
    let Param::Tensor { buffer, .. } = kernel.params[parameter] else { return None };
    let ArgumentValue::Tensor(bytes) = &program.arguments[argument] else { return None };
    let memory = &kernel.buffers[buffer];
    let shape = memory.shape.iter().map(|extent| extent.eval(&program.dims).ok()).collect::<Option<Vec<i64>>>()?;
    let size = shape.iter().product::<i64>() as usize * memory.elem.bytes();
    let is_whole = size == bytes.len() && shape.len() > 1 && !bytes.is_empty();
    (is_whole && memory.layout.is_row_major()).then(|| (buffer, shape, bytes.clone()))
}

/// Returns the memory of a tensor with these strides, for its elements in row-major order.
fn apart(elements: &[u8], size: usize, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let last: i64 = shape.iter().zip(strides).map(|(extent, stride)| (extent - 1) * stride).sum();
    let mut memory = vec![BETWEEN; (last as usize + 1) * size];
    for (number, element) in elements.chunks_exact(size).enumerate() {
        let (mut rest, mut offset) = (number as i64, 0);
        for (extent, stride) in shape.iter().zip(strides).rev() {
            offset += rest % extent * stride;
            rest /= extent;
        }
        memory[offset as usize * size..][..size].copy_from_slice(element);
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Access;

    #[test]
    fn most_programs_have_inputs_and_outputs_with_strides() {
        let (mut read, mut written, mut copied) = (0, 0, 0);
        for seed in 0..400 {
            let program = strided_program(seed);
            let kernel = &program.kernels[0];
            assert_eq!(kernel.dims.len(), program.dims.len(), "seed {seed}");
            for param in &kernel.params {
                let Param::Tensor { buffer, access } = param else { continue };
                if !kernel.buffers[*buffer].layout.is_row_major() {
                    *(if *access == Access::In { &mut read } else { &mut written }) += 1;
                    copied += usize::from(kernel.maps.iter().any(|(_, map)| map.buffer == *buffer));
                }
            }
        }
        assert!(read > 120 && written > 120, "{read} inputs and {written} outputs of 400 programs");
        assert!(copied >= 12, "{copied} tensors have tensor maps");
    }

    /// A map of this program needs six coordinates along an axis that has one.
    #[test]
    fn conditions_of_the_launch_hold() {
        let program = strided_program(90_007_294);
        let holds = |constraint: &Constraint| {
            let [left, right] = [&constraint.left, &constraint.right].map(|side| side.eval(&program.dims).unwrap());
            constraint.relation.holds(left, right)
        };
        assert!(program.kernels[0].constraints.iter().all(holds));
    }

    #[test]
    fn rows_are_moved_apart() {
        assert_eq!(apart(&[1, 2, 3, 4], 1, &[2, 2], &[3, 1]), [1, 2, BETWEEN, 3, 4]);
        assert_eq!(apart(&[1, 2, 3, 4], 2, &[2, 1, 1], &[2, 2, 1]), [1, 2, BETWEEN, BETWEEN, 3, 4]);
    }
}
