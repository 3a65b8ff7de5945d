// `let mut` of a tuple: each part is a variable, and plain numbers take the type they meet.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn top<T: Float>(x: In<T, [n]>, y: Out<T, [2]>, at: Out<i32, [2]>) {
        let mut best = (f32::MIN, 0.0, 0);
        let mut last = (0, 0.0);
        for i in 0..n {
            let v = x[[i]] as f32;
            if v > best.0 { best = (v, best.1 + 0.5, i); }
            last.0 += i;
            last.1 = x[[i]];
        }
        let (value, rises, place) = best;
        y[[0]] = (value + rises) as T;
        y[[1]] = last.1;
        at[[0]] = place;
        at[[1]] = last.0;
        best = (1.0, 2.0, 3);
        assert!(best.2 == 3 && best.1 == 2.0, "assigned as a whole");
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let x = device.tensor(&[1.0, 3.0, 2.0, 4.0, 0.0], [5])?;
    let (mut y, mut at) = (device.empty([2])?, device.empty([2])?);
    top::<f32>().compile(&device)?.launch(&x, &mut y, &mut at)?;
    assert_eq!(y.to_vec()?, [5.5, 0.0]);
    assert_eq!(at.to_vec()?, [3, 10]);
    Ok(())
}
