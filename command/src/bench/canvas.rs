//! Pictures as SVG that needs only a viewer: shapes with classes, of which the picture has the style, and the numbers of axes.

use std::fmt::Write;

/// A picture being drawn.
pub struct Canvas {
    body: String,
    /// The width of the picture, in pixels.
    pub width: f64,
    /// The height of the picture, in pixels.
    pub height: f64,
}

impl Canvas {
    /// Nothing, of no size.
    pub fn new() -> Canvas {
        Canvas { body: String::new(), width: 0.0, height: 0.0 }
    }

    // Writing to a string cannot fail.
    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.body, "{element}");
    }

    /// Draws a rectangle: its left and upper end, width and height.
    pub fn rect(&mut self, [x, y, width, height]: [f64; 4], class: &str) {
        self.put(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\"/>"
        ));
    }

    /// Draws a line between two points.
    pub fn line(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], class: &str) {
        self.put(format_args!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>"));
    }

    /// Draws a point.
    pub fn dot(&mut self, [x, y]: [f64; 2], class: &str) {
        self.put(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" class=\"{class}\"/>"));
    }

    /// Draws a curve through points, that leaves and reaches each vertically.
    #[cfg(feature = "models")]
    pub fn curve(&mut self, points: &[[f64; 2]], class: &str) {
        let Some(([x, y], others)) = points.split_first() else { return };
        let mut path = format!("M{x:.1} {y:.1}");
        let mut before = [*x, *y];
        for [x, y] in others {
            let middle = (before[1] + y) / 2.0;
            let _ = write!(path, "C{:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}", before[0]);
            before = [*x, *y];
        }
        self.put(format_args!("<path d=\"{path}\" class=\"{class}\"/>"));
    }

    /// Draws with a title that viewers show under the mouse.
    #[cfg(feature = "models")]
    pub fn about(&mut self, title: &str, draw: impl FnOnce(&mut Canvas)) {
        self.put(format_args!("<g><title>{}</title>", escaped(title)));
        draw(self);
        self.put(format_args!("</g>"));
    }

    /// Writes text; `class` says how it is aligned.
    pub fn text(&mut self, [x, y]: [f64; 2], class: &str, content: &str) {
        self.put(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>", escaped(content)));
    }

    /// Returns the picture.
    pub fn finish(self) -> String {
        let Canvas { body, width, height } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n<style>text{{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#111}}\
             .t{{font-weight:bold}}.m{{text-anchor:middle}}.e{{text-anchor:end}}.bar{{fill:#4a7fb5}}\
             .axis{{stroke:#999}}.grid{{stroke:#e4e4e4}}.baseline{{stroke:#c0392b;stroke-width:2;stroke-dasharray:6 4}}\
             .rt{{fill:#c0392b}}.roof{{stroke:#333;stroke-width:2}}.ours{{fill:#4a7fb5}}.theirs{{fill:#c0392b}}\
             .s0{{fill:#4a7fb5}}.s1{{fill:#e08e3c}}.s2{{fill:#c0392b}}.s3{{fill:#5a9e5a}}.s4{{fill:#8064a2}}\
             .s5{{fill:#3aa6a6}}.s6{{fill:#b8860b}}.s7{{fill:#d4699f}}.s8{{fill:#7f8c3a}}.s9{{fill:#7f7f7f}}\
             .pale{{fill-opacity:.35}}.group{{fill:#f3f5f8;stroke:#8a97a6}}.node{{fill:#fff;stroke:#c3cad2}}\
             .end{{fill:#eaf4ea;stroke:#7fae7f}}.edge{{fill:none;stroke:#66707c}}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Formats a number with about three digits.
pub fn short(value: f64) -> String {
    let digits = if value >= 100.0 || value == 0.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

/// Returns a round number not below `value` that divides into a few steps of an axis.
pub fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-9).log10().floor());
    [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0]
        .map(|step| step * power)
        .into_iter()
        .find(|&top| top >= value)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "models")]
    fn what_is_under_the_mouse_has_a_title() {
        let mut canvas = Canvas::new();
        canvas.about("a < b", |canvas| canvas.curve(&[[0.0, 0.0], [4.0, 2.0]], "edge"));
        let wanted =
            "<g><title>a &lt; b</title>\n<path d=\"M0.0 0.0C0.0 1.0 4.0 1.0 4.0 2.0\" class=\"edge\"/>\n</g>\n";
        assert!(canvas.finish().contains(wanted));
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([7.3, 99.0, 100.0, 611.0, 8100.0].map(round_up), [8.0, 100.0, 100.0, 800.0, 10_000.0]);
    }
}
