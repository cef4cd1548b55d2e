//! `selinux-map denials`: what the kernel refused each request, why, and what would allow it.
//!
//! Owns which refusals are a request's: those of threads that carry its tag. A program that a request has started (CGI)
//! carries its own name instead, and is told of by that.

mod audit;
mod judge;
mod loaded;
#[cfg(test)]
mod tests;
mod words;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use mapping::{Context, is_tag};
use serde::Serialize;

use self::audit::{Event, Events, Refusal, for_each_line};
use self::judge::{Advice, Ask, judge};
use crate::answer::{Answer, CommandError, printable};
use crate::check::count;

/// Tell what the kernel refused each request, why, and what would allow it
///
/// A request is known by its tag, which mod_selinux gives to the threads that serve it, and to the access log where
/// the log's format begins with %{SELINUX_TAG}e. What programs were refused that requests have started (CGI) comes
/// last, by the programs' names. Whether a rule is missing, or a category, and whether a rule would be within the
/// bounds, is asked of the policy that this machine has loaded, for which one must be root.
#[derive(clap::Args)]
pub struct DenialsArgs {
    /// The kernel's audit log (may be repeated); - is standard input
    #[arg(long, value_name = "FILE", default_value = "/var/log/audit/audit.log")]
    audit: Vec<PathBuf>,
    /// httpd's access log (may be repeated)
    #[arg(long, value_name = "FILE")]
    access: Vec<PathBuf>,
    /// Only of the request with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The type that httpd runs in, which bounds the others
    #[arg(long, value_name = "TYPE", default_value = "httpd_t")]
    server_type: String,
}

/// What was found.
#[derive(Serialize)]
pub struct DenialReport {
    requests: Vec<Request>,
    /// How many lines of logs were not looked at, for they were too long or too many.
    passed_over: usize,
}

/// Of one request, or of one program that has no tag.
#[derive(Serialize)]
struct Request {
    tag: Option<String>,
    /// The access log's line.
    line: Option<String>,
    denials: Vec<Denial>,
}

#[derive(Serialize)]
struct Denial {
    /// Of the first: seconds since 1970, and the event's number, as `ausearch -a` takes it.
    event: String,
    program: Option<String>,
    count: usize,
    permissions: Vec<String>,
    class: String,
    object: Option<String>,
    source: String,
    target: String,
    permissive: bool,
    refused: String,
    #[serde(flatten)]
    advice: Advice,
}

/// How much of a line is kept.
const SHOWN: usize = 2000;

/// Reads the logs, and judges.
pub fn run(args: &DenialsArgs) -> Result<DenialReport, CommandError> {
    let mut events = Events::default();
    for path in &args.audit {
        let trouble = |error| CommandError::file("read", path, &error);
        if path.as_os_str() == "-" {
            events.read(io::stdin().lock()).map_err(trouble)?;
        } else {
            events.read(BufReader::new(File::open(path).map_err(trouble)?)).map_err(trouble)?;
        }
    }
    let mut told = DenialReport { passed_over: events.passed_over, requests: Vec::new() };
    let wanted = |tag: Option<&str>| args.tag.is_none() || tag == args.tag.as_deref();
    told.requests = requests(&events.finish(), wanted, &args.server_type, &loaded::allows);
    for path in &args.access {
        let trouble = |error| CommandError::file("read", path, &error);
        let log = BufReader::new(File::open(path).map_err(trouble)?);
        told.find_lines(log).map_err(trouble)?;
    }
    Ok(told)
}

/// A refusal that was met, and how often.
struct Met<'e> {
    event: &'e Event,
    refusal: &'e Refusal,
    count: usize,
}

