//! Tensors of a `.safetensors` file, which are for the inputs of their names.

use hidet_onnx::Array;
use std::collections::HashMap;

/// Returns the tensor of a file with a name.
pub(super) fn tensor(bytes: &[u8], name: &str) -> Result<Array, String> {
    let mut tensors = Array::from_safetensors(bytes)?;
    tensors.remove(name).ok_or_else(|| match names(&tensors).as_slice() {
        [] => "it has no tensors".to_owned(),
        names => format!("it has no tensor `{name}`, but `{}`", names.join("`, `")),
    })
}

/// Returns the names of tensors in alphabetical order.
pub(super) fn names(tensors: &HashMap<String, Array>) -> Vec<String> {
    let mut names: Vec<String> = tensors.keys().cloned().collect();
    names.sort();
    names
}
