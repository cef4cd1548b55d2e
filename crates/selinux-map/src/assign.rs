//! `selinux-map assign`: a pair of categories for each of some users.
//!
//! Owns where new lines go. Which pair is free is `categories`'.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

use mapping::{Context, DomainSpec, Line, Range, Selector};
use serde::Serialize;

use crate::answer::{Answer, CommandError, printable};
use crate::categories::{CATEGORIES, Pairs};
use crate::check::count;
use crate::content::{Template, commands, scratch_commands};
use crate::replace;
use crate::source::Source;

/// Give users a pair of categories of their own, and print the commands that label their content
///
/// Nobody with such a pair can read what any other line of the file can, nor the other way round (where the
/// types are confined by categories; content without a category is everybody's; other map files are not looked
/// at). The lines are put in front of the first line that is for anything but a user. What is printed is a
/// shell script.
#[derive(clap::Args)]
pub struct AssignArgs {
    /// Map file, text; it is changed in place, at once, and keeps its owner and mode
    file: PathBuf,
    /// Users, as httpd names them
    #[arg(required = true, value_name = "USER")]
    users: Vec<String>,
    /// The domain of the new lines
    #[arg(long, default_value = "user_webapp_t")]
    domain: String,
    /// The sensitivity of the new lines
    #[arg(long, default_value = "s0")]
    sensitivity: String,
    /// Where a user has their content; %u is the user's name
    #[arg(long, default_value = "/var/www/%u", value_parser = Template::parse)]
    path: Template,
    /// The type of the content
    #[arg(long, value_name = "TYPE", default_value = "httpd_sys_content_t")]
    content_type: String,
    /// Where a user has a folder for sessions, uploads and scratch files; %u is the user's name. Fedora and RHEL need one
    /// for each range
    #[arg(long, value_name = "PATH", value_parser = Template::parse)]
    scratch: Option<Template>,
    /// The unix user that httpd's children run as
    #[arg(long, value_name = "USER", default_value = "apache")]
    unix_user: String,
    /// The context httpd runs in: lines without a range of their own have its range
    #[arg(long, value_name = "CONTEXT", default_value = "system_u:system_r:httpd_t:s0", value_parser = Context::parse)]
    server_context: Context,
    /// Change nothing, only say what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// What was done.
#[derive(Serialize)]
pub struct Assigned {
    file: String,
    written: bool,
    assigned: Vec<New>,
    /// How many more users there is room for.
    pairs_left: usize,
    notes: Vec<String>,
}

/// A new line.
#[derive(Serialize)]
struct New {
    user: String,
    line: usize,
    domain: String,
    categories: [String; 2],
    path: String,
    commands: Vec<String>,
}

/// Adds a line for each user, for all or for none.
pub fn run(args: &AssignArgs) -> Result<Assigned, CommandError> {
    check_words(args)?;
    let path = &args.file;
    let mut file = replace::lock(path).map_err(|error| CommandError::file("read", path, &error))?;
    let source = Source::read_text(path, &mut file)?;
    let text = source.text().unwrap_or_default();
    check_users(&source, &args.users)?;
    let mut pairs = Pairs::new(CATEGORIES);
    let server = args.server_context.range();
    for line in &source.lines {
        if line.spec.translated_range().is_some() {
            return Err(CommandError::refused(format!(
                "{}:{}: {} names its range by a name, and what categories that has is not known here: write \
                 it raw, such as s0:c0",
                path.display(),
                line.number,
                line.spec
            )));
        }
        line.spec.raw_range().or(server).into_iter().for_each(|range| pairs.take_range(range));
    }
    let free = pairs.free();
    let place = place(text, &source.lines);
    let mut assigned = Vec::with_capacity(args.users.len());
    for (number, user) in (place.line..).zip(&args.users) {
        let pair =
            pairs.take_first().ok_or_else(|| no_pair_left(args.users.len(), free, &source.lines, server))?;
        assigned.push(new_line(args, number, user, pair)?);
    }
    let changed = insert(text, &place, &assigned);
    check_result(&source, changed.clone(), &assigned)?;
    if !args.dry_run {
        replace::write(path, &changed).map_err(|error| CommandError::file("write", path, &error))?;
    }
    Ok(Assigned {
        file: path.display().to_string(),
        written: !args.dry_run,
        assigned,
        pairs_left: pairs.free(),
        notes: place.notes,
    })
}

/// Whether the words that new lines and commands are made of are what they should be.
fn check_words(args: &AssignArgs) -> Result<(), CommandError> {
    let spec = |text: &str| DomainSpec::parse(text).ok().map(|spec| spec.parts());
    let bare = |text: &str| spec(text).is_some_and(|(base, range)| base == text && range.is_none());
    if !bare(&args.domain) || args.domain == "*" {
        return Err(CommandError::usage("--domain: write a type, or user:role:type, without a range"));
    }
    if !bare(&args.content_type) || args.content_type.contains([':', '*']) {
        return Err(CommandError::usage("--content-type: write a type"));
    }
    let level = Range::parse(&args.sensitivity).ok();
    if level.is_none_or(|level| level != level.lowest() || level.to_string() != args.sensitivity) {
        return Err(CommandError::usage("--sensitivity: write `s` and a number, such as s0"));
    }
    if args.scratch.as_ref().is_some_and(|scratch| !scratch.has_user()) {
        return Err(CommandError::usage(
            "--scratch: write %u for the user's name: each needs one of their own",
        ));
    }
    if args.users.len() > 1 && !args.path.has_user() {
        return Err(CommandError::usage(
            "--path: write %u for the user's name where there are several users",
        ));
    }
    Ok(())
}

/// Whether each user can have a line, and has none.
fn check_users(source: &Source, users: &[String]) -> Result<(), CommandError> {
    let mut wanted = HashSet::new();
    for user in users {
        if !wanted.insert(source.case.user(user.as_bytes())) {
            return Err(CommandError::usage(format!("{user:?} is named twice")));
        }
        // What no user can be called: nothing at all.
        if Selector::parse(&who(user).to_string()).ok() != Some(who(user)) {
            return Err(CommandError::usage(format!("{user:?} cannot be a user's name in a map")));
        }
    }
    let has_line = source.lines.iter().find(|line| match &line.who {
        Selector::User(name) => wanted.contains(name),
        _ => false,
    });
    has_line.map_or(Ok(()), |Line { number, who, spec }| {
        Err(CommandError::refused(format!("{who} has a line already: line {number}, {spec}")))
    })
}

/// Who a user's line is for.
fn who(user: &str) -> Selector {
    Selector::User(user.as_bytes().to_vec())
}

fn new_line(
    args: &AssignArgs,
    line: usize,
    user: &str,
    (first, second): (u16, u16),
) -> Result<New, CommandError> {
    let range = format!("{}:c{first},c{second}", args.sensitivity);
    let path = args.path.path(user).map_err(|error| CommandError::usage(format!("--path: {error}")))?;
    let mut commands = commands(&path, &args.content_type, &range);
    if let Some(scratch) = &args.scratch {
        let path = scratch.path(user).map_err(|error| CommandError::usage(format!("--scratch: {error}")))?;
        commands.extend(scratch_commands(&path, &args.unix_user, &range));
    }
    Ok(New {
        user: user.to_owned(),
        line,
        domain: format!("{}:{range}", args.domain),
        categories: [format!("c{first}"), format!("c{second}")],
        commands,
        path,
    })
}

/// Says that pairs have run out, and which line takes most of them if one takes many.
fn no_pair_left(wanted: usize, free: usize, lines: &[Line], server: Option<&Range>) -> CommandError {
    let size = |line: &Line| {
        let range = line.spec.raw_range().or(server);
        range.map_or(0, |range| {
            range.categories()[1].iter().map(|&(first, last)| usize::from(last - first) + 1).sum()
        })
    };
    let widest = lines.iter().max_by_key(|line| size(line)).filter(|line| size(line) > 2);
    let widest = widest.map_or(String::new(), |line| {
        format!(
            "; line {} alone has {} categories, and could read the content of whoever has two of them",
            line.number,
            size(line)
        )
    });
    let left =
        if free == 0 { "no pair of categories is left" } else { "too few pairs of categories are left" };
    CommandError::refused(format!(
        "{left} ({free}, for {}), nothing was changed{widest}",
        count(wanted, "user")
    ))
}

/// Where new lines go.
struct Place {
    /// The first new line's number.
    line: usize,
    /// Where that is in the file, in bytes.
    at: usize,
    notes: Vec<String>,
}

/// The place behind the users' lines that the file starts with: in front of the first line that is for
/// anything else, and of the comments above that.
fn place(text: &[u8], lines: &[Line]) -> Place {
    // A byte order mark is no part of the first line.
    let mark = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut starts = vec![mark];
    starts.extend(text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1));
    let is_user = |line: &&Line| matches!(line.who, Selector::User(_));
    let users = lines.iter().take_while(is_user).count();
    let Some(other) = lines.get(users) else {
        // Behind all there is; the last line may lack its end.
        let whole = text.len() == mark || text.ends_with(b"\n");
        let line = if whole { starts.len() } else { starts.len() + 1 };
        return Place { line, at: text.len(), notes: Vec::new() };
    };
    let mut notes = vec![format!("they stand in front of the line for {}", other.who)];
    let behind = lines[users..].iter().filter(is_user).count();
    if behind > 0 {
        notes.push(format!(
            "{behind} other users stand behind it: to it they come second, the new ones first"
        ));
    }
    let line = users.checked_sub(1).map_or(other.number, |last| lines[last].number + 1);
    Place { line, at: starts[line - 1], notes }
}

