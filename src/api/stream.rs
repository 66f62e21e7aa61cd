//! An answer that is written while it is sent: no export has to fit in memory.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use tokio::sync::mpsc;

/// Pieces that wait for a slow reader.
const AHEAD: usize = 2;

/// Where the pieces of the answer go in.
#[derive(Debug)]
pub(super) struct Sender(mpsc::Sender<Result<Bytes, axum::BoxError>>);

impl Sender {
    /// Sends a piece, once there is room for it. `false`: nobody reads any more.
    pub(super) async fn send(&self, piece: impl Into<Bytes>) -> bool {
        self.0.send(Ok(piece.into())).await.is_ok()
    }

    /// Breaks the answer off, so that its reader doesn't take it for a whole one.
    pub(super) async fn fail(&self, error: impl Into<axum::BoxError>) {
        // Nobody may be reading any more.
        let _ = self.0.send(Err(error.into())).await;
    }
}

/// An answer's body, and where its pieces go in.
pub(super) fn body() -> (Sender, Body) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    (Sender(sender), Body::new(Streamed(receiver)))
}

struct Streamed(mpsc::Receiver<Result<Bytes, axum::BoxError>>);

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
