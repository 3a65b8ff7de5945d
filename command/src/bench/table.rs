//! A comparison as a table for people.

use super::Comparison;
use super::peaks::Peaks;
use super::problem::Work;
use std::fmt::Write;

/// Milliseconds as microseconds or milliseconds, with four digits.
fn time(milliseconds: f64) -> String {
    let (value, unit) = if milliseconds < 1.0 { (milliseconds * 1e3, "us") } else { (milliseconds, "ms") };
    let digits = if value >= 100.0 {
        1
    } else if value >= 10.0 {
        2
    } else {
        3
    };
    format!("{value:.digits$} {unit}")
}

/// TFLOP/s.
pub fn teraflops(work: &Work, milliseconds: f64) -> f64 {
    work.flops / milliseconds / 1e9
}

/// GB/s.
pub fn gigabytes(work: &Work, milliseconds: f64) -> f64 {
    work.bytes / milliseconds / 1e6
}

/// Returns the bound of the comparison's work, and the share of the bound that the time reaches.
pub fn of_roof(comparison: &Comparison, peaks: Option<&Peaks>, milliseconds: f64) -> Option<(f64, &'static str)> {
    let roof = peaks?.roof(&comparison.work)?;
    Some((roof.time / milliseconds, roof.bound))
}

/// Returns the table of a comparison.
pub fn text(comparison: &Comparison, peaks: Option<&Peaks>) -> String {
    let mut rows = vec![
        [
            "kernel",
            "median",
            "quartiles",
            "spread",
            "TFLOP/s",
            "GB/s",
            "of roof",
            "error/limit",
            "of medians",
            "of rounds",
            "detail",
        ]
        .map(str::to_owned),
    ];
    for line in &comparison.lines {
        let ratio = |pick: fn(&hidet::tune::Ratio) -> f64| {
            line.ratio.as_ref().map_or("-".to_owned(), |r| format!("{:.3}", pick(r)))
        };
        rows.push([
            if line.baseline { format!("vs {}", line.name) } else { line.name.clone() },
            time(line.time.median),
            format!("{} .. {}", time(line.time.lower), time(line.time.upper)),
            format!("{:.1}%", 100.0 * line.time.spread()),
            format!("{:.1}", teraflops(&comparison.work, line.time.median)),
            format!("{:.0}", gigabytes(&comparison.work, line.time.median)),
            of_roof(comparison, peaks, line.time.median)
                .map_or("-".to_owned(), |(share, bound)| format!("{:.1}% {bound}", 100.0 * share)),
            line.error.map_or("-".to_owned(), |error| format!("{error:.3}")),
            ratio(|ratio| ratio.of_medians),
            ratio(|ratio| ratio.of_rounds),
            line.detail.clone(),
        ]);
    }
    let rounds = comparison.lines.iter().map(|line| line.rounds).max().unwrap_or(0);
    let mut text = format!("{}, {rounds} rounds; ratios: speed relative to the fastest baseline\n", comparison.shape);
    if !comparison.lines.is_empty() {
        align(&mut text, &rows);
    }
    for failure in &comparison.failures {
        text += &format!("  FAILED {failure}\n");
    }
    text
}

/// The rates of kernels that were measured on several shapes, as shares of the best of each; empty if there are none.
pub fn rates(comparisons: &[Comparison]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for line in comparisons.iter().flat_map(|comparison| &comparison.lines).filter(|line| !line.baseline) {
        if !names.contains(&line.name.as_str()) {
            names.push(&line.name);
        }
    }
    let mut rows = vec![["kernel", "shape", "rate", "of its best", ""].map(str::to_owned)];
    for name in names {
        let of = |comparison: &Comparison| -> Option<(String, bool, f64)> {
            let time = comparison.lines.iter().find(|line| line.name == name)?.time.median;
            let flops = comparison.work.in_flops();
            let rate = if flops { teraflops(&comparison.work, time) } else { gigabytes(&comparison.work, time) };
            Some((comparison.shape.clone(), flops, rate))
        };
        let all: Vec<(String, bool, f64)> = comparisons.iter().filter_map(of).collect();
        let best = all.iter().map(|one| one.2).fold(0.0, f64::max);
        for (shape, flops, rate) in all.iter().filter(|_| all.len() > 1) {
            let unit = if *flops { "TFLOP/s" } else { "GB/s" };
            let rate_text = format!("{rate:.1} {unit}");
            rows.push([name.to_owned(), shape.clone(), rate_text, format!("{:.3}", rate / best), String::new()]);
        }
    }
    let mut text = String::new();
    if rows.len() > 1 {
        align(&mut text, &rows);
    }
    text
}

/// Adds rows with columns of equal width; the first and the last are aligned to the left.
pub fn align<const N: usize>(text: &mut String, rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a string cannot fail.
            let _ = match column {
                0 => write!(text, "  {cell:<width$}"),
                _ if column + 1 == N => write!(text, "  {cell}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_four_digits() {
        assert_eq!(time(0.001_234_5), "1.234 us");
        assert_eq!(time(0.187_26), "187.3 us");
        assert_eq!(time(12.345), "12.35 ms");
    }

    #[test]
    fn columns_are_aligned() {
        let mut text = String::new();
        align(&mut text, &[["a", "bb", "c"], ["aaa", "b", ""]].map(|row| row.map(str::to_owned)));
        assert_eq!(text, "  a    bb  c\n  aaa   b\n");
    }

    #[test]
    fn rates_on_several_shapes_are_compared() {
        let (one, mut two) = (super::super::tests::comparison(), super::super::tests::comparison());
        assert_eq!(rates(&[one]), "");
        two.shape = "64x64x64".to_owned();
        two.work.flops /= 4.0;
        let text = rates(&[super::super::tests::comparison(), two]);
        let wanted = "  kernel        shape         rate  of its best\n  \
                      ours    128x128x128  2.0 TFLOP/s        1.000\n  \
                      ours       64x64x64  0.5 TFLOP/s        0.250\n";
        assert_eq!(text, wanted);
    }
}
