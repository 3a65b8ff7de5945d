//! Replays as bytes: loaded, they have the same results, and what is damaged or for something else is refused by name.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::cache::Digest;
use hidet::cache::codec::{Encode, Reader};
use hidet::device::{Device, RawTensor, Storage};
use hidet::types::Scalar;
use hidet_ops::{Error, Recurrent, Replay, Result, Tensor};

fn tensor(device: &Device, seed: usize, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|at| ((at * 37 + seed * 11) % 64) as f32 / 32.0 - 1.0).collect();
    Tensor::from(device.tensor(&values, [count]).unwrap().raw().view(0, shape).unwrap())
}

/// A replay of several kernels with weights, of which one is part of a larger tensor; a weight and the input are results
/// too.
fn replay(device: &Device) -> Result<(Tensor, Replay)> {
    let (x, w, large) = (tensor(device, 1, &[4, 8]), tensor(device, 2, &[8, 8]), tensor(device, 3, &[8, 20]));
    let part = Tensor::from(large.compute()?.strided_view(4, &[8, 8], &[20, 1])?);
    let hidden = x.matmul(&w)?.relu()?.cumsum(1, false, false)?;
    let y = hidden.matmul(&part)?.softmax(1)?.cumsum(0, false, false)?.add(&hidden)?;
    let z = y.sum(&[0], false)?;
    Ok((x.clone(), Replay::of(&[&x], &[&y, &z, &w.reshape(&[64])?, &x])?))
}

fn bytes_of(results: &[Tensor]) -> Result<Vec<Vec<u8>>> {
    results.iter().map(|result| Ok(result.compute()?.to_bytes()?)).collect()
}

#[test]
fn a_loaded_replay_has_equal_results() -> Result<()> {
    let device = Device::best()?;
    let (_, replay) = replay(&device)?;
    let bytes = replay.to_bytes()?;
    let loaded = Replay::from_bytes(&device, &bytes)?;
    assert_eq!((loaded.launches(), loaded.memory()), (replay.launches(), replay.memory()));
    assert!(loaded.inputs().eq(replay.inputs()) && loaded.outputs().eq(replay.outputs()));
    let early = loaded.results().map(|_| ()).unwrap_err().to_string();
    assert!(early.contains("it was loaded and has not run"), "{early}");
    for seed in [5, 6, 5] {
        let x = tensor(&device, seed, &[4, 8]);
        let wanted = bytes_of(&replay.run(&[&x])?)?;
        assert_eq!(bytes_of(&loaded.run(&[&x])?)?, wanted);
        assert_eq!(bytes_of(&loaded.results()?)?, wanted);
    }
    // What was loaded can be saved again.
    assert!(loaded.to_bytes()? == bytes);
    drop(replay);
    let twice = Replay::from_bytes(&device, &loaded.to_bytes()?)?;
    let x = tensor(&device, 7, &[4, 8]);
    assert_eq!(bytes_of(&twice.run(&[&x])?)?, bytes_of(&loaded.run(&[&x])?)?);
    Ok(())
}

/// Launches whose blocks wait for each other, which are captured from a stream.
#[test]
fn an_lstm_in_one_launch_is_loaded_too() -> Result<()> {
    let device = Device::best()?;
    let half = |seed, shape: &[usize]| {
        let tensor = tensor(&device, seed, shape).mul(0.25)?.cast(Scalar::F16)?;
        tensor.compute().map(|_| tensor)
    };
    let (x, w, r) = (half(1, &[3, 2, 8])?, half(2, &[1, 128, 8])?, half(3, &[1, 128, 32])?);
    let [y, ..] = x.lstm(&w, &r, &Recurrent::default())?;
    let y = y.add(1.0)?.reshape(&[6, 32])?.softmax(1)?.cumsum(0, false, false)?;
    assert!(y.kernels().iter().any(|name| name == "lstm"), "{:?}", y.kernels());
    let replay = Replay::of(&[&x], &[&y])?;
    assert!(replay.memory().arena < replay.memory().apart, "{:?}", replay.memory());
    let loaded = Replay::from_bytes(&device, &replay.to_bytes()?)?;
    for seed in 4..6 {
        let x = half(seed, &[3, 2, 8])?;
        let wanted = bytes_of(&replay.run(&[&x])?)?;
        assert_eq!(bytes_of(&loaded.run(&[&x])?)?, wanted);
    }
    Ok(())
}

