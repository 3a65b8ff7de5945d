//! Every operation of the language at the edges of its types, against the result of Rust on the host.

use hidet::Result;
use hidet::device::{Device, RawTensor, Storage};
use hidet::kernel::{CompileOptions, Compiled, RawArg};
use hidet::testing::edges::{EdgeKernel, kernels};
use hidet::types::Scalar;
use std::fmt::Write;

/// Checks a device, and the simulated device with it if `compare`. Returns the report, and true if all passed.
pub fn run(device: &Device, compare: bool) -> (String, bool) {
    let mut text = format!("operations at the edges of their types on {device}, bit for bit against Rust\n");
    let devices: Vec<Device> = match compare && !device.is_sim() {
        true => vec![Device::sim(), device.clone()],
        false => vec![device.clone()],
    };
    let kernels = match kernels() {
        Ok(kernels) => kernels,
        Err(error) => return (format!("{text}{error}\n"), false),
    };
    let (mut operations, mut cases, mut failed, mut open) = (0, 0, 0, 0);
    for kernel in &kernels {
        operations += kernel.operations.len();
        cases += kernel.cases();
        let found: Vec<_> = devices.iter().map(|device| results(kernel, device)).collect();
        for (device, found) in devices.iter().zip(&found) {
            let wrong = match found {
                Ok(found) => kernel.differences(found),
                Err(error) => vec![format!("{}: {error}", kernel.function.name)],
            };
            failed += wrong.len();
            for wrong in wrong {
                let _ = writeln!(text, "    on {device}: {wrong}");
            }
        }
        if let [Ok(first), Ok(second)] = found.as_slice() {
            open += first.iter().zip(second).filter(|(first, second)| first != second).count();
        }
    }
    let _ = writeln!(text, "{operations} operations, {cases} cases, {failed} wrong; {open} are NaN with other bits");
    (text, failed == 0 && cases > 0)
}

fn results(kernel: &EdgeKernel, device: &Device) -> Result<Vec<u64>> {
    let compiled = Compiled::new(kernel.function.clone(), device, &CompileOptions::default())?;
    let x = tensor(device, &kernel.operands, &[3, kernel.cases()])?;
    let y = tensor(device, &vec![0; kernel.cases()], &[kernel.cases()])?;
    compiled.launch(&[RawArg::Tensor(&x), RawArg::Tensor(&y)])?;
    let mut bytes = vec![0; 8 * kernel.cases()];
    y.storage().read(0, &mut bytes)?;
    Ok(bytes.chunks_exact(8).map(|word| word.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte))).collect())
}

fn tensor(device: &Device, words: &[u64], shape: &[usize]) -> Result<RawTensor> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    RawTensor::new(device, Storage::from_bytes(device, &bytes)?, 0, Scalar::U64, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulated_device_does_as_rust() {
        let (report, passed) = run(&Device::sim(), false);
        assert!(passed, "{report}");
    }
}
