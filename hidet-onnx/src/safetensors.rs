//! `.safetensors`, the files in which weights are kept, as arrays by name. The format is in `hidet_ops::safetensors`.

use crate::array::Array;
use hidet_ops::safetensors;
use std::collections::HashMap;

impl Array {
    /// Reads the content of a `.safetensors` file: its arrays by name.
    ///
    /// # Errors
    ///
    /// If the file is cut off or damaged, or has elements of a type that hidet does not have, with the name of the array.
    pub fn from_safetensors(bytes: &[u8]) -> Result<HashMap<String, Array>, String> {
        let mut arrays = HashMap::new();
        for entry in safetensors::read(bytes)? {
            let wrong = || format!("`{}`: it does not have as many bytes as {}", entry.name, entry.ty);
            let array = Array::new(entry.ty.clone(), bytes[entry.place.clone()].to_vec()).ok_or_else(wrong)?;
            arrays.insert(entry.name, array);
        }
        Ok(arrays)
    }

    /// Returns the content of a `.safetensors` file with arrays by name. `tf32` is written as `f32`.
    ///
    /// # Errors
    ///
    /// If a name is there twice or reserved (`__metadata__`), or there are more names than the format allows.
    pub fn to_safetensors<'a>(arrays: impl IntoIterator<Item = (&'a str, &'a Array)>) -> Result<Vec<u8>, String> {
        safetensors::write(arrays.into_iter().map(|(name, array)| (name, array.ty(), array.bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hidet::types::Scalar;
    use hidet_ops::TensorType;

    #[test]
    fn arrays_are_found_by_name() {
        let floats = Array::new(TensorType::new(Scalar::F16, &[2]), vec![1, 2, 3, 4]).unwrap();
        let ids = Array::list(&[1, 2, 3]);
        let bytes = Array::to_safetensors([("a.b", &floats), ("ids", &ids)]).unwrap();
        let arrays = Array::from_safetensors(&bytes).unwrap();
        assert_eq!((arrays.len(), &arrays["a.b"], &arrays["ids"]), (2, &floats, &ids));
        let error = Array::from_safetensors(&bytes[..bytes.len() - 1]).unwrap_err();
        assert!(error.starts_with("`a.b`: its elements are the bytes 24 to 28, but 27 follow the header"), "{error}");
        assert!(Array::to_safetensors([("a", &ids), ("a", &ids)]).is_err());
    }
}
