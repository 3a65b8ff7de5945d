//! Kernel images, made in one process and loaded in another that finds a driver, but no NVRTC. Both are stubs.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod stub;

use hidet::cuda::nvrtc;
use hidet::kernel::{Compiled, Image, RawArg};
use hidet::prelude::*;
use std::path::{Path, PathBuf};
use stub::{CHILD, library, run};

kernel! {
    #[launch(grid = n.div_ceil(4), block = 4)]
    fn scale(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
        let i = block_idx().x * 4 + thread_idx().x;
        y.set((i,), x.get((i,)) * s);
    }

    #[launch(grid = n.div_ceil(4), block = 4)]
    fn shift(x: In<f32, [n]>, y: Out<f32, [n]>, s: f32) {
        let i = block_idx().x * 4 + thread_idx().x;
        if i < n {
            y[[i]] = x[[i]] + s;
        }
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Makes two images: with all instances, and with those that launches have made.
fn make() -> hidet::Result<()> {
    let ahead = scale().image("sm_90a")?;
    assert!(ahead.instances() >= 3, "{}", ahead.instances());
    std::fs::write(file("ahead.image"), ahead.to_bytes()).unwrap();
    std::fs::write(file("other.image"), scale().image("sm_80")?.to_bytes()).unwrap();
    let device = Device::cuda(0)?;
    let kernel = scale().compile(&device)?;
    let image = |kernel: &Kernel<_>| kernel.compiled().image();
    assert_eq!(image(&kernel)?.instances(), 1);
    let (x, mut y) = (device.tensor(&[1f32; 8], [8])?, device.empty([8])?);
    kernel.launch(&x, &mut y, 2.0)?;
    assert_eq!(image(&kernel)?.instances(), 2);
    std::fs::write(file("launched.image"), image(&kernel)?.to_bytes()).unwrap();
    Ok(())
}

fn read(name: &str) -> hidet::Result<Image> {
    Image::from_bytes(&std::fs::read(file(name)).unwrap())
}

/// Launches kernels from the images, with extents for each instance that is in reach.
fn load() -> hidet::Result<()> {
    match nvrtc::version() {
        Ok(_) => eprintln!("this machine has NVRTC where it is always found; it is not used"),
        Err(error) => assert!(error.to_string().contains("libnvrtc.so was not found"), "{error}"),
    }
    let device = Device::cuda(0)?;
    for name in ["ahead.image", "launched.image"] {
        let image = read(name)?;
        let kernel = scale().load(&image, &device)?;
        for n in [8, 5, 2] {
            let (x, mut y) = (device.tensor(&vec![3f32; n], [n])?, device.empty([n])?);
            kernel.launch(&x, &mut y, 2.0)?;
            assert_eq!(y.to_vec()?, vec![6.0; n]);
        }
        assert_eq!(kernel.compiled().image()?.to_bytes(), image.to_bytes());
        assert_eq!(kernel.compiled().usage().unwrap().registers, 24);
        // Without types, and on the simulated device.
        let untyped = Compiled::load(&image, &device)?;
        let (x, y) = (device.tensor(&[1f32, 2.0], [2])?, device.empty::<f32, 1>([2])?);
        untyped.launch(&[RawArg::Tensor(x.raw()), RawArg::Tensor(y.raw()), RawArg::Scalar(5f32.constant())])?;
        assert_eq!(y.to_vec()?, [5.0, 10.0]);
        let sim = Device::sim();
        let (x, mut y) = (sim.tensor(&[1f32, 2.0], [2])?, sim.empty([2])?);
        scale().load(&image, &sim)?.launch(&x, &mut y, 3.0)?;
        assert_eq!(y.to_vec()?, [3.0, 6.0]);
        let error = shift().load(&image, &device).unwrap_err().to_string();
        assert_eq!(error, "kernel image: it is of the kernel `scale`, not of `shift`");
    }
    let error = scale().load(&read("other.image")?, &device).unwrap_err().to_string();
    assert_eq!(error, "kernel image: it is for sm_80, and cuda:0 (Stub) is sm_90a");
    println!("loaded");
    Ok(())
}

#[test]
fn an_image_loads_without_nvrtc() -> hidet::Result<()> {
    const NAME: &str = "an_image_loads_without_nvrtc";
    if std::env::var_os(CHILD).is_some_and(|name| name == NAME) {
        return if file("launched.image").exists() { load() } else { make() };
    }
    let _ = std::fs::remove_file(file("launched.image"));
    let folder = library("images_made", "libcuda.so", include_str!("stub/driver.c"));
    library("images_made", "libnvrtc.so", include_str!("stub/nvrtc.c"));
    run(NAME, folder.into_os_string());
    let folder = library("images_loaded", "libcuda.so", include_str!("stub/driver.c"));
    let text = run(NAME, folder.into_os_string());
    assert!(text.contains("loaded"), "{text}");
    Ok(())
}

#[test]
fn the_simulated_device_has_no_machine_code() -> hidet::Result<()> {
    let error = scale().compile(&Device::sim())?.compiled().image().unwrap_err().to_string();
    assert_eq!(error, "kernel image: the simulated device has no machine code; make it by `Template::image`");
    Ok(())
}
