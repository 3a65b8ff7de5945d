//! Comparisons as pictures: bars with lines for the baselines, and points under the roofline. SVG that needs only a viewer.

use super::canvas::{Canvas, round_up, short};
use super::peaks::Peaks;
use super::problem::Work;
use super::table::{gigabytes, teraflops};
use super::{Comparison, Line};

const LEFT: f64 = 70.0;
const PANEL: f64 = 300.0;
const BAR: f64 = 70.0;
const GAP: f64 = 30.0;

/// Returns the speed in the unit that suits a comparison, and the name of the unit.
fn speed(work: &Work, line: &Line) -> f64 {
    match work.in_flops() {
        true => teraflops(work, line.time.median),
        false => gigabytes(work, line.time.median),
    }
}

/// One panel per comparison: a bar for each kernel, in the order of the request, and a line for each baseline.
pub fn bars(machine: &str, comparisons: &[Comparison]) -> String {
    let mut canvas = Canvas::new();
    canvas.text([16.0, 24.0], "t", machine);
    let mut top = 40.0;
    for comparison in comparisons {
        let (baselines, kernels): (Vec<&Line>, Vec<&Line>) = comparison.lines.iter().partition(|line| line.baseline);
        let highest = comparison.lines.iter().map(|line| speed(&comparison.work, line)).fold(0.0, f64::max);
        let limit = round_up(highest * 1.05);
        let right = LEFT + GAP + kernels.len() as f64 * (BAR + GAP);
        let bottom = top + 30.0 + PANEL;
        let height = |value: f64| bottom - value / limit * PANEL;
        canvas.text(
            [LEFT, top + 16.0],
            "t",
            &format!("{}, {}", comparison.shape, if comparison.work.in_flops() { "TFLOP/s" } else { "GB/s" }),
        );
        for step in 0..=5 {
            let value = limit * f64::from(step) / 5.0;
            canvas.line([LEFT, height(value)], [right, height(value)], if step == 0 { "axis" } else { "grid" });
            canvas.text([LEFT - 6.0, height(value) + 4.0], "e", &short(value));
        }
        for (index, line) in kernels.iter().enumerate() {
            let (x, value) = (LEFT + GAP + index as f64 * (BAR + GAP), speed(&comparison.work, line));
            canvas.rect([x, height(value), BAR, bottom - height(value)], "bar");
            canvas.text([x + BAR / 2.0, height(value) - 5.0], "m", &short(value));
            // Names are long, so they are placed on three levels below each other.
            canvas.text([x + BAR / 2.0, bottom + 16.0 + 14.0 * (index % 3) as f64], "m", &line.name);
        }
        for baseline in baselines {
            let value = speed(&comparison.work, baseline);
            canvas.line([LEFT, height(value)], [right, height(value)], "baseline");
            canvas.text([right + 6.0, height(value) + 4.0], "rt", &format!("{} {}", baseline.name, short(value)));
        }
        canvas.width = canvas.width.max(right + 220.0);
        top = bottom + 60.0;
    }
    canvas.width = canvas.width.max(400.0);
    canvas.height = top + 10.0;
    canvas.finish()
}

