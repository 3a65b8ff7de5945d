//! The experiments of the paper, and the workloads of each.

use crate::near;

/// What is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A whole model, of a file.
    Model,
    /// A convolution with batch normalisation and relu: side of the image, channels, channels of the result, side of the kernel,
    /// stride. The padding is half of the kernel.
    Layer([usize; 5]),
}

/// A thing that is measured, for a number of inputs at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The name of the artifact.
    pub name: String,
    /// The inputs that are computed at once.
    pub batch: usize,
    /// What is computed.
    pub work: Work,
}

/// An experiment.
pub struct Experiment {
    /// Its number in the artifact.
    pub number: u32,
    /// What it is about.
    pub title: &'static str,
    /// What is measured.
    pub workloads: Vec<Workload>,
    /// The programs beside hidet that are measured by default.
    pub against: &'static [&'static str],
}

/// The experiments that there are.
const NUMBERS: &str = "0 (the five models), 3 (batch sizes) and 4 (convolutions with batch normalisation and relu)";

const MODELS: [&str; 5] = ["resnet50", "inception_v3", "mobilenet_v2", "bert", "gpt2"];

/// The subgraphs of resnet50 from Conv2d to ReLU, in the order of the artifact: as [`Work::Layer`].
const LAYERS: [[usize; 5]; 23] = [
    [224, 3, 64, 7, 2],
    [56, 64, 64, 1, 1],
    [56, 64, 64, 3, 1],
    [56, 64, 256, 1, 1],
    [56, 256, 64, 1, 1],
    [56, 256, 128, 1, 1],
    [56, 128, 128, 3, 2],
    [28, 128, 512, 1, 1],
    [56, 256, 512, 1, 2],
    [28, 512, 128, 1, 1],
    [28, 128, 128, 3, 1],
    [28, 512, 256, 1, 1],
    [28, 256, 256, 3, 2],
    [14, 256, 1024, 1, 1],
    [28, 512, 1024, 1, 2],
    [14, 1024, 256, 1, 1],
    [14, 256, 256, 3, 1],
    [14, 1024, 512, 1, 1],
    [14, 512, 512, 3, 2],
    [7, 512, 2048, 1, 1],
    [14, 1024, 2048, 1, 2],
    [7, 2048, 512, 1, 1],
    [7, 512, 512, 3, 1],
];

impl Experiment {
    /// Returns the experiment of that number.
    ///
    /// # Errors
    ///
    /// If there is no such experiment here.
    pub fn numbered(number: u32) -> Result<Experiment, String> {
        let model = |name: &str, batch| Workload { name: name.to_owned(), batch, work: Work::Model };
        let all: &[&str] = &["torch", "torch.compile", "ort", "tvm"];
        let (title, workloads, against) = match number {
            0 => ("models end to end", MODELS.iter().map(|name| model(name, 1)).collect(), all),
            3 => {
                let images = [1, 4, 8, 16, 64].map(|batch| model("resnet50", batch));
                let texts = ["bert", "gpt2"].map(|name| model(name, 8));
                ("batch sizes", images.into_iter().chain(texts).collect(), all)
            }
            4 => {
                let layer = |(number, shape): (usize, &[usize; 5])| Workload {
                    name: format!("resnet50_conv_{number}"),
                    batch: 1,
                    work: Work::Layer(*shape),
                };
                let layers = LAYERS.iter().enumerate().map(layer).collect();
                ("Conv2d, BatchNorm, ReLU of resnet50", layers, ["torch.compile", "ort"].as_slice())
            }
            1 | 2 | 5 => {
                let why = if number == 5 { "TensorRT" } else { "a tuner of schedules" };
                return Err(format!("experiment {number} needs {why}, which is not here; there are {NUMBERS}"));
            }
            _ => return Err(format!("there is no experiment {number}; there are {NUMBERS}")),
        };
        Ok(Experiment { number, title, workloads, against })
    }

