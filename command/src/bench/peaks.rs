//! Measures the peaks of a device: bytes per second of a copy, and operations per second of its two kinds of units.

use super::baseline::copies;
use super::contestant::Contestant;
use super::kernels::{fma_loop, wgmma_loop};
use super::problem::{Engine, Work, random, say};
use hidet::ir::Arch;
use hidet::prelude::*;
use hidet::tune::{self, L2, Summary, Timing};

/// The peaks of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peaks {
    /// GB/s of the better of two copies, bytes read and written counted.
    pub copy: f64,
    /// TFLOP/s of fused multiply-adds in f32, on registers alone.
    pub fma: f64,
    /// TFLOP/s of bf16 on tensor cores, on shared memory alone; `None` on devices without wgmma.
    pub tensor: Option<f64>,
}

/// A lower bound on the time of a piece of work on a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roof {
    /// The least time in milliseconds.
    pub time: f64,
    /// The peak that gives this bound.
    pub bound: &'static str,
}

/// Bytes that the copies move in total.
const COPIED: usize = 2 << 30;
/// Steps of the loops per launch, about a millisecond each on an H200.
const FMA_ROUNDS: i32 = 8192;
const WGMMA_ROUNDS: i32 = 1024;

impl Peaks {
    /// Measures the peaks, in about two seconds.
    pub fn measure(device: &Device) -> Result<Peaks, String> {
        let context = device.as_cuda().ok_or("peaks are measured on a GPU")?;
        let median = |contestant: Contestant| -> Result<f64, String> {
            let plan = Timing { rounds: 9, slice: 20.0, l2: L2::Warm };
            let times = tune::rounds(device, &mut [contestant], &plan, &mut |_, _| {}).map_err(say)?;
            Ok(Summary::of(&times[0]).median)
        };
        let copied = COPIED.min(context.properties.memory / 8);
        let mut copy = 0f64;
        for contestant in copies(device, copied)? {
            copy = copy.max(copied as f64 / median(contestant)? / 1e6);
        }
        let (fma, flops) = fma(device, context.properties.multiprocessors as i32)?;
        let fma = flops / median(fma)? / 1e9;
        let tensor = match device.arch() {
            Some(Arch { number: 90, specific: true }) => {
                let (loops, flops) = tensor(device, context.properties.multiprocessors as i32)?;
                Some(flops / median(loops)? / 1e9)
            }
            _ => None,
        };
        Ok(Peaks { copy, fma, tensor })
    }

    /// Returns the bound for that work, or `None` if the peak of its unit is not known.
    pub fn roof(&self, work: &Work) -> Option<Roof> {
        let (peak, name) = match work.engine {
            Engine::Fma => (self.fma, "f32"),
            Engine::Tensor => (self.tensor?, "tensor"),
        };
        let (compute, memory) = (work.flops / peak / 1e9, work.bytes / self.copy / 1e6);
        Some(if compute > memory {
            Roof { time: compute, bound: name }
        } else {
            Roof { time: memory, bound: "memory" }
        })
    }
}

impl std::fmt::Display for Peaks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "measured peaks: copy {:.0} GB/s, f32 {:.1} TFLOP/s", self.copy, self.fma)?;
        match self.tensor {
            Some(tensor) => write!(f, ", bf16 tensor cores {tensor:.0} TFLOP/s"),
            None => Ok(()),
        }
    }
}

/// Returns a loop of multiply-adds that fills every multiprocessor, and the number of its operations.
fn fma(device: &Device, multiprocessors: i32) -> Result<(Contestant, f64), String> {
    let blocks = multiprocessors * 8;
    let mut y: Tensor<f32, 1> = device.empty([blocks as usize * 256]).map_err(say)?;
    let flops = 2.0 * 16.0 * f64::from(FMA_ROUNDS) * f64::from(blocks) * 256.0;
    let template = fma_loop(blocks);
    let loops = Contestant::kernel("fma_loop", device, template, move |kernel| kernel.launch(&mut y, 0.5, FMA_ROUNDS))?;
    Ok((loops, flops))
}

/// Returns a loop of wgmma, one block per multiprocessor, and the number of its operations.
fn tensor(device: &Device, multiprocessors: i32) -> Result<(Contestant, f64), String> {
    let (a, b) = (random::<bf16, 2>(device, [128, 64], 1)?, random::<bf16, 2>(device, [256, 64], 2)?);
    let mut y: Tensor<f32, 1> = device.empty([multiprocessors as usize * 256]).map_err(say)?;
    let flops = 8.0 * 2.0 * 128.0 * 256.0 * 16.0 * f64::from(WGMMA_ROUNDS) * f64::from(multiprocessors);
    let loops = Contestant::kernel("wgmma_loop", device, wgmma_loop(multiprocessors), move |kernel| {
        kernel.launch(&a, &b, &mut y, WGMMA_ROUNDS)
    })?;
    Ok((loops, flops))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_roof_binds() {
        let peaks = Peaks { copy: 4000.0, fma: 60.0, tensor: Some(800.0) };
        let work = |flops, engine, bytes| Work { flops, engine, bytes };
        let roof = peaks.roof(&work(2.0 * 4096f64.powi(3), Engine::Tensor, 3.0 * 4096f64.powi(2) * 2.0)).unwrap();
        assert_eq!(roof.bound, "tensor");
        assert!((roof.time - 0.1718).abs() < 1e-4, "{roof:?}");
        let roof = peaks.roof(&work(1e9, Engine::Fma, 8e9)).unwrap();
        assert_eq!(roof, Roof { time: 2.0, bound: "memory" });
        assert_eq!(Peaks { tensor: None, ..peaks }.roof(&work(1.0, Engine::Tensor, 1.0)), None);
    }

    #[test]
    fn loops_neither_spill_nor_lose_time() {
        if !hidet::testing::nvrtc::available().unwrap() {
            return;
        }
        let arch = Arch { number: 90, specific: true };
        for function in [fma_loop(4).build().unwrap(), wgmma_loop(4).build().unwrap()] {
            let lowered = hidet::passes::lower(&function, &Default::default()).unwrap();
            let source = hidet::codegen::cuda(&lowered, arch).unwrap();
            let usage = hidet::cuda::nvrtc::compile(&source, arch).unwrap().usage;
            assert_eq!(
                (usage.spill_stores, usage.spill_loads, &usage.losses),
                (0, 0, &Vec::new()),
                "{}",
                function.name
            );
            let ptx = hidet::cuda::nvrtc::ptx(&source, arch).unwrap();
            let count = |what: &str| ptx.matches(what).count();
            match function.name.as_str() {
                "fma_loop" => assert!(count("fma.rn.f32") >= 16 * 8, "unrolled eight times:\n{ptx}"),
                _ => assert!(count("wgmma.mma_async") >= 8, "{ptx}"),
            }
        }
    }
}
