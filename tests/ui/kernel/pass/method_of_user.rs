// A function or method of the user comes before the names that the language explains.

use hidet::prelude::*;

trait Activation {
    fn sigmoid(self) -> Self;
    fn hypot(self, other: Self) -> Self;
}

impl Activation for Expr<f32> {
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + (-self).exp())
    }
    fn hypot(self, other: Self) -> Self {
        (self * self + other * other).sqrt()
    }
}

fn max(a: Expr<f32>, b: f32) -> Expr<f32> {
    a.max(b)
}

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        let v = x[[i, 0]];
        y[[i, 0]] = max(v.sigmoid(), 0.5);
        y[[i, 1]] = v.hypot(v);
    }
}

fn main() -> hidet::Result<()> {
    k().build().map(drop)
}
