//! The accept loop: time-outs, limits, graceful shutdown.
//!
//! HTTP/1.1, plain or within TLS. A connection is served over anything that reads and writes: TLS stands between [`serve`] and the
//! connection, and its handshake has no more time than a request's head.

mod connection;
mod io;
mod places;
mod progress;
mod refusal;
mod shutdown;
mod target;
mod tls;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use self::connection::Connection;
use self::places::Places;
use self::progress::Progress;
pub use self::shutdown::{Shutdown, Stage};
pub use self::tls::{Tls, UnusableCertificate};
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
    /// Beyond these, connections of an address are closed at once.
    pub max_connections_per_address: usize,
    /// Networks that have no such limit: this machine and trusted proxies, who stand for many.
    pub unlimited: Vec<IpNet>,
    /// File descriptors that are not for connections: the database's, the listener's, the runtime's, the log's.
    pub other_files: usize,
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
            max_connections_per_address: config.max_connections_per_address,
            unlimited: loopback().into_iter().chain(config.trusted_proxies.iter().copied()).collect(),
            other_files: 64,
            max_head: 40 * 1_024,
        }
    }
}

fn loopback() -> [IpNet; 2] {
    [Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into(), Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128).into()]
}

/// The fewest connections, however few files may be open.
const MIN_CONNECTIONS: usize = 16;

impl Limits {
    /// As many connections as this process may have files open, at most: the database needs some of them.
    fn within_open_files(mut self) -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let Some(files) = open_files(&limits) else { return self };
        let possible = files.saturating_sub(self.other_files).max(MIN_CONNECTIONS);
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
pub fn open_files(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
}

/// A socket that listens, and how its connections are accepted.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Option<Tls>,
    beside: Option<Beside>,
}

/// Another socket, whose connections share the places of the first one's and are answered otherwise.
#[derive(Debug)]
struct Beside {
    socket: TcpListener,
    tls: Tls,
    shell: Shell,
}

impl Listener {
    pub const fn new(socket: TcpListener, tls: Option<Tls>) -> Self {
        Self { socket, tls, beside: None }
    }

    /// Takes connections on another socket too.
    #[must_use]
    pub fn and(self, socket: TcpListener, tls: Tls, shell: Shell) -> Self {
        Self { beside: Some(Beside { socket, tls, shell }), ..self }
    }

    /// The next connection of either.
    async fn next(&self) -> std::io::Result<Accepted> {
        let of_first = async || {
            let (socket, peer) = self.socket.accept().await?;
            Ok(Accepted { socket, peer, is_beside: false })
        };
        let Some(beside) = &self.beside else { return of_first().await };
        tokio::select! {
            accepted = of_first() => accepted,
            accepted = beside.socket.accept() => accepted.map(|(socket, peer)| Accepted { socket, peer, is_beside: true }),
        }
    }

    /// How a connection is taken, and who answers it.
    fn door<'a>(&'a self, accepted: &Accepted, shell: &'a Shell) -> (Option<&'a Tls>, &'a Shell) {
        match &self.beside {
            Some(beside) if accepted.is_beside => (Some(&beside.tls), &beside.shell),
            _ => (self.tls.as_ref(), shell),
        }
    }
}

/// A connection that was made.
struct Accepted {
    socket: TcpStream,
    peer: SocketAddr,
    is_beside: bool,
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self::new(socket, None)
    }
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections and requests that were cut off.
    pub cut_off: usize,
}

/// Serves connections until `shutdown` is requested and what is under way has been finished, or its time is up.
pub async fn serve(listener: impl Into<Listener>, shell: Shell, limits: Limits, shutdown: Shutdown) -> Stopped {
    let listener = listener.into();
    let limits = Arc::new(limits.within_open_files());
    let mut places = Places::new(Arc::clone(&limits));
    let connect = |places: &mut Places, permit, accepted: Accepted| {
        let (tls, shell) = listener.door(&accepted, &shell);
        let Accepted { socket, peer, .. } = accepted;
        let progress = Arc::new(Progress::default());
        let Some(place) = places.take(permit, peer.ip(), &progress, Instant::now()) else {
            tracing::debug!(address = %peer.ip(), "a connection too many of this address was closed");
            return;
        };
        // Without it, small answers wait for the peer's delayed acknowledgement.
        _ = socket.set_nodelay(true);
        let (shell, limits, shutdown) = (shell.clone(), Arc::clone(&limits), shutdown.clone());
        let connection = Connection { shell, limits, shutdown, peer, place, progress, began: Instant::now(), certificate: None };
        match tls {
            Some(tls) => tokio::spawn(connection.serve_within(tls.acceptor().clone(), socket)),
            None => tokio::spawn(connection.serve(socket)),
        };
    };

    let leave = async {
        shutdown.requested().await;
        tokio::time::sleep(limits.shutdown_delay).await;
    };
    let accept_all = async {
        loop {
            let permit = places.free().await;
            let accepted = accept(&listener, &mut places).await;
            connect(&mut places, permit, accepted);
        }
    };
    tokio::select! {
        () = leave => {}
        () = accept_all => {}
        () = shutdown.reached(Stage::Quit) => {}
    }
    // Closing the listener resets what waits in its queue: take that first.
    while let Some(permit) = places.try_free()
        && let Some(accepted) = accept_waiting(&listener).await
    {
        connect(&mut places, permit, accepted);
    }
    let left_behind = {
        let beside = listener.beside.as_ref().map(|beside| beside.shell.clone());
        move || shell.left_behind() + beside.as_ref().map_or(0, Shell::left_behind)
    };
    drop(listener);
    shutdown.advance(Stage::Draining);

    let finished = async {
        while places.taken() > 0 || left_behind() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = finished => {}
        () = tokio::time::sleep(limits.shutdown_timeout) => {}
        () = shutdown.reached(Stage::Quit) => {}
    }
    let cut_off = places.taken() + left_behind();
    shutdown.advance(Stage::Quit);
    Stopped { cut_off }
}

/// The next connection. Errors end none but the connection that they are about; when file descriptors run out, which other
/// parts of the program may bring about, the connections give some back.
async fn accept(listener: &Listener, places: &mut Places) -> Accepted {
    let mut failures = 0_u32;
    loop {
        match listener.next().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_peer(error.kind()) => {}
            Err(error) => {
                if failures.is_multiple_of(100) {
                    tracing::error!(%error, "no connection can be accepted");
                }
                failures = failures.wrapping_add(1);
                places.make_room(Instant::now());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

const fn is_of_the_peer(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

/// A connection that waits in the listen queue.
async fn accept_waiting(listener: &Listener) -> Option<Accepted> {
    tokio::time::timeout(Duration::from_millis(1), listener.next()).await.ok()?.ok()
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
