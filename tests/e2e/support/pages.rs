//! Pages and scripts that tell where they run.

use super::{Site, label};
use std::fs;

/// Prints the kernel's word on the context of whoever runs it: the label of a socket it makes (`SO_PEERSEC`). A
/// confined process may open nothing under `/proc`, not even its own `attr/current`.
pub const PRINT_CONTEXT: &str =
    "exec perl -e 'socketpair $a, $b, 1, 1, 0; print unpack q(Z*), getsockopt $a, 1, 31'";

/// A Lua page that prints the kernel's word on the thread it runs on: a child that it starts has the thread's
/// context.
pub const CONTEXT_LUA: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  local pipe = assert(io.popen([[exec perl -e 'socketpair $a, $b, 1, 1, 0; print unpack q(Z*), getsockopt $a, 1, 31']]))
  r:puts(pipe:read("*a"))
  pipe:close()
  return apache2.OK
end
"#;

/// A CGI script that prints the kernel's word on its own context.
pub const CONTEXT_CGI: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n\
    exec perl -e 'socketpair $a, $b, 1, 1, 0; print unpack q(Z*), getsockopt $a, 1, 31'\n";

/// Lua: a function `who()` that tells which files `NAME.txt` of the site it can read, of these names, with blanks between
/// them. Where each is of a context of its own, that is the kernel's word on where it runs.
pub fn who(site: &Site, names: &[&str]) -> String {
    let root = site.root().display();
    let names = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    format!(
        r#"
function who()
  local names = {{}}
  for _, name in ipairs({{{names}}}) do
    local file = io.open("{root}/" .. name .. ".txt")
    if file then
      names[#names + 1] = name
      file:close()
    end
  end
  return table.concat(names, " ")
end
"#
    )
}

/// A Lua page that answers with that.
pub fn who_page(site: &Site, names: &[&str]) -> String {
    let page =
        "function handle(r)\n  r.content_type = 'text/plain'\n  r:puts(who())\n  return apache2.OK\nend\n";
    who(site, names) + page
}

const MARK_LUA: &str = r#"
function handle(r)
  local file, reason
  for folder in ("@FOLDERS@"):gmatch("%S+") do
    if not file then file, reason = io.open(folder .. "/" .. r.args, "w") end
  end
  assert(file, reason):close()
  r:puts("ran")
  return apache2.OK
end
"#;

const MARK_CGI: &str = "#!/bin/sh\n\
    for folder in @FOLDERS@; do true >\"$folder/$QUERY_STRING\" && ran=ran && break; done 2>/dev/null\n\
    [ \"$ran\" ] && printf 'Content-Type: text/plain\\n\\nran'\n";

/// The categories that those who leave marks may have.
const MARKERS: [&str; 8] = ["c0", "c1", "c2", "c3", "c9", "c10", "c11", "c12"];

/// A page `mark.lua` and a script `mark.cgi` that leave a mark where they ran, in whatever context: a file below `marks`
/// that the query names.
pub fn leave_marks(site: &Site) {
    // The folder for all comes first: what has no category leaves its mark there. So does everything else on Debian; where
    // new files get their folder's range, that is refused to what has a category, which then gets to its own folder alone.
    site.writable("marks", "s0");
    let mut folders = site.root().join("marks").display().to_string();
    for category in MARKERS {
        site.writable(&format!("marks/{category}"), &format!("s0:{category}"));
        folders += &format!(" {}/marks/{category}", site.root().display());
    }
    let at = |text: &str| text.replace("@FOLDERS@", &folders);
    site.file("mark.lua", &at(MARK_LUA)).script("mark.cgi", &at(MARK_CGI));
}

/// What has run somewhere, and left a file below `marks`.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LeftMark {
    pub name: String,
    /// Of the file, and so of who made it.
    pub range: String,
    pub text: String,
}

/// The marks since the last look, sorted by their names.
pub fn take_marks(site: &Site) -> Vec<LeftMark> {
    let mut folders = vec![site.root().join("marks")];
    let mut marks = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            marks.push(LeftMark {
                name: path.file_name().unwrap().to_str().unwrap().to_owned(),
                range: label(&path).splitn(4, ':').nth(3).unwrap().to_owned(),
                text: fs::read_to_string(&path).unwrap(),
            });
            fs::remove_file(&path).unwrap();
        }
    }
    marks.sort();
    marks
}

/// The names of the marks since the last look, sorted.
pub fn take_mark_names(site: &Site) -> Vec<String> {
    take_marks(site).into_iter().map(|mark| mark.name).collect()
}
