//! What the configuration and this machine say by themselves: addresses, files, limits.

use std::fs;
use std::path::Path;

use url::Url;

use super::Finding;
use crate::cli::output::instant;
use crate::cli::start::{key_file, rights_of_others};
use crate::config::Config;
use crate::keys::certificate::ClientCertificate;
use crate::keys::master::VARIABLE;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::db::DatabaseTarget;
use crate::web::server::{Tls, open_files};

/// How long before its end a certificate should be renewed.
const RENEWAL: Seconds = Seconds::days(21);

pub(super) fn look(config: &Config, now: Timestamp) -> Vec<Finding> {
    // It would not have come here otherwise.
    let mut findings = vec![Finding::ok("configuration", format!("valid; the issuer is {}", config.server.issuer))];
    findings.extend(addresses(config));
    findings.push(data_folder(&config.server.data_dir));
    findings.push(master_key(&key_file(config), config));
    findings.extend(certificate(config, now));
    findings.extend(files(config));
    findings.extend(memory(config));
    findings
}

/// Who believes whom about addresses, and where TLS ends.
fn addresses(config: &Config) -> Vec<Finding> {
    let server = &config.server;
    let mut findings = Vec::new();
    let is_https = server.issuer.starts_with("https://");
    let has_tls = !config.tls.cert.as_os_str().is_empty();
    if !is_https {
        let mend = "Set server.issuer to the https URL under which people and clients come, before anybody depends on it.";
        findings.push(
            Finding::note("issuer", "plain http: for trying it out on this machine alone", mend).page("getting-started.md"),
        );
    }
    if is_https && !has_tls && server.trusted_proxies.is_empty() {
        let saw = "TLS ends at a reverse proxy, and server.trusted_proxies is empty: everybody seems to come from the proxy's address, and shares its limits";
        let mend = "Set server.trusted_proxies to the proxy's address, and have the proxy set X-Forwarded-For.";
        findings.push(Finding::warning("trusted_proxies", saw, mend).page("abuse.md"));
    }
    if !has_tls && !server.listen.ip().is_loopback() {
        let saw = format!("plain HTTP on {}, which other machines may reach", server.listen);
        let mend = "Listen on a loopback address, or see to it that the proxy alone gets there, or set tls.cert and tls.key.";
        findings.push(Finding::note("listen", saw, mend).page("tls.md"));
    }
    findings
}

fn data_folder(folder: &Path) -> Finding {
    let name = folder.display();
    match fs::metadata(folder) {
        Err(_) => Finding::note("data_folder", format!("there is no {name} yet"), "The server makes it when it starts."),
        Ok(_) if rights_of_others(folder) & 0o022 != 0 => {
            let mend = format!("chmod 700 {name}");
            Finding::error("data_folder", format!("others may write to {name}"), mend)
        }
        Ok(_) if rights_of_others(folder) != 0 => {
            Finding::warning("data_folder", format!("others may look into {name}"), format!("chmod 700 {name}"))
        }
        Ok(_) => Finding::ok("data_folder", format!("{name} is for its owner alone")),
    }
}

fn master_key(file: &Path, config: &Config) -> Finding {
    const CHECK: &str = "master_key";
    let folder = &config.server.data_dir;
    if std::env::var_os(VARIABLE).is_some() {
        return Finding::ok(CHECK, format!("in the environment ({VARIABLE})"));
    }
    let name = file.display();
    match fs::metadata(file) {
        Err(_) if !may_have_database(config) => {
            Finding::note(CHECK, format!("there is no {name} yet"), "The server makes it when it starts.")
        }
        Err(error) => {
            let mend = "Restore it from a backup, or name it with keys.master_key_file: without it the database is of no use.";
            Finding::error(CHECK, format!("{name}: {error}"), mend).page("backup.md")
        }
        Ok(_) if rights_of_others(file) != 0 => {
            Finding::error(CHECK, format!("others have rights on {name}"), format!("chmod 600 {name}")).page("security-model.md")
        }
        Ok(_) if is_of_another(file) => {
            Finding::warning(CHECK, format!("{name} belongs to somebody else"), "Give it to the user that the server runs as.")
        }
        Ok(_) if file.starts_with(folder) => {
            let saw = format!("{name}, for its owner alone, beside the database");
            let mend = "Kept elsewhere (keys.master_key_file), a copy of the data folder alone opens nothing.";
            Finding::note(CHECK, saw, mend).page("security-model.md")
        }
        Ok(_) => Finding::ok(CHECK, format!("{name}, for its owner alone")),
    }
}

