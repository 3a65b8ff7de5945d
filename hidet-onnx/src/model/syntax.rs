//! Models as text, in the textual syntax of ONNX.

use super::{Model, source};
use crate::error::Result;
use crate::syntax::{self, Constants};
use std::path::Path;

impl Model {
    /// Returns the model as hidet runs it, after all passes, in the textual syntax of ONNX, which the `onnx` package reads too.
    ///
    /// ```
    /// use hidet_onnx::{Constants, Model};
    ///
    /// let text = r#"
    /// <ir_version: 10, opset_import: ["" : 21]>
    /// scaled (float[N,2] x) => (float[N,2] y) <float[2] w = {0.5, 2}>
    /// {
    ///    z = Mul (x, w)
    ///    y = Softmax <axis = 1> (z)
    /// }
    /// "#;
    /// let model = Model::from_onnx_text(text)?;
    /// let written = model.to_onnx_text(Constants::All)?;
    /// assert!(written.contains("y = Softmax <axis: int = 1> (z)"));
    /// assert_eq!(Model::from_onnx_text(&written)?.to_onnx_text(Constants::All)?, written);
    /// # Ok::<(), hidet_onnx::Error>(())
    /// ```
    ///
    /// Operators that passes made are in the domain `hidet`; the `onnx` package has no meaning for those, and its checker refuses
    /// those of a newer version than the model's, which are functions of that version (`hidet.opset20`). A node by a
    /// [`Rule`](crate::Rule) is written as `rule.NAME`, and only a text without such can be read back.
    ///
    /// # Errors
    ///
    /// If a node has an attribute of a kind that cannot be written.
    pub fn to_onnx_text(&self, constants: Constants) -> Result<String> {
        syntax::print(&syntax::of_graph(&self.graph)?, constants)
    }

    /// Returns the model of a file as it is written there, before any pass, even if hidet cannot run it. Tensors in files beside the
    /// model are named by their places.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or the model has what the text cannot have: sequences, maps, lists of graphs or tensors, or
    /// elements of types that hidet does not have.
    pub fn onnx_text_of_file(path: impl AsRef<Path>, constants: Constants) -> Result<String> {
        let path = path.as_ref();
        syntax::print(&source::message(path)?, constants).map_err(|error| error.in_file(path))
    }

    /// The same for the bytes of a file.
    ///
    /// # Errors
    ///
    /// As [`Model::onnx_text_of_file`].
    pub fn onnx_text_of_bytes(bytes: &[u8], constants: Constants) -> Result<String> {
        syntax::print(&source::decoded(bytes.to_vec().into())?, constants)
    }

    /// Reads a model from a text in the textual syntax of ONNX. [`Model::load`] does so for files that end in `.onnxtxt`,
    /// `.onnxtext` or `.txt`.
    ///
    /// # Errors
    ///
    /// If the text is not in the syntax: with the line, the column, what was found, and what was expected; and as
    /// [`Model::from_bytes`].
    pub fn from_onnx_text(text: &str) -> Result<Model> {
        Model::of_message(&syntax::parse(text)?, None, true, &[])
    }

    /// The same, to be computed node by node as it is written: tests of the text need no passes.
    #[doc(hidden)]
    pub fn onnx_text_without_passes(text: &str) -> Result<Model> {
        Model::of_message(&syntax::parse(text)?, None, false, &[])
    }
}