/// The text with new lines in it, which end as its first line does.
fn insert(text: &[u8], place: &Place, new: &[New]) -> Vec<u8> {
    let (before, behind) = text.split_at(place.at);
    let first = text.split_inclusive(|&b| b == b'\n').next().unwrap_or_default();
    let end = if first.ends_with(b"\r\n") { "\r\n" } else { "\n" };
    let mut changed = Vec::with_capacity(text.len() + new.len() * 48);
    changed.extend_from_slice(before);
    let unended = !before.is_empty() && before != b"\xef\xbb\xbf" && !before.ends_with(b"\n");
    if unended {
        changed.extend_from_slice(end.as_bytes());
    }
    for line in new {
        let who = who(&line.user).to_string();
        changed.extend_from_slice(format!("{who:<18} {}{end}", line.domain).as_bytes());
    }
    changed.extend_from_slice(behind);
    changed
}

/// Reads what would be written, as the server will: a line that it would refuse (one too long, say), or that
/// went to the wrong place, must not get into the file.
fn check_result(source: &Source, changed: Vec<u8>, new: &[New]) -> Result<(), CommandError> {
    let result = Source::of(&source.path, changed).map_err(|problems| CommandError {
        problems,
        ..CommandError::usage("such lines would be wrong, nothing was changed")
    })?;
    let first = new.first().map_or(0, |line| line.line);
    let at = source.lines.partition_point(|line| line.number < first);
    let is_new = |(line, new): (&Line, &New)| {
        line.number == new.line
            && line.who == who(&new.user).in_case(source.case)
            && line.spec.to_string() == new.domain
    };
    let good = result.lines.len() == source.lines.len() + new.len()
        && result.lines[at..].iter().zip(new).all(is_new);
    if good { Ok(()) } else { Err(CommandError::usage("a fault in selinux-map: nothing was changed")) }
}

impl fmt::Display for Assigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = if self.written { "new in" } else { "would be new in" };
        writeln!(f, "# {done} {}:", printable(&self.file))?;
        for line in &self.assigned {
            let who = who(&line.user).to_string();
            writeln!(f, "# {:>5} | {:<18} {}", line.line, printable(&who), line.domain)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "# {}", printable(note)))?;
        writeln!(
            f,
            "# {} left. Label the content, at once (chcon) and for good:",
            count(self.pairs_left, "pair")
        )?;
        self.assigned.iter().flat_map(|line| &line.commands).try_for_each(|command| writeln!(f, "{command}"))
    }
}

impl Answer for Assigned {
    fn status(&self) -> u8 {
        0
    }
}
