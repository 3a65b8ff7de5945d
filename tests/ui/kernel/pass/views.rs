// Tiles, rows and columns are views.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        if i < n {
            let m = x.remap([n / 2, n / 2 * 0 + 2], 1, |[r, c]| [r * 2 + c]);
            let row = m.row(i / 2);
            let tile = y.tile([i - i % 2], [2]);
            tile[[i % 2]] = row[[i % 2]] + m.column(0)[[i / 2]];
        }
    }
}

/// For the view of that number: if it has addresses, if it claims to have a tensor map, and if it has one.
fn questions(which: usize) -> (bool, Result<(), String>, hidet::Result<hidet::ir::Function>) {
    let (send, answer) = std::sync::mpsc::channel();
    let template = Template::<()>::new("asked", move |signature| {
        let n = signature.dim("n");
        let x: In<f32, 2> = signature.tensor("x", [64.into(), n]);
        signature.launch([1.into(), 1.into(), 1.into()], [32, 1, 1], [1, 1, 1], 0);
        let view = match which {
            0 => x,
            1 => x.tile([0, 0], [64, 16]),
            2 => x.remap([64, 64], 1, |[i, j]| [i, j - 3]),
            3 => x.remap([64, 64], 1, |[i, j]| [j, i]),
            4 => x.remap([64, 64], 1, |[i, j]| [i * j, j]),
            5 => x.map(|v, _| v * 2.0),
            _ => shared::<f32, 2>([64, 64]).as_input(),
        };
        let _ = send.send((view.is_memory(), view.can_tensor_map()));
        view.tensor_map([64, 16], Swizzle::None);
    });
    let built = template.build();
    let (memory, map) = answer.recv().unwrap_or((false, Ok(())));
    (memory, map, built)
}

fn main() -> hidet::Result<()> {
    for (which, memory, why) in [
        (0, true, None),
        (1, true, None),
        (2, false, None),
        (3, false, Some("consecutive elements of this one are n apart")),
        (4, false, Some("is not known to the launcher as a sum of its own coordinates")),
        (5, false, Some("not for a computed tensor")),
        (6, true, Some("not for memory of a block or thread")),
    ] {
        let (is_memory, said, built) = questions(which);
        assert_eq!((is_memory, said.is_ok()), (memory, why.is_none()), "{which}");
        assert_eq!(said.as_ref().err().map(|said| said.contains(why.unwrap_or_default())), why.map(|_| true), "{which}");
        let error = built.err().map(|error| error.to_string());
        assert_eq!(error.as_ref().map(|error| error.contains(said.err().as_deref().unwrap_or("?"))), why.map(|_| true), "{error:?}");
    }
    let device = Device::sim();
    let host: Vec<f32> = (0..64).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [64])?;
    let mut y = device.zeros::<f32, 1>([64])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().enumerate().map(|(i, &v)| v + host[i / 2 * 2]).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
