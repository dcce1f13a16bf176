//! The least HTTP/1.1 client that asks with prepared bytes; the clients and the health checks use it.
//!
//! The balancer uses hyper: it carries what strangers send. Nothing here follows redirects or streams.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No answer read here has a longer head.
const HEAD_LIMIT: usize = 64 * 1024;

/// A connection that is asked one thing after another.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The head of an answer; the body has been read and dropped.
pub(super) struct AnswerHead {
    /// The status code.
    pub status: u16,
    /// Whether the connection can be asked again.
    pub is_reusable: bool,
    head: String,
}

impl AnswerHead {
    /// The values of a header.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.head.lines().skip(1).filter_map(move |line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The first value of a header.
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(1024) })
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<AnswerHead> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head_end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(ErrorKind::InvalidData.into());
            }
            self.read_more().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).into_owned();
        let status = head.get(9..12).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| Error::from(ErrorKind::InvalidData))?;
        let mut answer = AnswerHead { status, is_reusable: true, head };
        if answer.header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close")) {
            answer.is_reusable = false;
        }
        match answer.header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) => {
                while self.buffer.len() < head_end + length {
                    self.read_more().await?;
                }
            }
            _ => answer.is_reusable = false,
        }
        Ok(answer)
    }

    async fn read_more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
