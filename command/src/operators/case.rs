//! The cases: lines of words, and what they are to hidet-ops.

use crate::bench::gemm::Gemm;
use crate::bench::problem::{random, say};
use hidet::dispatch;
use hidet::prelude::*;
use hidet::types::Scalar;
use hidet_ops::{Precision, Recurrent, Resize, ResizeMode, ResizeTo, Tensor, Window};

/// The cases, by family: words of a line in order, of which those in braces stand for a line each.
pub const ALL: [&str; 24] = [
    "matmul {f16,bf16} {nn,nt} {2048x2048x2048,4096x4096x4096,8192x8192x8192,8192x14336x4096,4096x4096x14336}",
    "matmul f16 {nn,nt} {128x768x768,128x2304x768,128x3072x768,128x768x3072,16x4096x4096,1x4096x4096,16x14336x4096}",
    "matmul f16 {nn,nt} {512x512x512,1024x1024x1024,256x256x65536}",
    "matmul f16 {nn,nt} {2039x2039x2039,2042x2042x2042,2043x2043x2043,2045x2045x2045,2046x2046x2046,2047x2047x2047}",
    "matmul f32 nn {2039x2039x2039,2042x2042x2042,2043x2043x2043,2044x2044x2044,2045x2045x2045,2046x2046x2046,\
     2047x2047x2047,2048x2048x2048,4096x4096x4096}",
    "matmul f32 {nn,nt} {128x768x768,128x2304x768,128x3072x768,128x768x3072,1024x768x768,1024x2304x768,1024x3072x768,\
     1024x768x3072}",
    "matmul {tf32,x3} {nt,nn} {2039x2039x2039,2042x2042x2042,2043x2043x2043,2044x2044x2044,2045x2045x2045,\
     2046x2046x2046,2047x2047x2047,2048x2048x2048,4096x4096x4096}",
    "matmul {e4m3,i8} nt {4096x4096x4096,16x4096x4096,32x4096x4096}",
    "linear {f16,bf16} nt 4096x4096x4096",
    "scaled_i8 f16 nt {4096x4096x4096,16x4096x4096}",
    "{sort,topk,cumsum} f32 {1024x4096,64x65536}",
    "lstm {f16,f32} 64x32x512",
    "resize {f16,f32} 8x64x128x128",
    "{softmax,layer_norm,rms_norm,reduce_rows} {f16,f32} {512x1024,4096x4096,65536x4096,512x65536}",
    "{gelu,transpose,reduce_cols} {f16,f32} {512x1024,4096x4096,65536x4096}",
    "reduce_middle {f16,f32} {8x64x1024,64x256x4096}",
    "concat {f16,f32} {512x1024,16384x4096}",
    "gather {f16,f32} {512x1024,16384x4096}",
    "conv {f16,f32,x3} {1,8} {56x64x64x1x1,56x64x64x3x1,56x64x256x1x1,56x256x64x1x1,56x256x128x1x1,56x128x128x3x2,28x128x512x1x1,\
     56x256x512x1x2,28x512x128x1x1,28x128x128x3x1,28x512x256x1x1,28x256x256x3x2,14x256x1024x1x1,28x512x1024x1x2,\
     14x1024x256x1x1,14x256x256x3x1,14x1024x512x1x1,14x512x512x3x2,7x512x2048x1x1,14x1024x2048x1x2,7x2048x512x1x1,\
     7x512x512x3x1,224x3x64x7x2}",
    "attention f16 {full,causal} {1x32x1024x64,1x32x2048x64,1x32x4096x64,1x32x8192x64,1x32x1024x128,1x32x2048x128,\
     1x32x4096x128,1x32x8192x128,4x32x1024x64,4x32x2048x64,4x32x4096x64,4x32x8192x64,4x32x1024x128,4x32x2048x128,\
     4x32x4096x128,4x32x8192x128}",
    "attention f32 {full,causal} {1x12x128x64,8x12x128x64}",
    "{conv_bare,conv_add} f16 {8,64} 14x256x256x3x1",
    "depthwise {f16,f32} {1,8} {112x32x3x1,112x96x3x2,56x144x3x1,56x144x3x2,28x192x3x1,28x192x3x2,14x384x3x1,14x576x3x1,\
     14x576x3x2,7x960x3x1,28x120x5x1,14x480x5x1,7x960x5x1}",
    "decode f16 {16x32x8x1024x128,16x32x8x2048x128,16x32x8x4096x128,16x32x8x8192x128,64x32x8x1024x128,64x32x8x2048x128,\
     64x32x8x4096x128,64x32x8x8192x128}",
];

/// Returns the lines of a family.
pub fn lines(family: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in family.split(' ') {
        let choices: Vec<&str> = word.trim_matches(['{', '}']).split(',').collect();
        let extend = |line: String| {
            let space = if line.is_empty() { "" } else { " " };
            choices.iter().map(move |choice| format!("{line}{space}{choice}")).collect::<Vec<_>>()
        };
        lines = lines.into_iter().flat_map(extend).collect();
    }
    lines
}

