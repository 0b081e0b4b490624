use std::process::ExitCode;

fn main() -> ExitCode {
    sealcast::cli::run()
}
