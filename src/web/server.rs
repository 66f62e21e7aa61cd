//! The accept loop: time-outs, limits, graceful shutdown.
//!
//! Plain HTTP/1.1 today. A connection is served over anything that reads and writes, so TLS will wrap the socket between
//! [`serve`] and the connection.

mod connection;
mod io;
mod progress;
mod refusal;
mod shutdown;
mod target;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use self::connection::Connection;
pub use self::shutdown::{Shutdown, Stage};
use super::shell::Shell;
use crate::config::ServerConfig;

/// How much of the server one client may have, and for how long.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For a request's head, from the connection or from its first byte on.
    pub header_timeout: Duration,
    /// For a request's body.
    pub body_timeout: Duration,
    /// For a peer that takes nothing of an answer.
    pub write_timeout: Duration,
    /// For a connection without a request. Longer than the minute for which reverse proxies keep theirs, so that it is they
    /// who close: a request sent into a connection that we are closing is lost.
    pub idle_timeout: Duration,
    /// For a connection without a request, when the server stops or places run out: a request may be on its way.
    pub drain_idle: Duration,
    /// From the request to stop to the last connection taken.
    pub shutdown_delay: Duration,
    /// For requests under way when the server stops.
    pub shutdown_timeout: Duration,
    pub max_connections: usize,
    /// Bytes of a request's head that are buffered. More than the limits that the shell enforces, so that it can say which one
    /// was exceeded.
    pub max_head: usize,
}

impl From<&ServerConfig> for Limits {
    fn from(config: &ServerConfig) -> Self {
        Self {
            header_timeout: Duration::from_secs(config.header_timeout),
            body_timeout: Duration::from_secs(config.body_timeout),
            write_timeout: Duration::from_secs(config.body_timeout.max(10)),
            idle_timeout: Duration::from_secs(75),
            drain_idle: Duration::from_millis(500),
            shutdown_delay: Duration::from_secs(config.shutdown_delay),
            shutdown_timeout: Duration::from_secs(config.shutdown_timeout),
            max_connections: config.max_connections,
            max_head: 40 * 1_024,
        }
    }
}

/// File descriptors that are not for connections: the database's, the listener's, the runtime's, the log's.
const OTHER_FILES: usize = 64;

impl Limits {
    /// As many connections as this process may have files open, at most: the database needs some of them.
    fn within_open_files(mut self) -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let Some(files) = open_files(&limits) else { return self };
        let possible = files.saturating_sub(OTHER_FILES).max(OTHER_FILES / 2);
        if possible < self.max_connections {
            tracing::warn!(
                wanted = self.max_connections,
                possible,
                "the limit of open files allows fewer connections than server.max_connections"
            );
            self.max_connections = possible;
        }
        self
    }
}

/// The soft limit in the text of `/proc/self/limits`, which is the only way to it without unsafe code.
fn open_files(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections and requests that were cut off.
    pub cut_off: usize,
}

/// Serves connections until `shutdown` is requested and what is under way has been finished, or its time is up.
pub async fn serve(listener: TcpListener, shell: Shell, limits: Limits, shutdown: Shutdown) -> Stopped {
    let limits = Arc::new(limits.within_open_files());
    let total = limits.max_connections.min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(total));
    let connect = |(socket, peer): (TcpStream, _), place| {
        // Without it, small answers wait for the peer's delayed acknowledgement.
        _ = socket.set_nodelay(true);
        let connection =
            Connection { shell: shell.clone(), limits: Arc::clone(&limits), shutdown: shutdown.clone(), peer, place };
        tokio::spawn(connection.serve(socket));
    };

    let leave = async {
        shutdown.requested().await;
        tokio::time::sleep(limits.shutdown_delay).await;
    };
    let accept_all = async {
        loop {
            // Beyond the limit, connections wait in the listen queue.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            connect(accept(&listener).await, place);
        }
    };
    tokio::select! {
        () = leave => {}
        () = accept_all => {}
        () = shutdown.reached(Stage::Quit) => {}
    }
    // Closing the listener resets what waits in its queue: take that first.
    while let Ok(place) = Arc::clone(&places).try_acquire_owned()
        && let Some(accepted) = accept_waiting(&listener).await
    {
        connect(accepted, place);
    }
    drop(listener);
    shutdown.advance(Stage::Draining);

    let finished = async {
        while places.available_permits() < total || shell.left_behind() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = finished => {}
        () = tokio::time::sleep(limits.shutdown_timeout) => {}
        () = shutdown.reached(Stage::Quit) => {}
    }
    let cut_off = total - places.available_permits() + shell.left_behind();
    shutdown.advance(Stage::Quit);
    Stopped { cut_off }
}

/// The next connection. Errors end none but the connection that they are about; when file descriptors run out, those who are
/// connected get time to finish.
async fn accept(listener: &TcpListener) -> (TcpStream, std::net::SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_peer(error.kind()) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

const fn is_of_the_peer(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

/// A connection that waits in the listen queue.
async fn accept_waiting(listener: &TcpListener) -> Option<(TcpStream, std::net::SocketAddr)> {
    tokio::time::timeout(Duration::from_millis(1), listener.accept()).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_read_where_there_is_one() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             63304                63304                processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(text), Some(1_024));
        assert_eq!(open_files("Max open files            unlimited            unlimited            files"), None);
        assert_eq!(open_files(""), None);
    }
}
