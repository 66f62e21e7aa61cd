//! Clients that never rest: what the end of a server must not harm.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::fixture::{Client, Gate};

#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    failed: AtomicUsize,
    stop: AtomicBool,
}

pub struct Load {
    counts: Arc<Counts>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many clients, each of which sends the requests one after the other, over and over, until it is told to stop or no new
    /// connection is taken.
    pub fn start(address: SocketAddr, clients: usize, requests: &[String]) -> Self {
        let (counts, requests) = (Arc::<Counts>::default(), Arc::<[String]>::from(requests));
        let clients = (0..clients).map(|_| tokio::spawn(work(address, Arc::clone(&requests), Arc::clone(&counts)))).collect();
        Self { counts, clients }
    }

    pub async fn wait_for(&self, answers: usize) {
        Gate::wait_until(&self.counts.answered, answers).await;
    }

    /// Stops, and tells how many requests were not answered with 200.
    pub async fn end(self) -> usize {
        self.counts.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        self.counts.failed.load(Ordering::SeqCst)
    }
}

async fn work(address: SocketAddr, requests: Arc<[String]>, counts: Arc<Counts>) {
    let mut requests = requests.iter().cycle();
    // A connection that is refused was never taken on.
    while !counts.stop.load(Ordering::SeqCst)
        && let Ok(socket) = TcpStream::connect(address).await
    {
        let mut client = Client(socket);
        loop {
            let request = requests.next().expect("a request");
            let sent = client.0.write_all(request.as_bytes()).await;
            let Some(answer) = client.read_answer().await.filter(|answer| sent.is_ok() && answer.status == 200) else {
                counts.failed.fetch_add(1, Ordering::SeqCst);
                break;
            };
            counts.answered.fetch_add(1, Ordering::SeqCst);
            if answer.field("connection") == Some("close") {
                break;
            }
        }
    }
}
