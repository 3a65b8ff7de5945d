//! A row of results: as the artifact of the paper prints it, and as a row of CSV.

use crate::bench::csv;

/// The columns of the artifact.
const COLUMNS: [&str; 8] = ["BatchSize", "Model", "Executor", "Config", "Space", "Latency", "Std", "Error"];

/// Their widths.
const WIDTHS: [usize; 8] = [10, 20, 12, 40, 10, 10, 10, 10];

/// The columns that a file has besides.
const MORE: [&str; 2] = ["gpu", "launches"];

/// What stands in the place of the latency before the reason.
const NOT_RUN: &str = "not run: ";

/// In the place of what is not there.
const NOTHING: &str = "-";

/// What identifies a row: the configuration and the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Inputs at once.
    pub batch: usize,
    /// The name of the workload.
    pub model: String,
    /// The name of the executor.
    pub executor: String,
    /// Its settings.
    pub config: String,
    /// The space of schedules, of hidet alone.
    pub space: String,
    /// The name of the GPU.
    pub gpu: String,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The median of the samples, in milliseconds.
    pub latency: f64,
    /// Their standard deviation.
    pub std: f64,
    /// The distance from the reference, if there is one; -1 if it was not asked for.
    pub error: Option<f64>,
    /// The launches of hidet.
    pub launches: Option<usize>,
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Of what.
    pub key: Key,
    /// The figures; an error if it was not run.
    pub outcome: Result<Figures, String>,
}

/// Returns the line above the rows.
pub fn head() -> String {
    line(&COLUMNS.map(str::to_owned))
}

/// Returns fields as a line. Each ends where its column does; one that is too long takes the place of the next.
fn line(fields: &[String]) -> String {
    let (mut line, mut end) = (String::new(), 0);
    for (field, width) in fields.iter().zip(WIDTHS) {
        let space = usize::from(!line.is_empty());
        end += space + width;
        let width = (end - space).saturating_sub(line.chars().count());
        line += &format!("{:space$}{field:>width$}", "");
    }
    line
}

impl Row {
    /// Returns the row as the artifact prints it, with the reason in the place of the last columns if it was not run.
    pub fn text(&self) -> String {
        let mut fields = self.front();
        match &self.outcome {
            Ok(Figures { latency, std, error, .. }) => {
                let error = error.map_or(NOTHING.to_owned(), |error| format!("{error:.3}"));
                fields.extend([format!("{latency:.3}"), format!("{std:.3}"), error]);
                line(&fields)
            }
            Err(why) => format!("{} {NOT_RUN}{why}", line(&fields)),
        }
    }

    fn front(&self) -> Vec<String> {
        let Key { batch, model, executor, config, space, .. } = &self.key;
        vec![batch.to_string(), model.clone(), executor.clone(), config.clone(), space.clone()]
    }

    /// Returns the names of the columns in a file.
    pub fn names() -> String {
        csv::row(COLUMNS.into_iter().chain(MORE))
    }

    /// Returns the row in a file.
    pub fn fields(&self) -> String {
        let mut fields = self.front();
        let optional = |text: Option<String>| text.unwrap_or(NOTHING.to_owned());
        fields.extend(match &self.outcome {
            Ok(Figures { latency, std, error, launches }) => {
                let (error, launches) = (error.map(|error| error.to_string()), launches.map(|count| count.to_string()));
                let figures = [format!("{latency:.6}"), format!("{std:.6}"), optional(error)];
                figures.into_iter().chain([self.key.gpu.clone(), optional(launches)])
            }
            Err(why) => {
                let [nothing, gpu] = [NOTHING, &self.key.gpu].map(str::to_owned);
                let figures = [format!("{NOT_RUN}{why}"), nothing.clone(), nothing.clone()];
                figures.into_iter().chain([gpu, nothing])
            }
        });
        csv::row(fields.iter().map(String::as_str))
    }

