//! What is given for an input of a model: an array of NumPy, one of several tensors in a file, a picture, a sound or a text, as the
//! tensor that the model declares.
//!
//! What a model wants cannot be known from its types alone: the numbers of pixels are an option, with a default; words are not
//! made into tokens.

mod picture;
mod sound;
mod tensors;
mod text;

use clap::Args;
use hidet::prelude::{bf16, f16};
use hidet::types::Scalar;
use hidet_onnx::{Array, Declared, Dim};
use hidet_ops::TensorType;
use std::path::Path;

/// Begins a text that is given itself, not by a file.
const TEXT: &str = "text:";

/// The means and standard deviations of the colours of ImageNet, from 0 to 1, which most of its networks expect.
const IMAGENET: [[f64; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// How pictures and sounds become numbers.
#[derive(Args, Default)]
pub struct Reading {
    /// What pixels, which are from 0 to 255, are multiplied by if the model takes floats: a number or a fraction [default: 1/255]
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    scale: Option<f64>,
    /// What is subtracted from pixels after that: a number, or one for each of red, green and blue [default: 0]
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', allow_hyphen_values = true)]
    mean: Option<Vec<f64>>,
    /// What the differences are divided by [default: 1]
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    std: Option<Vec<f64>>,
    /// The factor, the mean and the deviation of networks for ImageNet: 1/255, 0.485,0.456,0.406 and 0.229,0.224,0.225.
    #[arg(long, conflicts_with_all = ["scale", "mean", "std"])]
    imagenet: bool,
    /// The samples per second of sounds that the model takes: others are an error.
    #[arg(long, value_name = "HERTZ")]
    rate: Option<u32>,
}

/// What a model says of an input.
pub struct Slot {
    /// The type of the elements, if it is known.
    dtype: Option<Scalar>,
    /// The extents, those that are known.
    shape: Option<Vec<Option<usize>>>,
}

impl From<&Declared> for Slot {
    fn from(declared: &Declared) -> Slot {
        let known = |dim: &Dim| if let Dim::Known(extent) = dim { Some(*extent) } else { None };
        Slot { dtype: declared.dtype, shape: declared.shape.as_ref().map(|shape| shape.iter().map(known).collect()) }
    }
}

impl Slot {
    /// Returns what is written as `f32[batch, 64]`.
    pub fn parse(text: &str) -> Slot {
        let (dtype, shape) = text.split_once('[').unwrap_or((text, ""));
        let extents = shape.trim_end_matches(']').split(',').map(str::trim).filter(|extent| !extent.is_empty());
        Slot { dtype: Scalar::from_name(dtype), shape: Some(extents.map(|extent| extent.parse().ok()).collect()) }
    }
}

/// Kinds of what is given.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Array,
    Tensors,
    Png,
    Jpeg,
    Sound,
    Text,
}

impl Kind {
    fn of(given: &str) -> Kind {
        let extension = Path::new(given).extension().map(|own| own.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            _ if given.starts_with(TEXT) => Kind::Text,
            Some("safetensors") => Kind::Tensors,
            Some("png") => Kind::Png,
            Some("jpg" | "jpeg") => Kind::Jpeg,
            Some("wav") => Kind::Sound,
            Some("txt") => Kind::Text,
            _ => Kind::Array,
        }
    }
}

/// Returns the names of the tensors that a file has, if it is of a kind that may have several.
pub fn names(given: &str) -> Result<Option<Vec<String>>, String> {
    if Kind::of(given) != Kind::Tensors {
        return Ok(None);
    }
    let bytes = std::fs::read(given).map_err(|error| error.to_string())?;
    Array::from_safetensors(&bytes).map(|tensors| Some(tensors::names(&tensors)))
}

impl Reading {
    /// Returns an error if an option is about what is not given at all.
    pub fn check<'a>(&self, given: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
        let kinds: Vec<Kind> = given.into_iter().map(Kind::of).collect();
        let of_pictures = [
            (self.scale.is_some(), "--scale"),
            (self.mean.is_some(), "--mean"),
            (self.std.is_some(), "--std"),
            (self.imagenet, "--imagenet"),
        ];
        let is_picture = kinds.iter().any(|kind| matches!(kind, Kind::Png | Kind::Jpeg));
        match of_pictures.iter().find(|(is_given, _)| *is_given && !is_picture) {
            Some((_, option)) => Err(format!("{option}: no input is a picture, .png or .jpg")),
            None if self.rate.is_some() && !kinds.contains(&Kind::Sound) => {
                Err("--rate: no input is a sound, .wav".to_owned())
            }
            None => Ok(()),
        }
    }

    /// Returns what is given as the tensor that a model takes as the input of a name, and in words what was done to it, if anything
    /// was.
    pub fn read(&self, given: &str, name: &str, slot: &Slot) -> Result<(Array, Option<String>), String> {
        let kind = Kind::of(given);
        let bytes = match given.strip_prefix(TEXT) {
            Some(text) => text.as_bytes().to_vec(),
            None => std::fs::read(given).map_err(|error| error.to_string())?,
        };
        let (array, done) = match kind {
            Kind::Array => return Ok((Array::from_npy(&bytes)?, None)),
            Kind::Tensors => return Ok((tensors::tensor(&bytes, name)?, None)),
            Kind::Png => picture::Picture::of_png(&bytes)?.tensor(slot, self)?,
            Kind::Jpeg => picture::Picture::of_jpeg(&bytes)?.tensor(slot, self)?,
            Kind::Sound => sound::tensor(&bytes, slot, self.rate)?,
            Kind::Text => text::tensor(&bytes, slot)?,
        };
        Ok((array, Some(done)))
    }
}

