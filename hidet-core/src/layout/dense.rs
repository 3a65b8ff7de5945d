//! Products of extents, in whatever order they are written.

use super::Layout;
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;

/// Returns the number and the other factors of a product.
fn factors<'a>(formula: &'a IndexExpr, number: &mut i64, others: &mut Vec<&'a IndexExpr>) {
    match formula {
        IndexExpr::Const(value) => *number = number.wrapping_mul(*value),
        IndexExpr::Binary(IndexOp::Mul, a, b) => {
            factors(a, number, others);
            factors(b, number, others);
        }
        other => others.push(other),
    }
}

/// Returns true if both are products of the same factors.
pub(crate) fn same_product(a: &IndexExpr, b: &IndexExpr) -> bool {
    let (mut numbers, mut own, mut others) = ([1, 1], Vec::new(), Vec::new());
    factors(a, &mut numbers[0], &mut own);
    factors(b, &mut numbers[1], &mut others);
    let taken = own.iter().all(|factor| match others.iter().position(|other| other == factor) {
        Some(place) => {
            others.swap_remove(place);
            true
        }
        None => false,
    });
    numbers[0] == numbers[1] && taken && others.is_empty()
}

impl Layout {
    /// Returns true if it is row-major without gaps, whatever the order of factors in its strides.
    pub fn is_row_major(&self) -> bool {
        let Layout::Strided { shape, strides } = self else { return false };
        let dense = Layout::row_major(shape);
        let Layout::Strided { strides: dense, .. } = &dense else { return false };
        strides.len() == dense.len() && strides.iter().zip(dense).all(|(own, dense)| same_product(own, dense))
    }

    /// Returns true if a stride is a symbol that is not one of its extents: it comes with the launch, and rows may be
    /// apart.
    pub fn has_strides_of_launch(&self) -> bool {
        let Layout::Strided { shape, strides } = self else { return false };
        strides.iter().any(|stride| matches!(stride, IndexExpr::Symbol(_)) && !shape.contains(stride))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_factors_does_not_matter() {
        let [m, n, k] = [0, 1, 2].map(IndexExpr::Symbol);
        assert!(same_product(&(m.clone() * n.clone() * 4), &(n.clone() * (m.clone() * 4))));
        assert!(!same_product(&(m.clone() * n.clone()), &(m.clone() * m.clone())));
        assert!(!same_product(&(m.clone() * 2), &m) && !same_product(&(m.clone() + 1), &m));
        let shape = [m.clone(), n.clone(), k.clone()];
        assert!(Layout::row_major(shape.clone()).is_row_major());
        assert!(Layout::strided(shape.clone(), [k.clone() * n.clone(), k.clone(), 1.into()]).is_row_major());
        assert!(!Layout::strided(shape.clone(), [k.clone() * n, k.clone() + 1, 1.into()]).is_row_major());
        assert!(!Layout::column_major(shape.clone()).is_row_major());
        let stride = IndexExpr::Symbol(3);
        assert!(Layout::strided(shape.clone(), [stride.clone(), k, 1.into()]).has_strides_of_launch());
        assert!(!Layout::row_major([shape[0].clone(), shape[1].clone()]).has_strides_of_launch());
        assert!(!Layout::strided(shape, [stride.clone() * 2, stride + 1, 1.into()]).has_strides_of_launch());
    }
}
