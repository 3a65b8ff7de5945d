//! [`SelfAttention`]: attention of the tokens of a sequence to each other.

use crate::error::{Error, Result};
use crate::linear::Linear;
use hidet_ops::{Attention, Tensor};

/// Products that make queries, keys and values of tokens, and their attention.
///
/// One product for all three would be a kernel instead of three that run beside each other, whose parts attention of 16-bit floats
/// reads in place; that of `f32` would copy them.
pub(crate) struct SelfAttention {
    heads: usize,
    products: [Linear; 3],
}

impl SelfAttention {
    /// Returns attention by heads that share the features of tokens equally; `product` makes the products for queries, keys
    /// and values, in this order.
    pub(crate) fn new(
        [heads, features]: [usize; 2],
        mut product: impl FnMut(usize) -> Result<Linear>,
    ) -> Result<SelfAttention> {
        if heads == 0 || !features.is_multiple_of(heads) {
            let why = format!("{heads} heads cannot share {features} features equally");
            return Err(Error::Config { field: "heads", why });
        }
        Ok(SelfAttention { heads, products: [product(0)?, product(1)?, product(2)?] })
    }

    /// Returns what tokens `[sequences * tokens, features]` become.
    pub(crate) fn of(&self, x: &Tensor, [sequences, tokens]: [usize; 2], how: &Attention) -> Result<Tensor> {
        let [rows, features] = [x.shape()[0], x.shape()[1]];
        let by_heads = |product: &Linear| -> Result<Tensor> {
            let split = [sequences, tokens, self.heads, features / self.heads];
            Ok(product.of(x)?.reshape(&split)?.permute(&[0, 2, 1, 3])?)
        };
        let [queries, keys, values] = &self.products;
        let mixed = by_heads(queries)?.attention(&by_heads(keys)?, &by_heads(values)?, how)?;
        Ok(mixed.permute(&[0, 2, 1, 3])?.reshape(&[rows, features])?)
    }
}
