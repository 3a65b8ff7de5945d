//! Models as text: what is written is read back as the same model, and changed texts are errors or models, never panics.
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
use std::time::{Duration, Instant};
use std::{env, process};

/// More bytes than any weight of the models of the paper has.
const ZEROS: u64 = 1 << 28;

/// How long a changed text may take, on a machine that does other things too.
const MOST_TIME: Duration = Duration::from_secs(10);

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
    let text = Model::onnx_text_of_bytes(bytes, Constants::All).unwrap();
    let (found, wanted) = (Model::onnx_text_without_passes(&text).unwrap(), Model::without_passes(bytes).unwrap());
    let [found, wanted] = [found, wanted].map(|model| model.to_onnx_text(Constants::All).unwrap());
    assert_same(&found, &wanted, what);
    let again = Model::onnx_text_without_passes(&wanted).unwrap().to_onnx_text(Constants::All).unwrap();
    assert_same(&again, &wanted, what);
    let with_passes = Model::from_bytes(bytes).unwrap().to_onnx_text(Constants::All).unwrap();
    assert_same(&Model::from_onnx_text(&text).unwrap().to_onnx_text(Constants::All).unwrap(), &with_passes, what);
    let again = Model::onnx_text_without_passes(&with_passes).unwrap().to_onnx_text(Constants::All).unwrap();
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
        let written = Model::onnx_text_of_file(&binary, Constants::All).unwrap();
        fs::write(&text, &written).unwrap();
        assert_same(&Model::onnx_text_of_file(&text, Constants::All).unwrap(), &written, name);
        let [found, wanted] =
            [text, binary].map(|path| Model::load(path).unwrap().to_onnx_text(Constants::Small).unwrap());
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
    let texts = [Model::onnx_text_of_bytes(bytes, Constants::All), model.to_onnx_text(Constants::All)];
    for text in texts {
        assert_eq!(outputs(&Model::from_onnx_text(&text.unwrap()).unwrap(), inputs), wanted, "{what}");
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
        format!(
            "<ir_version: 10, opset_import: [\"\" : 21]> g (float[n,2] x) => (float[n,2] y) <float[2] w = {weights}> {{y = Mul (x, w)}}"
        )
    };
    fs::write(folder.join("weights.bin"), [0u8, 0, 0, 0x3f, 0, 0, 0, 0x40]).unwrap();
    for ending in ["onnxtxt", "onnxtext", "txt", "TXT"] {
        let path = folder.join("model").with_extension(ending);
        fs::write(&path, text("[\"location\": \"weights.bin\", \"offset\": \"0\", \"length\": \"8\"]")).unwrap();
        let model = Model::load(&path).unwrap();
        assert!(model.to_onnx_text(Constants::All).unwrap().contains("<float[2] w = {0.5,2.0}>"), "{ending}");
        assert!(
            Model::onnx_text_of_file(&path, Constants::All).unwrap().contains("w = [\"location\": \"weights.bin\"")
        );
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
"a \\ graph" (float[N, "a b", ?, 3] x, bool c, float "float" = {1}, z) => (float y, float[] o, i)
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

/// The same as it is written.
const WRITTEN: &str = r#"
<
   ir_version: 10,
   opset_import: ["" : 18, "local.f" : 1]
>
"a \\ graph" (float[N,"a b",?,3] x, bool c, float "float", z) => (float y, float[] o, i)
   <float "float" = {1.0},
    int64[2] ints = {-9223372036854775808,9223372036854775807},
    uint64 u = {18446744073709551615},
    float[7] f = {1.0,-0.0,1e-45,-inf,nan,-nan,3.4028235e38},
    double d = {0.1},
    float16[2] h = {15360,65535},
    bfloat16 b = {16256},
    bool[2] t = {0,1},
    int8[2] s = {-128,127},
    uint8 e = {255},
    int16 k = {-32768},
    uint16 l = {65535},
    int32 m = {-2147483648},
    uint32 n = {4294967295},
    float8e4m3fn p = {127},
    float[0,2] q = {}>
{
   [label] y = If (c) <then_branch: graph = yes () => (float r) {
      r = Constant <value: tensor = float {1.0}> ()
   }, else_branch: graph = no_no () => (r)
      <float r = {2.5}>
   {
   }>
   o, "" = Dropout (x, "", "")
   i = local.f.F:other <alpha: float = 2.0, list: ints = []> (x)
}

<
   domain: "local.f",
   overload: "other",
   opset_import: ["" : 18]
>
F <list, alpha: float = 1.0> (a, a) => (b)
{
   b = Elu <alpha: float = @alpha, axes = @list> (a)
}
"#;

#[test]
fn what_the_syntax_has_is_read() {
    let folder = env::temp_dir().join(format!("hidet-text-all-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("all.txt");
    fs::write(&path, ALL).unwrap();
    let text = Model::onnx_text_of_file(&path, Constants::Small).unwrap();
    assert_same(&text, WRITTEN.trim_start(), "the text");
    fs::write(&path, &text).unwrap();
    assert_same(&Model::onnx_text_of_file(&path, Constants::All).unwrap(), &text, "the text again");
    fs::remove_dir_all(folder).unwrap();
}

/// A model of an old version, of which a pass makes a node of a newer one.
const OLD: &str = r#"
<ir_version: 8, opset_import: ["" : 13]>
g (float[2,2] x) => (float[2,2] y) <float root = {1.4142135}, float one = {1}, float half = {0.5}>
{
   a = Div (x, root)
   b = Erf (a)
   c = Add (b, one)
   d = Mul (x, c)
   e = Mul (d, half)
   y = Softmax <axis = 1> (e)
}
"#;

/// The same after all passes.
const OLD_WRITTEN: &str = r#"
<
   ir_version: 10,
   opset_import: ["" : 13, "hidet.opset20" : 1]
>
graph (float[2,2] x) => (float[2,2] y) {
   e = hidet.opset20.Gelu (x)
   y = Softmax <axis: int = 1> (e)
}

<
   domain: "hidet.opset20",
   opset_import: ["" : 20]
>
Gelu (x0) => (y0)
{
   y0 = Gelu <approximate: string = "none"> (x0)
}
"#;

#[test]
fn newer_nodes_of_passes_are_functions() {
    let model = Model::from_onnx_text(OLD).unwrap();
    assert_eq!(model.operators()["Gelu"], 1);
    let text = model.to_onnx_text(Constants::All).unwrap();
    assert_same(&text, OLD_WRITTEN.trim_start(), "the text");
    let again = Model::from_onnx_text(&text).unwrap();
    assert_same(&again.to_onnx_text(Constants::All).unwrap(), &text, "the text again");
    let x = [("x".to_owned(), floats(&[2, 2], &mut Random(7)))];
    assert_eq!(outputs(&again, &x), outputs(&model, &x));
}

#[test]
fn large_constants_may_be_left_out() {
    let elements = vec!["1"; 65].join(",");
    let text = format!(
        "<opset_import: [\"\" : 21]> g (float[65] x) => (y) <float[65] w = {{{elements}}}, float[64] u = {{{}}}> {{z = Mul (x, w) y = Add (z, z)}}",
        vec!["1"; 64].join(",")
    );
    let model = Model::from_onnx_text(&text).unwrap();
    let short = model.to_onnx_text(Constants::Small).unwrap();
    assert!(short.contains("float[65] w = {..}"), "{short}");
    let error = Model::from_onnx_text(&short).unwrap_err().to_string();
    let wanted = "the model is not valid: line 6, column 20: the elements of `w` were left out when the text was written; \
                  write it with all constants to read it back";
    assert_eq!(error, wanted);
    let all = model.to_onnx_text(Constants::All).unwrap();
    assert_eq!(Model::from_onnx_text(&all).unwrap().to_onnx_text(Constants::All).unwrap(), all);
}

/// Changes, removes or repeats parts of a text, which stays one.
fn changed(text: &str, random: &mut Random) -> String {
    const PARTS: [&str; 24] = [
        "<",
        ">",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "=",
        "=>",
        ",",
        ":",
        "\"",
        "\\",
        "..",
        "-",
        "1e9",
        "99999999999",
        "float",
        "ü",
        "\0",
        "@",
        "#",
        "nan",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..random.below(3) + 1 {
        let begin = random.below(chars.len() + 1);
        let end = (begin + random.below(24)).min(chars.len());
        let part: Vec<char> = match random.below(4) {
            0 => Vec::new(),
            1 => chars[begin..end].repeat(2),
            2 => random.one(&PARTS).chars().collect(),
            _ => {
                let other = random.below(chars.len() + 1);
                chars[other..(other + random.below(24)).min(chars.len())].to_vec()
            }
        };
        let end = if random.once_in(2) { end } else { begin };
        chars.splice(begin..end, part);
        if random.once_in(16) {
            chars.truncate(begin);
        }
    }
    chars.into_iter().collect()
}

#[test]
fn changed_texts_do_not_panic() {
    let seeds = env::var("HIDET_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000u64);
    let random = (0..40)
        .map(|seed| Model::onnx_text_of_bytes(&build::model(&maker::model(seed).graph), Constants::All).unwrap());
    let sources: Vec<String> =
        random.filter(|text| text.len() < 8192).chain([ALL.to_owned(), OLD.to_owned()]).collect();
    let begin = Instant::now();
    let one = |seed: u64| {
        let mut random = Random(seed);
        let text = changed(&random.one(&sources), &mut random);
        let begin = Instant::now();
        let Ok(model) = Model::from_onnx_text(&text) else { return 0 };
        let written = model.to_onnx_text(Constants::All).unwrap_or_else(|error| panic!("text {seed}: {error}\n{text}"));
        let again = Model::onnx_text_without_passes(&written).and_then(|model| model.to_onnx_text(Constants::All));
        assert_same(
            &again.unwrap_or_else(|error| panic!("text {seed}: {error}\n{written}")),
            &written,
            &format!("text {seed}"),
        );
        assert!(begin.elapsed() < MOST_TIME, "text {seed}");
        1
    };
    let models: u64 = (0..seeds).into_par_iter().map(one).sum();
    println!("{seeds} texts in {:.1?}, of which {models} are models", begin.elapsed());
    assert!(models > seeds / 20, "only {models} texts are models");
}
