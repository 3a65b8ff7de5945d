// Any identifier of Rust may name anything in a kernel: raw identifiers, non-ASCII ones, names of CUDA.

use hidet::ir::{Arch, text};
use hidet::kernel::{CompileOptions, Printer};
use hidet::prelude::*;
use hidet::{codegen, passes};

kernel! {
    #[device]
    fn r#virtual(r#const: Expr<f32>) -> Expr<f32> {
        let r#return = r#const + 1.0;
        r#return
    }

    #[launch(grid = 1, block = 32)]
    pub fn r#type(r#in: In<f32, [r#loop, größe]>, r#match: f32, r#pub: Out<f32, [r#loop, größe]>) {
        let r#let = thread_idx().x;
        let r#static = shared::<f32>([32]);
        let mut r#mut = r#virtual(r#match);
        'größe: for r#for in (r#let..größe).step_by(32) {
            for r#ref in 0..r#loop {
                if r#ref > 1 {
                    continue 'größe;
                }
                r#mut += r#in[[r#ref, r#for]];
                r#static[[r#let]] = r#mut;
                r#pub[[r#ref, r#for]] = r#static[[r#let]];
            }
        }
        if r#let == 0 {
            print!("{mut} {}", r#let);
        }
    }

    #[allow(non_snake_case)]
    #[launch(grid = 1, block = 1)]
    pub fn größe(norm3d: In<f32, [std]>, #[partial] NULL: Out<f32, [std]>) {
        let clock_t = norm3d[[0]] + 1.0;
        let mut nan = clock_t * norm3d[[1]];
        nan += 1.0;
        NULL[[0]] = nan;
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let (send, lines) = std::sync::mpsc::channel();
    let printer = Printer::new(move |line| drop(send.send(line.to_owned())));
    let kernel = r#type().compile_with(&device, &CompileOptions { printer, ..CompileOptions::default() })?;
    let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2])?;
    let mut y = device.empty([2, 2])?;
    kernel.launch(&x, 4.0, &mut y)?;
    assert_eq!(y.to_vec()?, [6.0, 7.0, 9.0, 11.0]);
    assert_eq!(lines.try_iter().collect::<Vec<String>>(), ["9 0"]);

    // Messages and the IR show the names without `r#`; the printed text parses back.
    let error = kernel.launch(&x, 4.0, &mut device.empty([2, 3])?).err().map_or(String::new(), |error| error.to_string());
    assert!(error.contains("`type`") && error.contains("`größe` is 2 from axis 1 of argument `in`, but 3"), "{error}");
    for (template, name) in [(r#type().build()?, "type_("), (größe().build()?, "gru00f6u00dfe_(")] {
        let printed = text::print(&template);
        assert_eq!(text::print(&text::parse(&printed)?), printed);
        assert!(printed.contains("größe") && !printed.contains("r#"), "{printed}");
        let lowered = passes::lower(&template, &passes::LoweringOptions::default())?;
        let source = codegen::cuda(&lowered, Arch { number: 80, specific: false })?;
        assert!(source.text.contains(name) && source.text.is_ascii(), "{}", source.text);
    }

    let x = device.tensor(&[1.0, 2.0], [2])?;
    let mut y = device.zeros([2])?;
    größe().compile(&device)?.launch(&x, &mut y)?;
    assert_eq!(y.to_vec()?, [5.0, 0.0]);
    Ok(())
}
