//! The module's part of mod_status' page: what is known without a look at anything that a confined thread may not open.

use crate::config::settings::{self, Serving};
use crate::httpd::request::Request;
use crate::httpd::status_page::{Form, StatusPageHook};
use crate::selinux::{self, Mode};
use crate::status::counters::{self, Totals};
use mapping::Escaped;
use messages::REFUSALS;
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

/// How many contexts are shown, those with most workers.
const CONTEXTS: usize = 50;

/// The part.
pub struct StatusSection;

impl StatusPageHook for StatusSection {
    fn text(request: Request<'_>, form: Form) -> String {
        let serving = settings::section(request).serving;
        let now = Now { serving, counted: counters::now() };
        match form {
            Form::Html => now.html(),
            Form::Lines => now.lines(),
        }
    }
}

/// What is shown.
struct Now<'s> {
    serving: Option<&'s Serving>,
    counted: Option<counters::Now>,
}

impl Now<'_> {
    /// Whether the kernel enforces, in one word, or why that is not known.
    fn mode(&self) -> Result<&'static str, String> {
        let live = self.serving.and_then(|serving| serving.live_state.as_ref());
        match live.map_or_else(selinux::mode, |live| Ok(live.mode())) {
            Ok(Mode::Enforcing) => Ok("enforcing"),
            Ok(Mode::Permissive) => Ok("permissive"),
            Ok(Mode::Off) => Ok("off"),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The context that httpd runs in; `None` where no rules stand, or SELinux is off.
    fn server(&self) -> Option<String> {
        self.serving?.started.server.as_ref().map(ToString::to_string)
    }

    /// The warning, where new files do not get their maker's categories.
    fn labels(&self) -> Option<String> {
        self.serving?.started.labels.as_ref().map(ToString::to_string)
    }

    /// Contexts with so many workers, those with most first, and how many there are beside.
    fn workers(workers: &BTreeMap<String, usize>) -> (Vec<(&str, usize)>, usize) {
        let mut all: Vec<_> = workers.iter().map(|(context, count)| (context.as_str(), *count)).collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let beside = all.len().saturating_sub(CONTEXTS);
        all.truncate(CONTEXTS);
        (all, beside)
    }

    fn files(&self) -> Vec<File> {
        let maps = self.serving.and_then(|serving| serving.maps.as_ref());
        let reports = maps.into_iter().flat_map(|maps| maps.reports());
        let files = reports.map(|(source, version, report)| File {
            kind: source.kind.to_string(),
            path: source.to_string(),
            version,
            lines: report.lines,
            age: report.age(),
            fault: report.fault,
        });
        // Group files that no map needs are not read.
        files.filter(|file| file.version > 0).collect()
    }

    fn lines(&self) -> String {
        let mut lines = Lines(String::new());
        match self.mode() {
            Ok(mode) => lines.add("Mode", mode),
            Err(why) => lines.add("Mode", format_args!("unknown ({})", plain(&why))),
        }
        if let Some(server) = self.server() {
            lines.add("ServerContext", plain(&server));
        }
        if let Some(labels) = self.labels() {
            lines.add("Warning", plain(&labels));
        }
        if let Some(counters::Now { totals, active, resident, spare }) = &self.counted {
            lines.add("Entered", totals.entered.iter().sum::<u64>());
            lines.add("Kept", totals.kept);
            lines.add("Refused", totals.refused.iter().sum::<u64>());
            for (code, count) in REFUSALS.iter().zip(totals.refused) {
                lines.add(&format!("Refused{code}"), count);
            }
            for percent in PERCENTILES {
                if let Some(time) = microseconds(totals, percent) {
                    lines.add(&format!("HandOverMicrosecondsP{percent}"), time);
                }
            }
            lines.add("WorkersActive", active.values().sum::<usize>());
            lines.add("WorkersContexts", active.len());
            lines.workers("Workers", "Active", active);
            lines.add("Spares", spare);
            lines.add("Residents", resident.values().sum::<usize>());
            lines.workers("Resident", "Waiting", resident);
        }
        for (index, file) in self.files().iter().enumerate() {
            let mut add = |name: &str, value: &dyn Display| lines.add(&format!("Map[{index}]{name}"), value);
            add("File", &plain(&file.path));
            add("Kind", &file.kind);
            add("Version", &file.version);
            add("Lines", &file.lines);
            add("AgeSeconds", &file.age);
            add("Error", &if file.fault.is_empty() { "none".to_owned() } else { plain(&file.fault) });
        }
        lines.0
    }

    fn html(&self) -> String {
        let mut html = Html("<hr />\n<h2 id=\"selinux\">SELinux</h2>\n<dl>\n".to_owned());
        html.item(
            "Mode",
            &match self.mode() {
                Ok("permissive") => {
                    "<b>permissive</b>: the kernel logs what it would refuse, and refuses nothing".to_owned()
                }
                Ok(mode) => mode.to_owned(),
                Err(why) => format!("unknown ({})", in_html(&why)),
            },
        );
        let server = self.server().map_or_else(|| "no rules".to_owned(), |server| in_html(&server));
        html.item("Server context", &server);
        if let Some(labels) = self.labels() {
            html.item("Warning", &in_html(&labels));
        }
        if let Some(counters::Now { totals, active, resident, spare }) = &self.counted {
            html.item("Spare workers", &spare.to_string());
            html.counted(totals);
            html.workers("Workers", "Active", active);
            html.workers("Resident workers", "Waiting", resident);
        } else {
            html.0 += "</dl>\n";
        }
        let files = self.files();
        if !files.is_empty() {
            html.table("Maps", &["File", "Kind", "Version", "Lines", "Age", "Error"]);
            for file in files {
                let age = duration(file.age);
                html.row(&[
                    &in_html(&file.path),
                    &file.kind,
                    &file.version,
                    &file.lines,
                    &age,
                    &in_html(&file.fault),
                ]);
            }
            html.0 += "</table>\n";
        }
        html.0
    }
}