/// Of one elsewhere nobody knows before it is asked.
fn may_have_database(config: &Config) -> bool {
    match DatabaseTarget::new(&config.database.url, &config.server.data_dir) {
        DatabaseTarget::Sqlite(file) => file.exists(),
        DatabaseTarget::Postgres(_) => true,
    }
}

/// Whether a file belongs to another user than this process.
#[cfg(unix)]
fn is_of_another(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner = |path: &Path| fs::metadata(path).map(|metadata| metadata.uid()).ok();
    owner(Path::new("/proc/self")).is_some_and(|own| owner(file) != Some(own))
}

#[cfg(not(unix))]
fn is_of_another(_: &Path) -> bool {
    false
}

fn certificate(config: &Config, now: Timestamp) -> Option<Finding> {
    const CHECK: &str = "certificate";
    let tls = match Tls::new(&config.tls) {
        Ok(tls) => tls,
        Err(error) => {
            return Some(Finding::error(CHECK, error.to_string(), "Name a certificate and its key (PEM).").page("tls.md"));
        }
    };
    tls?;
    let name = config.tls.cert.display();
    let (begins, ends) = ClientCertificate::validity_in(&config.tls.cert)?;
    let saw = format!("{name} is valid from {} until {}", instant(begins), instant(ends));
    let mend = "Renew it; the file is read again within ten seconds.";
    Some(match () {
        () if now < begins || now > ends => Finding::error(CHECK, saw, mend).page("tls.md"),
        () if now + RENEWAL > ends => Finding::warning(CHECK, saw, mend).page("tls.md"),
        () => Finding::ok(CHECK, saw),
    })
}

fn files(config: &Config) -> Option<Finding> {
    let limit = open_files(&fs::read_to_string("/proc/self/limits").ok()?)?;
    let wanted = config.server.max_connections;
    let saw = format!("{limit} files may be open here, for {wanted} connections (server.max_connections)");
    Some(if limit < wanted + 100 {
        let mend = "Raise the limit where the server is started (LimitNOFILE, ulimit -n); until then it takes fewer connections.";
        Finding::note("open_files", saw, mend)
    } else {
        Finding::ok("open_files", saw)
    })
}

/// What hashing passwords takes at once, beside what there is.
fn memory(config: &Config) -> Option<Finding> {
    let password = &config.password;
    let at_once = match password.max_concurrent {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        some => some,
    };
    let needed = u64::from(password.memory_kib).saturating_mul(at_once as u64);
    let there = available_kib()?;
    let saw = format!("{at_once} passwords hashed at once take {} MiB of {} MiB", needed / 1_024, there / 1_024);
    Some(if needed > there / 2 {
        let mend = "Lower password.max_concurrent or password.memory_kib, or give the machine more memory.";
        Finding::warning("memory", saw, mend).page("performance.md")
    } else {
        Finding::ok("memory", saw)
    })
}

/// Of the machine, or of the container if that has less.
fn available_kib() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok()?;
    let machine =
        machine.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok())?;
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse::<u64>().ok());
    Some(container.map_or(machine, |bytes| machine.min(bytes / 1_024)))
}

/// The host of the issuer.
pub(super) fn host(config: &Config) -> Option<(Url, String)> {
    let url = Url::parse(&config.server.issuer).ok()?;
    let host = url.host_str()?.to_owned();
    Some((url, host))
}
