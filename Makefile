# mod_selinux: build, install, show, test.
#
#   make            builds the module, the tool selinux-map and selinux-broker
#   make install    installs the module where apxs says, the programs, unit, policy and samples (DESTDIR is understood)
#   make rpm        source and binary packages for Fedora and RHEL, below target/packages
#   make deb        the same for Debian: its binary package
#   make demo       shows who may do what, in a virtual machine that enforces SELinux
#   make test       all tests
#   make fedora     the end-to-end tests (ONLY="labels:: php::") in a guest whose policy decides as Fedora's does
#   make fuzz       fuzzes what reads maps, group files, specs and contexts (MINUTES=10)
#   make valgrind   memcheck and helgrind over a short run of httpd, in the virtual machine
#   make soak       REQUESTS=500000 of all kinds, with a graceful restart every minute, in the virtual machine
#   make kills      COUNT=500 of each kind of signal and restart, on each MPM
#   make screenshot docs/status.png anew: the status page in a browser, of an httpd in the virtual machine
#   make bench      httpd with the module and without, side by side (BENCH=quick: in minutes); see docs/benchmarks.md
#   make vm         a shell in that virtual machine
#   make clean

APXS ?= apxs
DATADIR ?= /usr/share/mod_selinux
BINDIR ?= /usr/bin
SBINDIR ?= /usr/sbin
UNITDIR ?= /usr/lib/systemd/system
MODDIR ?=
MANDIR ?= /usr/share/man
COMPLETIONDIR ?= /usr/share/bash-completion/completions
# As whom httpd runs, and where php-fpm is: Debian's names, or Fedora's and RHEL's.
DEBIAN := $(wildcard /etc/debian_version)
HTTPD_USER ?= $(if $(DEBIAN),www-data,apache)
PHP_FPM ?= $(or $(lastword $(wildcard /usr/sbin/php-fpm*)),/usr/sbin/php-fpm)
MINUTES ?= 10
CARGO_TARGET_DIR ?= target
REQUESTS ?= 500000
COUNT ?= 500
MODULE := $(CARGO_TARGET_DIR)/release/libmod_selinux.so
TOOL := $(CARGO_TARGET_DIR)/release/selinux-map
BROKER := $(CARGO_TARGET_DIR)/release/selinux-broker
# The tool's man pages and its bash completion, which it writes itself.
TOOL_DOC := $(CARGO_TARGET_DIR)/selinux-map

.PHONY: all build install rpm deb demo test fedora fuzz valgrind soak kills bench screenshot vm packages clean

all: build

# (Where APXS is not said, cargo is not told: it would build anew for those who ask it without make.)
build:
	$(if $(filter-out apxs,$(APXS)),APXS="$(APXS)") cargo build --release --locked
	rm -rf $(TOOL_DOC) && mkdir -p $(TOOL_DOC)/man $(TOOL_DOC)/completion
	$(TOOL) generate man $(TOOL_DOC)/man >/dev/null
	$(TOOL) generate completion $(TOOL_DOC)/completion >/dev/null

# Not built here: `sudo make install` would leave root's files in target/.
install:
	@test -f $(MODULE) || { echo "make install: run make first" >&2; exit 1; }
	install -D -m 755 $(MODULE) "$(DESTDIR)$(or $(MODDIR),$$($(APXS) -q LIBEXECDIR))/mod_selinux.so"
	install -d "$(DESTDIR)$(DATADIR)"
	install -m 644 conf/mod_selinux.conf conf/selinux.map conf/policy/mod_selinux.cil "$(DESTDIR)$(DATADIR)"
	install -D -m 755 $(TOOL) "$(DESTDIR)$(BINDIR)/selinux-map"
	install -D -m 755 $(BROKER) "$(DESTDIR)$(SBINDIR)/selinux-broker"
	install -D -m 644 -t "$(DESTDIR)$(UNITDIR)" conf/systemd/selinux-broker.service
	sed -i 's|^User=.*|User=$(HTTPD_USER)|; s|/usr/sbin/|$(SBINDIR)/|' \
		"$(DESTDIR)$(UNITDIR)/selinux-broker.service"
	install -d "$(DESTDIR)/etc/mod_selinux/apps"
	install -D -m 644 -t "$(DESTDIR)$(DATADIR)/apps" conf/apps/*
	sed -i 's|/usr/sbin/php-fpm"|$(PHP_FPM)"|' "$(DESTDIR)$(DATADIR)/apps/php.toml"
	install -D -m 644 -t "$(DESTDIR)$(MANDIR)/man1" $(TOOL_DOC)/man/*.1
	install -D -m 644 -t "$(DESTDIR)$(MANDIR)/man5" man/selinux-map.5
	install -D -m 644 -t "$(DESTDIR)$(MANDIR)/man8" man/selinux-broker.8
	install -D -m 644 -t "$(DESTDIR)$(COMPLETIONDIR)" $(TOOL_DOC)/completion/selinux-map

# From the vendored sources alone, as Fedora builds it; so it takes a while.
rpm:
	@packaging/rpm/build "$(CARGO_TARGET_DIR)/packages"

deb: build
	@packaging/debian/build "$(CARGO_TARGET_DIR)" "$(CARGO_TARGET_DIR)/packages"

packages:
	@vm/packages

demo: packages build
	@demo/run

test: packages
	@tests/run

# With a machine of its own, and longer than CI has time.
fedora: packages build
	MOD_SELINUX_VM="$${MOD_SELINUX_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/mod_selinux}/vm-fedora" \
		MOD_SELINUX_FLAVOR=fedora MOD_SELINUX_LIMIT=14400 cargo test --release --locked --test e2e $(if $(ONLY),-- $(ONLY))

fuzz: packages
	@fuzz/run $$((60 * $(MINUTES)))

valgrind: packages
	@checks/valgrind/run

# For hours: the limit is a day.
soak: packages build
	MOD_SELINUX_LIMIT=86400 MOD_SELINUX_REQUESTS=$(REQUESTS) cargo test --release --locked --test e2e soak:: -- --nocapture

kills: packages build
	MOD_SELINUX_LIMIT=86400 MOD_SELINUX_COUNT=$(COUNT) cargo test --release --locked --test e2e kills:: -- --nocapture

screenshot: packages build
	@checks/browser/run docs/status.png

bench: packages
	@bench/run

vm: packages
	@vm/boot && vm/ssh; vm/stop

clean:
	cargo clean
