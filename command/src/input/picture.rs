//! [`Picture`]: pixels of a `.png` or `.jpg` file, and the tensor that a network takes.
//!
//! It is resized by bilinear sampling of the four pixels around the centre of each new one, as `Resize` of ONNX does by default and
//! `interpolate` of PyTorch: the whole picture, whatever its proportions, without a filter if it shrinks. Neither colour profiles
//! nor the orientation that cameras note are followed.

use super::{IMAGENET, Reading, Slot, array, floats, written};
use hidet::types::Scalar;
use hidet_onnx::Array;
use std::io::Cursor;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;
use zune_png::PngDecoder;

/// Shares of red, green and blue in grey (BT.601).
const GREY: [f64; 3] = [0.299, 0.587, 0.114];

/// A picture.
pub(super) struct Picture {
    width: usize,
    height: usize,
    /// 1 for grey, 3 for red, green and blue.
    channels: usize,
    /// Row by row, with the channels of a pixel beside each other.
    pixels: Vec<u8>,
    had_alpha: bool,
}

/// Where the axes of a tensor of one picture are.
struct Axes {
    shape: Vec<usize>,
    channels: usize,
    height: usize,
    width: usize,
    channels_first: bool,
}

impl Picture {
    /// Reads a `.png` file; of 16 bits the upper ones are taken, and transparency is left out.
    pub(super) fn of_png(bytes: &[u8]) -> Result<Picture, String> {
        let failed = |error| format!("it is not a .png file that can be read: {error:?}");
        let options = DecoderOptions::new_safe().png_set_strip_to_8bit(true).png_set_confirm_crc(true);
        let mut decoder = PngDecoder::new_with_options(Cursor::new(bytes), options);
        let pixels = decoder.decode_raw().map_err(failed)?;
        Picture::of(decoder.dimensions(), decoder.colorspace(), pixels)
    }

    /// Reads a `.jpg` file.
    pub(super) fn of_jpeg(bytes: &[u8]) -> Result<Picture, String> {
        let failed = |error| format!("it is not a .jpg file that can be read: {error:?}");
        let options = DecoderOptions::new_safe().set_strict_mode(true);
        let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
        decoder.decode_headers().map_err(failed)?;
        if decoder.input_colorspace() == Some(ColorSpace::Luma) {
            decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
        }
        let pixels = decoder.decode().map_err(failed)?;
        let size = decoder.info().map(|info| (usize::from(info.width), usize::from(info.height)));
        Picture::of(size, decoder.output_colorspace(), pixels)
    }

    fn of(size: Option<(usize, usize)>, space: Option<ColorSpace>, pixels: Vec<u8>) -> Result<Picture, String> {
        let (channels, had_alpha) = match space {
            Some(ColorSpace::Luma) => (1, false),
            Some(ColorSpace::LumaA) => (1, true),
            Some(ColorSpace::RGB) => (3, false),
            Some(ColorSpace::RGBA) => (3, true),
            _ => return Err(format!("pictures of {space:?} are not supported; save it in RGB")),
        };
        let (width, height) = size.ok_or("it has no size")?;
        let stride = channels + usize::from(had_alpha);
        if width * height == 0 || pixels.len() != width * height * stride {
            return Err(format!("it has {} bytes of pixels, which are not {width} x {height}", pixels.len()));
        }
        let pixels = pixels.chunks(stride).flat_map(|pixel| &pixel[..channels]).copied().collect();
        Ok(Picture { width, height, channels, pixels, had_alpha })
    }

