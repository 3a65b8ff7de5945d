//! Operators: tensors whose types are known at run time, computed when their elements are asked for, by fused kernels.
//!
//! What is written operator by operator runs as few launches: the product below is one kernel with what follows it, and a
//! normalisation one more with what precedes it.

use hidet::prelude::*;
use hidet_ops::{Attention, Result, Tensor};

/// A tensor of numbers that look random, between -1 and 1.
fn numbers(device: &Device, shape: &[usize], seed: usize) -> Result<Tensor> {
    let count = shape.iter().product();
    let value = |at: usize| ((at * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0;
    let values: Vec<f32> = (0..count).map(value).collect();
    Tensor::from(&device.tensor(&values, [count])?).reshape(shape)
}

/// The block of a transformer: attention of all tokens, and two layers, each with a residual.
pub struct Block {
    heads: usize,
    to_qkv: Tensor,
    from_heads: Tensor,
    up: (Tensor, Tensor),
    down: (Tensor, Tensor),
    norms: [(Tensor, Tensor); 2],
}

impl Block {
    /// Makes a block with weights that look random.
    pub fn new(device: &Device, heads: usize, width: usize) -> Result<Block> {
        let matrix = |rows: usize, cols: usize, seed| numbers(device, &[rows, cols], seed)?.mul(0.1);
        let row = |cols: usize, seed| numbers(device, &[cols], seed);
        Ok(Block {
            heads,
            to_qkv: matrix(width, 3 * width, 1)?,
            from_heads: matrix(width, width, 2)?,
            up: (matrix(width, 4 * width, 3)?, row(4 * width, 4)?),
            down: (matrix(4 * width, width, 5)?, row(width, 6)?),
            norms: [(row(width, 7)?, row(width, 8)?), (row(width, 9)?, row(width, 10)?)],
        })
    }

    fn normed(&self, x: &Tensor, which: usize) -> Result<Tensor> {
        let (scale, bias) = &self.norms[which];
        x.layer_norm(1, Some(scale), Some(bias), 1e-5)
    }

    /// Returns what the block makes of tokens, `[tokens, width]`.
    pub fn run(&self, x: &Tensor) -> Result<Tensor> {
        let [tokens, width] = x.shape() else { unreachable!("tokens are rows") };
        let split = [*tokens, 3, self.heads, width / self.heads];
        let qkv = self.normed(x, 0)?.matmul(&self.to_qkv)?.reshape(&split)?.permute(&[1, 2, 0, 3])?;
        let part = |number: i64| qkv.slice(&[(0, number, number + 1, 1)]);
        let mixed = part(0)?.attention(&part(1)?, &part(2)?, &Attention { causal: true, ..Attention::default() })?;
        let joined = mixed.permute(&[0, 2, 1, 3])?.reshape(&[*tokens, *width])?;
        let x = joined.matmul(&self.from_heads)?.add(x)?;
        let inner = self.normed(&x, 1)?.matmul(&self.up.0)?.add(&self.up.1)?.gelu()?;
        inner.matmul(&self.down.0)?.add(&self.down.1)?.add(&x)
    }
}

/// Runs a layer and a block of a transformer, and compares with the definitions of their operators on the host.
pub fn run(device: &Device) -> Result<()> {
    let (x, w, b) = (numbers(device, &[6, 40], 1)?, numbers(device, &[40, 24], 2)?, numbers(device, &[24], 3)?);
    let layer = x.matmul(&w)?.add(&b)?.relu()?;
    assert_eq!(layer.kernels(), ["matmul_add_relu"]);
    assert_close(&layer)?;

    let block = Block::new(device, 2, 16)?;
    let y = block.run(&numbers(device, &[7, 16], 11)?)?;
    println!("a transformer block is {} launches: {}", y.kernels().len(), y.kernels().join(", "));
    assert_close(&y)
}

fn assert_close(y: &Tensor) -> Result<()> {
    for (found, wanted) in y.elements()?.iter().zip(y.reference()?) {
        assert!((found - wanted).abs() <= 1e-4 * (1.0 + wanted.abs()), "{found} instead of {wanted}");
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<()> {
    run(&Device::best()?)
}
