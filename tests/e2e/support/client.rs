//! An HTTP client.

use std::io::Read as _;
use std::time::Duration;

/// One connection's worth of requests, kept alive.
pub struct Client {
    agent: ureq::Agent,
    base: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Reply {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    /// A client of `http://127.0.0.1:port`.
    pub fn new(port: u16) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections_per_host(1)
            .timeout_global(Some(Duration::from_secs(60)));
        Client { agent: config.build().into(), base: format!("http://127.0.0.1:{port}") }
    }

    /// GET as anonymous, or as a user of `Site::new` (`Some("foo")`), with further headers.
    pub fn try_get(
        &self,
        path: &str,
        user: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, ureq::Error> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(user) = user {
            request = request.header("Authorization", authorization(user));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        reply(request.call()?)
    }

    /// As `try_get`; panics where there is no reply.
    pub fn get(&self, path: &str, user: Option<&str>) -> Reply {
        self.try_get(path, user, &[]).unwrap_or_else(|error| panic!("GET {path} as {user:?}: {error}"))
    }

    /// POST of a body with its content type.
    pub fn post(&self, path: &str, user: Option<&str>, content_type: &str, body: &[u8]) -> Reply {
        let mut request =
            self.agent.post(format!("{}{path}", self.base)).header("Content-Type", content_type);
        if let Some(user) = user {
            request = request.header("Authorization", authorization(user));
        }
        let response = request.send(body).unwrap_or_else(|error| panic!("POST {path} as {user:?}: {error}"));
        reply(response).unwrap_or_else(|error| panic!("POST {path} as {user:?}: {error}"))
    }
}

fn reply(mut response: ureq::http::Response<ureq::Body>) -> Result<Reply, ureq::Error> {
    let headers = response.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut body = Vec::new();
    response.body_mut().as_reader().read_to_end(&mut body).map_err(ureq::Error::Io)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Reply { status: response.status().as_u16(), body, headers })
}

/// The `Authorization` header of a user whose password is the name.
pub fn authorization(user: &str) -> &'static str {
    match user {
        "foo" => "Basic Zm9vOmZvbw==",
        "bar" => "Basic YmFyOmJhcg==",
        "staff" => "Basic c3RhZmY6c3RhZmY=",
        other => panic!("no such user: {other}"),
    }
}
