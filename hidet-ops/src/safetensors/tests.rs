//! Files of weights: written and read, byte for byte, and whatever else is in them.

use super::*;

/// A file with this header.
fn file(header: &str, elements: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), elements].concat()
}

fn error(header: &str, elements: &[u8]) -> String {
    read(&file(header, elements)).unwrap_err()
}

fn tensor(dtype: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {offsets}}}"#)
}

#[test]
fn what_is_written_is_read() {
    let mut tensors = Vec::new();
    for dtype in Scalar::ALL {
        for shape in [&[][..], &[3], &[0, 2], &[2, 1, 5]] {
            let ty = TensorType::new(dtype, shape);
            tensors.push((format!("{ty} \"\\\n\u{1}größe🦀"), vec![1u8; ty.len() * dtype.bytes()], ty));
        }
    }
    let bytes = write(tensors.iter().map(|(name, bytes, ty)| (name.as_str(), ty, bytes.as_slice()))).unwrap();
    let entries = read(&bytes).unwrap();
    assert_eq!(entries.len(), tensors.len());
    for (name, own, ty) in &tensors {
        let entry = entries.iter().find(|entry| entry.name == *name).unwrap();
        let wanted = if ty.dtype == Scalar::TF32 { Scalar::F32 } else { ty.dtype };
        assert_eq!((entry.ty.dtype, &entry.ty.shape), (wanted, &ty.shape));
        assert_eq!(&bytes[entry.place.clone()], own);
        assert!(entry.place.start.is_multiple_of(ty.dtype.bytes()));
    }
    assert_eq!(read(&write([]).unwrap()), Ok(vec![]));
}

/// What the reference implementation writes of the same tensors, byte for byte.
#[test]
fn files_are_those_of_the_format() {
    let (x, y) = (TensorType::new(Scalar::F16, &[2]), TensorType::new(Scalar::I64, &[1, 1]));
    let found = write([("x", &x, &[1, 2, 3, 4][..]), ("y", &y, &[5; 8][..])]).unwrap();
    let header = concat!(
        r#"{"y":{"dtype":"I64","shape":[1,1],"data_offsets":[0,8]},"#,
        r#""x":{"dtype":"F16","shape":[2],"data_offsets":[8,12]}}"#
    );
    let header = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    assert_eq!(found, file(&header, &[5, 5, 5, 5, 5, 5, 5, 5, 1, 2, 3, 4]));
}

#[test]
fn any_json_is_read() {
    let header = concat!(
        "{ \"__metadata__\" : {\"format\":\"p\\\"t\", \"a\": \"\"},\n\t\"\\u00e9\\ud83e\\udd80\\/\\n\" :",
        "{\"data_offsets\":[4, 4],\"shape\":[ 0 ],\"dtype\":\"U8\"}, \"b\": {\"shape\":[],\"dtype\":\"F32\",\"data_offsets\":[0,4]}} \n"
    );
    let entries = read(&file(header, &[0; 4])).unwrap();
    let begin = 8 + header.len();
    let entry = |name: &str, dtype, shape: &[usize], place: Range<usize>| {
        let (name, ty) = (name.to_owned(), TensorType::new(dtype, shape));
        Entry { name, ty, place: begin + place.start..begin + place.end }
    };
    assert_eq!(entries, [entry("b", Scalar::F32, &[], 0..4), entry("é🦀/\n", Scalar::U8, &[0], 4..4)]);
    assert_eq!(read(&file("{}", &[])), Ok(vec![]));
}

