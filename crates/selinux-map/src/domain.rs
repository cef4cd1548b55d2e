//! `selinux-map domain`: the policy of a new web-app domain, and the commands that put it to work.
//!
//! Owns the template. Names go into policy, so they are words of a few letters that mean nothing there.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use crate::answer::{Answer, CommandError, printable};
use crate::content::{Template, label, shell_word};

/// Write the policy of a new domain with content of its own, and print the commands that install it
///
/// The domain is NAME_webapp_t. It reads what all domains read (httpd_sys_content_t) and NAME_content_t, which no
/// other domain does. Nothing is installed: what is printed is a shell script, for root.
#[derive(clap::Args)]
pub struct DomainArgs {
    /// What the application is called: small letters, digits and _
    #[arg(value_parser = name)]
    name: String,
    /// Where the application is
    #[arg(long, value_name = "FOLDER", default_value = "/var/www/NAME")]
    path: String,
    /// A folder whose content the application may change (NAME_rw_content_t)
    #[arg(long, value_name = "FOLDER", value_parser = Template::folder)]
    write: Option<String>,
    /// A folder of CGI scripts, which the application may run
    #[arg(long, value_name = "FOLDER", value_parser = Template::folder)]
    cgi: Option<String>,
    /// A type for processes that selinux-broker starts for its requests (NAME_app_t)
    #[arg(long)]
    app: bool,
    /// The file to write, which must not be there yet
    #[arg(short, long, value_name = "OUT", default_value = "NAME.cil")]
    output: String,
}

/// What was written.
#[derive(Serialize)]
pub struct Written {
    domain: String,
    app: Option<String>,
    file: String,
    policy: String,
    commands: Vec<String>,
}

/// The longest name: with what is put behind it, any policy takes it.
const LONGEST: usize = 64;

/// Those that come with the module.
const TAKEN: [&str; 3] = ["anon", "staff", "user"];

fn name(text: &str) -> Result<String, String> {
    let is_word = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !is_word || !text.starts_with(|c: char| c.is_ascii_lowercase()) || text.len() > LONGEST {
        Err(format!("write small letters, digits and _, first a letter, and at most {LONGEST}"))
    } else if TAKEN.contains(&text) {
        Err(format!("{text}_webapp_t comes with the module"))
    } else {
        Ok(text.to_owned())
    }
}

/// Writes the policy.
pub fn run(args: &DomainArgs) -> Result<Written, CommandError> {
    let name = &args.name;
    let path = Template::folder(&args.path.replace("NAME", name))
        .map_err(|error| CommandError::usage(format!("--path: {error}")))?;
    let output = PathBuf::from(args.output.replace("NAME", name));
    let policy = policy(args);
    let file = OpenOptions::new().write(true).create_new(true).open(&output);
    let written = file.and_then(|mut file| file.write_all(policy.as_bytes()));
    written.map_err(|error| CommandError::file("write", &output, &error))?;
    Ok(Written {
        domain: format!("{name}_webapp_t"),
        app: args.app.then(|| format!("{name}_app_t")),
        commands: commands(args, &path, &output.display().to_string()),
        file: output.display().to_string(),
        policy,
    })
}

/// The template: `docs/domains.md` says what each line is for.
fn policy(args: &DomainArgs) -> String {
    let name = &args.name;
    let mut text = format!(
        "; The domain {name}_webapp_t, as `selinux-map domain` wrote it. It needs the policy module mod_selinux.\n\
         (type {name}_webapp_t)\n\
         (call webapp_domain ({name}_webapp_t))\n"
    );
    if args.cgi.is_some() {
        text += &format!("(call webapp_cgi ({name}_webapp_t))\n");
    }
    if args.app {
        text += &format!(
            "\n; Processes that serve its requests: selinux-broker starts them, at each request's range.\n\
             (type {name}_app_t)\n\
             (call webapp_app ({name}_app_t))\n\
             (call webapp_app_serve ({name}_webapp_t {name}_app_t))\n"
        );
    }
    let both = if args.app { &["webapp_t", "app_t"][..] } else { &["webapp_t"] };
    let call = |right: &str, content: &str| {
        both.iter()
            .map(|type_| format!("(call {right} ({name}_{type_} {name}_{content}))\n"))
            .collect::<String>()
    };
    text += &format!(
        "\n; Content that no other domain reads.\n\
         (type {name}_content_t)\n\
         {}",
        call("webapp_content", "content_t")
    );
    if args.write.is_some() {
        text += &format!(
            "\n; Content that it alone changes.\n\
             (type {name}_rw_content_t)\n\
             {}",
            call("webapp_rw_content", "rw_content_t")
        );
    }
    text
}

/// What root is to do. Of the patterns that match a file, the last one counts.
fn commands(args: &DomainArgs, path: &str, output: &str) -> Vec<String> {
    let name = &args.name;
    let folders = [
        Some((path, format!("{name}_content_t"))),
        args.cgi.as_deref().map(|path| (path, "httpd_sys_script_exec_t".to_owned())),
        args.write.as_deref().map(|path| (path, format!("{name}_rw_content_t"))),
    ];
    let folders: Vec<_> = folders.into_iter().flatten().collect();
    let mut commands = vec![format!("semodule -i {}", shell_word(output))];
    commands.extend(folders.iter().map(|(path, type_)| label(path, type_, "s0")));
    commands.extend(folders.iter().map(|(path, _)| format!("restorecon -RF {}", shell_word(path))));
    commands
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# {}: {}; then, in httpd's configuration: SELinuxDomainVal {}",
            printable(&self.file),
            self.domain,
            self.domain
        )?;
        if let Some(app) = &self.app {
            writeln!(
                f,
                "# In the application's file: [[callers]] worker = \"{}\" app = \"{app}\"",
                self.domain
            )?;
        }
        self.commands.iter().try_for_each(|command| writeln!(f, "{}", printable(command)))
    }
}

impl Answer for Written {
    fn status(&self) -> u8 {
        0
    }
}
