//! A PostgreSQL of a test's own, for tests that kill it: with fsync, on a Unix socket, and with a replica if one is wanted.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::postgres::{is_root, programs};

/// Makes the cluster, and does what it is told line by line; with the end of its standard input everything goes.
const SUPERVISOR: &str = r#"
set -eu
dir=$(mktemp -d /tmp/ostiary-cluster.XXXXXX)
end() { for data in "$dir"/*/postmaster.pid; do [ -e "$data" ] && "$1/pg_ctl" -D "${data%/*}" -m immediate stop >/dev/null 2>&1; done; rm -rf "$dir"; }
trap 'end "$1" || true' EXIT
start() { mkdir -p "$dir/$2-socket"; "$1/pg_ctl" -D "$dir/$2" -w -l "$dir/$2.log" -o "-k $dir/$2-socket -c listen_addresses= -c hot_standby=on" start >/dev/null 2>&1 </dev/null || { cat "$dir/$2.log" >&2; return 1; }; }
"$1/initdb" -D "$dir/primary" -U ostiary --auth=trust --encoding=UTF8 --no-locale --no-sync >"$dir/initdb.log" 2>&1
start "$1" primary
echo "$dir"
while read -r order; do
    case $order in
        stop) "$1/pg_ctl" -D "$dir/primary" -m immediate stop >/dev/null 2>&1 ;;
        start) start "$1" primary ;;
        replica)
            "$1/pg_basebackup" -h "$dir/primary-socket" -U ostiary -D "$dir/replica" -R -X stream -c fast --no-sync >/dev/null 2>&1
            start "$1" replica ;;
        promote) "$1/pg_ctl" -D "$dir/replica" -w promote >/dev/null 2>&1 ;;
    esac
    echo done
done
"#;

/// The server, which is stopped with this.
pub struct Cluster {
    folder: PathBuf,
    supervisor: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Cluster {
    pub fn start() -> Self {
        let mut command = Command::new(if is_root() { "runuser" } else { "sh" });
        if is_root() {
            command.args(["-u", "postgres", "--", "sh"]);
        }
        command.args(["-c", SUPERVISOR, "cluster-for-tests"]).arg(programs()).current_dir("/");
        let mut supervisor = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell to start PostgreSQL");
        let mut answers = BufReader::new(supervisor.stdout.take().expect("piped"));
        let mut folder = String::new();
        answers.read_line(&mut folder).expect("the supervisor answers");
        assert!(folder.ends_with('\n'), "PostgreSQL does not start");
        Self { folder: folder.trim_end().into(), supervisor, answers }
    }

    /// Ends it as a crash does: `pg_ctl stop -m immediate`.
    pub fn stop_at_once(&mut self) {
        self.order("stop");
    }

    pub fn start_again(&mut self) {
        self.order("start");
    }

    /// Makes a replica that follows.
    pub fn make_replica(&mut self) {
        self.order("replica");
    }

    /// Makes the replica a primary.
    pub fn promote(&mut self) {
        self.order("promote");
    }

    fn order(&mut self, order: &str) {
        use std::io::Write;
        let input = self.supervisor.stdin.as_mut().expect("piped");
        writeln!(input, "{order}").expect("the supervisor listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the supervisor answers");
        assert_eq!(answer, "done\n", "{order}");
    }

    fn folder_of(&self, which: &str) -> PathBuf {
        self.folder.join(format!("{which}-socket"))
    }

    pub fn socket(&self) -> PathBuf {
        socket_in(&self.folder_of("primary"))
    }

    pub fn replicas_socket(&self) -> PathBuf {
        socket_in(&self.folder_of("replica"))
    }

    /// The database that there is from the beginning.
    pub fn url(&self) -> String {
        let folder = self.folder_of("primary").to_str().expect("UTF-8").replace('/', "%2F");
        format!("postgres://ostiary@{folder}/postgres")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // It removes the folder.
        let _ = self.supervisor.wait();
    }
}

/// The socket's file.
pub fn socket_in(folder: &Path) -> PathBuf {
    folder.join(".s.PGSQL.5432")
}