#[test]
fn what_is_wrong_is_an_error_that_says_why() {
    for (dtype, shape, offsets, why) in [
        ("F8_E8M0", "[4]", "[0, 4]", "`a`: its elements are of type `F8_E8M0`, but must be of one of BOOL, I8"),
        ("F32", "[2]", "[0, 4]", "`a`: it is f32[2], but has 4 bytes"),
        ("F32", "[4294967296, 4294967296]", "[0, 4]", "`a`: it is f32[4294967296, 4294967296], but has 4 bytes"),
        (
            "F32",
            "[2]",
            "[0, 8]",
            "`a`: its elements are the bytes 0 to 8, but 4 follow the header: the file is cut off",
        ),
        ("F32", "[1]", "[4, 0]", "`a`: its elements are the bytes 4 to 0, which is before their begin"),
        ("U8", "[2]", "[2, 4]", "bytes 0 to 2 behind its header belong to no tensor"),
        ("U8", "[2]", "[0, 2]", "bytes 2 to 4 behind its header belong to no tensor"),
        ("BOOL", "[4]", "[0, 4]", "`a`: it has elements of type bool that are neither 0 nor 1"),
        (
            "F32",
            "[-1]",
            "[0, 4]",
            "`a`: the header is damaged: a number from 0 to 2^64 - 1 is expected instead of `-1]",
        ),
        ("F32", "[1.5]", "[0, 4]", "`a`: the header is damaged: `]` is expected instead of `.5]"),
        ("F32", "[99999999999999999999]", "[0, 4]", "`a`: the header is damaged: a number from 0 to 2^64 - 1 is"),
        ("F32", "[1]", "[0]", "`a`: it does not have all of `dtype`, `shape` and two `data_offsets`"),
        ("F32", "[1]", "[0, 4, 8]", "`a`: it has more than 2 offsets"),
        ("F32", "[1]", "[0, 4], \"shape\": []", "`a`: it has `shape` twice"),
        ("F32", "[1]", "[0, 4], \"other\": []", "`a`: it has `other`, which is unknown"),
    ] {
        let found = error(&format!("{{\"a\": {}}}", tensor(dtype, shape, offsets)), &[2, 0, 0, 0]);
        assert!(found.starts_with(why), "{dtype} {shape} {offsets}: {found}");
    }
    let two = |name: &str, offsets: &str| {
        error(
            &format!("{{\"a\": {}, \"{name}\": {}}}", tensor("U8", "[3]", "[0, 3]"), tensor("U8", "[2]", offsets)),
            &[0; 5],
        )
    };
    assert_eq!(two("b", "[2, 4]"), "`a` and `b` share bytes, from 2 behind the header on");
    assert_eq!(two("a", "[3, 5]"), "its header has `a` twice");
    let many = format!("[{}1]", "1, ".repeat(64));
    assert_eq!(error(&format!("{{\"a\": {}}}", tensor("U8", &many, "[0, 1]")), &[0]), "`a`: it has more than 64 axes");
    assert!(error("{} x", &[]).contains("its end is expected instead of `x`"));
    assert!(error("[]", &[]).contains("`{` is expected instead of `[]`"));
    assert!(error("{\"a", &[]).contains("a string that ends is expected instead of `a`"));
    assert!(error("{\"a\\ud800\\u0041\": {}}", &[]).contains("an escaped character is expected"));
    assert!(error("{\"__metadata__\": {\"a\": 1}}", &[]).contains("a string is expected instead of `1}}`"));
    assert!(read(b"{}").unwrap_err().ends_with("it has 2 bytes"));
    assert!(read(b"PK\x03\x04\0\0\0\x01").unwrap_err().contains("bytes, but may have 100000000 at most"));
    assert!(read(b"\x09\0\0\0\0\0\0\0{}").unwrap_err().ends_with("its header has 9 bytes, but 2 follow"));
    assert!(read(b"\x01\0\0\0\0\0\0\0\xff").unwrap_err().contains("not text in UTF-8"));

    let ty = TensorType::new(Scalar::U8, &[2]);
    let write = |names: [&str; 2], bytes: &[u8]| super::write(names.map(|name| (name, &ty, bytes))).unwrap_err();
    assert_eq!(write(["a", "a"], &[1, 2]), "`a`: it is there twice, or reserved");
    assert_eq!(write(["__metadata__", "a"], &[1, 2]), "`__metadata__`: it is there twice, or reserved");
    assert_eq!(write(["a", "b"], &[1]), "`a`: it is u8[2], but has 1 bytes");
}

#[test]
fn every_prefix_and_every_changed_byte_is_read_or_an_error() {
    let header = format!(
        "{{\"__metadata__\":{{\"k\":\"v\"}},\"a\\u00e9\\\\\":{},\"b\":{}}}",
        tensor("F32", "[2,3]", "[0,24]"),
        tensor("BOOL", "[1]", "[24,25]")
    );
    let bytes = file(&header, &[1; 25]);
    assert_eq!(read(&bytes).unwrap().len(), 2);
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len]).is_err());
    }
    for at in 0..bytes.len() {
        for byte in 0..=u8::MAX {
            let mut changed = bytes.clone();
            changed[at] = byte;
            // What is read is in the file and has as many bytes as it should.
            for entry in read(&changed).unwrap_or_default() {
                assert_eq!(changed[entry.place].len(), entry.ty.len() * entry.ty.dtype.bytes());
            }
        }
        for behind in at..bytes.len().min(at + 12) {
            let removed = [&bytes[..at], &bytes[behind..]].concat();
            let repeated = [&bytes[..behind], &bytes[at..]].concat();
            let _ = (read(&removed), read(&repeated));
        }
    }
}