/// Draws inputs.
struct Draw<'a> {
    device: &'a Device,
    dtype: Scalar,
    drawn: u32,
}

impl Draw<'_> {
    /// A tensor of random numbers, nearly normal.
    fn tensor(&mut self, shape: &[usize]) -> Result<Tensor, String> {
        self.drawn += 1;
        let count = [shape.iter().product()];
        // Types of 8 bits are converted; integers from -80 to 80 or so.
        let (drawn, factor) = match self.dtype {
            Scalar::E4M3 | Scalar::E5M2 => (Scalar::F32, 1.0),
            Scalar::I8 => (Scalar::F32, 20.0),
            dtype => (dtype, 1.0),
        };
        let flat = dispatch!(drawn; T in [f16, bf16, f32] => {
            random::<T, 1>(self.device, count, self.drawn).map(|flat| flat.raw().clone())
        });
        let tensor = Tensor::from(flat.map_err(say)??.view(0, shape).map_err(say)?);
        if drawn == self.dtype {
            return Ok(tensor);
        }
        let converted = tensor.mul(factor).and_then(|tensor| tensor.cast(self.dtype)?.compute());
        converted.map(Tensor::from).map_err(say)
    }

    /// A tensor of as many numbers less than their number, each once, in an order without a pattern.
    fn places(&mut self, count: usize) -> Result<Tensor, String> {
        // The factor has no divisor in common with the powers of 2 that counts are.
        let places: Vec<i64> = (0..count).map(|at| ((at * 40_503 + 7) % count) as i64).collect();
        Ok(Tensor::from(&self.device.tensor(&places, [count]).map_err(say)?))
    }
}

/// Returns a case as a product for cuBLASLt, if it is one of floats of 16 bits.
pub fn gemm(device: &Device, case: &str) -> Result<Option<Gemm>, String> {
    let words: Vec<&str> = case.split(' ').collect();
    let ["matmul", dtype @ ("f16" | "bf16"), order, shape] = words.as_slice() else { return Ok(None) };
    let shape: Option<Vec<usize>> = shape.split('x').map(|extent| extent.parse().ok()).collect();
    let (Some(dtype), Some([m, n, k])) = (Scalar::from_name(dtype), shape.as_deref()) else { return Ok(None) };
    let b_transposed = *order == "nt";
    let mut draw = Draw { device, dtype, drawn: 0 };
    let mut matrix = |rows: usize, cols: usize| draw.tensor(&[rows, cols])?.compute().map_err(say);
    let b = if b_transposed { matrix(*n, *k)? } else { matrix(*k, *n)? };
    Ok(Some(Gemm { shape: [*m, *n, *k], a: matrix(*m, *k)?, b, c: matrix(*m, *n)?, b_transposed }))
}

