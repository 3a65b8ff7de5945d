//! NVRTC compiles the kernels of operators for the architectures for which they are chosen, without spills and without lines on
//! lost performance. `HIDET_ALL=1` has all architectures for each.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::cuda::nvrtc;
use hidet::device::Device;
use hidet::ir::Arch;
use hidet::passes::{LoweringOptions, lower};
use hidet::types::Scalar;
use hidet_ops::testing::Inputs;
use hidet_ops::{Attention, Precision, Recurrent, Result, Tensor, Window};
use std::process::{Command, Stdio};

/// Operators of every implementation, at sizes that fill a GPU and at small ones.
fn operators(device: &Device, dtype: Scalar) -> Result<Vec<Tensor>> {
    let mut inputs = Inputs::new(device, dtype, 0);
    let mut of = |shape: &[usize]| -> Result<Tensor> {
        let x = inputs.positive(&[1])?.expand(&[shape.iter().product()])?.reshape(shape)?;
        Ok(Tensor::from(x.compute()?))
    };
    let (a, b, t, bias) = (of(&[1024, 512])?, of(&[512, 1024])?, of(&[1024, 512])?.t()?, of(&[1024])?);
    let (small, tall) = (of(&[16, 512])?, of(&[130, 4096])?);
    let (q, image) = (of(&[1, 4, 128, 64])?, of(&[1, 28, 28, 64])?);
    let (filter, depthwise) = (of(&[64, 3, 3, 64])?, of(&[64, 3, 3, 1])?);
    let window = Window::new(2).padding(&[1, 1]);
    let mut all = vec![
        a.matmul(&b)?.add(&bias)?.gelu()?,
        a.matmul(&t)?,
        small.matmul(&b)?,
        image.conv_channels_last(&filter, &window, 1)?.relu()?,
        image.conv_channels_last(&depthwise, &window, 64)?,
        q.attention(&q, &q, &Attention::default())?,
        tall.softmax(1)?,
        tall.layer_norm(1, None, None, 1e-5)?,
        tall.sum(&[0], false)?,
        tall.cumsum(1, false, false)?,
        tall.topk(16, 1, true)?.1,
        tall.t()?.mul(2.0)?,
    ];
    if dtype == Scalar::F16 {
        let photos = of(&[1, 3, 224, 224])?.cast(Scalar::F32)?.compute()?;
        let (photos, first) = (Tensor::from(photos), of(&[64, 7, 7, 3])?);
        let window = Window::new(2).padding(&[3, 3]).stride(&[2, 2]);
        all.push(photos.cast(dtype)?.permute(&[0, 2, 3, 1])?.conv_channels_last(&first, &window, 1)?.relu()?);
        let weights = Tensor::from(small.cast(Scalar::I8)?.compute()?);
        all.push(small.matmul(&weights.cast(dtype)?.t()?)?.mul(2.0)?);
        let (x, gates) = (of(&[3, 32, 512])?, of(&[1, 2048, 512])?);
        all.push(x.lstm(&gates, &gates, &Recurrent::default())?[0].clone());
    }
    if dtype == Scalar::F32 {
        all.extend([a.matmul_by(&t, Precision::Tf32)?, a.matmul_by(&t, Precision::Tf32x3)?]);
        let (images, kernel) = (of(&[1, 14, 14, 64])?, of(&[64, 3, 3, 64])?);
        let window = Window::new(2).padding(&[1, 1]);
        all.push(images.conv_channels_last_by(&kernel, &window, 1, Precision::Tf32x3)?.relu()?);
        // Products by threads with tiles of other sizes, and of many matrices.
        for [m, n, k] in [[2048, 2048, 16], [1024, 3072, 16], [16384, 32, 16], [16, 4096, 64]] {
            all.push(of(&[m, k])?.matmul(&of(&[k, n])?)?.gelu()?);
        }
        let many = of(&[4, 6, 128, 64])?;
        all.push(many.attention(&many, &many, &Attention::default())?);
    }
    Ok(all)
}

#[test]
fn kernels_of_operators_compile() -> Result<()> {
    if let Err(missing) = nvrtc::version() {
        assert!(std::env::var_os("CI").is_none(), "on CI, NVRTC must be there: {missing}");
        eprintln!("SKIPPED: {missing}");
        return Ok(());
    }
    let asked = std::env::var("HIDET_OPS_ARCH").ok();
    if asked.is_none() {
        // The variable holds for a whole process: one for each, side by side.
        let start = |arch| {
            let mut run = Command::new(std::env::current_exe().unwrap());
            run.args(["kernels_of_operators_compile", "--exact", "--nocapture"]).env("HIDET_OPS_ARCH", arch);
            run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        for run in ["80", "90"].map(start) {
            let run = run.wait_with_output().unwrap();
            let text = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
            assert!(run.status.success(), "{text}");
        }
        return Ok(());
    }
    let device = Device::sim();
    let all = std::env::var_os("HIDET_ALL").is_some();
    let mut worse = Vec::new();
    for dtype in [Scalar::F16, Scalar::F32] {
        let archs: &[&str] = match (asked.as_deref(), dtype) {
            (Some("90"), _) => &["sm_90a"],
            _ if all => &["sm_80", "sm_86", "sm_89", "sm_120"],
            (_, Scalar::F16) => &["sm_80"],
            _ => &["sm_120"],
        };
        for tensor in operators(&device, dtype)? {
            for function in tensor.functions()? {
                let lowered = lower(&function, &LoweringOptions::default())?;
                for name in archs {
                    let arch: Arch = name.parse().unwrap();
                    let source = hidet::codegen::cuda(&lowered, arch)?;
                    let usage = nvrtc::compile(&source, arch)?.usage;
                    let spilled = usage.spill_stores + usage.spill_loads;
                    println!("{:<40} {name} {} registers, {spilled} spilled", function.name, usage.registers);
                    if spilled != 0 || !usage.losses.is_empty() {
                        worse.push(format!("{} on {name}: {usage:?}", function.name));
                    }
                }
            }
        }
    }
    assert!(worse.is_empty(), "{}", worse.join("\n"));
    Ok(())
}
