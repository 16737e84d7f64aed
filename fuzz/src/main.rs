//! The fuzzer of the target in `FUZZ_TARGET`, as `cargo xtask fuzz` builds it. Else what repeats inputs: `gateway-fuzz <target>
//! <file> …`; into a directory instead of a file it writes the target's seeds.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod fuzzer {
    use std::sync::OnceLock;

    static TARGET: OnceLock<gateway_fuzz::Target> = OnceLock::new();

    libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
        let named = || {
            let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
            gateway_fuzz::target(&name).expect("a target that there is")
        };
        (TARGET.get_or_init(named).run)(octets);
    });
}

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match repeat(&words) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(fuzzing))]
fn repeat(words: &[String]) -> Result<(), String> {
    if words == ["--names"] {
        gateway_fuzz::TARGETS.iter().for_each(|target| println!("{}", target.name));
        return Ok(());
    }
    let targets: Vec<String> =
        gateway_fuzz::TARGETS.iter().map(|target| format!("  {:<13} {}", target.name, target.what)).collect();
    let [name, places @ ..] = words else {
        return Err(format!("gateway-fuzz <target> <file or directory> …\n{}", targets.join("\n")));
    };
    let target =
        gateway_fuzz::target(name).ok_or_else(|| format!("no target {name}; there are:\n{}", targets.join("\n")))?;
    for place in places {
        let said = |error: std::io::Error| format!("{place}: {error}");
        if std::path::Path::new(place).is_dir() {
            for (number, seed) in (target.seeds)().iter().enumerate() {
                std::fs::write(std::path::Path::new(place).join(format!("seed-{number}")), seed).map_err(said)?;
            }
        } else {
            (target.run)(&std::fs::read(place).map_err(said)?);
            println!("{place}: nothing wrong");
        }
    }
    Ok(())
}
