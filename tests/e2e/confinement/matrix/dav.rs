//! mod_dav: what a user makes has the user's category, and others cannot get at it.

use super::raw;
use crate::support::{Site, distribution, run};

pub fn configuration() -> String {
    format!(
        "DavLockDB {}/lockdb\n<LocationMatch \"^/(own|his|off)/dav-\">\nDav On\n</LocationMatch>\n",
        distribution::dav_lock_folder()
    )
}

pub fn prepare(site: &Site) {
    site.writable("dav-own", distribution::range_of_folders("s0:c0")).writable("dav-off", "s0");
}

/// Method, path in the folder, header lines and body.
type Request = (&'static str, &'static str, &'static str, &'static str);

const LOCK: &str = "<?xml version=\"1.0\"?><D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype></D:lockinfo>";
const PATCH: &str = "<?xml version=\"1.0\"?><D:propertyupdate xmlns:D=\"DAV:\" xmlns:X=\"urn:x\"><D:set><D:prop>\
                     <X:whose>own's</X:whose></D:prop></D:set></D:propertyupdate>";

/// Sends a request to a folder of a place; gives status and text. `TO` is the folder's address, `TOKEN` the lock's.
fn send(place: &str, folder: &str, token: &str, request: Request) -> (u16, String) {
    let (method, path, headers, body) = request;
    let address = format!("/{place}/dav-{folder}");
    let headers = headers.replace("TO", &format!("http://localhost{address}")).replace("LOCK", token);
    let length = body.len();
    let text = format!(
        "{method} {address}/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    );
    let reply = raw::exchange(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    (reply.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), reply)
}

/// What a user does, and what httpd answers.
const STEPS: &[(Request, u16)] = &[
    (("PUT", "file.txt", "", "own's first"), 201),
    (("PUT", "file.txt", "", "own's second"), 204),
    (("GET", "file.txt", "", ""), 200),
    (("MKCOL", "folder", "", ""), 201),
    (("PUT", "folder/inner.txt", "", "own's inner"), 201),
    (("COPY", "file.txt", "Destination: TO/copy.txt\r\n", ""), 201),
    (("COPY", "folder/", "Destination: TO/folder2/\r\n", ""), 201),
    (("MOVE", "copy.txt", "Destination: TO/moved.txt\r\n", ""), 201),
    (("PROPPATCH", "file.txt", "Content-Type: text/xml\r\n", PATCH), 207),
    (("PROPFIND", "", "Depth: 1\r\n", ""), 207),
    (("PROPFIND", "file.txt", "Depth: 0\r\n", ""), 207),
    (("PUT", "gone.txt", "", "own's"), 201),
    (("DELETE", "gone.txt", "", ""), 204),
    (("LOCK", "file.txt", "Content-Type: text/xml\r\nTimeout: Second-600\r\n", LOCK), 200),
    (("PUT", "file.txt", "", "without the lock's token"), 423),
    (("PUT", "file.txt", "If: (<LOCK>)\r\n", "own's third"), 204),
    (("UNLOCK", "file.txt", "Lock-Token: <LOCK>\r\n", ""), 204),
];

/// What others try with what is own's.
const ATTEMPTS: &[Request] = &[
    ("GET", "file.txt", "", ""),
    ("PUT", "file.txt", "", "other's"),
    ("DELETE", "file.txt", "", ""),
    ("MOVE", "file.txt", "Destination: TO/stolen.txt\r\n", ""),
    ("COPY", "file.txt", "Destination: TO/stolen.txt\r\n", ""),
    ("PUT", "folder/more.txt", "", "other's"),
    ("DELETE", "folder/", "", ""),
    ("PROPFIND", "folder/", "Depth: 1\r\n", ""),
    ("PROPPATCH", "moved.txt", "Content-Type: text/xml\r\n", PATCH),
];

/// Names, labels and contents of a folder.
fn state(site: &Site, folder: &str) -> String {
    let folder = site.root().join(folder);
    let list = "find . -mindepth 1 | sort | xargs stat -c '%n %C'; find . -type f -not -path './.DAV/*' | sort | xargs cat";
    run("sh", &["-c", &format!("cd {}\n{list}", folder.display())])
}

pub fn files_have_their_makers_category(site: &Site) {
    for place in ["own", "off"] {
        let mut token = String::new();
        for (request, expected) in STEPS {
            let (status, text) = send(place, place, &token, *request);
            assert_eq!(status, *expected, "{place} {request:?} {text}");
            if let Some(lock) = text.lines().find_map(|line| line.strip_prefix("Lock-Token: <")) {
                token = lock.trim_end_matches('>').to_owned();
            }
        }
    }
    let made = state(site, "dav-own");
    let labels: Vec<_> = made.lines().filter(|line| line.starts_with("./")).collect();
    assert!(labels.len() == 8 && labels.iter().all(|line| line.ends_with("_t:s0:c0")), "{made}");
    // By httpd itself, the same without a category.
    assert_eq!(made.replace(":s0:c0\n", ":s0\n"), state(site, "dav-off"));
    // What is in the collection keeps others off by itself.
    site.relabel("dav-own", "httpd_sys_rw_content_t", "s0");
    for attempt in ATTEMPTS {
        let (status, text) = send("his", "own", "", *attempt);
        // Of what it cannot read, PROPFIND breaks the connection off, and PROPPATCH says so in its text.
        assert!(status >= 400 || status == 0 || text.contains("HTTP/1.1 500"), "{attempt:?} {text}");
        assert!(!text.contains("own's"), "{attempt:?} {text}");
    }
    assert_eq!(state(site, "dav-own"), made);
}
