//! `selinux-map explain`: which line of a map decides for somebody, and why not another.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use mapping::{Case, Client, Context, Line, Selector, Shown, fold};
use serde::Serialize;

use crate::answer::{Answer, CommandError, printable};
use crate::check::count;
use crate::source::Source;

/// Say which line decides for somebody, and which others would have
#[derive(clap::Args)]
pub struct ExplainArgs {
    /// Map file, text or compiled
    file: PathBuf,
    /// The user who has logged in, in any bytes; without it nobody has
    #[arg(long)]
    user: Option<OsString>,
    /// A group the user is in (may be repeated)
    #[arg(long = "group", value_name = "GROUP", requires = "user")]
    groups: Vec<OsString>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS")]
    addr: Option<IpAddr>,
    /// The context httpd runs in, to show the whole context that the domain leads to
    #[arg(long, value_name = "CONTEXT", value_parser = Context::parse)]
    server_context: Option<Context>,
}

/// What was found.
#[derive(Serialize)]
pub struct Explained {
    file: String,
    user: Option<String>,
    groups: Vec<String>,
    address: Option<IpAddr>,
    /// The line that decides.
    decides: Option<Rule>,
    /// The context it leads to, where the server's was given.
    context: Option<String>,
    /// Lines that apply too, or almost, in the file's order.
    passed_over: Vec<PassedOver>,
    notes: Vec<String>,
}

/// A line of the map.
#[derive(Serialize)]
struct Rule {
    line: usize,
    text: String,
    who: String,
    domain: String,
}

#[derive(Serialize)]
struct PassedOver {
    #[serde(flatten)]
    rule: Rule,
    why: Why,
    reason: String,
}

/// Why a line that applies, or almost, does not decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Why {
    /// It stands behind the one that decides.
    Later,
    /// A network with a longer prefix holds the address too.
    ShorterPrefix,
    /// A user whose name has other capital letters.
    OtherCase,
    /// It is for those who have not logged in.
    LoggedIn,
}

/// Lines that apply to somebody, or almost: why each does not decide, and `None` for the one that does.
fn judged<'l>(lines: &'l [Line], case: Case, client: &Client<'_>) -> Vec<(&'l Line, Option<Why>)> {
    let prefix = |line: &Line| match &line.who {
        Selector::Net(network) => Some(network.prefix()),
        _ => None,
    };
    let applies = lines.iter().filter(|line| line.who.matches(client, case));
    let longest = applies.clone().filter_map(prefix).max();
    let is_candidate = |line: &Line| prefix(line).is_none() || prefix(line) == longest;
    let first = applies.clone().find(|line| is_candidate(line)).map(|line| line.number);
    let why = |line: &Line| {
        if line.who.matches(client, case) {
            return Some(match (is_candidate(line), Some(line.number) == first) {
                (true, true) => None,
                (true, false) => Some(Why::Later),
                (false, _) => Some(Why::ShorterPrefix),
            });
        }
        match (&line.who, client.user) {
            (Selector::User(name), Some(user)) if fold(name) == fold(user) => Some(Some(Why::OtherCase)),
            (Selector::Anonymous, Some(_)) if first.is_none_or(|first| line.number < first) => {
                Some(Some(Why::LoggedIn))
            }
            _ => None,
        }
    };
    lines.iter().filter_map(|line| Some((line, why(line)?))).collect()
}

/// Explains what the map says of whoever is described.
pub fn run(args: &ExplainArgs) -> Result<Explained, CommandError> {
    let source = Source::read(&args.file)?;
    let groups: Vec<_> = args.groups.iter().map(|group| group.as_bytes()).collect();
    let user = args.user.as_ref().map(|user| user.as_bytes());
    let client = Client { user, groups: &groups, address: args.addr };
    let judged = judged(&source.lines, source.case, &client);
    let rule = |line: &Line| Rule {
        line: line.number,
        text: source.text_of(line),
        who: line.who.to_string(),
        domain: line.spec.to_string(),
    };
    let decider = judged.iter().find(|(_, why)| why.is_none()).map(|(line, _)| *line);
    let mut notes = notes(&source.lines, decider, &client);
    if source.case == Case::Ignored && client.user.is_some() {
        notes.push("the map ignores the case of names".to_owned());
    }
    let context = match (&args.server_context, decider) {
        (Some(server), Some(line)) => match line.spec.resolve(server) {
            Ok(context) => Some(context.to_string()),
            Err(error) => {
                notes.push(format!("no context: {error}"));
                None
            }
        },
        _ => None,
    };
    let longest = judged
        .iter()
        .find(|(line, why)| matches!(line.who, Selector::Net(_)) && matches!(why, None | Some(Why::Later)));
    let reason = |why| match (why, decider, longest) {
        (Why::Later, Some(first), _) => format!("applies too, but line {} stands before it", first.number),
        (Why::ShorterPrefix, _, Some((longest, _))) => {
            format!(
                "holds the address too, but {} on line {} has a longer prefix",
                longest.who, longest.number
            )
        }
        (Why::OtherCase, ..) => {
            "is for another user: capital letters count, unless the map says `ignore-case`".to_owned()
        }
        _ => "is for those who have not logged in".to_owned(),
    };
    let passed_over = judged.iter().filter_map(|(line, why)| {
        Some(PassedOver { rule: rule(line), why: (*why)?, reason: reason((*why)?) })
    });
    Ok(Explained {
        file: source.path.display().to_string(),
        passed_over: passed_over.collect(),
        decides: decider.map(rule),
        context,
        notes,
        user: user.map(|user| Shown(user).to_string()),
        groups: groups.iter().map(|group| Shown(group).to_string()).collect(),
        address: args.addr,
    })
}

