//! `hidet bench image FILE`: the time from the bytes of a kernel image to the end of its first launch.

use hidet::cuda::nvrtc;
use hidet::device::{RawTensor, Storage};
use hidet::ir::Param;
use hidet::kernel::{Compiled, Image, RawArg};
use hidet::prelude::*;
use hidet::types::Const;
use std::path::Path;
use std::time::Instant;

/// Every extent of the launch, unless a formula of extents gives another.
const EXTENT: i64 = 1024;

/// An argument of the launch.
enum Argument {
    Tensor(RawTensor),
    Scalar(Const),
}

/// Reads an image, loads and launches its kernel once on zeros, and says how long that took. The driver's context, and
/// the arguments, exist before. Returns the text, or an error if the image cannot be read or does not run.
pub fn run(device: &Device, file: &Path) -> Result<String, String> {
    let say = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let bytes = std::fs::read(file).map_err(|error| say(&error))?;
    let start = Instant::now();
    let image = Image::from_bytes(&bytes).map_err(|error| say(&error))?;
    let read = start.elapsed();
    let arguments = arguments(device, &image)?;
    let raw: Vec<RawArg> = arguments
        .iter()
        .map(|argument| match argument {
            Argument::Tensor(tensor) => RawArg::Tensor(tensor),
            Argument::Scalar(number) => RawArg::Scalar(*number),
        })
        .collect();
    device.synchronize().map_err(|error| say(&error))?;
    let launch = || -> hidet::Result<[f64; 4]> {
        let start = Instant::now();
        let compiled = Compiled::load(&image, device)?;
        let loaded = read + start.elapsed();
        compiled.launch(&raw)?;
        let launched = read + start.elapsed();
        device.synchronize()?;
        Ok([read, loaded, launched, read + start.elapsed()].map(|time| time.as_secs_f64() * 1e3))
    };
    let [read, loaded, launched, done] = launch().map_err(|error| say(&error))?;
    let nvrtc = match nvrtc::version() {
        Ok((major, minor)) => format!("NVRTC {major}.{minor} is in reach"),
        Err(_) => "no NVRTC is in reach".to_owned(),
    };
    Ok(format!(
        "`{}`, an image of {} bytes: read after {read:.2} ms, loaded after {loaded:.2} ms, launched after {launched:.2} ms, complete after {done:.2} ms; {nvrtc}",
        image.head().name,
        bytes.len()
    ))
}

/// Returns zeros for all parameters.
fn arguments(device: &Device, image: &Image) -> Result<Vec<Argument>, String> {
    let function = image.head();
    let extents: Vec<i64> = function.dims.iter().map(|_| EXTENT).collect();
    let argument = |param: &Param| -> Result<Argument, String> {
        let buffer = match param {
            Param::Tensor { buffer, .. } => &function.buffers[*buffer],
            Param::Scalar { value, .. } => {
                return Ok(Argument::Scalar(Const { scalar: function.ty(*value).scalar, bits: 0 }));
            }
        };
        let shape: Result<Vec<usize>, _> =
            buffer.shape.iter().map(|extent| Ok(extent.eval(&extents)?.max(0) as usize)).collect();
        let shape = shape.map_err(|why: &str| format!("the extents of `{}`: {why}", buffer.name))?;
        let bytes = shape.iter().product::<usize>() * buffer.elem.bytes();
        let memory = device.zeros::<u8, 1>([bytes]).map_err(|error| error.to_string())?;
        let storage: Storage = memory.raw().storage().clone();
        RawTensor::new(device, storage, memory.raw().offset(), buffer.elem, &shape)
            .map(Argument::Tensor)
            .map_err(|error| error.to_string())
    };
    function.params.iter().map(argument).collect()
}
