//! A client for long runs: connections are kept, and one that httpd has closed meanwhile is told from one that is lost.

use crate::support::httpd::PORT;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
    /// Whether it was asked twice: a kept connection turned out to be closed.
    pub again: bool,
    closes: bool,
}

/// A client with at most one connection.
#[derive(Default)]
pub struct Client {
    stream: Option<BufReader<TcpStream>>,
}

/// Connects to the test's httpd.
pub fn connect() -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", PORT))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

impl Client {
    /// Sends a request and gives the answer. httpd may close a kept connection at any time before a request: then it
    /// is asked again on a new one. An error is a connection that was lost, or an answer that broke off.
    pub fn ask(&mut self, request: &str) -> io::Result<Reply> {
        if let Some(mut stream) = self.stream.take() {
            match send(&mut stream, request) {
                Ok(()) => return self.receive(stream, request, false),
                Err(error) if !is_closed(&error) => return Err(error),
                Err(_) => {}
            }
            let mut stream = BufReader::new(connect()?);
            send(&mut stream, request)?;
            return self.receive(stream, request, true);
        }
        let mut stream = BufReader::new(connect()?);
        send(&mut stream, request)?;
        self.receive(stream, request, false)
    }

    /// Sends something, waits for so many bytes of an answer, and vanishes.
    pub fn vanish(&mut self, request: &str, after: usize) -> io::Result<()> {
        let mut stream = connect()?;
        stream.write_all(request.as_bytes())?;
        stream.read_exact(&mut vec![0; after])
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        self.stream = None;
    }

    fn receive(&mut self, mut stream: BufReader<TcpStream>, request: &str, again: bool) -> io::Result<Reply> {
        let reply = receive(&mut stream, request.starts_with("HEAD "))?;
        if !reply.closes {
            self.stream = Some(stream);
        }
        Ok(Reply { again, ..reply })
    }
}

fn is_closed(error: &io::Error) -> bool {
    [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind())
}

/// Sends, and waits for the answer's first byte.
fn send(stream: &mut BufReader<TcpStream>, request: &str) -> io::Result<()> {
    stream.get_mut().write_all(request.as_bytes())?;
    if stream.fill_buf()?.is_empty() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if line.pop() != Some('\n') {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

fn receive(stream: &mut BufReader<TcpStream>, is_head: bool) -> io::Result<Reply> {
    let first = line(stream)?;
    let status = first.split(' ').nth(1).and_then(|number| number.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status in {first:?}")))?;
    let (mut length, mut chunked, mut closes) = (None, false, false);
    loop {
        let line = line(stream)?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.parse::<usize>().map_err(io::Error::other)?),
            "transfer-encoding" => chunked = true,
            "connection" => closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if is_head || status == 204 || status == 304 {
    } else if chunked {
        loop {
            let length = usize::from_str_radix(&line(stream)?, 16).map_err(io::Error::other)?;
            let start = body.len();
            body.resize(start + length + 2, 0);
            stream.read_exact(&mut body[start..])?;
            body.truncate(start + length);
            if length == 0 {
                break;
            }
        }
    } else if let Some(length) = length {
        body.resize(length, 0);
        stream.read_exact(&mut body)?;
    } else {
        stream.read_to_end(&mut body)?;
        closes = true;
    }
    Ok(Reply { status, body: String::from_utf8_lossy(&body).into_owned(), again: false, closes })
}