    /// Returns the picture as a tensor of a batch of one, and what was done to it.
    pub(super) fn tensor(&self, slot: &Slot, reading: &Reading) -> Result<(Array, String), String> {
        let axes = self.axes(slot)?;
        let kind = if self.channels == 1 { "grey" } else { "in colour" };
        let mut done = format!("a picture of {} x {}, {kind}", self.width, self.height);
        if self.had_alpha {
            done += ", without its transparency";
        }
        if (axes.width, axes.height) != (self.width, self.height) {
            done += &format!(", resized to {} x {} (bilinear)", axes.width, axes.height);
        }
        if axes.channels != self.channels {
            done += if axes.channels == 1 { ", made grey" } else { ", with three equal colours" };
        }
        let mut numbers = Vec::with_capacity(axes.channels * axes.height * axes.width);
        let places = |outer: usize, inner: usize| (0..outer).flat_map(move |a| (0..inner).map(move |b| (a, b)));
        if axes.channels_first {
            for channel in 0..axes.channels {
                numbers.extend(places(axes.height, axes.width).map(|place| self.sample(&axes, channel, place)));
            }
        } else {
            for place in places(axes.height, axes.width) {
                numbers.extend((0..axes.channels).map(|channel| self.sample(&axes, channel, place)));
            }
        }
        let order = if axes.channels_first { "channels first" } else { "channels last" };
        if slot.dtype == Some(Scalar::U8) {
            if reading.imagenet || reading.scale.is_some() || reading.mean.is_some() || reading.std.is_some() {
                let why =
                    "--scale, --mean, --std and --imagenet are for models that take floats, but this one takes u8";
                return Err(why.to_owned());
            }
            let bytes = numbers.iter().map(|number| number.round() as u8).collect();
            return Ok((array(Scalar::U8, &axes.shape, bytes)?, format!("{done}, {order}, from 0 to 255")));
        }
        let (scale, [mean, std]) = reading.of_pixels(axes.channels)?;
        for (at, number) in numbers.iter_mut().enumerate() {
            let channel = if axes.channels_first { at / (axes.height * axes.width) } else { at % axes.channels };
            *number = (*number * scale - mean[channel]) / std[channel];
        }
        let dtype = slot.dtype.unwrap_or(Scalar::F32);
        let array = floats(dtype, &axes.shape, &numbers, "pixels are u8 or floats")?;
        let factor = if scale == 1.0 / 255.0 { "/ 255".to_owned() } else { format!("* {scale}") };
        let list = |numbers: &[f64]| numbers.iter().map(f64::to_string).collect::<Vec<String>>().join(", ");
        done += &format!(", {order}, (pixel {factor} - [{}]) / [{}]", list(&mean), list(&std));
        Ok((array, done))
    }

    /// Returns the axes of a tensor that a model takes: the axis of channels is the one of 1 or 3, the first or the last.
    fn axes(&self, slot: &Slot) -> Result<Axes, String> {
        let refused = |shape: &[Option<usize>], why: &str| {
            Err(format!("it is a picture, but the model takes {}: {why}; give a .npy file", written(shape)))
        };
        let Some(shape) = &slot.shape else {
            return Err("it is a picture, but the model does not say what shape it takes; give a .npy file".to_owned());
        };
        let (batch, own) = match shape.as_slice() {
            [batch, own @ ..] if own.len() == 3 => (Some(batch), own),
            own if own.len() == 3 => (None, own),
            _ => return refused(shape, "pictures have three axes, and perhaps one of a batch"),
        };
        if batch.is_some_and(|batch| batch.is_some_and(|count| count != 1)) {
            return refused(shape, "it needs several pictures");
        }
        let is_channels = |extent: Option<usize>| extent.filter(|count| matches!(count, 1 | 3));
        let (channels_first, channels, height, width) = match (is_channels(own[0]), is_channels(own[2])) {
            (Some(channels), _) => (true, channels, own[1], own[2]),
            (None, Some(channels)) => (false, channels, own[0], own[1]),
            (None, None) => return refused(shape, "no axis is known to be that of channels, by an extent of 1 or 3"),
        };
        let (height, width) = (height.unwrap_or(self.height), width.unwrap_or(self.width));
        let picture = if channels_first { [channels, height, width] } else { [height, width, channels] };
        let shape = batch.iter().map(|_| 1).chain(picture).collect();
        Ok(Axes { shape, channels, height, width, channels_first })
    }

    /// Returns a channel of a pixel of the resized picture, from 0 to 255.
    fn sample(&self, axes: &Axes, channel: usize, (row, col): (usize, usize)) -> f64 {
        // The two pixels around a coordinate, and the share of the second.
        let around = |at: usize, extent: usize, own: usize| {
            let place = ((at as f64 + 0.5) * own as f64 / extent as f64 - 0.5).clamp(0.0, own as f64 - 1.0);
            (place as usize, (place as usize + 1).min(own - 1), place.fract())
        };
        let (top, bottom, down) = around(row, axes.height, self.height);
        let (left, right, along) = around(col, axes.width, self.width);
        let line =
            |row| self.pixel(axes, channel, row, left) * (1.0 - along) + self.pixel(axes, channel, row, right) * along;
        line(top) * (1.0 - down) + line(bottom) * down
    }

    fn pixel(&self, axes: &Axes, channel: usize, row: usize, col: usize) -> f64 {
        let at = (row * self.width + col) * self.channels;
        match (axes.channels, self.channels) {
            (1, 3) => (0..3).map(|own| GREY[own] * f64::from(self.pixels[at + own])).sum(),
            (_, 1) => f64::from(self.pixels[at]),
            _ => f64::from(self.pixels[at + channel]),
        }
    }
}

