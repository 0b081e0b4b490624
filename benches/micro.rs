//! The cases in time: `cargo bench --bench micro`, or one group of them with
//! `cargo bench --bench micro -- seal/`.

mod cases;

use divan::{Bencher, counter::BytesCount};

fn main() {
    divan::main();
}

#[divan::bench(args = cases::ALL.iter().map(|case| case.name))]
fn case(bencher: Bencher<'_, '_>, name: &str) {
    let case = cases::named(name).expect("the name comes from the list");
    let run = (case.prepare)();
    match case.bytes {
        0 => bencher.bench_local(run),
        bytes => bencher.counter(BytesCount::new(bytes)).bench_local(run),
    }
}