/// Returns the tensor of a case, which is not computed yet; its inputs are.
pub fn tensor(device: &Device, case: &str) -> Result<Tensor, String> {
    let words: Vec<&str> = case.split(' ').collect();
    let unknown = || format!("`{case}` is not a case");
    let [operator, dtype, kind @ .., shape] = words.as_slice() else { return Err(unknown()) };
    let (dtype, precision) = match *dtype {
        "tf32" => (Scalar::F32, Precision::Tf32),
        "x3" => (Scalar::F32, Precision::Tf32x3),
        name => (Scalar::from_name(name).ok_or_else(unknown)?, Precision::F32),
    };
    let shape: Vec<usize> =
        shape.split('x').map(|extent| extent.parse().map_err(|_| unknown())).collect::<Result<_, String>>()?;
    let mut draw = Draw { device, dtype, drawn: 0 };
    let made = match (*operator, kind, shape.as_slice()) {
        ("matmul", [order], [m, n, k]) => {
            let a = draw.tensor(&[*m, *k])?;
            let product = match *order {
                "nn" => a.matmul_by(&draw.tensor(&[*k, *n])?, precision),
                _ => draw.tensor(&[*n, *k])?.t().and_then(|b| a.matmul_by(&b, precision)),
            };
            // As PyTorch's products of that type.
            if dtype == Scalar::E4M3 { product.and_then(|product| product.cast(Scalar::BF16)) } else { product }
        }
        ("linear", ["nt"], [m, n, k]) => {
            let (a, b) = (draw.tensor(&[*m, *k])?, draw.tensor(&[*n, *k])?);
            let (bias, residual) = (draw.tensor(&[*n])?, draw.tensor(&[*m, *n])?);
            b.t().and_then(|b| a.matmul(&b)?.add(&bias)?.gelu()?.add(&residual))
        }
        // Weights of 8 bits with a scale for each column.
        ("scaled_i8", ["nt"], [m, n, k]) => {
            let (a, scale) = (draw.tensor(&[*m, *k])?, draw.tensor(&[*n])?);
            let b = Draw { device, dtype: Scalar::I8, drawn: 9 }.tensor(&[*n, *k])?;
            b.cast(dtype).and_then(|b| a.matmul(&b.t()?)?.mul(&scale))
        }
        ("softmax", [], [_, _]) => draw.tensor(&shape)?.softmax(1),
        ("layer_norm", [], [_, n]) => {
            let (x, scale, bias) = (draw.tensor(&shape)?, draw.tensor(&[*n])?, draw.tensor(&[*n])?);
            x.layer_norm(1, Some(&scale), Some(&bias), 1e-5)
        }
        ("rms_norm", [], [_, n]) => {
            let (x, scale) = (draw.tensor(&shape)?, draw.tensor(&[*n])?);
            x.rms_norm(1, Some(&scale), 1e-5)
        }
        ("gelu", [], _) => draw.tensor(&shape)?.gelu(),
        ("transpose", [], [_, _]) => draw.tensor(&shape)?.t().and_then(|x| x.mul(1.0)),
        ("reduce_rows", [], [_, _]) => draw.tensor(&shape)?.sum(&[1], false),
        ("reduce_cols", [], [_, _]) => draw.tensor(&shape)?.sum(&[0], false),
        ("concat", [], [_, _]) => {
            let [x, y] = [draw.tensor(&shape)?, draw.tensor(&shape)?];
            Tensor::concat(&[&x, &y], 1)
        }
        ("gather", [], [m, _]) => {
            let ids = draw.places(*m)?;
            draw.tensor(&shape)?.take(&ids, 0)
        }
        ("decode", [], &[sequences, heads, shared, context, features]) => {
            let q = draw.tensor(&[sequences, heads, 1, features])?;
            let (k, v) = (
                draw.tensor(&[sequences, shared, context, features])?,
                draw.tensor(&[sequences, shared, context, features])?,
            );
            q.attention(&k, &v, &hidet_ops::Attention::default())
        }
        ("attention", [kind], [_, _, _, _]) => {
            let [q, k, v] = [draw.tensor(&shape)?, draw.tensor(&shape)?, draw.tensor(&shape)?];
            q.attention(&k, &v, &hidet_ops::Attention { causal: *kind == "causal", ..Default::default() })
        }
        // Size, channels, kernel and stride of a layer of mobilenet_v2 or v3.
        ("depthwise", [images], [size, c, kernel, stride]) => {
            let images: usize = images.parse().map_err(|_| unknown())?;
            let (x, w) = (draw.tensor(&[images, *size, *size, *c])?, draw.tensor(&[*c, *kernel, *kernel, 1])?);
            let window = Window::new(2).stride(&[*stride; 2]).padding(&[kernel / 2; 2]);
            x.conv_channels_last(&w, &window, *c)
        }
        // Size, channels, outputs, kernel and stride of a layer of resnet50, with what follows it, nothing, and a residual.
        ("conv" | "conv_bare" | "conv_add", [images], [size, c, k, kernel, stride]) => {
            let images: usize = images.parse().map_err(|_| unknown())?;
            let x = draw.tensor(&[images, *size, *size, *c])?;
            let (w, bias) = (draw.tensor(&[*k, *kernel, *kernel, *c])?, draw.tensor(&[*k])?);
            let window = Window::new(2).stride(&[*stride; 2]).padding(&[kernel / 2; 2]);
            let bare = x.conv_channels_last_by(&w, &window, 1, precision);
            match *operator {
                "conv_bare" => bare,
                "conv" => bare.and_then(|y| y.add(&bias)?.relu()),
                _ => {
                    let residual = draw.tensor(bare.as_ref().map_err(say)?.shape())?;
                    bare.and_then(|y| y.add(&bias)?.relu()?.add(&residual))
                }
            }
        }
        ("sort", [], [_, _]) => draw.tensor(&shape)?.sort(1, false).map(|(values, _)| values),
        ("topk", [], [_, _]) => draw.tensor(&shape)?.topk(64, 1, true).map(|(values, _)| values),
        ("cumsum", [], [_, _]) => draw.tensor(&shape)?.cumsum(1, false, false),
        ("lstm", [], [length, batch, width]) => {
            let (x, weight) = (draw.tensor(&[*length, *batch, *width])?, draw.tensor(&[1, 4 * width, *width])?);
            let states = draw.tensor(&[1, 4 * width, *width])?;
            x.lstm(&weight, &states, &Recurrent::default()).map(|[all, ..]| all)
        }
        ("resize", [], [_, _, h, w]) => {
            let how = Resize::new(ResizeMode::Linear);
            draw.tensor(&shape)?.resize(&[2, 3], ResizeTo::Sizes(&[2 * h, 2 * w]), &how)
        }
        ("reduce_middle", [], [_, _, _]) => draw.tensor(&shape)?.sum(&[1], false),
        _ => return Err(format!("{} yet", unknown())),
    };
    made.map_err(say)
}
