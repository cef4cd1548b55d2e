//! The watcher: a process beside httpd's children that takes changed files up.
//!
//! It is alone in parsing what may be anything: a fault in it costs no request, and httpd makes another.

use super::file::{Opened, Stamp};
use super::source::{NO_GROUP_FILE, SourceError};
use super::{ANY, Content, FileKind, Maps, Report, Source, Sources, published_form, report_at};
use crate::httpd::log;
use crate::httpd::process::Service;
use crate::httpd::shm::Writer;
use crate::selinux::contexts::ContextSet;
use mapping::{Context, SpecError};
use messages::{Code, Message};
use std::ffi::CStr;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How often files are looked at. A change counts after two looks, since a file may be half written.
const PERIOD: Duration = Duration::from_millis(200);

/// What the watcher is to do.
pub struct Watcher {
    maps: Arc<Maps>,
    /// Files, with the versions that were published when httpd started, and whether these are maps with lines for
    /// groups.
    files: Vec<(Source, Option<Stamp>, bool)>,
    /// The context of httpd.
    server: Context,
    /// Whether no context below httpd's range may be taken up (`Code::RangeAboveWorkers`).
    only_own_range: bool,
}

impl Watcher {
    /// One for the files of a configuration.
    pub fn new(maps: Arc<Maps>, sources: &Sources, server: Context, only_own_range: bool) -> Watcher {
        let files = sources.all().iter().map(|loaded| {
            let good = loaded.result.as_ref().and_then(|result| result.as_ref().ok());
            let asks = good.is_some_and(|(content, _)| content.asks_for_groups());
            (loaded.source.clone(), good.map(|(_, stamp)| *stamp), asks)
        });
        Watcher { maps, files: files.collect(), server, only_own_range }
    }
}

/// Why a changed file is not taken up.
#[derive(Debug, Error)]
enum ReloadError {
    /// It cannot be read, or is not good.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What it says cannot be done.
    #[error(transparent)]
    Refused(#[from] Message),
    /// A range in it has a name that stands for nothing.
    #[error("{path}: {error}", path = .path.display())]
    Unresolved { path: PathBuf, error: SpecError },
    /// It cannot be written for the children.
    #[error("{path}: {folder}: {error}", path = .path.display(), folder = .folder.display())]
    Unwritten { path: PathBuf, folder: PathBuf, error: io::Error },
}

fn each<E: Into<ReloadError>>(errors: Vec<E>) -> Vec<ReloadError> {
    errors.into_iter().map(E::into).collect()
}

/// The watcher at work.
struct Watch<'w> {
    watcher: &'w Watcher,
    writer: Writer,
    states: Vec<State>,
}

/// What is known of one file.
struct State {
    /// The version that counts.
    published: Option<Stamp>,
    /// A version that was seen, and may be half written.
    candidate: Option<Opened>,
    /// The version that was found bad, and what is wrong with it.
    bad: Option<(Stamp, String)>,
    /// Why the file could not even be opened, as the log has it.
    missing: Option<Message>,
    /// Whether it is a map with lines for groups.
    asks_for_groups: bool,
}

impl Service for Watcher {
    const NAME: &'static CStr = c"selinux-maps";

    fn run(&self, is_first: bool, is_orphan: impl Fn() -> bool) {
        let writer = match self.maps.board.writer() {
            Ok(writer) => writer,
            Err(error) => {
                let text = format!("changed maps cannot be taken up: {error}");
                return log::server(&Code::FilesNotPublished.message(text));
            }
        };
        let states = self.files.iter().map(|(_, stamp, asks_for_groups)| State {
            // What another watcher has published before it died, this one does not know.
            published: stamp.filter(|_| is_first),
            candidate: None,
            bad: None,
            missing: None,
            asks_for_groups: *asks_for_groups,
        });
        let mut watch = Watch { watcher: self, writer, states: states.collect() };
        loop {
            std::thread::sleep(PERIOD);
            if is_orphan() {
                return;
            }
            for number in 0..watch.states.len() {
                watch.look(number);
            }
        }
    }
}

