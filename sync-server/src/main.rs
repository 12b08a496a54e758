//! The branch server's process: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    xunyuan_server::command::main(std::env::args_os())
}