/// A file that rules read.
struct File {
    kind: String,
    path: String,
    version: u64,
    lines: u64,
    age: u64,
    fault: String,
}

/// Which percentiles of the hand-over are shown.
const PERCENTILES: [u64; 2] = [50, 99];

/// So long a request waits for its worker to be in its context, at most, in so many percent of cases.
fn microseconds(totals: &Totals, percent: u64) -> Option<String> {
    let nanoseconds = counters::percentile(&totals.entered, percent)?;
    Some(format!("{}.{}", nanoseconds / 1000, nanoseconds % 1000 / 100))
}

struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "SELinux{name}: {value}");
    }

    fn workers(&mut self, name: &str, what: &str, workers: &BTreeMap<String, usize>) {
        for (index, (context, count)) in Now::workers(workers).0.into_iter().enumerate() {
            self.add(&format!("{name}[{index}]Context"), plain(context));
            self.add(&format!("{name}[{index}]{what}"), count);
        }
    }
}

struct Html(String);

impl Html {
    /// A line of a list; `value` is HTML already, as with the others.
    fn item(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "<dt>{name}: {value}</dt>");
    }

    fn counted(&mut self, totals: &Totals) {
        self.item(
            "Requests served in contexts of their own",
            &totals.entered.iter().sum::<u64>().to_string(),
        );
        self.item("Requests served in the server's context", &totals.kept.to_string());
        self.item("Requests refused", &totals.refused.iter().sum::<u64>().to_string());
        let times = PERCENTILES.map(|percent| Some((percent, microseconds(totals, percent)?)));
        let times = times.into_iter().flatten().map(|(percent, time)| format!("p{percent} {time} &micro;s"));
        let times: Vec<_> = times.collect();
        if !times.is_empty() {
            self.item("Hand-over to a worker, until it is in its context", &times.join(", "));
        }
        self.0 += "</dl>\n";
        if totals.refused.iter().any(|count| *count > 0) {
            self.table("Refused", &["Code", "Requests", "Because"]);
            for (code, count) in REFUSALS.iter().zip(totals.refused).filter(|(_, count)| *count > 0) {
                self.row(&[code, &count, &in_html(code.refusal().unwrap_or_default())]);
            }
            self.0 += "</table>\n";
        }
    }

    fn workers(&mut self, title: &str, what: &str, workers: &BTreeMap<String, usize>) {
        if workers.is_empty() {
            return;
        }
        self.table(title, &["Context", what]);
        let (shown, beside) = Now::workers(workers);
        for (context, count) in shown {
            self.row(&[&in_html(context), &count]);
        }
        self.0 += "</table>\n";
        if beside > 0 {
            let _ = writeln!(self.0, "<p>and {beside} contexts more</p>");
        }
    }

    fn table(&mut self, title: &str, columns: &[&str]) {
        let _ = write!(self.0, "<h3>{title}</h3>\n<table rules=\"all\" cellpadding=\"4\"><tr>");
        columns.iter().for_each(|column| self.0 += &format!("<th>{column}</th>"));
        self.0 += "</tr>\n";
    }

    fn row(&mut self, cells: &[&dyn Display]) {
        self.0 += "<tr>";
        cells.iter().for_each(|cell| self.0 += &format!("<td>{cell}</td>"));
        self.0 += "</tr>\n";
    }
}

/// A text in one line of HTML, in ASCII.
fn in_html(text: &str) -> String {
    let text = plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

/// A text in one line of ASCII.
fn plain(text: &str) -> String {
    Escaped::new(text).in_ascii().to_string()
}

/// So many seconds, as mod_status has them.
fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
