//! HTTP/2 by hand, as far as the soak wants it: many GETs at once on one connection.

use super::client::connect;
use super::mix::Step;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// The preface, empty settings, and as much to receive as there may be.
const BEGIN: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x04\x08\0\0\0\0\0\x3f\xff\x00\x00";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// One connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
    next: u32,
}

/// What became of a request.
pub enum Outcome {
    /// Status and body.
    Answered(u16, String),
    /// httpd has said that it did not begin with it: it may be asked again.
    NotBegun,
    /// It has no answer, or not a whole one.
    Lost(String),
}

#[derive(Default)]
struct Answer {
    status: u16,
    body: Vec<u8>,
    is_whole: bool,
    reset: bool,
}

impl Connection {
    /// Connects to the test's httpd.
    pub fn open() -> io::Result<Connection> {
        let mut stream = connect()?;
        stream.write_all(BEGIN)?;
        Ok(Connection { stream: BufReader::new(stream), next: 1 })
    }

    /// Makes these requests at once. `false`: the connection is at its end.
    pub fn ask(&mut self, steps: &[Step]) -> (Vec<Outcome>, bool) {
        let first = self.next;
        let ids = (first..).step_by(2).take(steps.len());
        let mut answers: BTreeMap<u32, Answer> = ids.map(|id| (id, Answer::default())).collect();
        self.next += 2 * u32::try_from(steps.len()).unwrap();
        let mut text = Vec::new();
        for (id, step) in answers.keys().zip(steps) {
            frame(&mut text, HEADERS, END_STREAM | END_HEADERS, *id, &headers(step));
        }
        let mut last = None;
        let sent = self.stream.get_mut().write_all(&text);
        let result = sent.and_then(|()| self.receive(&mut answers, &mut last));
        let is_open = result.is_ok() && last.is_none();
        let why = result.err().map_or_else(|| "reset".to_owned(), |error| error.to_string());
        let outcomes = answers.into_iter().map(|(id, answer)| {
            if answer.is_whole {
                Outcome::Answered(answer.status, String::from_utf8_lossy(&answer.body).into_owned())
            } else if last.is_some_and(|last| id > last) {
                Outcome::NotBegun
            } else {
                Outcome::Lost(format!("{why}, stream {id}, last {last:?}"))
            }
        });
        (outcomes.collect(), is_open)
    }

    /// Receives until all are answered, or refused.
    fn receive(&mut self, answers: &mut BTreeMap<u32, Answer>, last: &mut Option<u32>) -> io::Result<()> {
        let is_due = |(id, answer): (&u32, &Answer), last: Option<u32>| {
            !answer.is_whole && !answer.reset && last.is_none_or(|last| *id <= last)
        };
        while answers.iter().any(|entry| is_due(entry, *last)) {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head)?;
            let [a, b, c, kind, flags, id @ ..] = head;
            let id = u32::from_be_bytes(id) & 0x7fff_ffff;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.stream.read_exact(&mut payload)?;
            let mut reply = Vec::new();
            match kind {
                SETTINGS if flags & 1 == 0 => frame(&mut reply, SETTINGS, 1, 0, &[]),
                PING if flags & 1 == 0 => frame(&mut reply, PING, 1, 0, &payload),
                // Only ever less.
                GOAWAY => *last = Some(u32::from_be_bytes(payload[..4].try_into().unwrap()) & 0x7fff_ffff),
                _ => {}
            }
            self.stream.get_mut().write_all(&reply)?;
            let Some(answer) = answers.get_mut(&id) else { continue };
            match kind {
                HEADERS => answer.status = status(content(&payload, flags)),
                DATA => answer.body.extend(content(&payload, flags)),
                RST_STREAM => answer.reset = true,
                _ => continue,
            }
            answer.is_whole |= kind != RST_STREAM && flags & END_STREAM != 0;
        }
        Ok(())
    }
}

fn frame(text: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    text.extend(&length[1..]);
    text.extend([kind, flags]);
    text.extend(id.to_be_bytes());
    text.extend(payload);
}

/// A GET's header block: RFC 7541's static table where it has the name, and no compression.
fn headers(step: &Step) -> Vec<u8> {
    // `:method: GET`, `:scheme: http`
    let mut block = vec![0x82, 0x86];
    let mut literal = |name: &[u8], value: &str| {
        block.extend(name);
        block.push(u8::try_from(value.len()).ok().filter(|length| *length < 127).expect("a short value"));
        block.extend(value.bytes());
    };
    literal(&[0x01], "localhost");
    literal(&[0x04], &step.path);
    if let Some(login) = step.login() {
        literal(&[0x0f, 0x08], login);
    }
    block
}

fn content(payload: &[u8], flags: u8) -> &[u8] {
    let (mut payload, padding) = match payload {
        [padding, rest @ ..] if flags & PADDED != 0 => (rest, usize::from(*padding)),
        _ => (payload, 0),
    };
    if flags & PRIORITY != 0 {
        payload = &payload[5..];
    }
    &payload[..payload.len() - padding]
}

/// The status, which comes first; 0 for one that the static table does not have.
fn status(block: &[u8]) -> u16 {
    let table = [200, 204, 206, 304, 400, 404, 500];
    let first = block.first().copied().unwrap_or(0);
    first.checked_sub(0x88).and_then(|place| table.get(usize::from(place))).copied().unwrap_or(0)
}
