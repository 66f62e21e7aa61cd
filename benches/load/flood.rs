//! Many logins at the same time, and what becomes of a client that asks for tokens meanwhile.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::task::JoinSet;

use super::Result;
use super::client::Connection;
use super::measure::{Load, Outcome};
use super::visitor::{Registration, Visitor};

/// Connections of the client.
const CLIENTS: usize = 4;

/// What a flood showed.
#[derive(Debug, Default)]
pub struct Flood {
    logins: usize,
    refusals: usize,
    /// Of a login that was refused.
    longest: Duration,
    tokens: Option<Outcome>,
}

/// Sends `at_once` logins, waits for all answers, and begins again, for as long as `load` lasts; and meanwhile asks for the own tokens
/// of the client `asking`.
pub async fn run(visitor: Visitor, asking: Registration, at_once: usize, load: Load) -> Result<Flood> {
    let mut connections = Vec::new();
    for _ in 0..at_once {
        connections.push(Connection::open(asking.server).await?);
    }
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Visitor::new(asking.clone()).await?);
    }
    let visitor = Rc::new(visitor);
    let waves = async {
        let (start, mut flood) = (Instant::now(), Flood::default());
        while start.elapsed() < load.duration {
            connections = wave(connections, &visitor, &mut flood).await?;
        }
        Ok::<_, Box<dyn std::error::Error>>(flood)
    };
    let asking = load.run(clients, async |client: &mut Visitor| client.client_credentials().await.map(drop));
    let (flood, tokens) = tokio::join!(waves, asking);
    Ok(Flood { tokens: Some(tokens?), ..flood? })
}

async fn wave(connections: Vec<Connection>, visitor: &Rc<Visitor>, flood: &mut Flood) -> Result<Vec<Connection>> {
    let mut running = JoinSet::new();
    for mut connection in connections {
        let (visitor, form) = (Rc::clone(visitor), visitor.login_of_the_next()?);
        running.spawn_local(async move {
            let begun = Instant::now();
            let answer =
                connection.post(form.action(), visitor.fields(), form.encoded()).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((connection, answer.status, begun.elapsed()))
        });
    }
    let mut connections = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (connection, status, took) = ended??;
        match status {
            StatusCode::SEE_OTHER => flood.logins += 1,
            StatusCode::SERVICE_UNAVAILABLE => {
                flood.refusals += 1;
                flood.longest = flood.longest.max(took);
            }
            _ => return Err(format!("neither a login nor a refusal: {status}").into()),
        }
        connections.push(connection);
    }
    Ok(connections)
}

impl fmt::Display for Flood {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(tokens) = &self.tokens else { return Err(fmt::Error) };
        let (count, p99) = (tokens.count(), tokens.percentile(99));
        write!(formatter, "{} {} {count} {p99} {}", self.logins, self.refusals, self.longest.as_micros())
    }
}
