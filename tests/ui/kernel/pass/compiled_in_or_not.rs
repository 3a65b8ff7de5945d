// `#[cfg(..)]` decides what of a kernel is compiled.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn sums(y: InOut<i32, [2]>) {
        #[cfg(any())]
        print!("never");
        #[cfg(all())]
        let (mut a, b) = (thread_id(), 4);
        #[cfg(any())]
        let (mut a, b) = (nothing, like, this);
        #[cfg(any())]
        let mut a = 100;
        a += b;
        #[cfg(any())]
        y[[0]] = 1;
        #[cfg(all())]
        y[[0]] += a;
        #[cfg(any())]
        for i in 0..10 { y[[0]] += i; }
        #[cfg(any())]
        #[warp(0)]
        { y[[0]] += 1; }
        y[[1]] = {
            #[cfg(any())]
            { 8 }
            #[cfg(all())]
            { a + 1 }
        };
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let mut y = device.tensor(&[10, 0], [2])?;
    sums().compile(&device)?.launch(&mut y)?;
    assert_eq!(y.to_vec()?, [14, 5]);
    Ok(())
}
