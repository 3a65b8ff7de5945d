// Rust's formats, for device values and for meta values.

use hidet::kernel::{CompileOptions, Printer};
use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn k<T: Element>(x: In<T, [n]>, y: In<f16, [n]>) {
        let i = block_idx().x;
        let known = 2.5;
        print!("{} {:?} {:>8.3} {} {i:#06x} {known:.2}", x[[i]], x[[i]], y[[i]], i < 3);
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let (send, lines) = std::sync::mpsc::channel();
    let printer = Printer::new(move |line| drop(send.send(line.to_owned())));
    let kernel = k::<i32>().compile_with(&device, &CompileOptions { printer, ..CompileOptions::default() })?;
    kernel.launch(&device.tensor(&[-7], [1])?, &device.zeros([1])?)?;
    assert_eq!(lines.try_iter().collect::<Vec<String>>(), ["-7 -7    0.000 true 0x0000 2.50"]);
    Ok(())
}
