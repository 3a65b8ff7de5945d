//! Reading models by rules of users.

use super::{Model, source};
use crate::error::Result;
use crate::rule::Rule;
use prost::bytes::Bytes;
use std::path::Path;

impl Model {
    /// Reads a model from a file as [`Model::load`], and replaces nodes by rules, one after the other. They come before all that
    /// hidet changes, and before it is looked whether operators are supported, so that they can replace such as hidet does not
    /// have. [`Model::rewrites`] has the number of replacements.
    ///
    /// ```
    /// use hidet::prelude::*;
    /// use hidet_onnx::{Model, Rule};
    ///
    /// kernel! {
    ///     /// y = max(a + b, 0)
    ///     #[launch(grid = m, block = threads as u32)]
    ///     fn add_relu(#[meta] threads: i32, a: In<f32, [m, n]>, b: In<f32, [n]>, y: Out<f32, [m, n]>) {
    ///         let row = block_idx().x;
    ///         for col in (thread_id()..n).step_by(threads) {
    ///             y[[row, col]] = (a[[row, col]] + b[[col]]).max(0.0);
    ///         }
    ///     }
    /// }
    ///
    /// let rule = Rule::new("add_relu", "Relu(Add(a, b))", |values| {
    ///     let [a, b] = values else { unreachable!("the pattern has two values") };
    ///     let meaning = a.add(b)?.relu()?;
    ///     hidet_ops::Tensor::by_kernel("add_relu", &[a, b], &meaning, 32, add_relu)
    /// })?
    /// .constant("b", |bias| bias.shape().len() == 1)?;
    /// let model = Model::load_with("../examples/digits/digits.onnx", &[rule])?;
    /// assert_eq!(model.rewrites(), [("add_relu".to_owned(), 1)]);
    /// assert_eq!(model.operators()["rule.add_relu"], 1);
    /// let session = model.on(&Device::sim())?;
    /// # Ok::<(), hidet_onnx::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a pattern has an operator of the standard that neither hidet nor the model has; or as [`Model::load`]. A rule whose result
    /// has another type or shape than what it replaces is an error of the run, which names the node; if it replaces operators that
    /// hidet does not have, what follows says what does not fit.
    pub fn load_with(path: impl AsRef<Path>, rules: &[Rule]) -> Result<Model> {
        Model::read_file(path.as_ref(), true, rules)
    }

    /// Reads a model from a file, and the files beside it.
    pub(super) fn read_file(path: &Path, has_passes: bool, rules: &[Rule]) -> Result<Model> {
        let message = source::message(path)?;
        // The folder of `model.onnx` is the current one.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Model::of_message(&message, Some(folder), has_passes, rules).map_err(|error| error.in_file(path))
    }

    /// Reads a model from the bytes of a file as [`Model::from_bytes`], and replaces nodes by rules as [`Model::load_with`].
    ///
    /// # Errors
    ///
    /// As [`Model::load_with`].
    pub fn from_bytes_with(bytes: &[u8], rules: &[Rule]) -> Result<Model> {
        Model::of_message(&source::decoded(Bytes::copy_from_slice(bytes))?, None, true, rules)
    }

    /// Returns the names of the rules by which the model was read, and how often each replaced nodes.
    pub fn rewrites(&self) -> &[(String, usize)] {
        &self.rewrites
    }
}
