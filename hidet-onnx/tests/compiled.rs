//! Compiled models: saved by a session, loaded without the model, with equal results; and what is refused.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet_onnx::{Compiled, Error, Model, Result};
use hidet_ops::Tensor;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/digits/digits.onnx");

/// Images of that many digits, with any pixels.
fn images(device: &Device, count: usize, seed: usize) -> Tensor {
    let pixels: Vec<f32> = (0..count * 64).map(|at| ((at * 7 + seed * 5) % 17) as f32).collect();
    Tensor::from(&device.tensor(&pixels, [count, 64]).unwrap())
}

/// The digits network, compiled for one image and for three.
fn compiled(device: &Device) -> Result<(hidet_onnx::Session, Vec<u8>)> {
    let session = Model::load(DIGITS)?.on(device)?;
    for count in [1, 3] {
        session.run(&[("images", images(device, count, 0))])?;
    }
    let bytes = session.to_bytes()?;
    Ok((session, bytes))
}

#[test]
fn a_compiled_model_has_equal_results() -> Result<()> {
    let device = Device::best()?;
    let (session, bytes) = compiled(&device)?;
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("digits.hidet");
    session.save(&path)?;
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert!(Compiled::is_at(&path)? && !Compiled::is_at(DIGITS)?);
    let loaded = Compiled::load(&path, &device)?;
    assert_eq!((loaded.outputs(), loaded.memory()), (&["chances".to_owned()][..], session.memory()));
    let runs: Vec<String> = loaded.runs().iter().flatten().map(|(name, ty)| format!("{name}: {ty}")).collect();
    assert_eq!(runs, ["images: f32[1, 64]", "images: f32[3, 64]"]);
    for (count, seed) in [(1, 1), (3, 2), (1, 3), (3, 1)] {
        let inputs = [("images", images(&device, count, seed))];
        let (wanted, found) = (session.run(&inputs)?, loaded.run(&inputs)?);
        assert_eq!(found[0].0, "chances");
        assert_eq!(found[0].1.compute()?.to_bytes()?, wanted[0].1.compute()?.to_bytes()?);
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let device = Device::sim();
    let (_, bytes) = compiled(&device)?;
    let loaded = Compiled::from_bytes(&bytes, &device)?;
    let says = |inputs: &[(&str, Tensor)], words: &[&str]| {
        let error = loaded.run(inputs).map(|_| ()).unwrap_err().to_string();
        words.iter().for_each(|words| assert!(error.contains(words), "{error}\ndoes not say: {words}"));
    };
    let x = || images(&device, 2, 0);
    says(&[("images", x())], &["inputs of other types:\n  images: f32[1, 64]\n", "given are:\n  images: f32[2, 64]\n"]);
    says(&[("image", x())], &["input `image`: the model has no such input; it has `images`"]);
    says(&[("images", x()), ("images", x())], &["input `images`: it is given twice"]);
    says(&[], &["it is for inputs of other types"]);
    let early = Model::load(DIGITS)?.on(&device)?.to_bytes().map(|_| ()).unwrap_err().to_string();
    assert!(early.contains("there is no run to be kept: run the model first"), "{early}");
    Ok(())
}

#[test]
fn damaged_files_are_refused() -> Result<()> {
    let device = Device::sim();
    let (_, bytes) = compiled(&device)?;
    let refused = |bytes: &[u8], words: &str| match Compiled::from_bytes(bytes, &device) {
        Ok(_) => panic!("not noticed: {words}"),
        Err(Error::Compiled(why)) => assert!(why.contains(words), "{why}\ndoes not say: {words}"),
        Err(other) => panic!("{words}: {other}"),
    };
    let mut state = 11u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 33) as usize % end
    };
    for round in 0..200 {
        let at = if round < 40 { round } else { below(bytes.len()) };
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 + below(255) as u8;
        let words = match at {
            0..7 => "the bytes are not a compiled model",
            7 => "of the format, and this build of hidet reads version 3",
            _ => "it is damaged or incomplete",
        };
        refused(&damaged, words);
        refused(
            &bytes[..at],
            if at < 8 { "the bytes are not a compiled model" } else { "it is damaged or incomplete" },
        );
    }
    let model = std::fs::read(DIGITS).unwrap();
    refused(&model, "the bytes are not a compiled model");
    // The other way around, it is not a model of ONNX.
    assert!(Model::from_bytes(&bytes).is_err());
    Ok(())
}
