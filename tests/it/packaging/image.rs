//! The container image: what the build reads is what it is given.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::redis::free_port;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The folders and files at the top that the program is made of: those that a macro reads while it is compiled.
fn read_by_the_build() -> BTreeSet<String> {
    // Askama's and sqlx's own, where nothing is said.
    let mut read: BTreeSet<String> = ["src", "templates", "migrations"].map(str::to_owned).into();
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).expect("text");
        let literals = |marker: &str| -> Vec<String> {
            let literal = |rest: &str| rest.split('"').nth(1).unwrap_or_default().to_owned();
            text.split(marker).skip(1).map(literal).collect()
        };
        let relative = ["include_str!(", "include_bytes!(", "include!("].iter().flat_map(|marker| literals(marker));
        for path in relative {
            let mut target = file.parent().expect("a folder").to_owned();
            for part in Path::new(&path).components() {
                match part {
                    std::path::Component::ParentDir => _ = target.pop(),
                    part => target.push(part),
                }
            }
            let below = target.strip_prefix(root()).expect("within the project").components().next().expect("a name");
            read.insert(below.as_os_str().to_string_lossy().into_owned());
        }
        for path in ["#[folder =", " locales:"].iter().flat_map(|marker| literals(marker)) {
            let name = path.trim_start_matches("$CARGO_MANIFEST_DIR/").trim_start_matches("./").split('/').next();
            read.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    read
}

#[test]
fn the_build_is_given_all_that_it_reads_and_nothing_else() {
    let ignore = fs::read_to_string(root().join(".dockerignore")).expect(".dockerignore");
    let given: BTreeSet<String> = ignore.lines().filter_map(|line| line.strip_prefix('!')).map(str::to_owned).collect();
    let for_cargo = [
        ".cargo/config.toml",
        ".cargo/order.ld",
        "build.rs",
        "Cargo.toml",
        "Cargo.lock",
        "benches/load/main.rs",
        "tests/it/main.rs",
    ];
    let for_cargo = for_cargo.map(str::to_owned);
    let for_the_image = ["deploy/image-root".to_owned()];
    let expected: BTreeSet<String> = read_by_the_build().into_iter().chain(for_cargo).chain(for_the_image).collect();
    assert_eq!(given, expected);
    for path in &given {
        assert!(root().join(path).exists(), "{path} is not there");
    }
}

/// What the last stage of the `Dockerfile` sets.
pub fn environment() -> Vec<(String, String)> {
    let file = fs::read_to_string(root().join("Dockerfile")).expect("the Dockerfile");
    let set = file.split("\nENV ").nth(1).expect("ENV").replace("\\\n", " ");
    let line = set.lines().next().expect("a line");
    let pair = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).expect("a pair");
    line.split_whitespace().map(pair).collect()
}

/// Every file below a folder, as it is called there.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).expect("below").display().to_string());
            }
        }
    }
    found
}

/// The image's root with the program of this test in it, and how a program is started in there: as its user where one may do that,
/// else as somebody who is root in there alone.
struct Image {
    root: TempDir,
    port: u16,
}

const USER: u32 = 10_001;

impl Image {
    fn new() -> Self {
        let image = Self { root: tempfile::tempdir().expect("a folder"), port: free_port() };
        fs::set_permissions(image.root.path(), Permissions::from_mode(0o755)).expect("one's own folder");
        let laid =
            Command::new(root().join("deploy/image-root")).arg(env!("CARGO_BIN_EXE_ostiary")).arg(image.root.path()).status();
        assert!(laid.expect("a shell").success());
        let data = image.root.path().join("data");
        fs::create_dir(&data).expect("a folder");
        fs::set_permissions(&data, Permissions::from_mode(0o700)).expect("one's own folder");
        if is_root() {
            chown(&data, Some(USER), Some(USER)).expect("root");
        }
        image
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = if is_root() {
            let mut command = Command::new("chroot");
            command.arg(format!("--userspec={USER}:{USER}"));
            command
        } else {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "chroot"]);
            command
        };
        command.arg(self.root.path()).arg("/usr/local/bin/ostiary").args(arguments).env_clear();
        // `chroot` itself is found by it.
        command.envs(environment()).env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let port = self.port;
        command
            .env("OSTIARY_SERVER__LISTEN", format!("0.0.0.0:{port}"))
            .env("OSTIARY_SERVER__ISSUER", format!("http://localhost:{port}"));
        command
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("Linux").uid() == 0
}

#[tokio::test]
async fn the_program_runs_in_the_image_which_holds_nothing_else() {
    let image = Image::new();
    let mut held = files(image.root.path());
    assert!(held.remove("usr/local/bin/ostiary"), "{held:?}");
    let of_the_system =
        |name: &str| ["libc.so", "libm.so", "libgcc_s.so", "ld-linux"].iter().any(|library| name.contains(library));
    held.retain(|name| !of_the_system(name));
    assert_eq!(held, ["etc/group", "etc/nsswitch.conf", "etc/passwd"].map(str::to_owned).into());

    let before = image.command(&["health"]).output().expect("it runs");
    assert_eq!(before.status.code(), Some(1), "nothing listens yet: {before:?}");
    let mut server = image.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let deadline = Instant::now() + Duration::from_mins(1);
    while !image.command(&["health"]).stderr(Stdio::null()).stdout(Stdio::null()).status().expect("it runs").success() {
        assert!(server.try_wait().expect("a child").is_none() && Instant::now() < deadline, "the server does not get ready");
    }
    let discovery = reqwest::get(format!("http://localhost:{}/.well-known/openid-configuration", image.port)).await;
    assert_eq!(discovery.expect("an answer").status(), 200);
    let person = image.command(&["user", "create", "anna", "--no-password"]).output().expect("it runs");
    let listed = image.command(&["user", "list"]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("anna"), "{person:?} {listed:?}");
    let told = Command::new("kill").args(["-TERM", &server.id().to_string()]).status();
    assert!(told.is_ok_and(|status| status.success()));
    assert_eq!(server.wait().expect("it ends").code(), Some(0));
}
