//! `selinux-map generate`: man pages and bash completion, for packagers.
//!
//! Owns what these say beyond the command line itself: exit codes and the JSON of each subcommand.

use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde::Serialize;

use crate::answer::{Answer, CommandError, printable};

/// Write man pages or the bash completion into a folder
#[derive(clap::Args)]
#[command(hide = true)]
pub struct GenerateArgs {
    /// What to write
    what: What,
    /// The folder, which must be there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum What {
    Man,
    Completion,
}

/// What is documented of a subcommand beside its command line.
pub struct Page {
    /// The subcommand.
    pub name: &'static str,
    exit: &'static [(u8, &'static str)],
    json: &'static [(&'static str, &'static str)],
}

const TROUBLE: (u8, &str) = (2, "wrong usage, or a file cannot be read or written");

/// What the exit codes of all subcommands have in common.
pub const EXIT: &str = "Exit status: 0 where all is well, 2 for wrong usage and files that cannot be read or written; \
    1 and others as each subcommand's help and man page say.";

/// A page for each subcommand that is meant for administrators.
pub const PAGES: &[Page] = &[
    Page {
        name: "check",
        exit: &[(0, "all files are good (there may be warnings)"), (1, "a file has errors"), TROUBLE],
        json: &[
            ("good", "whether all files are"),
            ("files[].file", "the file, as it was named"),
            ("files[].good", "whether it has no errors"),
            ("files[].rules", "how many rules it has; null where it has errors"),
            ("files[].ignores_case", "whether names ignore case"),
            ("files[].problems[].file", "the file again"),
            ("files[].problems[].line, .column", "the place, from 1; null where it is the whole file"),
            ("files[].problems[].level", "error or warning"),
            ("files[].problems[].message", "what is wrong and what to do"),
            ("files[].problems[].text", "the line; null where there is none"),
        ],
    },
    Page {
        name: "explain",
        exit: &[(0, "a line decides"), (1, "the file has errors"), TROUBLE, (3, "no line applies")],
        json: &[
            (
                "file, user, groups, address",
                "what was asked; names that are not plain are in quotes, as in a map",
            ),
            ("decides.line, .text, .who, .domain", "the line that decides; null where none applies"),
            ("context", "what the domain leads to; null without --server-context"),
            ("passed_over[].line, .text, .who, .domain", "each other line that applies, or almost"),
            ("passed_over[].why", "later, shorter_prefix, other_case or logged_in"),
            ("passed_over[].reason", "the same in words"),
            ("notes[]", "what was not said and could make another line decide"),
        ],
    },
    Page {
        name: "build",
        exit: &[(0, "the compiled map was written"), (1, "the map has errors; nothing was written"), TROUBLE],
        json: &[
            ("file, output", "the files, as they were named"),
            ("rules", "how many rules the map has"),
            ("bytes", "the size of what was written"),
        ],
    },
    Page {
        name: "diff",
        exit: &[
            (0, "nobody changes context"),
            (1, "somebody does"),
            (2, "wrong usage, or a map cannot be read or has errors"),
        ],
        json: &[
            ("same", "whether nobody changes context"),
            ("old_ignores_case, new_ignores_case", "whether names ignore case in each map"),
            ("changes[].who", "for whom something changes, as in a map"),
            ("changes[].kind", "user, group, network, anonymous or anyone"),
            (
                "changes[].change",
                "added, removed, changed (another domain) or order (other lines come first)",
            ),
            (
                "changes[].old, .new",
                "what decides in each map where nothing before it does: line, who (it is * where there is \
                 no line of their own), domain; or null",
            ),
            ("changes[].now_behind[]", "lines that come first in the new map and did not in the old"),
            ("changes[].no_longer_behind[]", "lines that came first in the old map and do not in the new"),
        ],
    },
    Page {
        name: "assign",
        exit: &[
            (0, "each user has a line"),
            (1, "nothing was changed: a user has a line already, no pair is left, or the map has errors"),
            TROUBLE,
        ],
        json: &[
            ("file", "the file, as it was named"),
            ("written", "whether it was changed (not with --dry-run)"),
            ("assigned[].user, .line, .domain", "each new line"),
            ("assigned[].categories[]", "its two categories"),
            ("assigned[].path", "the folder of the user's content"),
            ("assigned[].commands[]", "the commands that label it"),
            ("pairs_left", "how many more users there is room for"),
            ("notes[]", "where the lines were put"),
        ],
    },
    Page {
        name: "domain",
        exit: &[(0, "the file was written"), TROUBLE],
        json: &[
            ("domain", "the new domain"),
            ("app", "the type of its application's processes; null without --app"),
            ("file", "the file that was written"),
            ("policy", "what is in it"),
            ("commands[]", "the commands that install it and label the content"),
        ],
    },
    Page {
        name: "denials",
        exit: &[(0, "nothing was refused"), (1, "something was"), TROUBLE],
        json: &[
            ("requests[].tag", "the request's tag; null for a program that has none"),
            ("requests[].line", "its line of the access log, or null"),
            ("requests[].denials[].event", "the first event: its time in seconds since 1970, and its number"),
            ("requests[].denials[].count", "how often it was"),
            ("requests[].denials[].program", "the program, or null"),
            ("requests[].denials[].source, .target", "the contexts of who asked, and of the object"),
            ("requests[].denials[].permissions[], .class", "what was asked for, in the policy's words"),
            ("requests[].denials[].object", "the object's path or name, or null"),
            ("requests[].denials[].permissive", "whether it was logged, and allowed all the same"),
            ("requests[].denials[].refused", "what was refused, in words"),
            (
                "requests[].denials[].cause",
                "rule (one is missing), bounds (the server has none), categories, nothing (it is allowed by now), \
                 unknown (what the policy says is not known here)",
            ),
            ("requests[].denials[].why", "the same in words"),
            ("requests[].denials[].rules[]", "the rules that would allow it, in CIL"),
            (
                "requests[].denials[].server_has_it",
                "whether the server has the right; null where that is not known",
            ),
            ("requests[].denials[].commands[]", "labels that would allow it"),
            ("passed_over", "how many lines of logs were too long or too many"),
        ],
    },
    Page {
        name: "apps",
        exit: &[
            (0, "the broker has answered"),
            (1, "it has refused to"),
            (2, "wrong usage, or it does not answer"),
        ],
        json: &[
            ("refused", "how many callers the broker has refused"),
            ("pools[].app", "the application"),
            ("pools[].context", "the context of its processes"),
            ("pools[].processes[]", "the numbers of those that the broker has started"),
            (
                "pools[].memory",
                "what they and their children have in memory, in bytes; null where there is none",
            ),
            ("pools[].idle", "how many seconds it has had nothing to do"),
            ("pools[].starts", "how many processes were started"),
            ("pools[].error", "why the last start failed, or null"),
        ],
    },
];

