//! What the command does with kernels of the project, for a kernel of another crate.

#![allow(clippy::unwrap_used)]

use hidet::cuda::nvrtc;
use hidet::inspect::{Detail, inspect};
use hidet::prelude::*;
use hidet::tune::{L2, Summary, Timing, rounds};
use hidet_fused_test::scaled_softmax;

#[test]
fn a_kernel_is_inspected() {
    let function = scaled_softmax::<f16>().build().unwrap();
    let stages = |detail| inspect(&function, "sm_90a".parse().unwrap(), detail, false).unwrap();
    let all = stages(Detail::All).text;
    for part in ["// scaled_softmax as built\nkernel scaled_softmax<", "// CUDA for sm_90a\n", "scaled_softmax_("] {
        assert!(all.contains(part), "{part} is missing in:\n{all}");
    }
    assert!(stages(Detail::Brief).text.len() < all.len());
    if nvrtc::version().is_ok() {
        assert!(all.contains("// PTX\n") && all.contains("\nregisters  "), "{all}");
    }
    assert_eq!(stages(Detail::Sass).has_machine_code, all.contains("// SASS for sm_90a"));
}

#[test]
fn a_kernel_is_measured_on_a_gpu_and_refused_elsewhere() {
    let device = Device::best().unwrap();
    let kernel = scaled_softmax::<f32>().compile(&device).unwrap();
    let (x, mut y) = (device.tensor(&vec![1.0; 1 << 20], [1024, 1024]).unwrap(), device.empty([1024, 1024]).unwrap());
    let plan = Timing { rounds: 3, slice: 1.0, l2: L2::Flush };
    let (mut launches, mut steps) = ([|| kernel.launch(&x, 2.0, &mut y)], 0);
    let times = rounds(&device, &mut launches, &plan, &mut |_, all| steps += usize::from(all == 3));
    match device.as_cuda() {
        Some(_) => assert!(Summary::of(&times.unwrap()[0]).least > 0.0 && steps == 3),
        None => assert!(times.unwrap_err().to_string().contains("the simulated device has no time")),
    }
}
