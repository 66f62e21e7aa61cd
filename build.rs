//! What the linker of a release is told: where functions lie, and how addresses are written down.
//!
//! It is given the list of what a server runs (`scripts/order`). With it those functions lie next to each other, and
//! a server takes some ten megabytes less of memory; without it the program is the same, and somewhat larger when it runs.
//!
//! Where the C library is glibc from 2.36 on, the addresses that it has to fill in are packed (`DT_RELR`): the program has a megabyte less. Built
//! there it would not start with an older one, as everything that is built with a newer C library.
//!
//! `LINK_ORDER=0` builds without both: for a linker that doesn't understand the scripts of GNU's and LLVM's, such as gold.

use std::env;
use std::path::Path;
use std::process::Command;

const LIST: &str = ".cargo/order.ld";
const SWITCH: &str = "LINK_ORDER";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={SWITCH}");
    let list = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(LIST);
    if !list.exists() {
        return;
    }
    println!("cargo::rerun-if-changed={LIST}");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && !is(SWITCH, "0") && !has_own_linker() {
        for argument in ["-Xlinker", "-T", "-Xlinker", &list.display().to_string()] {
            println!("cargo::rustc-link-arg-bin=ostiary={argument}");
        }
        if packs_addresses() {
            println!("cargo::rustc-link-arg-bin=ostiary=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// Whether what is built here runs here, with a C library that understands packed addresses.
fn packs_addresses() -> bool {
    let version = Command::new("getconf").arg("GNU_LIBC_VERSION").output().map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version);
    let mut numbers = version.trim().trim_start_matches("glibc ").split('.').map(str::parse);
    env::var_os("HOST") == env::var_os("TARGET")
        && matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (2, 36) <= (major, minor))
}

/// Somebody chose a linker, and it might be any.
fn has_own_linker() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    env::var_os("RUSTC_LINKER").is_some()
        || flags.split('\x1f').any(|flag| {
            let flag = flag.trim_start_matches("-C").trim_start_matches("link-arg=").trim_start_matches("link-args=");
            flag.starts_with("linker=") || flag.starts_with("-B") || flag.starts_with("-fuse-ld")
        })
}