impl Reading {
    /// Returns what pixels are multiplied by, and the mean and the deviation of each channel.
    fn of_pixels(&self, channels: usize) -> Result<(f64, [Vec<f64>; 2]), String> {
        let each = |option: &str, given: &Option<Vec<f64>>, default: f64| match given.as_deref() {
            None => Ok(vec![default; channels]),
            Some([one]) => Ok(vec![*one; channels]),
            Some(list) if list.len() == channels => Ok(list.to_vec()),
            Some(list) => Err(format!("{option} has {} numbers, but the model takes {channels} channels", list.len())),
        };
        let [mean, std] = IMAGENET.map(|list| self.imagenet.then(|| list.to_vec()));
        let mean = each("--mean", &mean.or_else(|| self.mean.clone()), 0.0)?;
        let std = each("--std", &std.or_else(|| self.std.clone()), 1.0)?;
        if std.contains(&0.0) {
            return Err("--std: pixels cannot be divided by 0".to_owned());
        }
        Ok((self.scale.unwrap_or(1.0 / 255.0), [mean, std]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four pixels: black, red, green and blue.
    fn colours() -> Picture {
        let pixels = vec![0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255];
        Picture { width: 2, height: 2, channels: 3, pixels, had_alpha: false }
    }

    fn numbers(picture: &Picture, ty: &str, reading: &Reading) -> Vec<f64> {
        let (array, done) = picture.tensor(&Slot::parse(ty), reading).unwrap();
        println!("{done}");
        array.floats()
    }

    #[test]
    fn channels_are_where_the_model_has_them() {
        let plain = Reading::default();
        let first = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let last = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(numbers(&colours(), "f32[n, 3, 2, 2]", &plain), first);
        assert_eq!(numbers(&colours(), "f64[3, h, w]", &plain), first);
        assert_eq!(numbers(&colours(), "f16[1, 2, 2, 3]", &plain), last);
        assert_eq!(numbers(&colours(), "u8[1, h, w, 3]", &plain), last.map(|x| x * 255.0));
        assert_eq!(numbers(&colours(), "u8[1, 1, 2, 2]", &plain), [0.0, 76.0, 150.0, 29.0]);
    }

    #[test]
    fn pixels_between_pixels_are_means() {
        let line = Picture { width: 2, height: 1, channels: 1, pixels: vec![0, 200], had_alpha: false };
        assert_eq!(numbers(&line, "u8[1, 1, 4]", &Reading::default()), [0.0, 50.0, 150.0, 200.0]);
        assert_eq!(numbers(&line, "u8[1, 1, 1]", &Reading::default()), [100.0]);
        assert_eq!(numbers(&line, "u8[3, 1, 1]", &Reading::default()), [100.0; 3]);
    }

    #[test]
    fn floats_are_scaled_and_normalised() {
        let reading =
            Reading { scale: Some(1.0), mean: Some(vec![55.0]), std: Some(vec![2.0, 4.0, 5.0]), ..Reading::default() };
        let found = numbers(&colours(), "f32[1, 2, 2, 3]", &reading);
        assert_eq!(found[3..6], [100.0, -13.75, -11.0]);
        let imagenet = Reading { imagenet: true, ..Reading::default() };
        let found = numbers(&colours(), "f32[1, 3, 2, 2]", &imagenet);
        assert!(
            (found[1] - (1.0 - 0.485) / 0.229).abs() < 1e-6 && (found[8] + 0.406 / 0.225).abs() < 1e-6,
            "{found:?}"
        );
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let imagenet = Reading { imagenet: true, ..Reading::default() };
        let no_deviation = Reading { std: Some(vec![0.0]), ..Reading::default() };
        let three = Reading { mean: Some(vec![0.0, 1.0, 2.0]), ..Reading::default() };
        let plain = Reading::default();
        for (ty, reading, why) in [
            ("f32[n, 64]", &plain, "the model takes [?, 64]: pictures have three axes"),
            ("f32[2, 3, 8, 8]", &plain, "it needs several pictures"),
            ("f32[n, c, h, w]", &plain, "no axis is known to be that of channels"),
            ("i64[1, 3, 8, 8]", &plain, "pixels are u8 or floats, but the model takes i64"),
            ("u8[1, 3, 8, 8]", &imagenet, "are for models that take floats, but this one takes u8"),
            ("f32[1, 3, 8, 8]", &no_deviation, "--std: pixels cannot be divided by 0"),
            ("f32[1, 1, 8, 8]", &three, "--mean has 3 numbers, but the model takes 1 channels"),
        ] {
            let error = colours().tensor(&Slot::parse(ty), reading).unwrap_err();
            assert!(error.contains(why), "{ty}: {error}");
        }
        assert!(Picture::of_png(b"text").is_err_and(|why| why.starts_with("it is not a .png file that can be read")));
        assert!(Picture::of_jpeg(b"text").is_err_and(|why| why.starts_with("it is not a .jpg file that can be read")));
    }
}
