//! Models as text: what is written is read back as the same model, and what is wrong with a text is said with its place.
//!
//! `HIDET_SEEDS=200000 cargo test -p hidet-onnx --test text` changes as many texts.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod build;
mod maker;

use hidet::prelude::Device;
use hidet_onnx::{Array, Constants, Model};
use hidet_ops::Tensor;
use maker::Random;
use rayon::prelude::*;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, process};

/// More bytes than any weight of the models of the paper has.
const ZEROS: u64 = 1 << 28;

/// The models of the examples.
const EXAMPLES: [&str; 2] = ["digits/digits.onnx", "magika/magika_standard_v3_3.onnx"];

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

/// Asserts that texts are equal, and shows the first lines that are not.
#[track_caller]
fn assert_same(found: &str, wanted: &str, what: &str) {
    for (number, (found, wanted)) in found.lines().zip(wanted.lines()).enumerate() {
        let short = |text: &str| text.chars().take(300).collect::<String>();
        assert!(found == wanted, "{what}, line {}:\n{}\n{}", number + 1, short(found), short(wanted));
    }
    assert_eq!(found.lines().count(), wanted.lines().count(), "{what}");
}

/// Asserts that a model is the same after its text is read, as it was read and after all passes.
fn assert_reads_back(bytes: &[u8], what: &str) {
    let text = Model::text_of_bytes(bytes, Constants::All).unwrap();
    let (found, wanted) = (Model::text_without_passes(&text).unwrap(), Model::without_passes(bytes).unwrap());
    let [found, wanted] = [found, wanted].map(|model| model.text(Constants::All).unwrap());
    assert_same(&found, &wanted, what);
    let again = Model::text_without_passes(&wanted).unwrap().text(Constants::All).unwrap();
    assert_same(&again, &wanted, what);
    let with_passes = Model::from_bytes(bytes).unwrap().text(Constants::All).unwrap();
    assert_same(&Model::from_text(&text).unwrap().text(Constants::All).unwrap(), &with_passes, what);
    let again = Model::text_without_passes(&with_passes).unwrap().text(Constants::All).unwrap();
    assert_same(&again, &with_passes, what);
}

#[test]
fn random_models_read_back() {
    let one = |seed: u64| assert_reads_back(&build::model(&maker::model(seed).graph), &format!("model {seed}"));
    (0..200).into_par_iter().for_each(one);
}

#[test]
fn models_of_the_examples_read_back() {
    for name in EXAMPLES {
        assert_reads_back(&fs::read(example(name)).unwrap(), name);
    }
}

#[test]
fn models_of_the_paper_read_back() {
    let folder = env::temp_dir().join(format!("hidet-text-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    File::create(folder.join("zeros.bin")).unwrap().set_len(ZEROS).unwrap();
    let paper = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/paper");
    let mut count = 0;
    for entry in fs::read_dir(paper).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "onnx") {
            continue;
        }
        count += 1;
        let name = path.file_name().unwrap().to_str().unwrap();
        let (binary, text) = (folder.join(name), folder.join(name).with_extension("onnxtxt"));
        fs::copy(&path, &binary).unwrap();
        let written = Model::text_of_file(&binary, Constants::All).unwrap();
        fs::write(&text, &written).unwrap();
        assert_same(&Model::text_of_file(&text, Constants::All).unwrap(), &written, name);
        let [found, wanted] = [text, binary].map(|path| Model::load(path).unwrap().text(Constants::Small).unwrap());
        assert_same(&found, &wanted, name);
    }
    fs::remove_dir_all(folder).unwrap();
    assert_eq!(count, 10);
}

/// Returns the bytes of all outputs.
fn outputs(model: &Model, inputs: &[(String, Array)]) -> Vec<Vec<u8>> {
    let device = Device::sim();
    let session = model.on(&device).unwrap();
    let given: Vec<(&str, Tensor)> =
        inputs.iter().map(|(name, array)| (name.as_str(), array.on(&device).unwrap())).collect();
    let results = session.run(&given).unwrap();
    results.iter().map(|(_, tensor)| Array::of(tensor).unwrap().bytes().to_vec()).collect()
}

/// Asserts that the texts of a model compute what it computes, bit by bit.
fn assert_runs(bytes: &[u8], inputs: &[(String, Array)], what: &str) {
    let model = Model::from_bytes(bytes).unwrap();
    let wanted = outputs(&model, inputs);
    let texts = [Model::text_of_bytes(bytes, Constants::All), model.text(Constants::All)];
    for text in texts {
        assert_eq!(outputs(&Model::from_text(&text.unwrap()).unwrap(), inputs), wanted, "{what}");
    }
}