/// The refusals of each request, in the order of their first ones; those of programs come last.
fn requests(
    events: &[Event],
    wanted: impl Fn(Option<&str>) -> bool,
    server: &str,
    ask: Ask<'_>,
) -> Vec<Request> {
    // By tag, or without one by name.
    let mut groups: Vec<(Option<&str>, Vec<Met<'_>>)> = Vec::new();
    let mut places = HashMap::new();
    let mut same = HashMap::new();
    for event in events {
        let comm = event.comm.as_deref();
        let tag = comm.filter(|comm| is_tag(comm));
        for refusal in &event.refusals {
            if !wanted(tag) || (tag.is_none() && !is_of_a_domain(refusal)) {
                continue;
            }
            let group = *places.entry(comm).or_insert_with(|| {
                groups.push((tag, Vec::new()));
                groups.len() - 1
            });
            let met = &mut groups[group].1;
            let place = *same.entry((group, refusal)).or_insert(met.len());
            match met.get_mut(place) {
                Some(met) => met.count += 1,
                None => met.push(Met { event, refusal, count: 1 }),
            }
        }
    }
    groups.sort_by_key(|(tag, _)| tag.is_none());
    let request = |(tag, met): (Option<&str>, Vec<Met<'_>>)| Request {
        tag: tag.map(str::to_owned),
        line: None,
        denials: met.into_iter().map(|met| Denial::of(met, server, ask)).collect(),
    };
    groups.into_iter().map(request).collect()
}

impl Denial {
    fn of(Met { event, refusal, count }: Met<'_>, server: &str, ask: Ask<'_>) -> Denial {
        Denial {
            event: event.id.clone(),
            program: event.exe.clone().or_else(|| event.comm.clone()),
            count,
            permissions: refusal.permissions.clone(),
            class: refusal.class.clone(),
            object: refusal.object.clone(),
            source: refusal.source.clone(),
            target: refusal.target.clone(),
            permissive: refusal.is_permissive,
            refused: words::refused(refusal),
            advice: judge(refusal, server, ask),
        }
    }
}

/// Whether who was refused is in a domain for web applications, going by its name.
fn is_of_a_domain(refusal: &Refusal) -> bool {
    Context::parse(&refusal.source).is_ok_and(|source| source.type_().ends_with("_webapp_t"))
}

impl DenialReport {
    /// Looks for the requests' lines. Of the words of a line, the first that is a tag counts: what a client says, who
    /// may have seen somebody's tag, comes behind it.
    fn find_lines(&mut self, log: impl BufRead) -> io::Result<()> {
        let places = self.requests.iter().enumerate();
        let places: HashMap<_, _> =
            places.filter_map(|(place, request)| Some((request.tag.clone()?, place))).collect();
        let requests = &mut self.requests;
        for_each_line(log, &mut self.passed_over, |line| {
            let mut words = line.split(|c: char| !c.is_ascii_alphanumeric());
            let Some(tag) = words.find(|word| is_tag(word)) else { return };
            if let Some(request) = places.get(tag).and_then(|place| requests.get_mut(*place)) {
                request.line.get_or_insert_with(|| line.chars().take(SHOWN).collect());
            }
        })
    }
}

impl fmt::Display for DenialReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requests.is_empty() {
            writeln!(f, "no request was refused anything")?;
        }
        for request in &self.requests {
            match (&request.tag, &request.line) {
                (Some(tag), Some(line)) => writeln!(f, "request {tag}: {}", printable(line))?,
                (Some(tag), None) => writeln!(f, "request {tag}")?,
                (None, _) => writeln!(f, "a program without a tag")?,
            }
            request.denials.iter().try_for_each(|denial| denial.fmt(f))?;
        }
        if self.passed_over > 0 {
            writeln!(f, "not looked at: {}, too long or too many", count(self.passed_over, "line"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.permissive { "would have been refused (permissive)" } else { "refused" };
        let times = if self.count > 1 { format!(" ({} times)", self.count) } else { String::new() };
        writeln!(f, "  {verdict}: {}{times}", printable(&self.refused))?;
        writeln!(f, "    who:  {}", printable(&self.source))?;
        writeln!(f, "    what: {}", printable(&self.target))?;
        let program =
            self.program.as_ref().map_or(String::new(), |program| format!(", {}", printable(program)));
        writeln!(f, "    event {}{program}", printable(&self.event))?;
        writeln!(f, "    why:  {}", printable(&self.advice.why))?;
        for rule in &self.advice.rules {
            writeln!(f, "    rule: {rule}")?;
        }
        for command in &self.advice.commands {
            writeln!(f, "    or:   {}", printable(command))?;
        }
        Ok(())
    }
}

impl Answer for DenialReport {
    fn status(&self) -> u8 {
        u8::from(!self.requests.is_empty())
    }
}
