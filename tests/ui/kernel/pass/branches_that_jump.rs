// A branch that always ends with a jump has no value, however deeply nested.

use hidet::prelude::*;

#[device]
fn sign(v: Expr<f32>) -> Expr<i32> {
    if v > 0.0 {
        return 1;
    } else {
        if v < 0.0 { return -1; } else { return 0; }
    }
}

#[device]
fn first_above(list: &[i32], least: i32) -> Option<i32> {
    for &v in list {
        if v > least { return Some(v); }
    }
    None
}

#[device]
fn name(kind: i32) -> &'static str {
    if kind == 0 { return "none"; }
    match kind { 1 => return "one", _ => {} }
    "many"
}

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn k(#[meta] mode: i32, x: In<f32, [n]>, y: InOut<i32, [n]>) {
        if let Some(above) = first_above(&[1, 5, 9], 4) { assert!(above == 5); }
        assert!(name(0) == "none" && name(1) == "one" && name(7) == "many");
        for i in 0..n {
            let v = if x[[i]] > 5.0 {
                if x[[i]] > 7.0 { break; } else { continue; }
            } else if x[[i]] < -5.0 {
                match mode { 0 => break, _ => { if i < 1 { break } else { continue } } }
            } else {
                x[[i]]
            };
            y[[i]] = sign(v);
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let x = device.tensor(&[1.0, 6.0, 0.0, -9.0, -1.0, 8.0, 1.0], [7])?;
    for (mode, expected) in [(0, [1, 9, 0, 9, 9, 9, 9]), (1, [1, 9, 0, 9, -1, 9, 9])] {
        let mut y = device.tensor(&[9; 7], [7])?;
        k(mode).compile(&device)?.launch(&x, &mut y)?;
        assert_eq!(y.to_vec()?, expected);
    }
    Ok(())
}
