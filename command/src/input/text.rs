//! Texts, for models that take their bytes. What takes tokens needs its own tokeniser, which is not part of hidet.

use super::{Slot, array, line};
use hidet::types::Scalar;
use hidet_onnx::Array;

/// Returns the bytes of a text in UTF-8, and what was done to it.
pub(super) fn tensor(bytes: &[u8], slot: &Slot) -> Result<(Array, String), String> {
    std::str::from_utf8(bytes).map_err(|error| format!("it is not text in UTF-8: {error}"))?;
    match slot.dtype {
        Some(Scalar::U8) => {}
        Some(dtype) => {
            return Err(format!(
                "it is a text, but the model takes {dtype}, not bytes (u8): if these are tokens, make them of the text by the \
                 tokeniser of the model, which hidet does not have, and give a .npy file"
            ));
        }
        None => return Err("it is a text, but the model does not say that it takes bytes; give a .npy file".to_owned()),
    }
    let array = array(Scalar::U8, &line(slot, bytes.len(), "bytes")?, bytes.to_vec())?;
    Ok((array, format!("a text of {} bytes in UTF-8", bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_their_bytes() {
        let of = |text: &[u8], ty: &str| tensor(text, &Slot::parse(ty));
        let (array, done) = of("größe".as_bytes(), "u8[1, n]").unwrap();
        assert_eq!((array.shape(), array.bytes()), (&[1, 7][..], "größe".as_bytes()));
        assert_eq!(done, "a text of 7 bytes in UTF-8");
        let error = |text: &[u8], ty: &str| of(text, ty).unwrap_err();
        assert!(error(b"hello", "i64[1, n]").contains("the tokeniser of the model, which hidet does not have"));
        assert!(error(b"hello", "u8[8]").contains("it has 5 bytes, but the model takes [8]"));
        assert!(error(b"\xff", "u8[1]").starts_with("it is not text in UTF-8"));
    }
}
