//! Sounds of `.wav` files: one channel of floats from -1 to 1. They are not resampled.

use super::{Slot, floats, line};
use hidet::types::Scalar;
use hidet_onnx::Array;
use hound::{SampleFormat, WavReader};

/// Returns a sound as a tensor of floats, and what was done to it. Its samples per second must be `rate`, if that is known.
pub(super) fn tensor(bytes: &[u8], slot: &Slot, rate: Option<u32>) -> Result<(Array, String), String> {
    let failed = |error: hound::Error| format!("it is not a .wav file that can be read: {error}");
    let mut reader = WavReader::new(bytes).map_err(failed)?;
    let spec = reader.spec();
    if let Some(rate) = rate.filter(|rate| *rate != spec.sample_rate) {
        return Err(format!(
            "it has {} samples per second, but the model takes {rate} (--rate); resample it before",
            spec.sample_rate
        ));
    }
    let (bits, channels) = (spec.bits_per_sample, usize::from(spec.channels));
    if !(1..=32).contains(&bits) || channels == 0 || spec.sample_rate == 0 {
        return Err(format!(
            "it has {channels} channels of {bits} bits, {} per second, which is not a sound",
            spec.sample_rate
        ));
    }
    let samples: Vec<f64> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().map(|own| own.map(f64::from)).collect::<Result<_, _>>(),
        SampleFormat::Int => {
            let largest = (1u64 << (bits - 1)) as f64;
            reader.samples::<i32>().map(|own| own.map(|sample| f64::from(sample) / largest)).collect()
        }
    }
    .map_err(failed)?;
    let mono: Vec<f64> = samples.chunks(channels).map(|own| own.iter().sum::<f64>() / channels as f64).collect();
    let shape = line(slot, mono.len(), "samples")?;
    let array = floats(slot.dtype.unwrap_or(Scalar::F32), &shape, &mono, "sounds are floats")?;
    let seconds = mono.len() as f64 / f64::from(spec.sample_rate);
    let mut done = format!("a sound of {seconds:.2} s, {} samples per second, from -1 to 1", spec.sample_rate);
    if channels > 1 {
        done += &format!(", the mean of its {channels} channels");
    }
    Ok((array, done))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};
    use std::io::Cursor;

    fn wav(channels: u16, samples: &[i16]) -> Vec<u8> {
        let spec = WavSpec { channels, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn samples_are_floats_of_one_channel() {
        let of = |bytes: &[u8], ty: &str, rate| tensor(bytes, &Slot::parse(ty), rate);
        let (array, done) = of(&wav(1, &[0, 16384, -32768]), "f32[batch, n]", Some(8000)).unwrap();
        assert_eq!((array.shape(), array.floats()), (&[1, 3][..], vec![0.0, 0.5, -1.0]));
        assert_eq!(done, "a sound of 0.00 s, 8000 samples per second, from -1 to 1");
        let (array, done) = of(&wav(2, &[0, 16384, -32768, 0]), "f32[2]", None).unwrap();
        assert_eq!((array.floats(), done.ends_with("the mean of its 2 channels")), (vec![0.25, -0.5], true));
        let error = |bytes: &[u8], ty: &str, rate| of(bytes, ty, rate).unwrap_err();
        assert!(
            error(&wav(1, &[0]), "f32[1]", Some(16000)).contains("8000 samples per second, but the model takes 16000")
        );
        assert!(error(&wav(1, &[0]), "f32[1, 80, 3000]", None).contains("more than one line of them"));
        assert!(error(&wav(1, &[0]), "i16[1]", None).contains("sounds are floats, but the model takes i16"));
        assert!(error(b"RIFF", "f32[1]", None).starts_with("it is not a .wav file that can be read"));
    }
}