    /// Reads the fields of a row.
    pub fn of(fields: &[String]) -> Result<Row, String> {
        let [batch, model, executor, config, space, latency, std, error, gpu, launches] = fields else {
            let wanted = COLUMNS.len() + MORE.len();
            return Err(format!("it has {} fields, but must have {wanted}", fields.len()));
        };
        fn number<T: std::str::FromStr>(column: &str, text: &str) -> Result<T, String> {
            text.parse().map_err(|_| format!("its {column} is `{text}`, which is not a number"))
        }
        fn optional<T: std::str::FromStr>(column: &str, text: &str) -> Result<Option<T>, String> {
            if text == NOTHING { Ok(None) } else { number(column, text).map(Some) }
        }
        let outcome = match latency.strip_prefix(NOT_RUN) {
            Some(why) => Err(why.to_owned()),
            None => Ok(Figures {
                latency: number("Latency", latency)?,
                std: number("Std", std)?,
                error: optional("Error", error)?,
                launches: optional("launches", launches)?,
            }),
        };
        let [model, executor, config, space, gpu] = [model, executor, config, space, gpu].map(String::clone);
        Ok(Row { key: Key { batch: number("BatchSize", batch)?, model, executor, config, space, gpu }, outcome })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A row of resnet50 on a made-up machine.
    pub fn row(executor: &str, config: &str, outcome: Result<(f64, Option<f64>), &str>) -> Row {
        let space = if executor == "hidet" { "0" } else { NOTHING };
        let [model, executor, config, space, gpu] =
            ["resnet50", executor, config, space, "A \"GPU\", large"].map(str::to_owned);
        let figures = |(latency, error)| Figures { latency, std: 0.0125, error, launches: None };
        let outcome = outcome.map(figures).map_err(str::to_owned);
        Row { key: Key { batch: 1, model, executor, config, space, gpu }, outcome }
    }

    #[test]
    fn rows_are_printed_as_by_the_artifact() {
        let hidet = row("hidet", "sp0_simt_f32_f32_pk_default", Ok((1.18449, Some(4.3e-6))));
        let artifact = format!(
            "{:>10} {:>20} {:>12} {:>40} {:>10} {:>10} {:>10} {:>10}",
            1, "resnet50", "hidet", "sp0_simt_f32_f32_pk_default", 0, "1.184", "0.013", "0.000"
        );
        assert_eq!(hidet.text(), artifact);
        assert_eq!(
            head(),
            " BatchSize                Model     Executor                                   Config      Space    Latency        Std      Error"
        );
        assert_eq!((head().len(), artifact.len()), (129, 129));
        let torch = row("torch", "fp32", Ok((12345.6789, Some(-1.0))));
        assert!(torch.text().ends_with("fp32          -  12345.679      0.013     -1.000"), "{}", torch.text());
        assert!(row("ort", "x", Ok((0.5, None))).text().ends_with("      0.500      0.013          -"));
    }

    #[test]
    fn what_is_too_long_does_not_move_later_columns() {
        let long = row("torch.compile", "default_fp32", Ok((1.0, None))).text();
        assert_eq!(long.len(), 129);
        assert!(long.starts_with("         1             resnet50 torch.compile"), "{long}");
        assert_eq!(long.find("default_fp32").map(|at| at + 12), head().find("Config").map(|at| at + 6));
        // There is always a space.
        let longer = row("torch", &"c".repeat(60), Ok((1.0, None))).text();
        assert!(longer.contains(&format!(" {} - ", "c".repeat(60))), "{longer}");
    }

    #[test]
    fn what_was_not_run_says_why() {
        let missing = row("tvm", "trial_64_fp32", Err("No module named 'tvm'"));
        assert!(
            missing.text().ends_with("trial_64_fp32          - not run: No module named 'tvm'"),
            "{}",
            missing.text()
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let mut own = row("hidet", "sp0", Ok((0.25, Some(0.001953125))));
        if let Ok(figures) = &mut own.outcome {
            figures.launches = Some(58);
        }
        let rows = [own, row("ort", "x", Ok((1.5, None))), row("tvm", "y", Err("it said \"no\", twice"))];
        let text: String = rows.iter().map(Row::fields).collect();
        let read: Vec<Row> = csv::rows(&text).iter().map(|fields| Row::of(fields).unwrap()).collect();
        assert_eq!(read, rows);
        assert!(
            text.starts_with("1,resnet50,hidet,sp0,0,0.250000,0.012500,0.001953125,\"A \"\"GPU\"\", large\",58\r\n")
        );
        assert_eq!(Row::names(), "BatchSize,Model,Executor,Config,Space,Latency,Std,Error,gpu,launches\r\n");
        let wrong = |at: usize, text: &str| {
            let mut fields = csv::rows(&rows[0].fields()).remove(0);
            fields[at] = text.to_owned();
            Row::of(&fields).unwrap_err()
        };
        assert_eq!(wrong(5, "fast"), "its Latency is `fast`, which is not a number");
        assert_eq!(wrong(0, "-1"), "its BatchSize is `-1`, which is not a number");
        assert_eq!(Row::of(&["1".to_owned()]).unwrap_err(), "it has 1 fields, but must have 10");
    }
}