/// Of all subcommands, where they cannot do what they are asked.
const JSON_TROUBLE: [(&str, &str); 2] = [
    (
        "error",
        "instead of all this, where the exit code says so: what is wrong (of a wrong command line, standard error tells)",
    ),
    ("problems[].file, .line, .column, .level, .message, .text", "with it: what is wrong with the map"),
];

impl Page {
    /// The exit codes, for `--help`.
    pub fn exit_text(&self) -> String {
        let lines = self.exit.iter().map(|(code, meaning)| format!("\n  {code}  {meaning}"));
        format!("Exit status:{}", lines.collect::<String>())
    }
}

/// What was written.
#[derive(Serialize)]
pub struct Generated {
    files: Vec<String>,
}

/// Writes the pages, or the completion, of this command line.
pub fn run(args: &GenerateArgs, whole: &clap::Command) -> Result<Generated, CommandError> {
    let trouble = |error| CommandError::file("write to", &args.folder, &error);
    let files = match args.what {
        What::Man => pages(whole).map_err(trouble)?,
        What::Completion => vec![("selinux-map".to_owned(), completion(whole))],
    };
    let write = |(name, content): (String, Vec<u8>)| -> Result<String, CommandError> {
        let path: &Path = &args.folder.join(name);
        fs::write(path, content).map_err(|error| CommandError::file("write", path, &error))?;
        Ok(path.display().to_string())
    };
    Ok(Generated { files: files.into_iter().map(write).collect::<Result<_, _>>()? })
}

/// The command line without what is not for administrators.
fn documented(whole: &clap::Command) -> clap::Command {
    let whole = whole.clone().disable_help_subcommand(true);
    let subcommands: Vec<_> =
        whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    let bare =
        clap::Command::new("selinux-map").args(whole.get_arguments().cloned()).subcommand_required(true);
    let bare = bare.version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    bare.about(whole.get_about().cloned().unwrap_or_default()).subcommands(subcommands)
}

fn completion(whole: &clap::Command) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(clap_complete::Shell::Bash, &mut documented(whole), "selinux-map", &mut text);
    // It takes the hyphen of the program's name for the start of a subcommand's in one place of two
    // (https://github.com/clap-rs/clap/issues/6421), and then knows no subcommand's options.
    String::from_utf8_lossy(&text).replace("selinux__subcmd__map", "selinux__map").into_bytes()
}

/// Name and text of each man page.
fn pages(whole: &clap::Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut main = documented(whole);
    main.build();
    let exit = EXIT.split_once(": ").map_or(EXIT, |(_, text)| text);
    let mut pages = Vec::new();
    for page in PAGES {
        let command = main.find_subcommand(page.name).cloned().unwrap_or_default().after_help("");
        let name = format!("selinux-map-{}", page.name);
        let mut text = render(command.name(name.clone()).version(env!("CARGO_PKG_VERSION")))?;
        let mut more = Roff::new();
        definitions(&mut more, "EXIT STATUS", page.exit.iter().map(|(code, text)| (code.to_string(), *text)));
        let json = page.json.iter().chain(&JSON_TROUBLE).map(|(field, text)| ((*field).to_owned(), *text));
        definitions(&mut more, "JSON", json);
        more.control("SH", ["SEE ALSO"]).text([
            bold("selinux-map"),
            roman("(1), "),
            bold("selinux-map"),
            roman("(5)"),
        ]);
        more.to_writer(&mut text)?;
        pages.push((format!("{name}.1"), text));
    }
    let mut text = render(main)?;
    let mut more = Roff::new();
    more.control("SH", ["EXIT STATUS"]).text([roman(exit)]);
    more.control("SH", ["SEE ALSO"]).text([bold("selinux-map"), roman("(5), "), bold("httpd"), roman("(8)")]);
    more.to_writer(&mut text)?;
    pages.push(("selinux-map.1".to_owned(), text));
    Ok(pages)
}

fn render(command: clap::Command) -> io::Result<Vec<u8>> {
    let has_subcommands = command.has_subcommands();
    let man = Man::new(command);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if has_subcommands {
        man.render_subcommands_section(&mut text)?;
    }
    Ok(text)
}

fn definitions<'t>(roff: &mut Roff, title: &str, terms: impl Iterator<Item = (String, &'t str)>) {
    roff.control("SH", [title]);
    for (term, text) in terms {
        roff.control("TP", []).text([bold(term)]).text([roman(text)]);
    }
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = String::new();
        self.files.iter().try_for_each(|file| writeln!(lines, "{}", printable(file)))?;
        f.write_str(&lines)
    }
}

impl Answer for Generated {
    fn status(&self) -> u8 {
        0
    }
}
