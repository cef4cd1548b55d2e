//! `selinux-map build`: a map's compiled form.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use mapping::Map;
use serde::Serialize;

use crate::answer::{Answer, CommandError, printable};
use crate::check::count;
use crate::replace;
use crate::source::Source;

/// Compile a map, for `SELinuxDomainMap fst:OUT`
#[derive(clap::Args)]
pub struct BuildArgs {
    /// Map file, text
    file: PathBuf,
    /// Where to write the compiled map; what is there is replaced at once and keeps its owner and mode
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

/// What was written.
#[derive(Serialize)]
pub struct Built {
    file: String,
    output: String,
    rules: usize,
    bytes: usize,
}

/// Compiles the map, if it is good.
pub fn run(args: &BuildArgs) -> Result<Built, CommandError> {
    let path = &args.file;
    let mut file = File::open(path).map_err(|error| CommandError::file("read", path, &error))?;
    let source = Source::read_text(path, &mut file)?;
    let map =
        Map::parse(source.text().unwrap_or_default()).map_err(|_| CommandError::refused("the map is bad"))?;
    let compiled =
        map.compile().map_err(|error| CommandError::refused(format!("{}: {error}", path.display())))?;
    replace::write(&args.output, &compiled)
        .map_err(|error| CommandError::file("write", &args.output, &error))?;
    Ok(Built {
        file: path.display().to_string(),
        output: args.output.display().to_string(),
        rules: map.lines().len(),
        bytes: compiled.len(),
    })
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {}, {}",
            printable(&self.output),
            count(self.rules, "rule"),
            count(self.bytes, "byte")
        )
    }
}

impl Answer for Built {
    fn status(&self) -> u8 {
        0
    }
}