/// Reads a number, or a fraction such as `1/255`.
fn factor(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let found = match text.split_once('/') {
        Some((above, below)) => number(above).zip(number(below).filter(|own| *own != 0.0)).map(|(a, b)| a / b),
        None => number(text),
    };
    found.ok_or_else(|| format!("`{text}` is neither a number nor a fraction, such as 1/255"))
}

/// Returns floats of a type as a tensor, or an error that says what has to be floats.
fn floats(dtype: Scalar, shape: &[usize], numbers: &[f64], what: &str) -> Result<Array, String> {
    let bytes: Vec<u8> = match dtype {
        Scalar::F32 => numbers.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect(),
        Scalar::F64 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Scalar::F16 => numbers.iter().flat_map(|x| f16::from_f64(*x).to_le_bytes()).collect(),
        Scalar::BF16 => numbers.iter().flat_map(|x| bf16::from_f64(*x).to_le_bytes()).collect(),
        _ => return Err(format!("{what}, but the model takes {dtype}; give a .npy file")),
    };
    array(dtype, shape, bytes)
}

fn array(dtype: Scalar, shape: &[usize], bytes: Vec<u8>) -> Result<Array, String> {
    let ty = TensorType::new(dtype, shape);
    Array::new(ty.clone(), bytes).ok_or_else(|| format!("it does not have as many elements as {ty}"))
}

/// Returns the shape of a list of some elements: all extents but one are 1, of those that may be more the last.
fn line(slot: &Slot, count: usize, what: &str) -> Result<Vec<usize>, String> {
    let Some(shape) = &slot.shape else { return Ok(vec![1, count]) };
    let refused = |why: String| Err(format!("it has {count} {what}, but the model takes {}: {why}", written(shape)));
    let Some(long) = shape.iter().rposition(|extent| *extent != Some(1)).or(shape.len().checked_sub(1)) else {
        return refused("one number".to_owned());
    };
    if shape[..long].iter().flatten().any(|extent| *extent != 1) {
        return refused("more than one line of them; give a .npy file".to_owned());
    }
    match shape[long] {
        Some(extent) if extent != count => {
            refused(format!("cut it, or add what the model expects behind its end, so that it has {extent}"))
        }
        _ => Ok((0..shape.len()).map(|axis| if axis == long { count } else { 1 }).collect()),
    }
}

/// Returns extents in words, `[1, ?, 224]`.
fn written(shape: &[Option<usize>]) -> String {
    let extents = shape.iter().map(|extent| extent.map_or("?".to_owned(), |extent| extent.to_string()));
    format!("[{}]", extents.collect::<Vec<String>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_numbers_or_fractions() {
        assert_eq!((factor("1/255"), factor("0.5"), factor("2 / 4")), (Ok(1.0 / 255.0), Ok(0.5), Ok(0.5)));
        for wrong in ["", "1/0", "a", "1/2/3", "inf"] {
            assert!(factor(wrong).is_err_and(|why| why.contains("such as 1/255")), "{wrong}");
        }
    }

    #[test]
    fn types_are_read_as_they_are_written() {
        let slot = Slot::parse("f16[batch, 3, 224, ?]");
        assert_eq!((slot.dtype, slot.shape), (Some(Scalar::F16), Some(vec![None, Some(3), Some(224), None])));
        assert_eq!(Slot::parse("i64[]").shape, Some(vec![]));
    }

    #[test]
    fn lines_have_one_long_axis() {
        let of = |ty: &str| line(&Slot::parse(ty), 5, "samples");
        assert_eq!(
            (of("f32[n]"), of("f32[batch, 5]"), of("f32[1, 1, n]")),
            (Ok(vec![5]), Ok(vec![1, 5]), Ok(vec![1, 1, 5]))
        );
        assert_eq!((of("f32[batch, n, 1]"), of("f32[batch, 5, 1]")), (Ok(vec![1, 5, 1]), Ok(vec![1, 5, 1])));
        for (ty, why) in
            [("f32[]", "one number"), ("f32[2, n]", "more than one line"), ("f32[1, 8]", "so that it has 8")]
        {
            assert!(of(ty).is_err_and(|error| error.contains(why) && error.contains("5 samples")), "{ty}");
        }
    }
}
