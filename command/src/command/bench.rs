//! `hidet bench`: measures kernels on a GPU.

use super::{Outcome, say};
use crate::bench::machine::Machine;
use crate::bench::peaks::Peaks;
use crate::bench::{self, Comparison, Request, csv, plot, simulated, table};
use clap::Args;
use hidet::prelude::*;
use hidet::tune::{L2, Timing};
#[cfg(feature = "models")]
use std::path::Path;
use std::path::PathBuf;

/// The measurements, their baselines and settings.
#[derive(Args)]
pub struct Bench {
    /// Kernels by name or prefix; those of one problem are measured together. `launch` measures the cost of a launch
    /// itself and of a barrier of the grid, `compile` the time of compiling (without a GPU too), `image FILE` the first launch
    /// of a kernel image, which `hidet inspect KERNEL --image FILE` writes, `operators` those of hidet-ops beside PyTorch (all,
    /// or the cases that begin with the names behind it), and a file `MODEL.onnx` a whole model.
    #[arg(required_unless_present = "list")]
    kernels: Vec<String>,
    /// Baselines, separated by commas: cublaslt, cublas, copy, or kernels of the same problem; of a model torch,
    /// torch.compile and ort.
    #[arg(long, value_delimiter = ',')]
    against: Vec<String>,
    /// Shapes, separated by commas, such as 4096x4096x4096; the default is the shapes of the list.
    #[arg(long, value_delimiter = ',', value_parser = shape)]
    shape: Vec<Extents>,
    /// In which floats a model is computed: f32 (as it says), tf32x3, tf32, f16, bf16.
    #[cfg(feature = "models")]
    #[arg(long, default_value_t)]
    arithmetic: hidet_onnx::Arithmetic,
    /// An extent that a model leaves open; the default is 1.
    #[cfg(feature = "models")]
    #[arg(long = "dim", value_name = "NAME=NUMBER")]
    dims: Vec<String>,
    /// The content of L2 when a launch begins.
    #[arg(long, value_enum, default_value = "warm")]
    l2: L2Content,
    /// The number of time slices of each contestant.
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// The least length of a time slice in milliseconds.
    #[arg(long, default_value_t = 20.0)]
    slice: f64,
    /// The GPU (cuda:1), or sim for counters of small shapes instead of times. The default is the first GPU. `compile`
    /// needs no GPU: it also runs without one, and with sim.
    #[arg(long)]
    device: Option<String>,
    /// Write rows of CSV to this file.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Draw the kernels of each problem as bars and their baselines as lines, as SVG.
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Draw a roofline plot with the measured peaks, as SVG.
    #[arg(long)]
    roofline: Option<PathBuf>,
    /// Do not measure the peaks of the device first, which takes two seconds; then no percentages of the peaks
    /// (roofline) are shown.
    #[arg(long, conflicts_with = "roofline")]
    no_peaks: bool,
    /// List what can be measured.
    #[arg(long)]
    list: bool,
}

/// The names of [`L2`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum L2Content {
    /// The content that the previous launch left: launches follow each other without a gap.
    Warm,
    /// Nothing useful: 256 MiB are written before each launch, which is timed by itself.
    Flush,
}

impl From<L2Content> for L2 {
    fn from(content: L2Content) -> L2 {
        match content {
            L2Content::Warm => L2::Warm,
            L2Content::Flush => L2::Flush,
        }
    }
}

/// The extents of a shape.
type Extents = Vec<usize>;

/// Reads `4096x4096x64`.
fn shape(text: &str) -> Result<Extents, String> {
    let extent = |word: &str| match word.parse::<usize>() {
        Ok(extent) if extent > 0 => Ok(extent),
        _ => Err(format!("`{word}` is not a valid extent; a shape is written like 4096x4096x4096")),
    };
    text.split('x').map(extent).collect()
}

