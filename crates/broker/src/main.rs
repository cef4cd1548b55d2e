//! `selinux-broker`: starts applications' processes in the contexts of the requests that want them.

#![forbid(unsafe_code)]

use apps::Folder;
use broker::daemon::Daemon;
use broker::{place, supervisor};
use clap::Parser;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

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
    let (control, pools): (Vec<_>, Vec<_>) =
        supervisor::kept().into_iter().partition(|(name, _)| name == supervisor::CONTROL);
    let control = match control.into_iter().next() {
        Some((_, socket)) => socket.into(),
        // Who may connect, the policy says.
        None => place::bind(&arguments.run.join("broker"))?,
    };
    let sockets = arguments.run.join("apps");
    let mut daemon = Daemon::new(control, Folder::new(&arguments.apps), sockets, arguments.state.clone())?;
    let (processes, listeners): (Vec<_>, Vec<_>) =
        pools.into_iter().partition(|(name, _)| name.contains('.'));
    let adopted = listeners.into_iter().map(|(name, socket)| (daemon.adopt(socket, Instant::now()), name));
    let mut failed: Vec<_> = adopted.filter_map(|(result, name)| Some((result.err()?, name))).collect();
    for (name, process) in processes {
        failed.extend(daemon.adopt_process(&name, process, Instant::now()).err().map(|error| (error, name)));
    }
    for (error, name) in failed {
        eprintln!("{name}, which was kept: {error}");
    }
    daemon.run()
}