    /// Keeps the workloads of these names; all if there is no name.
    ///
    /// # Errors
    ///
    /// If the experiment has no such workload.
    pub fn only(&mut self, names: &[String]) -> Result<(), String> {
        if let Some(name) = names.iter().find(|name| !self.workloads.iter().any(|own| own.name == **name)) {
            let mut known: Vec<&str> = self.workloads.iter().map(|own| own.name.as_str()).collect();
            known.dedup();
            let (number, hint) = (self.number, near::hint(name, known.iter().copied()));
            let list = known.join(", ");
            return Err(format!("--only {name}: experiment {number} has no such workload{hint}; it has {list}"));
        }
        self.workloads.retain(|own| names.is_empty() || names.contains(&own.name));
        Ok(())
    }
}

impl Workload {
    /// Returns how many calls a sample has, one behind the other: as many as the artifact has, and more of what is short.
    pub fn calls(&self) -> usize {
        if self.work == Work::Model { 10 } else { 20 }
    }

    /// Returns a layer in the words of the peers.
    pub fn peers_name(&self, file: &str) -> String {
        match &self.work {
            Work::Model => file.to_owned(),
            Work::Layer(shape) => format!("conv_bn_relu:{}", shape.map(|extent| extent.to_string()).join("x")),
        }
    }

    /// Returns the name of a model's file in the folder of the models.
    pub fn file(&self) -> String {
        format!("{}.opset13.onnx", self.name)
    }

    /// Returns the name of the archive of its inputs and of what ONNX Runtime computes of them.
    pub fn reference(&self) -> String {
        match self.batch {
            1 => format!("reference/{}.opset13.npz", self.name),
            batch => format!("reference/{}.opset13.bs={batch}.npz", self.name),
        }
    }

    /// Returns the extents that a model leaves open, as `NAME=NUMBER`.
    pub fn dims(&self) -> Vec<String> {
        if self.batch == 1 { Vec::new() } else { vec![format!("bs={}", self.batch)] }
    }

    /// Returns a short name for pictures.
    pub fn label(&self) -> String {
        match (self.name.strip_prefix("resnet50_conv_"), self.batch) {
            (Some(number), _) => number.to_owned(),
            (None, 1) => self.name.clone(),
            (None, batch) => format!("{}, {batch}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn experiments_have_their_workloads() {
        let all = |number| {
            let own = Experiment::numbered(number).unwrap().workloads;
            own.iter().map(|own| format!("{} {}", own.name, own.batch)).collect::<Vec<_>>()
        };
        assert_eq!(all(0), ["resnet50 1", "inception_v3 1", "mobilenet_v2 1", "bert 1", "gpt2 1"]);
        assert_eq!(all(3)[3..], ["resnet50 16", "resnet50 64", "bert 8", "gpt2 8"]);
        assert_eq!((all(4).len(), &*all(4)[22]), (23, "resnet50_conv_22 1"));
        // The multiplications of M, N, K of the reference, in the first, one with a stride, and the last.
        let layers = Experiment::numbered(4).unwrap().workloads;
        let product = |at: usize| match layers[at].work {
            Work::Layer([side, c, outputs, kernel, stride]) => {
                [(side.div_ceil(stride)).pow(2), outputs, c * kernel * kernel]
            }
            Work::Model => panic!(),
        };
        assert_eq!([0, 12, 22].map(product), [[12544, 64, 147], [196, 256, 2304], [49, 512, 4608]]);
    }

    #[test]
    fn workloads_are_chosen_by_name() {
        let mut experiment = Experiment::numbered(3).unwrap();
        experiment.only(&names(&["gpt2", "bert"])).unwrap();
        assert_eq!(experiment.workloads.iter().map(Workload::label).collect::<Vec<_>>(), ["bert, 8", "gpt2, 8"]);
        assert_eq!(experiment.workloads[0].dims(), ["bs=8"]);
        assert_eq!(experiment.workloads[0].reference(), "reference/bert.opset13.bs=8.npz");
        let error = Experiment::numbered(0).unwrap().only(&names(&["resnet5"])).unwrap_err();
        assert!(
            error.contains("experiment 0 has no such workload; did you mean `resnet50`?; it has resnet50, inc"),
            "{error}"
        );
        let error = |number| Experiment::numbered(number).map(|_| ()).unwrap_err();
        assert!(error(7).starts_with("there is no experiment 7; there are 0 (the five models), 3 "));
        assert!(error(5).contains("needs TensorRT") && error(1).contains("needs a tuner of schedules"));
    }
}
