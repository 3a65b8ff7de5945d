//! Bars in groups, as SVG: one group for each thing that is compared, in it one bar for each of those that compete.

use crate::bench::canvas::{Canvas, round_up, short};

/// Bars beyond this value are cut off at the end of the axis; the number above them is right.
const HIGHEST: f64 = 5.0;

const LEFT: f64 = 60.0;
const PANEL: f64 = 240.0;
const BAR: f64 = 34.0;
const GAP: f64 = 24.0;

/// The number of colours, so of series.
const COLOURS: usize = 5;

/// Groups beside each other, on one axis.
pub struct Panel {
    /// What they have in common.
    pub title: String,
    /// The groups.
    pub groups: Vec<Group>,
}

/// The bars of one thing.
pub struct Group {
    /// Its name.
    pub label: String,
    /// A value for each series; nothing where it could not be measured.
    pub values: Vec<Option<f64>>,
}

/// Draws panels below each other. A series is a number of a colour and a name. A line marks the value 1.
pub fn grouped(title: &str, series: &[(usize, &str)], panels: &[Panel]) -> String {
    let mut canvas = Canvas::new();
    canvas.text([16.0, 24.0], "t", title);
    let mut left = 16.0;
    for (number, name) in series {
        canvas.rect([left, 36.0, 12.0, 12.0], &colour(*number));
        canvas.text([left + 18.0, 47.0], "", name);
        left += 50.0 + 8.0 * name.chars().count() as f64;
    }
    canvas.width = left;
    let mut top = 60.0;
    for panel in panels {
        let values = panel.groups.iter().flat_map(|group| group.values.iter().flatten().copied());
        let limit = round_up(values.fold(1.0, f64::max).min(HIGHEST) * 1.05);
        // Letters are 7 or 8 pixels wide, so that a name may be wider than its bars.
        let name = panel.groups.iter().map(|group| group.label.chars().count()).max().unwrap_or(0) as f64 * 8.0;
        let step = name.max(series.len() as f64 * BAR) + GAP;
        let (right, bottom) = (LEFT + GAP + panel.groups.len() as f64 * step, top + 40.0 + PANEL);
        let height = |value: f64| bottom - value.min(limit) / limit * PANEL;
        canvas.text([LEFT, top + 16.0], "t", &panel.title);
        for mark in 0..=5 {
            let value = limit * f64::from(mark) / 5.0;
            canvas.line([LEFT, height(value)], [right, height(value)], if mark == 0 { "axis" } else { "grid" });
            canvas.text([LEFT - 6.0, height(value) + 4.0], "e", &short(value));
        }
        canvas.line([LEFT, height(1.0)], [right, height(1.0)], "axis");
        for (index, group) in panel.groups.iter().enumerate() {
            let center = LEFT + GAP + index as f64 * step + (step - GAP) / 2.0;
            let begin = center - series.len() as f64 * BAR / 2.0;
            for (number, (value, (series, _))) in group.values.iter().zip(series).enumerate() {
                let middle = begin + (number as f64 + 0.5) * BAR;
                match value {
                    Some(value) => {
                        let top = height(*value);
                        canvas.rect([middle - BAR / 2.0 + 1.0, top, BAR - 2.0, bottom - top], &colour(*series));
                        canvas.text([middle, top - 5.0], "m", &short(*value));
                    }
                    None => canvas.text([middle, bottom - 5.0], "m", "-"),
                }
            }
            canvas.text([center, bottom + 18.0], "m", &group.label);
        }
        canvas.width = canvas.width.max(right + 20.0);
        top = bottom + 40.0;
    }
    canvas.width = canvas.width.max(40.0 + 8.0 * title.chars().count() as f64);
    canvas.height = top;
    canvas.finish()
}

fn colour(number: usize) -> String {
    format!("s{}", number % COLOURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_values() {
        let group = |label: &str, values: [Option<f64>; 3]| Group { label: label.to_owned(), values: values.to_vec() };
        let groups = vec![group("one", [Some(1.0), Some(2.0), None]), group("two", [Some(1.0), Some(0.5), Some(30.0)])];
        let panels = [Panel { title: "f32".to_owned(), groups }];
        let picture = grouped("A<B>", &[(0, "hidet"), (1, "torch"), (3, "ort")], &panels);
        // The axis ends at 6, the next round number above 5.25, and is 240 pixels high.
        for (height, class) in [("40.0", "s0"), ("80.0", "s1"), ("20.0", "s1"), ("240.0", "s3")] {
            assert!(picture.contains(&format!("height=\"{height}\" class=\"{class}\"")), "{height} {class}\n{picture}");
        }
        for text in [">30.0</text>", ">0.50</text>", ">-</text>", ">one</text>", ">hidet</text>", ">A&lt;B&gt;</text>"]
        {
            assert!(picture.contains(text), "{text}\n{picture}");
        }
        assert_eq!(picture.matches("class=\"s3\"").count(), 2);
    }

    #[test]
    fn nothing_is_a_picture_too() {
        let picture = grouped("none", &[], &[Panel { title: String::new(), groups: Vec::new() }]);
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    }
}
