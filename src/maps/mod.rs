//! Map and group files under a running server.
//!
//! When httpd starts, each file is read, compiled, and published: written into a folder of the server's
//! own, from which all children map it, so that there is one copy for all and nothing is parsed while a
//! request waits. A process beside the children, the watcher, publishes a new version when a file has
//! changed and is good; a board of counters in shared memory says which version counts.

mod file;
mod report;
mod source;
pub mod watcher;

pub use report::Report;
pub use source::{Content, FileKind, Source, Sources};

use crate::httpd::log;
use crate::httpd::process;
use crate::httpd::shm::{Board, Mapped, SharedFolder, make_folder};
use crate::selinux::query;
use arc_swap::ArcSwapOption;
use mapping::{Context, GroupFile, ResolvedMap, SpecError};
use messages::Code;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How often a published version is looked for that the watcher has just replaced.
const ATTEMPTS: usize = 10;

/// The number on the board that goes up with every change; those of the files follow.
const ANY: usize = 0;

/// The published files, as a child of httpd sees them.
pub struct Maps {
    board: Board,
    folder: Folder,
    slots: Vec<Slot>,
    /// What the board's first number was when all slots were last brought up to date.
    seen: AtomicU64,
    /// Held by the thread that brings them up to date.
    updating: Mutex<()>,
}

/// One published file.
struct Slot {
    source: Source,
    current: ArcSwapOption<Published>,
}

/// A version of a published file.
pub struct Published {
    version: u64,
    /// What is in it.
    pub file: PublishedFile,
}

/// What is in a published file.
pub enum PublishedFile {
    /// Who gets which context.
    Map(ResolvedMap<Mapped>),
    /// Who is in which group.
    Groups(GroupFile<Mapped>),
}

impl Maps {
    /// Publishes the files of a configuration for a server in the context `server`, in a folder of their own under
    /// `runtime` (`DefaultRuntimeDir`).
    pub fn publish(runtime: &Path, sources: &Sources, server: &Context) -> io::Result<Maps> {
        let board = Board::new(report_at(sources.all().len(), sources.all().len()))?;
        let folder = Folder::new(runtime)?;
        let mut writer = board.writer()?;
        let mut slots = Vec::new();
        for (number, loaded) in sources.all().iter().enumerate() {
            slots.push(Slot { source: loaded.source.clone(), current: ArcSwapOption::empty() });
            if let Some(content) = loaded.content() {
                folder.files.write(number, 1, &published_form(content, server).map_err(io::Error::other)?)?;
                writer.add(1 + number);
                Report::good(content.lines()).write(
                    &board,
                    &mut writer,
                    report_at(sources.all().len(), number),
                );
            }
        }
        let maps = Maps { board, folder, slots, seen: AtomicU64::new(0), updating: Mutex::new(()) };
        // Children inherit what is mapped here.
        maps.slots.iter().enumerate().try_for_each(|(number, slot)| maps.refresh_slot(number, slot))?;
        Ok(maps)
    }

    /// Takes up what the watcher has published since. Where nothing has changed, this is one look at the board.
    ///
    /// Called on threads that are not confined: others may not open the files.
    pub fn refresh(&self) {
        let latest = self.board.read(ANY);
        if latest == self.seen.load(Ordering::Relaxed) {
            return;
        }
        // Others need not wait for whoever is at it: until then, they have the version of before.
        let Ok(_updating) = self.updating.try_lock() else { return };
        for (number, slot) in self.slots.iter().enumerate() {
            if let Err(error) = self.refresh_slot(number, slot) {
                let text = format!("the new version of {} cannot be taken up: {error}", slot.source);
                log::server(&Code::FileNotOpened.message(text));
            }
        }
        self.seen.store(latest, Ordering::Relaxed);
    }

    fn refresh_slot(&self, number: usize, slot: &Slot) -> io::Result<()> {
        let mut attempts = 0;
        loop {
            let version = self.board.read(1 + number);
            if version == 0 || slot.current.load().as_ref().is_some_and(|current| current.version == version)
            {
                return Ok(());
            }
            match self.folder.files.map(number, version) {
                Ok(data) => {
                    let file = match slot.source.kind {
                        FileKind::Text | FileKind::Compiled => {
                            ResolvedMap::open(data).map(PublishedFile::Map)
                        }
                        FileKind::Groups => GroupFile::open(data).map(PublishedFile::Groups),
                    };
                    let file = file.map_err(io::Error::other)?;
                    slot.current.store(Some(Arc::new(Published { version, file })));
                    return Ok(());
                }
                // The watcher has published the next one meanwhile, and taken this one away.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The version of a file that counts now; `None` where it was never good.
    pub fn current(&self, number: usize) -> Option<Arc<Published>> {
        self.slots.get(number)?.current.load_full()
    }

    /// What all maps have now.
    pub fn all_current(&self) -> impl Iterator<Item = Arc<Published>> {
        self.slots.iter().filter_map(|slot| slot.current.load_full())
    }

    /// The files that are published, each with its version (0: none yet) and what else is known of it.
    pub fn reports(&self) -> impl Iterator<Item = (&Source, u64, Report)> {
        let slots = self.slots.iter().enumerate();
        slots.map(|(number, slot)| (&slot.source, self.board.read(1 + number), self.report(number)))
    }

    fn report(&self, number: usize) -> Report {
        Report::read(&self.board, report_at(self.slots.len(), number))
    }

    /// For a child of httpd, which only reads.
    pub fn become_reader(&self) {
        self.board.only_read();
    }
}

/// Where on the board the report of a file is, of so many files.
fn report_at(files: usize, number: usize) -> usize {
    1 + files + number * report::WORDS
}

/// The bytes of a file's published form.
fn published_form(content: &Content, server: &Context) -> Result<Vec<u8>, SpecError> {
    match content {
        Content::Groups(groups) => Ok(groups.compile()),
        Content::Map(map) => map.resolved(server, |name| query::translate_range(server, name)),
    }
}

/// The folder with the published files, which goes with the configuration.
#[derive(Debug)]
struct Folder {
    files: SharedFolder,
    /// The process that made it, and takes it away.
    owner: u32,
}

/// The folder's parent in the run directory; the policy gives what httpd makes by this name a type of its own.
const NAME: &str = "mod_selinux";
/// That type.
const TYPE: &str = "mod_selinux_run_t";

impl Folder {
    fn new(runtime: &Path) -> io::Result<Folder> {
        let all = runtime.join(NAME);
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", all.display()));
        let group = process::children_group();
        make_folder(&all, group).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(at(error)),
        })?;
        if query::type_of(&all).as_deref() != Some(TYPE) {
            return Err(at(io::Error::other(format!(
                "it has not the type {TYPE}, and applications might write there: is the policy module installed, and is the run directory (DefaultRuntimeDir) httpd_var_run_t?"
            ))));
        }
        remove_leftovers(&all);
        let owner = std::process::id();
        for number in 0.. {
            let path = all.join(format!("{owner}.{number}"));
            match SharedFolder::create(path, group) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(at(error)),
                Ok(files) => return Ok(Folder { files, owner }),
            }
        }
        unreachable!("the numbers do not end")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Children that end let go of the configuration as well.
        if std::process::id() == self.owner {
            let path = self.files.path();
            let _ = fs::remove_dir_all(path);
            // Where another server has its files there too, it stays.
            let _ = path.parent().map(fs::remove_dir);
        }
    }
}

/// Takes away what servers left that were killed.
fn remove_leftovers(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.split('.').next()?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
