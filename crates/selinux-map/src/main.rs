//! `selinux-map`: what an administrator does with map files, over the same code as the module's.
//!
//! Owns the command line and how answers reach whoever asked. Each subcommand has a file; none may need
//! httpd, SELinux or root's privileges (`denials` says more where it has them; `apps` asks the broker, which tells root alone).

#![forbid(unsafe_code)]

mod answer;
mod apps;
mod assign;
mod build;
mod categories;
mod check;
mod content;
mod denials;
mod diff;
mod domain;
mod explain;
mod generate;
mod problem;
mod replace;
mod source;
mod text;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::answer::show;

/// Checks, explains, compiles, compares and fills the map files of mod_selinux, writes policy for new domains, and tells what requests were refused and what processes applications have
#[derive(Parser)]
#[command(name = "selinux-map", version)]
struct Cli {
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Build(build::BuildArgs),
    Diff(diff::DiffArgs),
    Assign(assign::AssignArgs),
    Domain(domain::DomainArgs),
    Denials(denials::DenialsArgs),
    Apps(apps::AppsArgs),
    Generate(generate::GenerateArgs),
}

/// The command line, with what `--help` says of exit codes.
fn command() -> clap::Command {
    let whole = Cli::command().after_help(generate::EXIT);
    generate::PAGES.iter().fold(whole, |command, page| {
        command.mut_subcommand(page.name, |subcommand| subcommand.after_help(page.exit_text()))
    })
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match &cli.command {
        Command::Check(args) => show(check::run(args), cli.json),
        Command::Explain(args) => show(explain::run(args), cli.json),
        Command::Build(args) => show(build::run(args), cli.json),
        Command::Diff(args) => show(diff::run(args), cli.json),
        Command::Assign(args) => show(assign::run(args), cli.json),
        Command::Domain(args) => show(domain::run(args), cli.json),
        Command::Denials(args) => show(denials::run(args), cli.json),
        Command::Apps(args) => show(apps::run(args), cli.json),
        Command::Generate(args) => show(generate::run(args, &command()), cli.json),
    }
}
