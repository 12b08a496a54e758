//! The benchmark: `cargo run --release -p xunyuan-tests --bin bench -- [W1 W2 …] [--json FILE] [--quick]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    xunyuan_tests::bench::main(std::env::args().skip(1).collect())
}
