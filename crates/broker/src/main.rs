//! `selinux-broker`: starts applications' processes in the contexts of the requests that want them.

#![forbid(unsafe_code)]

use apps::Folder;
use broker::daemon::Daemon;
use clap::Parser;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

/// Starts applications' processes in the SELinux contexts of the requests that want them
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder of the applications' files
    #[arg(long, default_value = "/etc/mod_selinux/apps")]
    apps: PathBuf,
    /// The folder of the sockets, the broker's own among them
    #[arg(long, default_value = "/run/mod_selinux")]
    run: PathBuf,
    /// The folder of what programs keep
    #[arg(long, default_value = "/var/lib/mod_selinux")]
    state: PathBuf,
    /// Check the applications' files, and end
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = if arguments.check {
        check(&arguments)
    } else {
        serve(&arguments).map_err(|error| error.to_string())
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("selinux-broker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads all files, and tells of each that cannot be used.
fn check(arguments: &Arguments) -> Result<(), String> {
    let mut apps = Folder::new(&arguments.apps);
    let names = apps.names().map_err(|error| format!("{}: {error}", arguments.apps.display()))?;
    let wrong: Vec<_> = names.iter().filter_map(|name| apps.get(name).err()).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\nselinux-broker: ")) }
}

fn serve(arguments: &Arguments) -> io::Result<()> {
    let path = arguments.run.join("broker");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let control = UnixListener::bind(&path)?;
    let sockets = arguments.run.join("apps");
    Daemon::new(control, Folder::new(&arguments.apps), sockets, arguments.state.clone())?.run()
}
