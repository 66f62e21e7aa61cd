//! A throw-away PostgreSQL server: one for the whole test process, on a socket in a temporary folder, stopped when the
//! process ends, however it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

/// Makes a cluster, starts the server, tells the folder, and waits for the end of its standard input: that comes when the
/// test process ends, by a signal too. Without `fsync`: nothing of it must survive a crash.
const SUPERVISOR: &str = r#"
set -eu
dir=$(mktemp -d /tmp/ostiary-postgres.XXXXXX)
trap 'rm -rf "$dir"' EXIT
"$1/initdb" -D "$dir/data" -U ostiary --auth=trust --encoding=UTF8 --no-locale --no-sync >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
"$1/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c max_connections=300 -c fsync=off -c full_page_writes=off \
    >>"$dir/log" 2>&1 </dev/null &
server=$!
tries=0
until "$1/pg_isready" -q -h "$dir" -U ostiary; do
    tries=$((tries + 1))
    if [ $tries -gt 600 ] || ! kill -0 $server 2>/dev/null; then cat "$dir/log" >&2; exit 1; fi
    sleep 0.05
done
echo "$dir"
cat >/dev/null
kill -INT $server
wait $server || true
"#;

struct Server {
    socket: String,
    /// Holds the pipe that the supervisor reads.
    _supervisor: Child,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

fn start() -> Server {
    let programs = programs();
    // initdb refuses to run as root. Debian's package makes a user for it.
    let mut command = Command::new(if is_root() { "runuser" } else { "sh" });
    if is_root() {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    command.args(["-c", SUPERVISOR, "postgres-for-tests"]).arg(&programs);
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut supervisor = command.spawn().expect("a shell to start PostgreSQL");
    let mut socket = String::new();
    BufReader::new(supervisor.stdout.take().expect("piped")).read_line(&mut socket).expect("the supervisor answers");
    if socket.is_empty() {
        let mut problem = String::new();
        supervisor.stderr.take().expect("piped").read_to_string(&mut problem).expect("the supervisor explains");
        panic!("PostgreSQL does not start: {problem}");
    }
    Server { socket: socket.trim_end().to_owned(), _supervisor: supervisor }
}

pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

/// The folder with the server's programs; Debian keeps them out of the path.
pub(super) fn programs() -> PathBuf {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&on_path));
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists())
        .expect("PostgreSQL's server is installed (Debian: postgresql); scripts/test installs it")
}

fn options(database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(&server().socket)
        .username("ostiary")
        .database(database)
        .disable_statement_logging()
}

async fn administrator() -> PgConnection {
    options("postgres").connect().await.expect("the throw-away PostgreSQL takes connections")
}

/// One database on the server; dropped with this.
pub struct Database {
    name: String,
}

impl Database {
    pub async fn create(name: &str, template: &str) -> Self {
        let mut connection = administrator().await;
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        connection.execute(AssertSqlSafe(sql)).await.expect("a database is created");
        connection.close().await.expect("the connection closes");
        Self { name: name.to_owned() }
    }

    /// Ends every connection to it.
    pub async fn cut_connections(&self) {
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
            .bind(&self.name)
            .execute(&mut administrator().await)
            .await
            .expect("connections are ended");
    }

    /// Runs statements on it, by a connection of their own.
    pub async fn run(&self, sql: &str) {
        let mut connection = options(&self.name).connect().await.expect("a connection");
        connection.execute(AssertSqlSafe(sql.to_owned())).await.expect("the statements run");
        connection.close().await.expect("the connection closes");
    }

    /// A connection past whatever stands between a test's program and it.
    pub async fn connect(&self) -> PgConnection {
        options(&self.name).connect().await.expect("a connection")
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the server listens.
    pub fn socket() -> PathBuf {
        super::cluster::socket_in(std::path::Path::new(&server().socket))
    }

    pub fn url(&self) -> String {
        let folder = server().socket.replace('/', "%2F");
        format!("postgres://ostiary@{folder}/{}", self.name)
    }

    /// Leaves it until the server stops.
    pub fn keep(mut self) -> String {
        std::mem::take(&mut self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // In a thread of its own, for this one is in the middle of a runtime that may be ending. Nobody waits for it.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async { administrator().await.execute(AssertSqlSafe(sql)).await.map(drop) })
        });
    }
}