/// A roofline plot: operations per byte to the right, TFLOP/s up, both by powers of ten.
pub fn roofline(machine: &str, peaks: &Peaks, comparisons: &[Comparison]) -> String {
    let mut canvas = Canvas::new();
    let points: Vec<(f64, f64, &Comparison, &Line)> = comparisons
        .iter()
        .filter(|comparison| comparison.work.flops > 0.0)
        .flat_map(|comparison| comparison.lines.iter().map(move |line| (comparison, line)))
        .map(|(comparison, line)| {
            (
                comparison.work.flops / comparison.work.bytes,
                teraflops(&comparison.work, line.time.median),
                comparison,
                line,
            )
        })
        .collect();
    let (low_x, high_x) = (-2.0, 4.0);
    let (low_y, high_y) = (-2.0, peaks.tensor.unwrap_or(peaks.fma).log10().ceil().max(2.0));
    let (width, height) = (660.0, 480.0);
    let (left, bottom) = (LEFT, 50.0 + height);
    let place = |x: f64, y: f64| {
        let (x, y) = (x.log10().clamp(low_x, high_x), y.log10().clamp(low_y, high_y));
        [left + (x - low_x) / (high_x - low_x) * width, bottom - (y - low_y) / (high_y - low_y) * height]
    };
    canvas.text([16.0, 24.0], "t", &format!("{machine}: {peaks}"));
    for power in low_x as i32..=high_x as i32 {
        let [x, _] = place(10f64.powi(power), 1.0);
        canvas.line([x, bottom], [x, bottom - height], "grid");
        canvas.text([x, bottom + 16.0], "m", &format!("{}", 10f64.powi(power)));
    }
    for power in low_y as i32..=high_y as i32 {
        let [_, y] = place(1.0, 10f64.powi(power));
        canvas.line([left, y], [left + width, y], "grid");
        canvas.text([left - 6.0, y + 4.0], "e", &format!("{}", 10f64.powi(power)));
    }
    canvas.text([left + width / 2.0, bottom + 34.0], "m", "FLOP per byte");
    canvas.text([left, 44.0], "e", "TFLOP/s");
    for (peak, name) in [(Some(peaks.fma), "f32"), (peaks.tensor, "bf16 tensor cores")] {
        let Some(peak) = peak else { continue };
        // Where memory delivers as many bytes as the unit can process; TB/s times FLOP per byte are TFLOP/s.
        let knee = peak / (peaks.copy / 1e3);
        let start = 10f64.powf(low_x).max(10f64.powf(low_y) / (peaks.copy / 1e3));
        canvas.line(place(start, start * peaks.copy / 1e3), place(knee, peak), "roof");
        canvas.line(place(knee, peak), place(10f64.powf(high_x), peak), "roof");
        let [x, y] = place(10f64.powf(high_x), peak);
        canvas.text([x + 6.0, y + 4.0], "", &format!("{name} {}", short(peak)));
    }
    // Kernels of ours are drawn on top of the others.
    let (theirs, ours): (Vec<_>, Vec<_>) = points.into_iter().partition(|point| point.3.baseline);
    for (x, y, comparison, line) in theirs.into_iter().chain(ours) {
        let class = if line.baseline { "theirs" } else { "ours" };
        canvas.dot(place(x, y), class);
        if !line.baseline {
            let [x, y] = place(x, y);
            canvas.text([x + 8.0, y + 4.0], "", &format!("{} {}", line.name, comparison.shape));
        }
    }
    canvas.width = left + width + 220.0;
    canvas.height = bottom + 50.0;
    canvas.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_they_are_fast() {
        let picture = bars("H<200>", &[super::super::tests::comparison()]);
        // 4e9 operations in 2 ms are 2 TFLOP/s; the baseline does 4, and the axis ends at 5.
        assert!(picture.contains("height=\"120.0\" class=\"bar\""), "{picture}");
        assert!(picture.contains(">theirs 4.00</text>") && picture.contains(">ours</text>"), "{picture}");
        assert!(picture.contains("H&lt;200&gt;") && picture.matches("class=\"baseline\"").count() == 1);
    }

    #[test]
    fn the_roof_has_two_levels() {
        let peaks = Peaks { copy: 4000.0, fma: 60.0, tensor: Some(800.0) };
        let picture = roofline("GPU", &peaks, &[super::super::tests::comparison()]);
        assert_eq!(picture.matches("class=\"roof\"").count(), 4);
        assert_eq!(picture.matches("<circle").count(), 2);
        // The slope begins where the axis does: 0.01 FLOP per byte at 4 TB/s are 0.04 TFLOP/s.
        let share = (0.04f64.log10() + 2.0) / 5.0;
        assert!(picture.contains(&format!("x1=\"70.0\" y1=\"{:.1}\"", 530.0 - share * 480.0)), "{picture}");
        assert!(picture.contains("bf16 tensor cores 800") && picture.contains("ours 128x128x128"), "{picture}");
    }
}
