// A user's functions may have the names of functions of the language.

use hidet::prelude::*;

mod mine {
    use hidet::prelude::*;
    pub fn shared<T: Num>(x: Expr<T>) -> Expr<T> { x + x }
}

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn k(x: In<f32, [1]>, y: Out<f32, [1]>) {
        let twice = mine::shared::<f32>(x[[0]]);
        let tile = hidet::prelude::shared::<f32>([1]);
        tile[[0]] = twice;
        y[[0]] = tile[[0]];
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let x = device.tensor(&[3.0], [1])?;
    let mut y = device.empty([1])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    assert_eq!(y.to_vec()?, [6.0]);
    Ok(())
}
