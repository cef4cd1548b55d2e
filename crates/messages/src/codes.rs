//! The codes, by number: 1 to 99 for the server, from 101 on for single requests.

use super::level::Level;

/// What is known of a code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) number: u16,
    pub(super) level: Level,
    pub(super) meaning: &'static str,
    pub(super) remedy: &'static str,
    pub(super) refusal: Option<&'static str>,
}

macro_rules! codes {
    ($($name:ident = $number:literal {
        level: $level:ident,
        meaning: $meaning:literal,
        remedy: $remedy:literal,
        $(refusal: $refusal:literal,)?
    })*) => {
        /// What a message is about.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        /// All codes, by number.
        pub const ALL: &[Code] = &[$(Code::$name),*];

        impl Code {
            pub(super) const fn row(self) -> Row {
                match self {
                    $(Code::$name => Row {
                        number: $number,
                        level: Level::$level,
                        meaning: $meaning,
                        remedy: $remedy,
                        refusal: codes!(@refusal $($refusal)?),
                    },)*
                }
            }
        }
    };
    (@refusal) => { None };
    (@refusal $refusal:literal) => { Some($refusal) };
}

codes! {
    Internal = 1 {
        level: Error,
        meaning: "a fault in mod_selinux itself: the request was refused, or the start",
        remedy: "report it, with the line",
        refusal: "its place in the configuration, or the child, could not be made",
    }
    Started = 10 {
        level: Notice,
        meaning: "how many rules lead to how many contexts, and where httpd runs",
        remedy: "",
    }
    Permissive = 11 {
        level: Warning,
        meaning: "SELinux is permissive: nothing is refused",
        remedy: "`setenforce 1`",
    }
    SelinuxOff = 12 {
        level: Emergency,
        meaning: "SELinux is off or its state cannot be read, and there are rules: no start",
        remedy: "switch it on; mount `/sys/fs/selinux`; install the policy module; or `SELinuxRequired Off`",
    }
    Unconfined = 13 {
        level: Warning,
        meaning: "the same, and `SELinuxRequired` is off: every request is served unconfined",
        remedy: "",
    }
    KeepsServerType = 14 {
        level: Warning,
        meaning: "a rule keeps httpd's own type",
        remedy: "name one of the confined types",
    }
    CgidLoaded = 15 {
        level: Warning,
        meaning: "mod_cgid is loaded, and there are rules",
        remedy: "load mod_cgi",
    }
    ConnectionsNotKept = 16 {
        level: Warning,
        meaning: "`enablereuse` is not followed for a back end, since its server has rules",
        remedy: "",
    }
    WsgiEmbedded = 17 {
        level: Warning,
        meaning: "mod_wsgi may run Python in httpd itself: mapped requests to its scripts are refused",
        remedy: "see SEL0110",
    }
    UnreachedSection = 18 {
        level: Warning,
        meaning: "a rule is in a section by which no request is decided, as far as mod_selinux can tell: one that httpd comes to too late (`<Files>` in `<If>`, in `<Files>` or in `<Proxy>`), or another module's own (`<AuthzProviderAlias>`); no connections of back ends are kept then",
        remedy: "write it in the section around, or in one that is for the same requests",
    }
    FolderCategories = 19 {
        level: Warning,
        meaning: "by the loaded policy (Fedora, RHEL), what a request makes has its folder's categories, so that requests with categories make nothing in a folder without",
        remedy: "`docs/recipes/places.md`: folders for each context",
    }
    Interpreters = 20 {
        level: Notice,
        meaning: "which interpreters run pages of mapped requests in httpd (`SELinuxInterpreters shared`: level `warn`), or do not (`refuse`)",
        remedy: "",
    }
    BadServerDomain = 21 {
        level: Emergency,
        meaning: "`SELinuxServerDomain`: the spec leads to no context",
        remedy: "correct it",
    }
    ServerDomainRefused = 22 {
        level: Emergency,
        meaning: "httpd may not move to its server domain",
        remedy: "the message names the missing policy rule",
    }
    BadSpec = 23 {
        level: Emergency,
        meaning: "a rule's spec leads to no context",
        remedy: "correct it; is mcstransd running for a translated name?",
    }
    ContextRefused = 24 {
        level: Emergency,
        meaning: "a rule's context cannot be entered",
        remedy: "the message names the missing policy rule",
    }
    SocketLabel = 25 {
        level: Emergency,
        meaning: "sockets cannot be made at the low level of httpd's range",
        remedy: "the message says",
    }
    RangeAboveWorkers = 26 {
        level: Emergency,
        meaning: "httpd's range is above its workers', and HTTP/2, or an error log that is no file, would not work: no start",
        remedy: "let httpd run at `s0` (`SELinuxServerDomain *:s0`), or do without",
    }
    NoGroupFile = 27 {
        level: Emergency,
        meaning: "a map has lines for groups, and there is no `AuthGroupFile`: no start",
        remedy: "say which file has the groups",
    }
    BadGroupFile = 28 {
        level: Emergency,
        meaning: "the group file that a map needs cannot be used: no start",
        remedy: "the message says why",
    }
    BodiesUnreadable = 29 {
        level: Warning,
        meaning: "ModSecurity keeps long bodies where workers may not read them: mapped requests with such a body fail",
        remedy: "`SecTmpDir /tmp`",
    }
    Decision = 30 {
        level: Debug,
        meaning: "what was decided for a request: its tag, who asks, the rule, the context (`LogLevel selinux:debug`)",
        remedy: "",
    }
    PrivateTmpUnusable = 31 {
        level: Emergency,
        meaning: "the folder of `SELinuxPrivateTmp` does not keep contexts apart, or is missing: no start",
        remedy: "the message says",
    }
    BadApp = 32 {
        level: Emergency,
        meaning: "the file of an application cannot be used: no start",
        remedy: "the message says where and why; `selinux-broker --check` says it as well",
    }
    FileReloaded = 40 {
        level: Notice,
        meaning: "a changed map or group file was reloaded",
        remedy: "",
    }
    BadFile = 41 {
        level: Error,
        meaning: "a changed file is not good: the last good version still applies",
        remedy: "the message says where and why",
    }
    FileMissing = 42 {
        level: Error,
        meaning: "a file is gone or cannot be opened: the last good version still applies",
        remedy: "put it back; may httpd read it?",
    }
    FileNotOpened = 43 {
        level: Error,
        meaning: "a child could not open a new version of a file",
        remedy: "may children read the run directory (`DefaultRuntimeDir`)?",
    }
    FilesNotPublished = 44 {
        level: Error,
        meaning: "files cannot be published for the children: no start; or changed files are not reloaded",
        remedy: "the message says; the run directory must be `httpd_var_run_t`, and the policy module installed",
    }
    WatcherDied = 45 {
        level: Warning,
        meaning: "the process that reloads changed files (`selinux-maps`) has died, and another is made",
        remedy: "report it, if it comes again",
    }
    EnterFailed = 101 {
        level: Error,
        meaning: "the kernel refused the context at run time, or read back another: 500",
        remedy: "was the policy changed? restart httpd to have all contexts checked",
        refusal: "the kernel refused the context",
    }
    CgidScript = 103 {
        level: Error,
        meaning: "mod_cgid would have run the script: 500; of an SSI `exec`, the page has SSI's error text in its place",
        remedy: "load mod_cgi",
        refusal: "mod_cgid would run the script",
    }
    NoRule = 104 {
        level: Error,
        meaning: "no rule matches: 403",
        remedy: "add a rule, or `SELinuxUnmapped server`",
        refusal: "no rule matches",
    }
    BadValue = 105 {
        level: Error,
        meaning: "an environment rule's value is no domain: 500",
        remedy: "correct the value at its source",
        refusal: "a rule's value is no domain",
    }
    Moved = 106 {
        level: Error,
        meaning: "the request was moved to another place after its context was decided: 500",
        remedy: "report it, with the modules loaded",
        refusal: "it was moved past the decision",
    }
    Undecided = 107 {
        level: Error,
        meaning: "the request came to its handler without a decision: 500",
        remedy: "report it, with the modules loaded",
        refusal: "it came past the decision",
    }
    ProviderFailed = 108 {
        level: Error,
        meaning: "the provider of a `SELinuxDomain` failed: 500",
        remedy: "httpd's own message before it says why",
        refusal: "a provider failed",
    }
    NoPeerLabel = 109 {
        level: Error,
        meaning: "`SELinuxDomainPeer range`, and the client's connection has no label, or none with a range: 403",
        remedy: "the message says; `netlabelctl -p map list`",
        refusal: "the client's connection has no label",
    }
    WsgiScript = 110 {
        level: Error,
        meaning: "mod_wsgi would run the script, perhaps in httpd itself (\"embedded mode\"): 500",
        remedy: "have daemon processes, say `WSGIRestrictEmbedded On`, and do without `WSGIDispatchScript`",
        refusal: "mod_wsgi would run the script",
    }
    DbdConnection = 111 {
        level: Error,
        meaning: "a page asked for a connection that mod_dbd keeps (Lua's `r:dbacquire`), which the server or another context may have opened: it gets none",
        remedy: "`DBDPersist Off` in all servers, or `r:dbacquire` with a driver and parameters",
    }
    HtaccessWritable = 112 {
        level: Error,
        meaning: "an `.htaccess` of a type that pages may write (a domain that a rule leads to; where it is not root's alone, or a rule takes any domain, httpd's own type): a page may have written it, and httpd would run what it names unconfined: 403",
        remedy: "label it `httpd_sys_htaccess_t`, or otherwise so that pages may not write it; or `AllowOverride None`",
        refusal: "pages may write its .htaccess",
    }
    SharedInterpreter = 113 {
        level: Error,
        meaning: "mod_php, mod_perl or mod_lua would run the page in httpd itself, whose memory all contexts share: 500",
        remedy: "run it as CGI, or in a process of its context (php-fpm pools); `SELinuxInterpreters shared` where all mapped pages trust each other",
        refusal: "an interpreter that all contexts share would run it",
    }
    FcgidScript = 114 {
        level: Error,
        meaning: "mod_fcgid's manager would start the script outside of the confinement: 500",
        remedy: "mod_cgi, or mod_proxy_fcgi with pools",
        refusal: "mod_fcgid would run the script",
    }
    OthersRequests = 115 {
        level: Error,
        meaning: "the handler shows what other requests are about (`server-status`, `server-info`, `balancer-manager`, ...), and the request is mapped: 500",
        remedy: "serve it where no rule applies, or name it in `SELinuxServerHandler`",
        refusal: "its handler shows others' requests",
    }
    NestedPage = 116 {
        level: Error,
        meaning: "a page of one context would run inside a page of another (PHP's `virtual()`): 500",
        remedy: "have the client or a redirect ask for it; or one context for both",
        refusal: "it would run inside of another context's page",
    }
    ChosenHandler = 117 {
        level: Error,
        meaning: "a page has chosen the handler of a request in another context (SSI `exec cgi` of a file that is no script there): 500",
        remedy: "give the file a handler where it is",
        refusal: "a page of another context had chosen its handler",
    }
    HtaccessReadsFiles = 118 {
        level: Error,
        meaning: "an expression in an `.htaccess` has `file()`, `filesize()`, or a test for files (`-f` and its like), which httpd would carry out with its own privileges: 500",
        remedy: "write it in the server's configuration, or as a `RewriteCond`",
        refusal: "its .htaccess would have the server read files",
    }
    HtaccessRunsProgram = 119 {
        level: Error,
        meaning: "a line of an `.htaccess` would have the server run a program (`SessionCryptoPassphrase exec:`, `AuthLDAPBindPassword exec:`) or read files for a page (`MetaDir`, `MetaFiles`, `MetaSuffix`): 500",
        remedy: "write it in the server's configuration",
        refusal: "its .htaccess would have the server run a program or read files",
    }
    NoPrivateTmp = 120 {
        level: Error,
        meaning: "the request's context has no folder in that of `SELinuxPrivateTmp`, and none can be made: 500",
        remedy: "may httpd's user write there? is the disk full?",
        refusal: "no folder for its context's temporary files could be made",
    }
    NoPool = 121 {
        level: Error,
        meaning: "an application (`selinux-app:NAME`) has no processes in the request's context, and none can be had: 503, `Retry-After`",
        remedy: "the message says why; `systemctl status selinux-broker`",
        refusal: "its application has no processes in its context",
    }
    AppUnmapped = 122 {
        level: Error,
        meaning: "a request without a context of its own asks for an application (`selinux-app:NAME`): 500",
        remedy: "have a rule lead to a context there",
        refusal: "it asks for an application, and has no context of its own",
    }
    NoThread = 201 {
        level: Error,
        meaning: "no thread could be made: 503, `Retry-After`",
        remedy: "raise `TasksMax` or `LimitNPROC` of the unit",
        refusal: "no thread could be made",
    }
    NoHandler = 202 {
        level: Error,
        meaning: "no handler took the request: 500",
        remedy: "as httpd's AH00523",
        refusal: "no handler took it",
    }
    Suspended = 203 {
        level: Error,
        meaning: "a handler would have gone on later, unconfined: 500",
        remedy: "do not map that handler's requests",
        refusal: "its handler would go on unconfined",
    }
    WrongThread = 204 {
        level: Error,
        meaning: "a filter was called where it should not be",
        remedy: "report it",
    }
}
