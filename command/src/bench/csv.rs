//! A comparison as rows of CSV (RFC 4180), each with the machine it was measured on.

use super::Comparison;
use super::machine::Machine;
use super::peaks::Peaks;
use super::table::{gigabytes, of_roof, teraflops};
use hidet::tune::L2;
use std::io::{self, Write};

/// Returns the columns of a line, with their names.
fn columns(
    machine: &Machine,
    peaks: Option<&Peaks>,
    l2: L2,
    comparison: &Comparison,
    index: usize,
) -> Vec<(&'static str, String)> {
    let line = &comparison.lines[index];
    let roof = of_roof(comparison, peaks, line.time.median);
    let share = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.5}"));
    vec![
        ("gpu", machine.gpu.clone()),
        ("clock_mhz", machine.clock.to_string()),
        ("driver", machine.driver.clone()),
        ("nvrtc", machine.nvrtc.clone()),
        ("cpu", machine.cpu.clone()),
        ("l2", format!("{l2:?}").to_lowercase()),
        ("shape", comparison.shape.clone()),
        ("name", line.name.clone()),
        ("baseline", line.baseline.to_string()),
        ("detail", line.detail.clone()),
        ("rounds", line.rounds.to_string()),
        ("median_ms", format!("{:.6}", line.time.median)),
        ("lower_ms", format!("{:.6}", line.time.lower)),
        ("upper_ms", format!("{:.6}", line.time.upper)),
        ("least_ms", format!("{:.6}", line.time.least)),
        ("largest_ms", format!("{:.6}", line.time.largest)),
        ("flops", comparison.work.flops.to_string()),
        ("bytes", comparison.work.bytes.to_string()),
        ("tflops", format!("{:.3}", teraflops(&comparison.work, line.time.median))),
        ("gbytes_per_s", format!("{:.2}", gigabytes(&comparison.work, line.time.median))),
        ("share_of_roof", share(roof.map(|roof| roof.0))),
        ("bound", roof.map_or("", |roof| roof.1).to_owned()),
        ("peak_copy_gbytes_per_s", share(peaks.map(|peaks| peaks.copy))),
        ("peak_f32_tflops", share(peaks.map(|peaks| peaks.fma))),
        ("peak_tensor_tflops", share(peaks.and_then(|peaks| peaks.tensor))),
        ("error_of_limit", share(line.error)),
        ("ratio_of_medians", share(line.ratio.map(|ratio| ratio.of_medians))),
        ("ratio_of_rounds", share(line.ratio.map(|ratio| ratio.of_rounds))),
    ]
}

/// A writer of rows, which writes the names of the columns before the first row.
pub struct Table<W> {
    to: W,
    named: bool,
}

impl<W: Write> Table<W> {
    /// A table without rows.
    pub fn new(to: W) -> Self {
        Table { to, named: false }
    }

    /// Writes the rows of a comparison; none if all contestants failed.
    pub fn add(&mut self, machine: &Machine, peaks: Option<&Peaks>, l2: L2, comparison: &Comparison) -> io::Result<()> {
        for index in 0..comparison.lines.len() {
            let (names, fields): (Vec<_>, Vec<_>) = columns(machine, peaks, l2, comparison, index).into_iter().unzip();
            if !std::mem::replace(&mut self.named, true) {
                self.to.write_all(row(names.into_iter()).as_bytes())?;
            }
            self.to.write_all(row(fields.iter().map(String::as_str)).as_bytes())?;
        }
        Ok(())
    }
}

/// A row. A field is quoted if it contains a comma, a quote or a line break; quotes inside are doubled.
pub fn row<'a>(fields: impl Iterator<Item = &'a str>) -> String {
    let quote = |field: &str| match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    };
    fields.map(quote).collect::<Vec<_>>().join(",") + "\r\n"
}

/// Returns the rows of a file, each of which has its fields. Text behind a quoted field belongs to it.
#[cfg(feature = "models")]
pub fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut fields, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut fields));
            }
            c => field.push(c),
        }
    }
    if !field.is_empty() || !fields.is_empty() {
        fields.push(field);
        rows.push(fields);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(row(["a b", "c,d", "say \"e\"", ""].into_iter()), "a b,\"c,d\",\"say \"\"e\"\"\",\r\n");
    }

    #[cfg(feature = "models")]
    #[test]
    fn what_is_written_is_read() {
        let written = [vec!["a b", "c,d", "say \"e\"", ""], vec!["", "line\r\nbreak", "\"\"", "f"]];
        let text: String = written.iter().map(|fields| row(fields.iter().copied())).collect();
        assert_eq!(rows(&text), written);
        // Other programs end lines by one character, and perhaps not the last one.
        assert_eq!(rows("a,b\n1,"), [["a", "b"], ["1", ""]]);
        assert!(rows("").is_empty());
    }

    #[test]
    fn every_row_has_every_column() {
        let machine = Machine { gpu: "A, B".to_owned(), ..Machine::default() };
        let mut table = Table::new(Vec::new());
        // No contestant solved the first problem.
        for comparison in [Comparison::default(), super::super::tests::comparison(), super::super::tests::comparison()]
        {
            table.add(&machine, None, L2::Warm, &comparison).unwrap();
        }
        let text = String::from_utf8(table.to).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[0].starts_with("gpu,clock_mhz,driver,nvrtc,cpu,l2,shape,name,baseline,"), "{text}");
        assert!(lines[1].starts_with("\"A, B\",0,,,,warm,128x128x128,ours,false,"), "{text}");
        assert!(lines[2].contains(",theirs,true,") && lines[2].ends_with(",,,,,,,,"), "{text}");
        assert!(lines[1].ends_with(",0.25000,0.50000,0.60000"), "{text}");
        assert_eq!(text.matches("median_ms").count(), 1);
    }
}