/// Weights that lie in one allocation with the input are part of the bytes, and the memory of inputs and results is not.
#[test]
fn only_what_is_there_before_is_saved() -> Result<()> {
    let device = Device::best()?;
    let large = |beside: bool| {
        let storage = Storage::from_bytes(&device, &[0x3e; 4 * 2 * 20_000])?;
        let part = |at: usize| RawTensor::new(&device, storage.clone(), at * 80_000, Scalar::F32, &[20_000]);
        let (x, other) = (Tensor::from(part(0)?), Tensor::from(part(1)?));
        let y = if beside { x.add(&other)? } else { x.mul(3.0)? };
        Replay::of(&[&x], &[&y])
    };
    for (beside, most) in [(false, 30_000), (true, 190_000)] {
        let replay = large(beside)?;
        let bytes = replay.to_bytes()?;
        assert!(bytes.len() < most, "{}", bytes.len());
        let x = tensor(&device, 1, &[20_000]);
        let loaded = Replay::from_bytes(&device, &bytes)?;
        assert_eq!(bytes_of(&loaded.run(&[&x])?)?, bytes_of(&replay.run(&[&x])?)?);
    }
    Ok(())
}

#[test]
fn damaged_bytes_are_refused() -> Result<()> {
    let device = Device::sim();
    let bytes = replay(&device)?.1.to_bytes()?;
    let refused = |bytes: &[u8], what: &str| match Replay::from_bytes(&device, bytes) {
        Ok(_) => panic!("{what} is not noticed"),
        Err(Error::Program(_)) => {}
        Err(other) => panic!("{what}: {other}"),
    };
    let mut state = 7u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 33) as usize % end
    };
    for round in 0..500 {
        // Each byte of the head, and any others.
        let at = if round < 120 { round } else { below(bytes.len()) };
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 + below(255) as u8;
        refused(&damaged, &format!("a change of byte {at}"));
        let end = if round < 120 { round } else { below(bytes.len()) };
        refused(&bytes[..end], &format!("the end at byte {end}"));
    }
    refused(&[&bytes[..], b"x"].concat(), "one byte more");
    Ok(())
}

#[test]
fn what_is_for_something_else_is_refused_by_name() -> Result<()> {
    let device = Device::sim();
    let bytes = replay(&device)?.1.to_bytes()?;
    let says = |bytes: &[u8], words: &str| {
        let error = Replay::from_bytes(&device, bytes).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("compiled program: ") && error.contains(words), "{error}\ndoes not say: {words}");
    };
    says(b"\x08\x08 and so on", "the bytes are not a compiled program");
    says(&bytes[..4], "the bytes are not a compiled program");
    says(&bytes[..100], "it is damaged or incomplete");
    let mut other = bytes.clone();
    other[7] = 9;
    says(&other, "it has version 9 of the format, and this build of hidet reads version 3; make it again");
    // The same content with another head, and the checksum that belongs to it.
    let mut reader = Reader::new(&bytes[8 + Digest::BYTES..]);
    let (build, _): (String, String) = (reader.read().unwrap(), reader.read().unwrap());
    let head = |build: &str, arch: &str| {
        let mut all = Vec::new();
        build.to_owned().encode(&mut all);
        arch.to_owned().encode(&mut all);
        all.extend_from_slice(reader.rest());
        [&bytes[..8], &Digest::of(&[&all]).0, &all].concat()
    };
    assert!(head(&build, "the simulated device") == bytes);
    says(&head(&build, "sm_90a"), "it is for sm_90a, but the simulated device needs one for the simulated device");
    says(&head("other", "the simulated device"), "made by another build of hidet");
    let none = Replay::load(&device, "/nowhere/model.hidet").map(|_| ()).unwrap_err().to_string();
    assert!(none.starts_with("compiled program: /nowhere/model.hidet: "), "{none}");
    Ok(())
}
