//! One target as the data plane sees it: an address and the connections kept open to it.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::ending::Ending;

/// Connections kept open to one target.
const IDLE_LIMIT: usize = 128;

/// A target that requests can be sent to.
pub(super) struct Upstream {
    address: SocketAddr,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// Why a target gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection could be made.
    Unreachable,
    /// The connection ended before the answer did.
    Broken,
}

impl Upstream {
    /// A target nothing was sent to yet.
    pub(crate) fn new(address: SocketAddr) -> Upstream {
        Upstream { address, idle: Mutex::new(Vec::new()) }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// A connection that was kept open may have been closed by the target: then the request goes
    /// out again on a fresh one, if nothing of it was sent or its method is idempotent.
    pub(crate) async fn send(
        &self,
        request: &Request<Full<Bytes>>,
        ending: &Ending,
    ) -> Result<Response<Bytes>, Trouble> {
        let pooled = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut sender) = pooled
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request.clone()).await {
                Ok(response) => return self.finish(sender, response).await,
                Err(error) if error.message().is_some() || request.method().is_idempotent() => {}
                Err(_) => return Err(Trouble::Broken),
            }
        }
        let mut sender = self.connect(ending).await?;
        let response = sender.send_request(request.clone()).await.map_err(|_| Trouble::Broken)?;
        self.finish(sender, response).await
    }

    async fn connect(&self, ending: &Ending) -> Result<SendRequest<Full<Bytes>>, Trouble> {
        let stream = TcpStream::connect(self.address).await.map_err(|_| Trouble::Unreachable)?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Trouble::Broken)?;
        ending.spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn finish(
        &self,
        sender: SendRequest<Full<Bytes>>,
        response: Response<hyper::body::Incoming>,
    ) -> Result<Response<Bytes>, Trouble> {
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| Trouble::Broken)?.to_bytes();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_LIMIT && !sender.is_closed() {
            idle.push(sender);
        }
        Ok(Response::from_parts(head, body))
    }
}
