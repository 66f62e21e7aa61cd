//! Buckets that several nodes share, in Redis or Valkey: the same algorithm as in [`super::gcra`], run where the bucket is.
//!
//! An answer that doesn't come within the time-out is not waited for: the node counts by itself from then on, and a second
//! later somebody looks whether Redis is back, beside the requests and not in their way. A check is never skipped.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use data_encoding::BASE64URL_NOPAD;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisError, RedisResult, Script, TlsCertificates, TlsMode};

use super::buckets::Bucket;
use crate::config::{Rate, RedisConfig, RedisMode};
use crate::telemetry::metrics::{REDIS_ANSWERS, REDIS_FALLBACKS};
use crate::telemetry::spans;

/// How long Redis is left alone after it failed to answer.
const PAUSE: Duration = Duration::from_secs(1);

/// How long connecting may take.
const CONNECTING: Duration = Duration::from_secs(2);

/// One bucket of [`super::gcra`], with Redis's own clock: nodes need not agree on the time. Numbers are microseconds, and
/// whole: they fit into the 53 bits that Lua has.
///
/// KEYS: the bucket. ARGV: interval, capacity, `take` or `count`. Returns: how long it would have taken to be full before,
/// how long it will take now, and the time.
const SCRIPT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local empty = now + capacity
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
if full_at < now then full_at = now elseif full_at > empty then full_at = empty end
local next = full_at + interval
if next > empty then
  if ARGV[3] == 'take' then return {full_at - now, -1, now} end
  next = empty
end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
return {full_at - now, next - now, now}
";

/// How one bucket stood, in microseconds until it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub before: i64,
    /// `None`: refused, and nothing taken.
    pub after: Option<i64>,
    /// Redis's clock.
    pub now: i64,
}

/// Whether a bucket that is empty refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Take,
    Count,
}

/// The shared buckets. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Inner>);

struct Inner {
    target: Target,
    script: Script,
    timeout: Duration,
    /// Redis sees neither names nor addresses.
    names: hmac::Key,
    link: ArcSwapOption<Link>,
    connecting: AtomicBool,
    /// Milliseconds since `start`: not before that does anybody look for Redis again.
    retry_at: AtomicU64,
    start: Instant,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("connected", &self.link.load().is_some()).finish_non_exhaustive()
    }
}

enum Target {
    Single(Client),
    Cluster(ClusterClient),
    Sentinel(tokio::sync::Mutex<SentinelClient>),
}

enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// The configuration of Redis can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableRedis {
    /// Without the URL: there may be a password in it.
    #[error("'redis.url' can't be used: {0}")]
    Url(&'static str),
    #[error("'redis.ca_file' can't be read: {0}")]
    Certificates(std::io::Error),
}

impl From<RedisError> for UnusableRedis {
    fn from(error: RedisError) -> Self {
        Self::Url(match error.kind() {
            ErrorKind::InvalidClientConfig => "it is not a URL of Redis",
            _ => "a client can't be made of it",
        })
    }
}

impl Shared {
    /// `None` where no Redis is configured. Nothing is connected yet.
    pub fn new(config: &RedisConfig, names: &[u8; 32]) -> Result<Option<Self>, UnusableRedis> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let inner = Inner {
            target: target(config)?,
            script: Script::new(SCRIPT),
            timeout: Duration::from_millis(config.timeout_ms),
            names: hmac::Key::new(HMAC_SHA256, names),
            link: ArcSwapOption::empty(),
            connecting: AtomicBool::new(false),
            retry_at: AtomicU64::new(0),
            start: Instant::now(),
        };
        Ok(Some(Self(Arc::new(inner))))
    }

    /// Connects, and waits for it: at the start, so that the first requests are counted with those of the other nodes.
    pub async fn connect(&self) -> bool {
        self.0.clone().open().await;
        self.0.link.load().is_some()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.0.link.load().is_some()
    }

    /// Asks a bucket. `None`: Redis can't be asked now.
    pub async fn ask(&self, bucket: Bucket<'_>, rate: Rate, mode: Mode) -> Option<Answer> {
        let answer = self.put(bucket, rate, mode).await;
        if answer.is_some() {
            REDIS_ANSWERS.count();
        } else {
            REDIS_FALLBACKS.count();
        }
        answer
    }

    async fn put(&self, bucket: Bucket<'_>, rate: Rate, mode: Mode) -> Option<Answer> {
        let _span = spans::asking(|| "Redis".to_owned());
        let link = self.link()?;
        let key = self.0.key(bucket);
        let mut call = self.0.script.key(key);
        let burst = i64::from(rate.burst());
        let interval = i64::try_from(rate.interval()).unwrap_or(i64::MAX);
        call.arg(interval).arg(interval.saturating_mul(burst)).arg(if mode == Mode::Take { "take" } else { "count" });
        let asked = async {
            match &*link {
                Link::One(connection) => call.invoke_async(&mut connection.clone()).await,
                Link::Cluster(connection) => call.invoke_async(&mut connection.clone()).await,
            }
        };
        let (before, after, now): (i64, i64, i64) = self.answered(asked).await?;
        Some(Answer { before, after: (after >= 0).then_some(after), now })
    }

    /// Makes a bucket full.
    pub(super) async fn refill(&self, bucket: Bucket<'_>) {
        let Some(link) = self.link() else { return };
        let mut delete = redis::cmd("DEL");
        delete.arg(self.0.key(bucket));
        let asked = async {
            match &*link {
                Link::One(connection) => connection.clone().req_packed_command(&delete).await,
                Link::Cluster(connection) => connection.clone().req_packed_command(&delete).await,
            }
        };
        self.answered(asked).await;
    }

    fn link(&self) -> Option<Arc<Link>> {
        let link = self.0.link.load_full();
        if link.is_none() && self.0.may_try() {
            tokio::spawn(self.0.clone().open());
        }
        link
    }

    async fn answered<T>(&self, asked: impl Future<Output = RedisResult<T>>) -> Option<T> {
        match tokio::time::timeout(self.0.timeout, asked).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => self.0.lost(&format_args!("{:?}", error.kind())),
            Err(_) => self.0.lost(&"no answer in time"),
        }
        None
    }
}

