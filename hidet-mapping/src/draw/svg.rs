//! Grids as SVG: a self-contained file without scripts or embedded fonts.

use super::{Grid, Panel};
use std::fmt::Write;

const MARGIN: usize = 16;
const ROW: usize = 34;
const AXIS: usize = 30;

impl Grid {
    /// Returns the grid as SVG.
    pub fn svg(&self) -> String {
        let labels = self.panels.iter().flat_map(|panel| &panel.cells).map(|cell| cell.label.chars().count());
        let cell = (labels.max().unwrap_or(1) * 8 + 14).max(34);
        let widest = self.panels.iter().map(|panel| panel.columns * cell + AXIS).max().unwrap_or(0);
        // The title and the legend are set in 13 and 12 pixels.
        let words = (self.title.chars().count() * 8).max(self.legend.chars().count() * 7);
        let width = widest.max(words) + 2 * MARGIN;
        let mut body = String::new();
        let mut top = MARGIN + 14;
        text(&mut body, MARGIN, top, "t", &self.title);
        top += 18;
        text(&mut body, MARGIN, top, "l", &self.legend);
        top += 14;
        for panel in &self.panels {
            if !panel.title.is_empty() {
                top += 18;
                text(&mut body, MARGIN, top, "t", &panel.title);
            }
            top = panel_svg(&mut body, panel, cell, top + 18);
        }
        let height = top + MARGIN;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n<style>text{{font-family:ui-monospace,Menlo,Consolas,monospace;\
             fill:#111}}.t{{font-size:13px;font-weight:bold}}.l{{font-size:12px}}.a{{font-size:10px;fill:#666}}\
             .c{{font-size:12px;text-anchor:middle}}.n{{font-size:9px;text-anchor:middle;fill:#333}}\
             .e{{text-anchor:end}}.m{{text-anchor:middle}}rect{{stroke:#fff}}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }
}

/// Draws a panel below `top` and returns the position below it.
fn panel_svg(out: &mut String, panel: &Panel, width: usize, top: usize) -> usize {
    let left = MARGIN + AXIS;
    for column in 0..panel.columns {
        text(out, left + column * width + width / 2, top - 4, "a m", &column.to_string());
    }
    let mut y = top;
    for (row, cells) in panel.cells.chunks(panel.columns.max(1)).enumerate() {
        text(out, left - 6, y + ROW / 2 + 4, "a e", &row.to_string());
        for (column, cell) in cells.iter().enumerate() {
            let x = left + column * width;
            let fill = cell.color.map_or_else(|| "#eee".to_owned(), color);
            // Writing to a string cannot fail.
            let _ = writeln!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{ROW}\" fill=\"{fill}\"/>");
            let center = x + width / 2;
            if cell.note.is_empty() {
                text(out, center, y + ROW / 2 + 4, "c", &cell.label);
            } else {
                text(out, center, y + 15, "c", &cell.label);
                text(out, center, y + 28, "n", &cell.note);
            }
        }
        y += ROW;
    }
    y
}

fn text(out: &mut String, x: usize, y: usize, class: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{content}</text>");
}

/// Returns a light colour: by the golden angle, neighbouring numbers lie far apart on the colour circle; three shades
/// alternate.
fn color(number: usize) -> String {
    let hue = (number * 137_508 / 1000) % 360;
    let light = [78, 86, 70][number / 8 % 3];
    format!("hsl({hue},65%,{light}%)")
}
