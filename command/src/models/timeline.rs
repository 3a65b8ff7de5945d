//! The launches of a model as a picture: bars in order, as wide as their time, filled up to their share of the roof.

use super::legend::{LETTER, colors, cut};
use crate::bench::canvas::{Canvas, round_up, short};
use std::fmt::Write;

/// A launch, and how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The name of the kernel.
    pub name: String,
    /// The template or rule that made it.
    pub template: &'static str,
    /// The time, in microseconds.
    pub us: f64,
    /// The bytes of its parameters.
    pub bytes: usize,
    /// The least time in microseconds that the machine needs for its bytes and operations, and what sets it, if that is known.
    pub roof: Option<(f64, &'static str)>,
}

impl Bar {
    /// Returns which part of the time the machine would need.
    pub fn share(&self) -> Option<f64> {
        self.roof.map(|(us, _)| us / self.us)
    }
}

/// The height of a bar, the place of its upper end, and the least and most widths of all bars, in pixels.
const HEIGHT: f64 = 120.0;
const TOP: f64 = 60.0;
const WIDTHS: [f64; 2] = [1200.0, 12_000.0];
const LEFT: f64 = 40.0;

/// The mean width of a bar, if all together are not too wide.
const WIDTH: f64 = 24.0;

/// Draws the launches of a model on a machine.
pub fn svg(title: &str, bars: &[Bar]) -> String {
    let colors = colors(bars.iter().map(|bar| bar.template));
    // The sum of no floats is -0.
    let sum = bars.iter().fold(0.0, |sum, bar| sum + bar.us);
    let width = (bars.len() as f64 * WIDTH).clamp(WIDTHS[0], WIDTHS[1]);
    let scale = if sum > 0.0 { width / sum } else { 0.0 };
    let mut canvas = Canvas::new();
    canvas.text([LEFT, 24.0], "t", title);
    canvas.text([LEFT, 44.0], "", &format!("{} launches, {sum:.1} us; filled: share of the roof", bars.len()));
    let bottom = TOP + HEIGHT;
    let mut begin = 0.0;
    for bar in bars {
        let color = colors.iter().find(|(template, _)| *template == bar.template).map_or("bar", |(_, color)| color);
        // Bars of one colour stay apart.
        let (x, own) = (LEFT + begin * scale, bar.us * scale);
        let own = own - (own * 0.1).min(1.0);
        canvas.about(&about(bar), |canvas| {
            canvas.rect([x, TOP, own, HEIGHT], &format!("{color} pale"));
            if let Some(share) = bar.share() {
                let filled = HEIGHT * share.min(1.0);
                canvas.rect([x, bottom - filled, own, filled], color);
            }
            let letters = ((own - 6.0) / LETTER).max(0.0) as usize;
            if letters >= 4 {
                canvas.text([x + 3.0, TOP + 16.0], "", &cut(&bar.name, letters));
                canvas.text([x + 3.0, TOP + 32.0], "", &cut(&format!("{} us", short(bar.us)), letters));
            }
        });
        begin += bar.us;
    }
    let step = round_up(sum / 10.0);
    for tick in 0..=10 {
        let us = f64::from(tick) * step;
        if us <= sum {
            canvas.line([LEFT + us * scale, bottom], [LEFT + us * scale, bottom + 6.0], "axis");
            canvas.text([LEFT + us * scale, bottom + 20.0], "m", &short(us));
        }
    }
    canvas.line([LEFT, bottom], [LEFT + width, bottom], "axis");
    canvas.text([LEFT + width + 30.0, bottom + 20.0], "", "us");
    for (at, (template, color)) in colors.iter().enumerate() {
        let y = bottom + 40.0 + 18.0 * at as f64;
        let own: Vec<&Bar> = bars.iter().filter(|bar| bar.template == *template).collect();
        let us: f64 = own.iter().map(|bar| bar.us).sum();
        canvas.rect([LEFT, y, 12.0, 12.0], color);
        let part = if sum > 0.0 { us / sum * 100.0 } else { 0.0 };
        canvas.text(
            [LEFT + 18.0, y + 11.0],
            "",
            &format!("{template}: {} launches, {us:.1} us, {part:.0}%", own.len()),
        );
    }
    canvas.width = LEFT + width + 60.0;
    canvas.height = bottom + 50.0 + 18.0 * colors.len() as f64;
    canvas.finish()
}

/// Returns what is reported of a launch under the mouse.
fn about(bar: &Bar) -> String {
    let mut text = format!("{}\nby {}\n{:.2} us, {} bytes", bar.name, bar.template, bar.us, bar.bytes);
    // Writing to a string cannot fail.
    let _ = match (bar.roof, bar.share()) {
        (Some((us, bound)), Some(share)) => write!(text, "\nroof {us:.2} us by {bound}: {:.0}%", share * 100.0),
        _ => write!(text, "\nthe roof is not known"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, template: &'static str, us: f64, roof: Option<(f64, &'static str)>) -> Bar {
        Bar { name: name.to_owned(), template, us, bytes: 4096, roof }
    }

    #[test]
    fn bars_are_as_wide_as_they_take_and_filled_to_their_share() {
        let bars = [
            bar("matmul_add", "matmul_wgmma", 30.0, Some((15.0, "tensor"))),
            bar("softmax", "rows", 10.0, Some((20.0, "memory"))),
            bar("own", "kernel", 20.0, None),
        ];
        let picture = svg("GPU: model.onnx", &bars);
        for part in [
            // 1200 pixels are 60 us.
            "x=\"40.0\" y=\"60.0\" width=\"599.0\" height=\"120.0\" class=\"s0 pale\"",
            "x=\"40.0\" y=\"120.0\" width=\"599.0\" height=\"60.0\" class=\"s0\"",
            // More than the roof, from L2, is filled in whole.
            "x=\"640.0\" y=\"60.0\" width=\"199.0\" height=\"120.0\" class=\"s1\"",
            "<title>matmul_add\nby matmul_wgmma\n30.00 us, 4096 bytes\nroof 15.00 us by tensor: 50%</title>",
            "20.00 us, 4096 bytes\nthe roof is not known</title>",
            ">3 launches, 60.0 us; filled: share of the roof</text>",
            ">matmul_wgmma: 1 launches, 30.0 us, 50%</text>",
            ">GPU: model.onnx</text>",
        ] {
            assert!(picture.contains(part), "{part}:\n{picture}");
        }
        assert_eq!((picture.matches("class=\"s2 pale\"").count(), picture.matches("class=\"s2\"").count()), (1, 1));
    }

    #[test]
    fn many_short_launches_and_none_are_pictures() {
        let many: Vec<Bar> = (0..2000).map(|_| bar("add", "elementwise", 0.5, None)).collect();
        assert!(svg("", &many).contains("width=\"12100\""));
        assert!(svg("", &[]).contains(">0 launches, 0.0 us; "));
        assert!(!svg("", &[]).contains("NaN"));
    }
}