/// What was not said of whoever asks, and could make another line decide.
fn notes(lines: &[Line], decider: Option<&Line>, client: &Client<'_>) -> Vec<String> {
    let before = |kind: fn(&Selector) -> bool| {
        let first = lines.iter().take_while(|line| decider.is_none_or(|first| line.number < first.number));
        first.filter(|line| kind(&line.who)).count()
    };
    let mut notes = Vec::new();
    let groups = before(|who| matches!(who, Selector::Group(_)));
    if client.user.is_some() && client.groups.is_empty() && groups > 0 {
        notes.push(format!("no --group is given: {} for groups could decide before", count(groups, "line")));
    }
    let networks = before(|who| matches!(who, Selector::Net(_)));
    if client.address.is_none() && networks > 0 {
        notes.push(format!(
            "no --addr is given: {} for networks could decide before",
            count(networks, "line")
        ));
    }
    notes
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |f: &mut fmt::Formatter<'_>, rule: &Rule| {
            writeln!(f, "  {} | {}", rule.line, printable(&rule.text).trim_end())
        };
        match &self.decides {
            Some(rule) => {
                writeln!(f, "{}, line {} decides:", printable(&self.file), rule.line)?;
                show(f, rule)?;
                writeln!(f, "domain: {}", rule.domain)?;
            }
            None => writeln!(f, "{}: no line is for them", printable(&self.file))?,
        }
        if let Some(context) = &self.context {
            writeln!(f, "context: {context}")?;
        }
        if !self.passed_over.is_empty() {
            writeln!(f, "passed over:")?;
        }
        for line in &self.passed_over {
            show(f, &line.rule)?;
            writeln!(f, "  {:1$} | {2}", "", line.rule.line.to_string().len(), line.reason)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl Answer for Explained {
    fn status(&self) -> u8 {
        if self.decides.is_some() { 0 } else { 3 }
    }
}

#[cfg(test)]
pub mod tests {
    use std::collections::HashSet;

    use mapping::{CompiledMap, Map};
    use proptest::prelude::*;

    use super::*;

    /// Maps of all kinds of lines, few enough that lines and askers meet, each `who` once.
    pub fn map_text() -> impl Strategy<Value = String> {
        let who = prop_oneof![
            "[a-c]",
            "[a-c]",
            "@[gh]",
            Just("__anonymous__".to_owned()),
            Just("*".to_owned()),
            proptest::sample::select(vec!["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "::/0"])
                .prop_map(str::to_owned),
        ];
        proptest::collection::vec((who, "[xyz]_t"), 0..9).prop_map(|mut rules| {
            let mut seen = HashSet::new();
            rules.retain(|(who, _)| seen.insert(who.clone()));
            rules.iter().map(|(who, domain)| format!("{who} {domain}\n")).collect()
        })
    }

    type Facts = (Option<Vec<u8>>, Vec<&'static [u8]>, Option<IpAddr>);

    /// Whoever may ask; groups only of who has logged in.
    pub fn facts() -> impl Strategy<Value = Facts> {
        let address =
            prop_oneof![Just("10.1.1.1"), Just("10.1.1.2"), Just("10.2.1.1"), Just("9.9.9.9"), Just("::1")];
        let groups = proptest::sample::subsequence(vec![&b"g"[..], b"H"], 0..=2);
        (
            proptest::option::of("[a-d]".prop_map(String::into_bytes)),
            groups,
            proptest::option::of(address.prop_map(|a| a.parse().unwrap())),
        )
            .prop_map(|(user, groups, address)| {
                (user.clone(), if user.is_some() { groups } else { vec![] }, address)
            })
    }

    proptest! {
        #[test]
        fn the_line_that_decides_is_the_one_the_module_finds(text in map_text(), (user, groups, address) in facts()) {
            let map = Map::parse(text.as_bytes()).unwrap();
            let compiled = map.compile().unwrap();
            let client = Client { user: user.as_deref(), groups: &groups, address };
            let found = CompiledMap::open(&compiled[..]).unwrap().find(&client).map(|found| found.line);
            let judged = judged(map.lines(), map.case(), &client);
            let deciders: Vec<_> = judged.iter().filter(|(_, why)| why.is_none()).map(|(line, _)| line.number).collect();
            prop_assert_eq!(found.into_iter().collect::<Vec<_>>(), deciders);
            // Whatever else applies is passed over, and said so.
            for line in map.lines() {
                prop_assert!(!line.who.matches(&client, map.case()) || judged.iter().any(|(judged, _)| *judged == line));
            }
        }
    }
}
