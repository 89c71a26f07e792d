//! Gives perrin's own tests, examples and benches the run path of the libtorch they were linked
//! with.
//!
//! Cargo hands linker arguments to no crate downstream; the README says how that goes in a crate of
//! one's own.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let unix = std::env::var_os("CARGO_CFG_UNIX").is_some();
    if let (true, Some(folder)) = (unix, std::env::var_os("DEP_TCH_LIBTORCH_LIB")) {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", folder.display());
    }
}
