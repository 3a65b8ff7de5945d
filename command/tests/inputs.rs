//! The command `hidet run` with pictures, sounds and texts, of files that the tests write, on models that give back what they got.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

#[path = "../../hidet-onnx/tests/build/mod.rs"]
mod build;

use build::{Graph, model, node};
use hidet::types::Scalar;
use hidet_onnx::Array;
use hidet_ops::TensorType;
use hound::{SampleFormat, WavSpec, WavWriter};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use zune_png::PngEncoder;
use zune_png::zune_core::bit_depth::BitDepth;
use zune_png::zune_core::colorspace::ColorSpace;
use zune_png::zune_core::options::EncoderOptions;

/// A picture of 8 x 8 equal pixels of about (200, 100, 50).
const COLOUR: &str = "ffd8ffdb0043001b12141714111b1716171e1c1b2028422b28252528513a3d3042605565645f555d5b6a7899816a7190735b\
    5d85b586909ea3abadab6780bcc9baa6c799a8aba4ffdb0043011c1e1e2823284e2b2b4ea46e5d6ea4a4a4a4a4a4a4a4a4a4\
    a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4ffc00011080008000803\
    011100021101031101ffc40014000100000000000000000000000000000001ffc40014100100000000000000000000000000\
    000000ffc40014010100000000000000000000000000000004ffc40014110100000000000000000000000000000000ffda00\
    0c03010002110311003f00033dffd9";

/// The same, grey: 120.
const GREY: &str = "ffd8ffe000104a46494600010100000100010000ffdb004300100b0c0e0c0a100e0d0e1211101318281a181616183123251d\
    283a333d3c3933383740485c4e404457453738506d51575f626768673e4d71797064785c656763ffc0000b08000800080101\
    1100ffc40014000100000000000000000000000000000003ffc40014100100000000000000000000000000000000ffda0008\
    010100003f0037ffd9";

/// The numbers of types in ONNX.
const FLOAT: i64 = 1;
const UINT8: i64 = 2;
const INT64: i64 = 7;

/// A folder of a test, with a model that gives back its input `x`.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, dtype: i64, dims: &[&str]) -> Folder {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let graph = Graph::default().input("x", dtype, dims).node(node("Identity", &["x"], &["y"])).output("y");
        fs::write(folder.join("model.onnx"), model(&graph)).unwrap();
        Folder(folder)
    }

    /// Writes a file, and returns its path.
    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn png(&self, (width, height): (usize, usize), space: ColorSpace, pixels: &[u8]) -> String {
        let options = EncoderOptions::new(width, height, space, BitDepth::Eight);
        let mut bytes = Vec::new();
        PngEncoder::new(pixels, options).encode(&mut bytes).unwrap();
        self.write("picture.png", &bytes)
    }

    /// Runs the model, and returns what is printed, and the output if there is one.
    fn run(&self, arguments: &[&str]) -> (String, Option<Array>) {
        let outputs = self.0.join("outputs");
        let _ = fs::remove_dir_all(&outputs);
        let mut command = Command::new(env!("CARGO_BIN_EXE_hidet"));
        command.arg("run").arg(self.0.join("model.onnx")).args(["--device", "sim"]).arg("--output").arg(&outputs);
        let output = command.args(arguments).env("HIDET_CACHE", "off").output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        let array = fs::read(outputs.join("y.npy")).ok().map(|bytes| Array::from_npy(&bytes).unwrap());
        assert_eq!(array.is_some(), output.status.success(), "{text}");
        (text, array)
    }

    /// Returns the output of a run whose line about its input says this.
    #[track_caller]
    fn output(&self, arguments: &[&str], words: &str) -> Array {
        let (text, array) = self.run(arguments);
        assert!(text.contains(words), "{words}:\n{text}");
        array.unwrap()
    }

    #[track_caller]
    fn error(&self, arguments: &[&str], words: &str) {
        let (text, array) = self.run(arguments);
        assert!(array.is_none() && text.contains("error: ") && text.contains(words), "{words}:\n{text}");
    }
}

