//! Pages and scripts that tell where they run.

use super::Site;
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
  local file = assert(io.open("@MARKS@/" .. r.args, "w"))
  file:close()
  r:puts("ran")
  return apache2.OK
end
"#;

const MARK_CGI: &str =
    "#!/bin/sh\n: >\"@MARKS@/$QUERY_STRING\"\nprintf 'Content-Type: text/plain\\n\\nran'\n";

/// A page `mark.lua` and a script `mark.cgi` that leave a mark where they ran, in whatever context: a file below `marks`
/// that the query names.
pub fn leave_marks(site: &Site) {
    let marks = site.root().join("marks");
    let at = |text: &str| text.replace("@MARKS@", marks.to_str().unwrap());
    site.file("mark.lua", &at(MARK_LUA)).script("mark.cgi", &at(MARK_CGI)).writable("marks", "s0");
}

/// What is in the files below `marks`, by their names.
pub fn marks(site: &Site) -> Vec<(String, String)> {
    let files = fs::read_dir(site.root().join("marks")).unwrap().map(Result::unwrap);
    let mut marks: Vec<_> = files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap()))
        .collect();
    marks.sort();
    marks
}

/// Removes all marks.
pub fn forget_marks(site: &Site) {
    for (name, _) in marks(site) {
        fs::remove_file(site.root().join("marks").join(name)).unwrap();
    }
}
