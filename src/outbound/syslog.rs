//! Messages to a syslog collector (RFC 5424), by UDP (RFC 5426) or through a socket of this machine.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::protocol::time::Timestamp;

/// Facility 10 (security), severity 5 (notice): RFC 5424 §6.2.1.
const PRIORITY: u8 = 10 * 8 + 5;

/// Before a socket that was full is tried again.
const FULL: Duration = Duration::from_millis(20);

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collector {
    /// Host and port.
    Udp(String),
    Socket(PathBuf),
}

impl Collector {
    /// Reads `udp://HOST:PORT` or `unix:/PATH`.
    pub fn parse(text: &str) -> Option<Self> {
        match (text.strip_prefix("udp://"), text.strip_prefix("unix:")) {
            (Some(address), _) => Some(Self::Udp(address.to_owned())),
            (_, Some(path)) => Some(Self::Socket(PathBuf::from(path))),
            _ => None,
        }
    }

    /// Sends a message. That it arrives nobody can tell: syslog answers nothing. It waits for a socket that is full as long as the
    /// caller does.
    pub async fn send(&self, at: Timestamp, kind: &str, message: &str) -> io::Result<()> {
        let text = line(at, kind, message);
        match self {
            Self::Udp(address) => {
                let target = tokio::net::lookup_host(address).await?.next();
                let target =
                    target.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the collector's name has no address"))?;
                let local = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(local).await?;
                socket.send_to(text.as_bytes(), target).await.map(drop)
            }
            Self::Socket(path) => to_socket(path, text.as_bytes()).await,
        }
    }
}

/// The kernel does not say when a socket of another program has room again: it is asked.
#[cfg(unix)]
async fn to_socket(path: &std::path::Path, text: &[u8]) -> io::Result<()> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    loop {
        match socket.send_to(text, path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(FULL).await,
            sent => return sent.map(drop),
        }
    }
}

#[cfg(not(unix))]
async fn to_socket(_: &std::path::Path, _: &[u8]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "there are no such sockets here"))
}

/// RFC 5424 §6: priority and version, time, host, program, process, kind of message, structured data (none), message.
fn line(at: Timestamp, kind: &str, message: &str) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(at.as_seconds()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let time = time.format(&time::format_description::well_known::Rfc3339).unwrap_or_else(|_| "-".to_owned());
    format!("<{PRIORITY}>1 {time} - ostiary {} {kind} - {message}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_rfc_5424_has_it() {
        let text = line(Timestamp::from_seconds(1_800_000_000), "checkpoint", "a.b.c");
        let expected = format!("<85>1 2027-01-15T08:00:00Z - ostiary {} checkpoint - a.b.c", std::process::id());
        assert_eq!(text, expected);
    }

    #[tokio::test]
    async fn messages_arrive_by_udp_and_through_a_socket() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let collector = Collector::parse(&format!("udp://{}", receiver.local_addr().unwrap())).unwrap();
        collector.send(Timestamp::from_seconds(0), "checkpoint", "one").await.unwrap();
        let mut buffer = [0; 512];
        let length = receiver.recv(&mut buffer).await.unwrap();
        assert!(buffer[..length].ends_with(b" checkpoint - one"));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let receiver = tokio::net::UnixDatagram::bind(&path).unwrap();
        Collector::parse(&format!("unix:{}", path.display()))
            .unwrap()
            .send(Timestamp::from_seconds(0), "c", "two")
            .await
            .unwrap();
        let length = receiver.recv(&mut buffer).await.unwrap();
        assert!(buffer[..length].ends_with(b" c - two"));
        drop(receiver);
        assert!(Collector::Socket(path).send(Timestamp::from_seconds(0), "c", "three").await.is_err());
    }
}