fn decoded(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn pictures_are_resized_to_what_the_model_takes() {
    let folder = Folder::new("pictures", FLOAT, &["n", "3", "2", "2"]);
    let pixels: Vec<u8> = (0..4 * 4).flat_map(|at| [at * 10, 255, 51, 128]).collect();
    let png = folder.png((4, 4), ColorSpace::RGBA, &pixels);
    let words = "picture.png: a picture of 4 x 4, in colour, without its transparency, resized to 2 x 2 (bilinear), channels \
                 first, (pixel / 255 - [0, 0, 0]) / [1, 1, 1]: f32[1, 3, 2, 2]\n";
    let wanted: Vec<f64> = [25.0, 45.0, 105.0, 125.0].into_iter().chain([255.0; 4]).chain([51.0; 4]).collect();
    let is_near = |found: &[f64], wanted: &dyn Fn(usize) -> f64| {
        assert_eq!(found.len(), 12);
        (0..12).for_each(|at| assert!((found[at] - wanted(at)).abs() < 1e-6, "{found:?}"));
    };
    is_near(&folder.output(&["--input", &png], words).floats(), &|at| wanted[at] / 255.0);
    let scaled =
        folder.output(&["--input", &png, "--scale", "1/51", "--mean", "-1,2,0", "--std", "2"], "(pixel * 0.0196");
    is_near(&scaled.floats(), &|at| (wanted[at] / 51.0 - [-1.0, 2.0, 0.0][at / 4]) / 2.0);
    let imagenet = folder.output(&["--input", &format!("x={png}"), "--imagenet"], "[0.485, 0.456, 0.406]) / [0.229");
    is_near(&imagenet.floats(), &|at| {
        (wanted[at] / 255.0 - [0.485, 0.456, 0.406][at / 4]) / [0.229, 0.224, 0.225][at / 4]
    });
    folder.error(&["--input", &png, "--imagenet", "--mean", "1"], "cannot be used with");
    folder.error(&["--input", &png, "--mean", "1,2"], "--mean has 2 numbers, but the model takes 3 channels");
    folder.error(&["--input", &png, "--scale", "255/0"], "`255/0` is neither a number nor a fraction");
    folder.error(&["--input", &png, "--rate", "8000"], "--rate: no input is a sound, .wav");
    let mut cut = fs::read(&png).unwrap();
    cut.truncate(cut.len() / 2);
    folder.error(&["--input", &folder.write("cut.png", &cut)], "cut.png: it is not a .png file that can be read");
    folder.error(&["--input", "none.png"], "input `x`: none.png: No such file");
    folder.error(&["--input", "a.npy", "--imagenet"], "--imagenet: no input is a picture, .png or .jpg");
}

#[test]
fn photographs_are_read() {
    let folder = Folder::new("photographs", UINT8, &["1", "h", "w", "3"]);
    let colour = folder.write("colour.JPG", &decoded(COLOUR));
    let words = "a picture of 8 x 8, in colour, channels last, from 0 to 255: u8[1, 8, 8, 3]\n";
    let found = folder.output(&["--input", &colour], words);
    assert_eq!(found.shape(), [1, 8, 8, 3]);
    let is_near = |found: &f64, wanted: f64| (found - wanted).abs() <= 3.0;
    assert!(found.floats().chunks(3).all(|own| own.iter().zip([200.0, 100.0, 50.0]).all(|(x, y)| is_near(x, y))));
    let grey = folder.write("grey.jpeg", &decoded(GREY));
    let found = folder.output(&["--input", &grey], "a picture of 8 x 8, grey, with three equal colours, channels last");
    assert!(found.floats().iter().all(|x| is_near(x, 120.0)));
    folder.error(&["--input", &grey, "--scale", "1"], "are for models that take floats, but this one takes u8");
    let cut = folder.write("cut.jpg", &decoded(COLOUR)[..180]);
    folder.error(&["--input", &cut], "cut.jpg: it is not a .jpg file that can be read");
}

#[test]
fn sounds_are_floats() {
    let folder = Folder::new("sounds", FLOAT, &["batch", "samples"]);
    let path = folder.0.join("sound.wav");
    let spec = WavSpec { channels: 1, sample_rate: 16000, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(&path, spec).unwrap();
    [0i16, 8192, -16384].iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
    let path = path.to_str().unwrap();
    let words = "sound.wav: a sound of 0.00 s, 16000 samples per second, from -1 to 1: f32[1, 3]\n";
    assert_eq!(folder.output(&["--input", path, "--rate", "16000"], words).floats(), [0.0, 0.25, -0.5]);
    folder.error(&["--input", path, "--rate", "8000"], "16000 samples per second, but the model takes 8000 (--rate)");
    folder.error(&["--input", path, "--imagenet"], "--imagenet: no input is a picture");
}

#[test]
fn texts_are_bytes() {
    let folder = Folder::new("texts", UINT8, &["1", "n"]);
    let found = folder.output(&["--input", "x=text:hi = you"], "a text of 8 bytes in UTF-8: u8[1, 8]\n");
    assert_eq!(found.bytes(), b"hi = you");
    let file = folder.write("a.txt", b"abc\n");
    assert_eq!(folder.output(&["--input", &file], "a text of 4 bytes").bytes(), b"abc\n");
    let tokens = Folder::new("tokens", INT64, &["1", "n"]);
    tokens.error(&["--input", "x=text:hello"], "the tokeniser of the model, which hidet does not have");
    tokens.error(&[], "give each by --input NAME=FILE, of .npy, .safetensors, .png, .jpg, .wav or .txt");
}

#[test]
fn a_file_has_tensors_for_several_inputs() {
    let folder = Folder::new("tensors", FLOAT, &["2"]);
    let graph = Graph::default().input("x", FLOAT, &["2"]).input("scale", FLOAT, &["1"]);
    let graph = graph.node(node("Mul", &["x", "scale"], &["y"])).output("y");
    fs::write(folder.0.join("model.onnx"), model(&graph)).unwrap();
    let array = |numbers: &[f32]| {
        let ty = TensorType::new(Scalar::F32, &[numbers.len()]);
        Array::new(ty, numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap()
    };
    let (x, scale, other) = (array(&[1.0, 2.0]), array(&[3.0]), array(&[5.0]));
    let file = |name: &str, tensors: &[(&str, &Array)]| {
        folder.write(name, &Array::to_safetensors(tensors.iter().copied()).unwrap())
    };
    let both = file("both.safetensors", &[("x", &x), ("scale", &scale)]);
    assert_eq!(folder.output(&["--input", &both], "y: f32[2]\n").floats(), [3.0, 6.0]);
    // Each from a file of its own, by its name.
    let others = file("others.safetensors", &[("scale", &other), ("y", &other)]);
    let (named, scale) = (format!("x={both}"), format!("scale={others}"));
    assert_eq!(folder.output(&["--input", &named, "--input", &scale], "y: f32[2]\n").floats(), [5.0, 10.0]);
    folder.error(&["--input", &both, "--input", &scale], "input `scale` is given twice");
    folder.error(&["--input", &others], "others.safetensors: the model has no input `y`");
    folder.error(
        &["--input", &scale, "--input", &format!("x={others}")],
        "others.safetensors: it has no tensor `x`, but `scale`, `y`",
    );
    folder.error(&["--input", &named], "the model needs inputs that are not given:\n  scale: f32[1]");
    let cut = folder.write("cut.safetensors", &fs::read(&both).unwrap()[..20]);
    folder.error(&["--input", &cut], "cut.safetensors: it is cut off");
}

/// The places of the largest of a row that stands alone.
#[test]
fn the_best_classes_are_printed() {
    let folder = Folder::new("classes", FLOAT, &["1", "1", "8"]);
    let graph = Graph::default().input("x", FLOAT, &["1", "1", "1", "8"]).node(node("Flatten", &["x"], &["y"]));
    fs::write(folder.0.join("model.onnx"), model(&graph.output("y"))).unwrap();
    let png = folder.png((8, 1), ColorSpace::Luma, &[0, 51, 255, 102, 102, 204, 1, 153]);
    folder.output(&["--input", &png], "  largest at: 2 (1), 5 (0.8000), 7 (0.6000), 3 (0.4000), 4 (0.4000)\n");
}
