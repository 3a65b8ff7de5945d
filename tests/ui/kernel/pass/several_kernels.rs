// Several kernels and other items in one `kernel!`.

use hidet::prelude::*;

kernel! {
    /// Left as it is.
    pub const SIZE: i32 = 32;

    #[launch(grid = n.div_ceil(SIZE), block = SIZE)]
    pub fn set(y: Out<i32, [n]>) {
        let i = block_idx().x * SIZE + thread_idx().x;
        y.set((i,), i);
    }

    #[launch(grid = (n.div_ceil(SIZE), 1), block = (SIZE, 1))]
    pub(crate) fn add(y: InOut<i32, [n]>, by: i32) {
        let i = block_idx().x * SIZE + thread_idx().x;
        if i < n {
            y[[i]] += by;
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let mut y = device.empty::<i32, 1>([40])?;
    set().compile(&device)?.launch(&mut y)?;
    add().compile(&device)?.launch(&mut y, 5)?;
    assert_eq!(y.to_vec()?, (5..45).collect::<Vec<i32>>());
    Ok(())
}