impl Watch<'_> {
    /// Looks at a file, and takes it up if it has changed.
    fn look(&mut self, number: usize) {
        let source = &self.watcher.files[number].0;
        if source.kind == FileKind::Groups && !self.states.iter().any(|state| state.asks_for_groups) {
            return;
        }
        let state = &mut self.states[number];
        let opened = match Opened::new(&source.path) {
            Ok(opened) => opened,
            Err(error) => {
                let message = Code::FileMissing.message(format!("{error}: the last good version stays"));
                if state.missing.as_ref() != Some(&message) {
                    log::server(&message);
                    self.report_fault(number, &message.to_string());
                    self.states[number].missing = Some(message);
                }
                return;
            }
        };
        state.missing = None;
        let before = state.candidate.take();
        let fault = match &state.bad {
            Some((bad, fault)) if *bad == opened.stamp => Some(fault.clone()),
            _ => (state.published == Some(opened.stamp)).then(String::new),
        };
        if let Some(fault) = fault {
            return self.report_fault(number, &fault);
        }
        match before {
            // Whole: nobody has written to it since the last look. Where another file has its name now, it
            // counts until that one does.
            Some(before) if before.is_settled() => {
                if opened.stamp.is_elsewhere(&before.stamp) {
                    state.candidate = Some(opened);
                }
                self.take_up(number, before);
            }
            _ => state.candidate = Some(opened),
        }
    }

    fn take_up(&mut self, number: usize, opened: Opened) {
        let source = &self.watcher.files[number].0;
        let stamp = opened.stamp;
        let result = source.read(opened).map_err(each).and_then(|content| {
            self.check(number, &content)?;
            self.publish(number, &content).map_err(|error| vec![error])?;
            Ok(content)
        });
        let state = &mut self.states[number];
        match result {
            Ok(content) => {
                state.published = Some(stamp);
                state.bad = None;
                state.asks_for_groups = content.asks_for_groups();
                let text = format!("{source} has changed, and counts: {content}");
                log::server(&Code::FileReloaded.message(text));
            }
            Err(faults) => {
                for fault in &faults {
                    let text = format!("{fault}: the last good version stays");
                    log::server(&Code::BadFile.message(text));
                }
                let more = match faults.len() {
                    0 | 1 => String::new(),
                    count => format!(" (and {} more)", count - 1),
                };
                let first = faults.first().map(|fault| Code::BadFile.message(fault.to_string()).to_string());
                let text = format!("{}{more}", first.unwrap_or_default());
                self.report_fault(number, &text);
                self.states[number].bad = Some((stamp, text));
            }
        }
    }

    /// Has the status page say what is wrong with a file as it is now, if anything is.
    fn report_fault(&mut self, number: usize, fault: &str) {
        let before = self.watcher.maps.report(number);
        let report = before.with_fault(fault);
        if report != before {
            let at = report_at(self.states.len(), number);
            report.write(&self.watcher.maps.board, &mut self.writer, at);
        }
    }

    /// Whether all that the file says can be done.
    fn check(&mut self, number: usize, content: &Content) -> Result<(), Vec<ReloadError>> {
        let Watcher { files, server, only_own_range, .. } = self.watcher;
        let reachable = ContextSet::of(content.specs(&files[number].0), server).map_err(each)?;
        if let Some(reached) = reachable.below(server).filter(|_| *only_own_range) {
            let text = format!(
                "{}: {} is below httpd's range, and HTTP/2, or an ErrorLog that is no file, would not work there",
                reached.location, reached.context
            );
            return Err(vec![Code::RangeAboveWorkers.message(text).into()]);
        }
        reachable.probe(server).map_err(each)?;
        if content.asks_for_groups() { self.publish_groups() } else { Ok(()) }
    }

    /// Publishes the group files that no map has needed so far.
    fn publish_groups(&mut self) -> Result<(), Vec<ReloadError>> {
        let files = &self.watcher.files;
        let is_group_file = |number: &usize| files[*number].0.kind == FileKind::Groups;
        let group_files: Vec<_> = (0..files.len()).filter(is_group_file).collect();
        if group_files.is_empty() {
            return Err(vec![NO_GROUP_FILE.clone().into()]);
        }
        for number in group_files {
            if self.watcher.maps.board.read(1 + number) == 0 {
                let (content, stamp) = files[number].0.load().map_err(each)?;
                self.publish(number, &content).map_err(|error| vec![error])?;
                self.states[number].published = Some(stamp);
            }
        }
        Ok(())
    }

    /// Has a good file count.
    fn publish(&mut self, number: usize, content: &Content) -> Result<(), ReloadError> {
        let Watcher { maps, files, server, .. } = self.watcher;
        let path = &files[number].0.path;
        let bytes = published_form(content, server)
            .map_err(|error| ReloadError::Unresolved { path: path.clone(), error })?;
        let version = maps.board.read(1 + number) + 1;
        let folder = &maps.folder;
        folder.files.write(number, version, &bytes).map_err(|error| ReloadError::Unwritten {
            path: path.clone(),
            folder: folder.files.path().to_owned(),
            error,
        })?;
        self.writer.add(1 + number);
        self.writer.add(ANY);
        let at = report_at(files.len(), number);
        Report::good(content.lines()).write(&maps.board, &mut self.writer, at);
        // Whoever still looks for the one before finds no file, and asks the board again.
        folder.files.remove(number, version - 1);
        Ok(())
    }
}
