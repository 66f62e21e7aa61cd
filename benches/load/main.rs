//! What `scripts/bench` needs beside wrk: the ceiling to compare with, a driver for flows of several requests, and small tools.
//!
//! It prints figures for the script to read; nobody calls it by hand.

mod ceiling;
mod client;
mod flood;
mod measure;
mod people;
mod proof;
mod proving;
mod seed;
mod visitor;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::{Parser, Subcommand};

use self::client::Connection;
use self::measure::Load;
use self::people::{Kind, Turns};
use self::proof::Signer;
use self::visitor::{Registration, Visitor};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Debug, Parser)]
struct CommandLine {
    /// What `cargo bench` says. The figures come from scripts/bench.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the ceiling: bare handlers with the same cryptography, and the same documents.
    Ceiling {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        discovery: PathBuf,
        #[arg(long)]
        jwks: PathBuf,
    },
    /// Wait for the first answer of a server and print when it came, in microseconds since 1970.
    Await {
        /// Its address, and the path to ask for.
        server: SocketAddr,
        path: String,
    },
    /// Log people in and go through a flow on many connections. Prints `operations microseconds p50 p99 cpu`, the last
    /// three in microseconds, and the processor time that of the whole run.
    Flow {
        flow: Flow,
        #[command(flatten)]
        registration: Registration,
        #[arg(long, default_value_t = 32)]
        connections: usize,
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
        /// The server's process.
        #[arg(long)]
        pid: u32,
        #[command(flatten)]
        crowd: Crowd,
    },
    /// Let so many people log in at the same time, again and again, while a client asks for tokens. Prints `logins refusals
    /// tokens p99 longest`: how many were let in and how many were told to come back, how many tokens there were, the 99th
    /// percentile of these and the longest wait of a refused login in microseconds.
    Flood {
        #[command(flatten)]
        registration: Registration,
        /// The client that asks for tokens meanwhile.
        #[arg(long)]
        service_id: String,
        #[arg(long)]
        service_secret: String,
        #[arg(long, default_value_t = 500)]
        at_once: usize,
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
        #[arg(long)]
        pid: u32,
        #[command(flatten)]
        crowd: Crowd,
    },
    /// Add people of the password of another, half of them with an authenticator app, to the installation that the
    /// environment describes.
    People {
        model: String,
        #[command(flatten)]
        crowd: Crowd,
    },
    /// Make a large installation of the one that the environment describes, with copies of this person and this client.
    Seed {
        person: String,
        client: String,
        #[command(flatten)]
        size: seed::Size,
    },
    /// Print the public keys of the clients that sign, as a JWK Set.
    Keys,
    /// Print access tokens, one a line.
    Tokens {
        #[command(flatten)]
        registration: Registration,
        /// Of a person, by the code flow; the client's own otherwise.
        #[arg(long)]
        of_a_person: bool,
        #[arg(long, default_value_t = 100)]
        count: usize,
    },
}

/// Who logs in.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Crowd {
    /// People of each kind.
    #[arg(long, default_value_t = 1)]
    people: usize,
    /// Who comes first.
    #[arg(long, default_value_t = 0)]
    first: usize,
}

impl Crowd {
    fn turns(self, flow: Flow) -> Rc<Turns> {
        let kind = if matches!(flow, Flow::Factor) { Kind::WithApp } else { Kind::WithPassword };
        Rc::new(Turns::new(kind, self.people, self.first))
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Flow {
    /// With a session: an authorization request, the code, the tokens.
    Code,
    /// A refresh, on each connection with a refresh token of its own; with the new one, when it rotates.
    Refresh,
    /// The login form with the right password.
    Login,
    /// The same, and the code of an authenticator app.
    Factor,
    /// The login form, at a server that takes no more of them from here.
    RefusedLogin,
    /// The registration form, as far as the page for the mailed code.
    Register,
    /// The client's own token, for an assertion (RFC 7523).
    Assertion,
    /// The client's own token, bound to its key by a proof (RFC 9449).
    Possession,
    /// The code flow, from a signed request (RFC 9101) that is pushed (RFC 9126).
    Pushed,
    /// A device that its person connects (RFC 8628).
    Device,
}

fn main() -> Result<()> {
    match CommandLine::parse().command {
        None => print("The figures come from scripts/bench, which drives several servers side by side."),
        Some(Command::Ceiling { listen, discovery, jwks }) => {
            let documents = ceiling::Documents::read(&discovery, &jwks)?;
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(ceiling::serve(listen, documents))
        }
        // One thread: the rest of the machine is the server's.
        Some(command) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            tokio::task::LocalSet::new().block_on(&runtime, drive(command))
        }
    }
}

async fn drive(command: Command) -> Result<()> {
    match command {
        Command::Await { server, path } => print(&client::first_answer(server, &path).await?.to_string()),
        Command::Flow { flow, registration, connections, seconds, pid, crowd } => {
            let turns = crowd.turns(flow);
            let mut visitors = Vec::new();
            for _ in 0..connections {
                visitors.push(registration.ready_for(flow, &turns).await?);
            }
            let load = Load { duration: Duration::from_secs_f64(seconds), pid };
            let outcome = match flow {
                Flow::Code => load.run(visitors, async |visitor: &mut Visitor| visitor.code_flow().await.map(drop)).await?,
                Flow::Refresh => load.run(visitors, async |visitor: &mut Visitor| visitor.refresh().await).await?,
                Flow::Login => load.run(visitors, async |visitor: &mut Visitor| visitor.log_in_again().await).await?,
                Flow::Factor => load.run(visitors, async |visitor: &mut Visitor| visitor.log_in_with_app().await).await?,
                Flow::RefusedLogin => load.run(visitors, async |visitor: &mut Visitor| visitor.be_refused().await).await?,
                Flow::Register => load.run(visitors, async |visitor: &mut Visitor| visitor.register().await).await?,
                Flow::Assertion => load.run(visitors, async |visitor: &mut Visitor| visitor.assert().await).await?,
                Flow::Possession => load.run(visitors, async |visitor: &mut Visitor| visitor.possess().await).await?,
                Flow::Device => load.run(visitors, async |visitor: &mut Visitor| visitor.connect_a_device().await).await?,
                Flow::Pushed => load.run(visitors, async |visitor: &mut Visitor| visitor.push_a_request().await).await?,
            };
            print(&outcome.to_string())
        }
        Command::Flood { registration, service_id, service_secret, at_once, seconds, pid, crowd } => {
            let visitor = registration.ready_for(Flow::Login, &crowd.turns(Flow::Login)).await?;
            let load = Load { duration: Duration::from_secs_f64(seconds), pid };
            print(&flood::run(visitor, registration.of(&service_id, &service_secret), at_once, load).await?.to_string())
        }
        Command::Keys => print(&Signer::of_the_clients()?.jwks().to_string()),
        Command::People { model, crowd } => people::add(&model, crowd.people).await,
        Command::Seed { person, client, size } => Box::pin(seed::sow(&person, &client, size)).await,
        Command::Tokens { registration, of_a_person, count } => {
            let mut visitor = Visitor::new(registration).await?;
            for _ in 0..count {
                let tokens = if of_a_person { visitor.code_flow().await? } else { visitor.client_credentials().await? };
                print(tokens["access_token"].as_str().ok_or("no access token")?)?;
            }
            Ok(())
        }
        Command::Ceiling { .. } => Ok(()),
    }
}

fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}