impl Inner {
    fn key(&self, bucket: Bucket<'_>) -> String {
        let Bucket { row, network, text } = bucket;
        let name = hmac::sign(&self.names, &[row.as_bytes(), b"\0", &network, text].concat());
        format!("ostiary:limit:{row}:{}", BASE64URL_NOPAD.encode(&name.as_ref()[..16]))
    }

    fn lost(&self, why: &dyn std::fmt::Display) {
        if self.link.swap(None).is_some() {
            tracing::warn!(cause = %why, "Redis does not answer: this node counts by itself");
        }
        self.pause();
    }

    fn pause(&self) {
        self.retry_at.store(self.millis().saturating_add(millis(PAUSE)), Ordering::Release);
    }

    fn millis(&self) -> u64 {
        millis(self.start.elapsed())
    }

    /// For one caller at a time.
    fn may_try(&self) -> bool {
        self.millis() >= self.retry_at.load(Ordering::Acquire) && !self.connecting.swap(true, Ordering::AcqRel)
    }

    async fn open(self: Arc<Self>) {
        let opened = tokio::time::timeout(CONNECTING, self.target.open()).await;
        match opened {
            Ok(Ok(link)) => {
                self.link.store(Some(Arc::new(link)));
                tracing::info!("Redis answers: nodes count together");
            }
            Ok(Err(error)) => {
                tracing::warn!(cause = ?error.kind(), "Redis can't be reached: this node counts by itself");
                self.pause();
            }
            Err(_) => self.pause(),
        }
        self.connecting.store(false, Ordering::Release);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Target {
    async fn open(&self) -> RedisResult<Link> {
        Ok(match self {
            Self::Single(client) => Link::One(client.get_multiplexed_async_connection().await?),
            Self::Cluster(client) => Link::Cluster(client.get_async_connection().await?),
            Self::Sentinel(client) => Link::One(client.lock().await.get_async_connection().await?),
        })
    }
}

fn target(config: &RedisConfig) -> Result<Target, UnusableRedis> {
    let urls: Vec<&str> = config.url.split(',').map(str::trim).collect();
    let certificates = certificates(&config.ca_file)?;
    Ok(match config.mode {
        RedisMode::Single => {
            let url = urls[0];
            let is_tls = url.starts_with("rediss:");
            Target::Single(match certificates {
                Some(certificates) if is_tls => Client::build_with_tls(url, certificates)?,
                _ => Client::open(url)?,
            })
        }
        RedisMode::Cluster => {
            let mut builder = ClusterClientBuilder::new(urls);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            // One attempt: whoever asks does not wait for a second one.
            Target::Cluster(builder.retries(0).build()?)
        }
        RedisMode::Sentinel => Target::Sentinel(tokio::sync::Mutex::new(sentinel(config, &urls, certificates)?)),
    })
}

/// User, password, database and TLS of the first URL count for the master too.
fn sentinel(config: &RedisConfig, urls: &[&str], certificates: Option<TlsCertificates>) -> Result<SentinelClient, UnusableRedis> {
    let infos = urls.iter().map(|url| url.into_connection_info()).collect::<RedisResult<Vec<_>>>()?;
    let addresses: Vec<ConnectionAddr> = infos.iter().map(|info| info.addr().clone()).collect();
    let mut builder = SentinelClientBuilder::new(addresses, &config.sentinel_master, SentinelServerType::Master)?;
    let settings = infos[0].redis_settings();
    builder = builder.set_client_to_redis_db(settings.db());
    if let Some(user) = settings.username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_redis_password(password).set_client_to_sentinel_password(password);
    }
    if matches!(infos[0].addr(), ConnectionAddr::TcpTls { .. }) {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
        if let Some(certificates) = certificates {
            builder =
                builder.set_client_to_redis_certificates(certificates.clone()).set_client_to_sentinel_certificates(certificates);
        }
    }
    Ok(builder.build()?)
}

fn certificates(file: &Path) -> Result<Option<TlsCertificates>, UnusableRedis> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let root_cert = fs::read(file).map_err(UnusableRedis::Certificates)?;
    Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) }))
}
