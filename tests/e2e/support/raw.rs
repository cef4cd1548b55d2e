//! HTTP/1.1 by hand: for many requests on many connections, and for what a well-behaved client does not do.

use super::client::authorization;
use super::httpd::PORT;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// One connection, kept alive.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// The text of a GET, as anonymous or as a user of `Site::new`, with further header lines.
pub fn request(path: &str, user: Option<&str>, headers: &str) -> String {
    let authorization =
        user.map_or_else(String::new, |user| format!("Authorization: {}\r\n", authorization(user)));
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}{headers}\r\n")
}

impl Connection {
    /// Connects to the test's httpd.
    pub fn open() -> io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", PORT))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// Reads one response, which must tell its length: status and body.
    pub fn receive(&mut self) -> io::Result<(u16, String)> {
        let mut status = None;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if status.is_none() {
                status = line.split(' ').nth(1).and_then(|number| number.parse().ok());
            } else if let Some((name, value)) = line.split_once(": ") {
                assert!(!name.eq_ignore_ascii_case("transfer-encoding"), "a response without a length");
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.parse().map_err(io::Error::other)?;
                }
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status.unwrap_or(0), String::from_utf8_lossy(&body).into_owned()))
    }

    /// Reads one response in chunks: status and body.
    pub fn receive_chunked(&mut self) -> io::Result<(u16, String)> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
        let mut body = String::new();
        loop {
            let mut length = String::new();
            self.stream.read_line(&mut length)?;
            let length = usize::from_str_radix(length.trim_end(), 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; length + 2];
            self.stream.read_exact(&mut chunk)?;
            if length == 0 {
                return Ok((status, body));
            }
            body += &String::from_utf8_lossy(&chunk[..length]);
        }
    }

    /// The next bytes, this many.
    pub fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// All that comes until httpd closes the connection.
    pub fn rest(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// One GET and its response.
    pub fn get(&mut self, path: &str, user: Option<&str>) -> io::Result<(u16, String)> {
        self.send(&request(path, user, ""))?;
        self.receive()
    }
}

/// Sends a request on a connection of its own, and gives all that comes until httpd closes it.
pub fn exchange(text: &str) -> io::Result<String> {
    let mut connection = Connection::open()?;
    connection.send(text)?;
    connection.rest()
}
