//! An HTTP/1.1 client on one connection, which stays open.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use ostiary::clock::Clock;
use tokio::net::TcpStream;

use super::Result;

/// A connection to a server.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Connection {
    pub async fn open(server: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(server).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::task::spawn_local(connection);
        Ok(Self { sender, host: HeaderValue::try_from(server.to_string())? })
    }

    pub async fn get(&mut self, path: &str, fields: &HeaderMap) -> Result<Answer> {
        self.send(Request::get(path), fields, Bytes::new()).await
    }

    pub async fn post(&mut self, path: &str, fields: &HeaderMap, form: impl Into<Bytes>) -> Result<Answer> {
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.send(Request::post(path).header(header::CONTENT_TYPE, form_type), fields, form.into()).await
    }

    async fn send(&mut self, request: http::request::Builder, fields: &HeaderMap, body: Bytes) -> Result<Answer> {
        let mut request = request.header(header::HOST, self.host.clone()).body(Full::new(body))?;
        request.headers_mut().extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.sender.ready().await?;
        let (parts, body) = self.sender.send_request(request).await?.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.collect().await?.to_bytes() })
    }
}

/// Asks a server that is being started until it answers with success, and tells when that was.
pub async fn first_answer(server: SocketAddr, path: &str) -> Result<i64> {
    for _ in 0..30_000 {
        if let Ok(mut connection) = Connection::open(server).await
            && let Ok(answer) = connection.get(path, &HeaderMap::new()).await
            && answer.status.is_success()
        {
            return Ok(Clock::system().now().as_micros());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Err("the server did not answer in time".into())
}
