//! `ostiary dev`: a throw-away provider with a demonstration application.

mod cast;
mod demo;
mod folder;
mod problem;
mod relying_party;
mod session;
mod summary;
mod verify;
mod view;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use self::cast::Cast;
use self::demo::Demo;
use self::folder::Folder;
use self::relying_party::Provider;
use self::session::Sessions;
use self::summary::Summary;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::serve::Server;
use super::start::Installation;
use crate::config::{Config, DatabaseConfig, KeysConfig, MailTransport};
use crate::telemetry;
use crate::web::server::Shutdown;

pub const EXAMPLE: &str = "\
The configuration counts as it does for the server, but for what would tie a throw-away provider to a real one. These keys have
no effect: server.issuer, server.data_dir, server.trusted_proxies, the section database, keys.master_key_file.

Examples:
  ostiary dev                                  provider and demonstration on ports 8080 and 8081
  ostiary dev --listen 127.0.0.1:9000          the provider on another port
  ostiary dev --json                           addresses, passwords and secrets for a script";

/// Where the two servers listen.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The provider's address, on this machine only; port 0 takes a free one. Without it, server.listen, which is
    /// 127.0.0.1:8080 where the configuration says nothing.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// The demonstration's address, on this machine only.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8081")]
    demo_listen: SocketAddr,
}

/// Runs both until a signal ends them.
pub async fn run(arguments: Arguments, config: Config, output: Output) -> Result<(), Failure> {
    telemetry::init(&config.log).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    let listener = match arguments.listen {
        Some(address) => listen("--listen", address).await?,
        None => listen("server.listen", config.server.listen).await?,
    };
    let demo_listener = listen("--demo-listen", arguments.demo_listen).await?;
    let (address, demo_address) = (local_address(&listener)?, local_address(&demo_listener)?);

    let (issuer, origin) = (issuer(address), format!("http://{demo_address}"));
    // From here on a signal must not leave the folder behind.
    let shutdown = Shutdown::new();
    shutdown.on_signals().map_err(|error| Failure::failed(format!("can't wait for signals: {error}")))?;
    let folder = Folder::new();
    let config = throw_away(config, address, &issuer, &folder);
    let server = Server::prepare_on(listener, Installation::open(config).await?).await?;
    let cast = Cast::new();
    cast.enter(&server.state, &origin).await?;

    let summary = Summary::new(&origin, &issuer, &cast);
    output.answer(&summary, Summary::text)?;
    let Cast { web, spa, service, .. } = cast;
    let provider = Provider::new(issuer, http_client(address)?);
    let clock = server.state.clock.clone();
    let demo = Demo { origin, provider, web, spa, service, sessions: Sessions::default(), clock };
    tokio::select! {
        () = server.run_until(shutdown) => Ok(()),
        ended = axum::serve(demo_listener, demo::router(Arc::new(demo))).into_future() => ended.map_err(Failure::failed),
    }
}

/// The provider's URL. Its host is not the demonstration's, so that the two share no cookies: browsers keep those by host,
/// whatever the port.
fn issuer(address: SocketAddr) -> String {
    if address.ip() == Ipv4Addr::LOCALHOST || address.ip() == Ipv6Addr::LOCALHOST {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// The demonstration's way to the provider: to this one, whoever else may listen on another address of `localhost`, and
/// through no proxy.
fn http_client(provider: SocketAddr) -> Result<reqwest::Client, Failure> {
    reqwest::Client::builder()
        .resolve("localhost", provider)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(10))
        .build()
        .map_err(Failure::failed)
}

/// `config` with everything that says where data is kept turned to `folder`.
fn throw_away(mut config: Config, address: SocketAddr, issuer: &str, folder: &Folder) -> Config {
    config.server.listen = address;
    issuer.clone_into(&mut config.server.issuer);
    folder.path().clone_into(&mut config.server.data_dir);
    config.server.trusted_proxies.clear();
    config.database = DatabaseConfig::default();
    config.keys.master_key_file = KeysConfig::default().master_key_file;
    if !config.mail.is_on() {
        config.mail.transport = MailTransport::Log;
    }
    config
}

/// Passwords are on the screen and traffic is not encrypted: only this machine may get in.
async fn listen(option: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    if !address.ip().is_loopback() {
        return Err(Failure::new(
            Exit::Configuration,
            format!(
                "{option} {address} can be reached from other machines; dev is for a loopback address such as 127.0.0.1:8080 (--listen, --demo-listen)"
            ),
        ));
    }
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::unusable(format!("can't listen on {address}: {error}. Choose another port with {option}")))
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::unusable(error.to_string()))
}
