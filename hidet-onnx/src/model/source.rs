//! The message of a model in a file or in bytes: binary, or as text.

use crate::error::{Error, Result};
use crate::proto::ModelProto;
use crate::syntax;
use prost::Message;
use prost::bytes::Bytes;
use std::fs;
use std::path::Path;

/// The most bytes of a file: those of the format.
const MOST_BYTES: u64 = 1 << 31;

/// Returns the message of a file.
pub(super) fn message(path: &Path) -> Result<ModelProto> {
    let failed = |why: String| Error::File { path: path.to_owned(), why };
    let size = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > MOST_BYTES {
        return Err(failed(format!("it has {size} bytes, but a model of ONNX at most {MOST_BYTES}")));
    }
    let bytes = hidet_ops::file::read(path).map_err(|error| failed(error.to_string()))?;
    if syntax::is_text(path) {
        let text = String::from_utf8(bytes).map_err(|error| failed(format!("it is not a text in UTF-8: {error}")))?;
        return syntax::parse(&text).map_err(|error| error.in_file(path));
    }
    decoded(bytes.into()).map_err(|error| error.in_file(path))
}

/// Returns the message of the bytes of a binary file.
pub(super) fn decoded(bytes: Bytes) -> Result<ModelProto> {
    ModelProto::decode(bytes).map_err(|error| Error::Invalid(format!("it is not a model of ONNX: {error}")))
}
