//! Build script: how the program is linked.

fn main() {
    println!("cargo:rerun-if-changed=packaging/link.rs");
    // The loader reads each relocation at the start; packed they take 30 KiB instead of 1.4 MiB, which would stay
    // resident. glibc knows them since 2.36, which Debian 12 has; an older linker ignores the option with a warning.
    let gnu_linux = std::env::var("TARGET").is_ok_and(|target| target.ends_with("-linux-gnu"));
    if gnu_linux {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
