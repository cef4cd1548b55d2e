# mod_selinux: build, install, show, test.
#
#   make            builds the module
#   make install    installs it where apxs says, with policy and samples (DESTDIR is understood)
#   make demo       shows who may do what, in a virtual machine that enforces SELinux
#   make test       all tests
#   make vm         a shell in that virtual machine
#   make clean

APXS ?= apxs
DATADIR ?= /usr/share/mod_selinux
MODULE := target/release/libmod_selinux.so

.PHONY: all build install demo test vm packages clean

all: build

build:
	APXS="$(APXS)" cargo build --release --locked

# Not built here: `sudo make install` would leave root's files in target/.
install:
	@test -f $(MODULE) || { echo "make install: run make first" >&2; exit 1; }
	install -D -m 755 $(MODULE) "$(DESTDIR)$$($(APXS) -q LIBEXECDIR)/mod_selinux.so"
	install -d "$(DESTDIR)$(DATADIR)"
	install -m 644 conf/mod_selinux.conf conf/selinux.map conf/policy/mod_selinux.cil "$(DESTDIR)$(DATADIR)"

packages:
	@tests/vm/packages

demo: packages build
	@tests/demo/run

test: packages
	@tests/run

vm: packages
	@tests/vm/boot && tests/vm/ssh; tests/vm/stop

clean:
	cargo clean
