//! Static files, folders, and what is negotiated.

use super::{Row, Witness, private, row};
use crate::support::{Mpm, Site, run};
use std::fs::{File, hard_link};
use std::os::unix::fs::FileExt as _;

pub const CONFIGURATION: &str = "
AddHandler type-map .var
AddHandler send-as-is .asis
AddLanguage en .en
AddLanguage de .de
DirectoryIndex index.html
EnableSendfile On
<FilesMatch \"^read-\">
    EnableSendfile Off
    EnableMMAP Off
</FilesMatch>
<FilesMatch \"^map-\">
    EnableSendfile Off
</FilesMatch>
<LocationMatch \"/views/\">
    Options +MultiViews
</LocationMatch>
UserDir @ROOT@/homes
";

/// How a file's bytes get to the client: sendfile, a mapping, reads.
const SENT: [&str; 3] = ["send", "map", "read"];

/// A byte more than 31 bits count, and then the text "own's".
const FAR: u64 = 1 << 31;

pub fn prepare(site: &Site) {
    let middling = "own's ".repeat(20_000);
    for way in SENT {
        site.file_at("s0:c0", &format!("{way}-file.txt"), &middling);
    }
    site.file_at("s0:c0", "send-big.bin", "");
    let big = site.root().join("send-big.bin");
    File::options().write(true).open(&big).unwrap().write_all_at(b"own's", FAR).unwrap();
    for way in &SENT[1..] {
        hard_link(&big, site.root().join(format!("{way}-big.bin"))).unwrap();
    }
    site.file_at("s0:c0", "index/index.html", "own's index")
        .file("list/entry.txt", "")
        .file("views/page.html.de", "jemandes")
        .file_at("s0:c0", "views/page.html.en", "own's page")
        .file_at(
            "s0:c0",
            "body.var",
            "Content-language: en\nContent-type: text/plain\nBody:----end----\nown's body\n----end----\n",
        )
        .file_at("s0:c0", "map.var", "URI: own.txt\nContent-type: text/plain\n")
        .file("elsewhere.var", "URI: ../errors/who.lua\nContent-type: text/plain\n")
        .file_at("s0:c0", "as.asis", "Status: 203 As it is\nX-Own: own's\n\nown's")
        .relabel("list", "httpd_sys_content_t", "s0:c0");
    site.file_at("s0:c0", "homes/own/home.txt", "own's home");
    for name in ["own.txt", "homes/own/home.txt"] {
        run("touch", &["-d", "2020-01-01", site.root().join(name).to_str().unwrap()]);
    }
    for name in ["his", "off"] {
        run(
            "cp",
            &[
                "-a",
                site.root().join("homes/own").to_str().unwrap(),
                site.root().join(format!("homes/{name}")).to_str().unwrap(),
            ],
        );
    }
}

pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        private("own.txt"),
        row("HEAD /@/own.txt", 200, Witness::File(403)),
        row("GET /@/own.txt\nRange: bytes=2-6", 206, Witness::File(403)),
        row("GET /@/own.txt\nRange: bytes=0-1,4-", 206, Witness::File(403)),
        row("GET /@/own.txt\nRange: bytes=999-", 416, Witness::File(403)),
        row("GET /@/own.txt\nIf-None-Match: *", 304, Witness::File(403)),
        row("GET /@/own.txt\nIf-Match: \"none\"", 412, Witness::File(403)),
        row("GET /@/own.txt\nIf-Modified-Since: Wed, 01 Jan 2025 00:00:00 GMT", 304, Witness::File(403)),
        row("GET /@/own.txt\nIf-Unmodified-Since: Tue, 01 Jan 2019 00:00:00 GMT", 412, Witness::File(403)),
        row("GET /~@/home.txt", 200, Witness::File(403)),
        private("index/"),
        private("list/"),
        row("GET /@/views/page\nAccept-Language: en", 200, Witness::File(403)),
        row("GET /@/views/page.html\nAccept-Language: en", 200, Witness::File(403)),
        private("body.var"),
        private("map.var"),
        row("GET /@/as.asis", 203, Witness::File(403)),
    ];
    for way in SENT {
        rows.push(private(&format!("{way}-file.txt")));
        rows.push(row(format!("HEAD /@/{way}-big.bin"), 200, Witness::File(403)));
        rows.push(row(format!("GET /@/{way}-big.bin\nRange: bytes={}-", FAR - 3), 206, Witness::File(403)));
    }
    rows.push(row("GET /@/elsewhere.var", 200, Witness::Staff));
    rows
}

/// A file of more than 31 bits of bytes, whole.
pub fn two_gigabytes(mpm: Mpm) {
    let way = if mpm == Mpm::Event { "send" } else { "read" };
    let url = format!("http://127.0.0.1/own/{way}-big.bin");
    let told = run("curl", &["-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", &url]);
    assert_eq!(told, format!("200 {}", FAR + 5), "{mpm:?}");
}