fn floats(shape: &[usize], random: &mut Random) -> Array {
    let numbers = random.numbers(shape.iter().product(), 1.0);
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Array::new(hidet_ops::TensorType::new(hidet::types::Scalar::F32, shape), bytes).unwrap()
}

#[test]
fn texts_compute_the_same_bits() {
    let image = floats(&[2, 64], &mut Random(1));
    let bytes = fs::read(example(EXAMPLES[0])).unwrap();
    let name = Model::from_bytes(&bytes).unwrap().inputs()[0].name.clone();
    assert_runs(&bytes, &[(name, image)], EXAMPLES[0]);
    for seed in 0..12 {
        let made = maker::model(seed);
        let mut random = Random(!seed);
        let input = |value: &maker::Value| (value.name.clone(), floats(&value.shape, &mut random));
        let inputs: Vec<(String, Array)> = made.inputs.iter().map(input).collect();
        assert_runs(&build::model(&made.graph), &inputs, &format!("model {seed}"));
    }
}

#[test]
fn files_are_texts_by_their_endings() {
    let folder = env::temp_dir().join(format!("hidet-text-endings-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let text = |weights: &str| {
        format!("<ir_version: 10, opset_import: [\"\" : 21]> g (float[n,2] x) => (float[n,2] y) <float[2] w = {weights}> {{y = Mul (x, w)}}")
    };
    fs::write(folder.join("weights.bin"), [0u8, 0, 0, 0x3f, 0, 0, 0, 0x40]).unwrap();
    for ending in ["onnxtxt", "onnxtext", "txt", "TXT"] {
        let path = folder.join("model").with_extension(ending);
        fs::write(&path, text("[\"location\": \"weights.bin\", \"offset\": \"0\", \"length\": \"8\"]")).unwrap();
        let model = Model::load(&path).unwrap();
        assert!(model.text(Constants::All).unwrap().contains("<float[2] w = {0.5,2.0}>"), "{ending}");
        assert!(Model::text_of_file(&path, Constants::All).unwrap().contains("w = [\"location\": \"weights.bin\""));
    }
    let path = folder.join("wrong.onnxtxt");
    fs::write(&path, "g (x) =>\n  y").unwrap();
    let error = Model::load(&path).unwrap_err().to_string();
    assert_eq!(error, format!("{}: line 2, column 3: found `y`, expected `(`", path.display()));
    fs::write(&path, [b'g', 0xff]).unwrap();
    assert!(Model::load(&path).unwrap_err().to_string().contains("it is not a text in UTF-8"));
    fs::remove_dir_all(folder).unwrap();
}

/// A text with what the syntax has: types, attributes, graphs inside, functions and elements of every type.
const ALL: &str = r#"
<ir_version: 10, opset_import: ["" : 18, "local.f" : 1], producer_name: "by \"hand\"", model_version: 3,
   metadata_props: ["a": "b"]> # a comment
"a \\ graph" (float[N, "a b", ?, 3] x, bool c, float[] "float" = {1}, z) => (float y, float[] o, i)
<int64[2] ints = {-9223372036854775808, 9223372036854775807}, uint64 u = {18446744073709551615}, float[N] middle,
   float[7] f = {1, -0, 1.5e-45, -inf, nan, -nan, 3.4028235e38}, double d = {0.1}, float16[2] h = {15360, 65535},
   bfloat16 b = {16256}, bool[2] t = {0, 1}, int8[2] s = {-128, 127}, uint8 e = {255}, int16 k = {-32768},
   uint16 l = {65535}, int32 m = {-2147483648}, uint32 n = {4294967295}, float8e4m3fn p = {127}, float[0,2] q = {}>
{
   [label] y = If (c) <then_branch = yes () => (float r) {r = Constant <value = float {1}> ()},
      else_branch: graph = "no no" () => (r) <float r = {2.5}> {}>
   o, "" = Dropout (x, , "")
   i = local.f.F:other <alpha = 2.0, list: ints = []> (x)
}
<domain: "local.f", overload: "other", opset_import: ["" : 18], doc_string: "none">
F <list, alpha: float = 1> (a, float[2] "a") => (b) {b = Elu <alpha: float = @alpha, axes = @list> (a)}
"#;

#[test]
fn what_the_syntax_has_is_read() {
    let folder = env::temp_dir().join(format!("hidet-text-all-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("all.txt");
    fs::write(&path, ALL).unwrap();
    let text = Model::text_of_file(&path, Constants::Small).unwrap();
    assert_same(&text, WRITTEN.trim_start(), "the text");
    fs::write(&path, &text).unwrap();
    assert_same(&Model::text_of_file(&path, Constants::All).unwrap(), &text, "the text again");
    fs::remove_dir_all(folder).unwrap();
}