impl Bench {
    /// Measures, and prints each table when it is done.
    pub fn run(&self) -> Outcome {
        if self.list {
            print!("{}", bench::list());
            return Ok(true);
        }
        if self.rounds == 0 || !(self.slice > 0.0 && self.slice <= 60_000.0) {
            return Err("--rounds must be at least 1, and --slice more than 0 and at most 60000 ms".to_owned());
        }
        #[cfg(feature = "models")]
        if let Some(outcome) = self.of_models() {
            return outcome;
        }
        if self.kernels == ["compile"] {
            return bench::compile::run(self.device.as_deref());
        }
        let request = Request {
            kernels: self.kernels.clone(),
            against: self.against.clone(),
            shapes: self.shape.clone(),
            plan: Timing { rounds: self.rounds, slice: self.slice, l2: self.l2.into() },
        };
        let launch = self.kernels == ["launch"];
        let image = match self.kernels.as_slice() {
            [image, file] if image == "image" => Some(PathBuf::from(file)),
            _ => None,
        };
        if !launch && image.is_none() {
            bench::check(&request)?;
        }
        let device = Device::named(self.device.as_deref().unwrap_or("cuda")).map_err(say)?;
        if let Some(file) = image {
            println!("{}", bench::image::run(&device, &file)?);
            return Ok(true);
        }
        let Some(context) = device.as_cuda() else { return self.simulate(&request) };
        let machine = Machine::of(context);
        println!("{machine}");
        if launch {
            println!("{}", bench::launch::run(&device)?);
            return Ok(true);
        }
        let peaks = if self.no_peaks { None } else { Some(Peaks::measure(&device)?) };
        if let Some(peaks) = &peaks {
            println!("{peaks}");
        }
        let failed = |path: &PathBuf, error| format!("{}: {error}", path.display());
        // Created before anything is measured, so that a path that cannot be written is reported at once.
        let mut table = match &self.csv {
            Some(path) => {
                Some((path, csv::Table::new(std::fs::File::create(path).map_err(|error| failed(path, error))?)))
            }
            None => None,
        };
        let mut comparisons = Vec::new();
        bench::run(&device, &request, &mut |comparison: Comparison| {
            println!("\n{}", table::text(&comparison, peaks.as_ref()));
            if let Some((path, table)) = &mut table {
                table
                    .add(&machine, peaks.as_ref(), self.l2.into(), &comparison)
                    .map_err(|error| failed(path, error))?;
            }
            comparisons.push(comparison);
            Ok(())
        })?;
        print!("{}", table::rates(&comparisons));
        let write =
            |path: &PathBuf, picture: String| std::fs::write(path, picture).map_err(|error| failed(path, error));
        if let Some(path) = &self.plot {
            write(path, plot::bars(&machine.gpu, &comparisons))?;
        }
        if let (Some(path), Some(peaks)) = (&self.roofline, &peaks) {
            write(path, plot::roofline(&machine.gpu, peaks, &comparisons))?;
        }
        Ok(comparisons.iter().all(|comparison| comparison.failures.is_empty()))
    }

    /// On the simulated device: counters instead of times.
    fn simulate(&self, request: &Request) -> Outcome {
        let files = [&self.csv, &self.plot, &self.roofline];
        if files.iter().any(|file| file.is_some()) {
            return Err("the simulated device has no time: there is nothing to plot or to write as CSV".to_owned());
        }
        let mut counts = Vec::new();
        simulated::run(request, &mut |count| {
            counts.push(count);
            Ok(())
        })?;
        println!("the simulated device has no time; what one launch does:\n{}", simulated::text(&counts));
        Ok(counts.iter().all(|count| count.counters.is_some()))
    }
}

#[cfg(feature = "models")]
impl Bench {
    /// Measures operators or a model, if these are asked for.
    fn of_models(&self) -> Option<Outcome> {
        match self.kernels.as_slice() {
            [operators, names @ ..] if operators == "operators" => Some(self.operators(names)),
            [model] if Path::new(model).extension().is_some_and(|kind| kind == "onnx") => {
                Some(self.model(Path::new(model)))
            }
            _ => None,
        }
    }

    fn operators(&self, names: &[String]) -> Outcome {
        let others = [self.plot.is_some(), self.roofline.is_some(), self.l2 == L2Content::Flush];
        if others.contains(&true) || !self.against.is_empty() || !self.shape.is_empty() {
            return Err("`operators` takes --device, --rounds and --csv alone: a case has its own shape and baseline"
                .to_owned());
        }
        let cases = crate::operators::chosen(names)?;
        let device = Device::named(self.device.as_deref().unwrap_or("cuda")).map_err(say)?;
        crate::operators::bench(&device, cases, self.rounds, self.csv.as_deref())
    }

    fn model(&self, model: &Path) -> Outcome {
        let device = Device::named(self.device.as_deref().unwrap_or("cuda")).map_err(say)?;
        let request = crate::models::bench::Request {
            model,
            arithmetic: self.arithmetic,
            dims: &self.dims,
            against: &self.against,
            rounds: self.rounds,
            csv: self.csv.as_deref(),
        };
        crate::models::bench::bench(&device, &request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: Bench,
    }

    fn parse(line: &str) -> Result<Bench, String> {
        Line::try_parse_from(line.split(' ')).map(|line| line.bench).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_read() {
        let line =
            "bench matmul_wgmma softmax --against cublaslt,copy --shape 4096x4096x64,8x8x8 --l2 flush --rounds 5";
        let bench = parse(line).unwrap();
        assert_eq!(bench.kernels, ["matmul_wgmma", "softmax"]);
        assert_eq!(bench.against, ["cublaslt", "copy"]);
        assert_eq!(bench.shape, [vec![4096, 4096, 64], vec![8, 8, 8]]);
        assert_eq!((bench.l2, bench.rounds), (L2Content::Flush, 5));
    }

    #[test]
    fn wrong_arguments_say_what_is_right() {
        let error = |line| parse(line).map(|_| ()).unwrap_err();
        assert!(error("bench k --shape 4096x").contains("a shape is written like 4096x4096x4096"));
        assert!(error("bench k --shape 0x4").contains("`0` is not a valid extent"));
        assert!(error("bench").contains("KERNELS"));
        assert!(parse("bench --list").is_ok());
        let none = parse("bench k --rounds 0").unwrap().run().unwrap_err();
        assert!(none.contains("--rounds must be at least 1"), "{none}");
    }

    #[test]
    fn the_simulated_device_has_no_time() {
        let error = parse("bench softmax --against copy --device sim").unwrap().run().unwrap_err();
        assert!(error.contains("the simulated device has no time"), "{error}");
    }
}
