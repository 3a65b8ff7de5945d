// What rustc cannot see is an error of `build`, with its place.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn leaks(y: Out<i32, [n]>) {
        #[meta]
        let mut kept = Vec::new();
        let keep = |list: &mut Vec<Expr<i32>>, v: Expr<i32>| list.push(v);
        if thread_idx().x < n {
            keep(&mut kept, thread_idx().x * 2);
        }
        y[[0]] = kept[0];
    }

    #[launch(grid = 1, block = 33)]
    pub fn grouped(y: Out<i32, [n]>) {
        #[threads(1..33)]
        {
            y[[0]] = 1;
        }
    }

    #[launch(grid = 1, block = 32)]
    pub fn sized(y: Out<i32, [n]>) {
        let t = thread_idx().x;
        let tile = shared::<i32>([t]);
        y[[0]] = tile[[0]];
    }
}

fn message(error: Option<hidet::Error>) -> String {
    error.map(|error| error.to_string()).unwrap_or_default()
}

fn main() {
    let leak = message(leaks().build().err());
    assert!(leak.contains("computed inside a branch or loop that has ended"), "{leak}");
    assert!(leak.contains("problems_of_building.rs:14"), "{leak}");
    let group = message(grouped().build().err());
    assert!(group.contains("must be multiples of 32"), "{group}");
    let size = message(sized().build().err());
    assert!(size.contains("not known to the launcher"), "{size}");
}
