# imgpipe: GNU make.  What is built lies in $B.  `make help` prints this:
#: all                        the tools, into $B/bin
#: check                      the tests, a sample of the long ones: two to nine minutes;
#:                            one: T=tests/x.t; J=N at once
#: check-long                 those of which check has a sample, whole, with the
#:                            servers they need; half an hour
#: check-s3                   all that speaks S3, whole, with those servers
#: check-s3-kill check-kill   killed at random, on S3 and as a whole run; minutes
#: check-notices              runs killed, and what the admins hear; half an hour
#: check-cut-short            processes killed, memory refused, files unreadable,
#:                            at each point; twenty minutes
#: check-driver               10,000 dry runs, 1,000 under SIGTERM; an hour
#: check-engines              runs in shards on Slurm and over ssh, with nodes,
#:                            controller and driver killed; half an hour
#: check-s3-large             6 GB and 50 GB objects; minutes, 26 GB of disk
#: check-db                   the record keeping: every order of its steps, and
#:                            all by HTTP; minutes
#: check-dicom                every sample before four judges; minutes
#: check-aws                  the state machine executed by what npm fetches
#: check-axe                  the pages by axe-core, fetched by npm, in Chromium
#: check-lists                letters through a list of Mailman 3, fetched by apt
#: asan                       the tests under ASan and UBSan
#: fuzz-NAME                  libFuzzer on tests/fuzz/NAME.c; FUZZ_SECONDS=60
#: fuzz-deflate-streams       whole streams, good and damaged; STREAMS=1000000
#: bench                      those with peers, small, as one table and one plot;
#:                            some minutes
#: bench-NAME                 tests/bench/NAME beside its peers; ROUNDS=3
#: dist                       a source tarball that builds without git, in $B/deb
#: deb                        the packages imgpipe and imgpipe-doc, in $B/deb
#: check-deb                  they are installed in a clean Debian 12, brought to a
#:                            nightly run as imgpipe-operator(7) says, and purged
#: install uninstall          PREFIX=/usr/local DESTDIR=
#: clean

VERSION	:= $(shell scripts/deb/version)
PREFIX	?= /usr/local
BINDIR	= $(PREFIX)/bin
LIBEXECDIR = $(PREFIX)/libexec/imgpipe
DATADIR	= $(PREFIX)/share/imgpipe
UNITDIR	= $(PREFIX)/lib/systemd/system
USERDIR	= $(PREFIX)/lib/sysusers.d
MANDIR	= $(PREFIX)/share/man
# Where shells look for completions; of Debian's zsh below /usr.
BASHDIR	= $(PREFIX)/share/bash-completion/completions
FISHDIR	= $(PREFIX)/share/fish/vendor_completions.d
ZSHDIR	= $(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
B	?= .build
T	?= tests
# Three more than processors: tests wait for servers and locks.
J	?= $(shell expr 3 + $$(nproc 2>/dev/null || echo 2))

CC	?= cc
CXX	?= c++
PKG_CONFIG ?= pkg-config

# --- who links what -------------------------------------------------------
# A tool's packages, beyond what every job line needs.  libcurl is opened only where it
# is called: net/libcurl.c.
PKGS			= libcjson
imgp-lookup_PKGS	= libpq libcrypto
imgp-record_PKGS	= libpq libcrypto
imgp-api_PKGS		= libpq libcrypto
imgp-s3cp_PKGS		= libcrypto expat
imgp-dcmscan_PKGS	= zlib libisal
imgp-stamp_PKGS		= libcrypto zlib libisal dcmtk
imgp-notify_PKGS	= libpq libcrypto expat
imgp-digest_PKGS	= libpq libcrypto expat
imgp-status_PKGS	= libpq libcrypto expat
imgp-verify_PKGS	= libpq libcrypto expat zlib libisal
imgp-pipeline_PKGS	= libpq libcrypto
imgp-prune_PKGS		= libpq libcrypto expat
imgp-queue_PKGS		= libcrypto expat
imgp-explain_PKGS	= libpq libcrypto expat
imgp-doctor_PKGS	= libpq libcrypto expat zlib libisal
imgp-supervise_PKGS	=
imgp-stages_PKGS	= libpq libcrypto expat
imgp-extra_PKGS		= libcrypto zlib libisal
imgp-tally_PKGS		=
imgp-tell_PKGS		= libpq libcrypto expat
imgp-machine_PKGS	=
imgp-engine-batch_PKGS	= libcrypto expat
# What else belongs to a tool: files of cmd/.
imgp-s3cp_OBJS		= s3cp_jobs s3cp_object s3cp_say s3cp_tree
imgp-supervise_OBJS	= supervise_engine supervise_watch
imgp-engine-batch_OBJS	= engine_batch_shard
# Tools whose library part has C++ in it.
CXX_TOOLS		= imgp-stamp
# Programs that only scripts start.
LIBEXEC_TOOLS		= imgp-doctor imgp-engine-batch imgp-explain imgp-extra imgp-machine imgp-stages \
			  imgp-supervise imgp-tally imgp-tell
# Tools that imgp-stages holds beside being programs of their own.
STAGES			= imgp-lookup imgp-notify imgp-record imgp-s3cp imgp-tally

# --- what there is --------------------------------------------------------
TOOLS	= $(patsubst cmd/%.c,%,$(wildcard cmd/imgp.c cmd/imgp-*.c))
MODULES	= $(patsubst libimgpipe/%,%,$(wildcard libimgpipe/*/*.c libimgpipe/*/*.cc))
OBJS	= $(patsubst %,$B/lib/%.o,$(basename $(MODULES))) $B/lib/base/err_table.o
SCRIPTS	= $(filter-out %/aws %/systemd %/deb %/Containerfile,$(wildcard scripts/*))
MAN	= $(wildcard man/*.[1-8])
UNITS	= $(wildcard scripts/systemd/imgpipe-*.service scripts/systemd/*.timer)
# Test programs: tests/c/x.c is linked with the library and what it asks for
# by a line "/* PKGS: a b */".
CTESTS	= $(patsubst tests/c/%.c,$B/tests/%,$(wildcard tests/c/*.c))

# Fuzz targets that the tests run on changed seeds: tests/fuzz.t.
FUZZED	= dicom ini json names zip tar gunzip prov stamp respell

# --- flags, each used only where the compiler takes it --------------------
WARN	= -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
	  -Wmissing-prototypes -Wpointer-arith -Wwrite-strings
CXXWARN	= -Wall -Wextra -Wconversion -Wshadow
HARDEN_WANTED = -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	  -fstack-clash-protection -fcf-protection=full \
	  -ftrivial-auto-var-init=zero -fno-delete-null-pointer-checks \
	  -fno-strict-overflow -fno-strict-aliasing -fexceptions -fPIE
LDHARDEN_WANTED = -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack \
	  -Wl,-z,nodlopen -Wl,--as-needed
OPT	?= -O2 -g
SAN	?=

takes	= $(shell printf 'int main(void){return 0;}' | $(CC) $(1) -O2 -Werror \
	  -x c - -o /dev/null 2>/dev/null && printf '%s' '$(1)')
# Probed once per compiler and kept in a file: a probe costs a compiler start.
ifeq ($(filter clean uninstall help,$(MAKECMDGOALS)),)
PROBED	:= $B/probed-$(notdir $(firstword $(CC))).mk
ifeq ($(wildcard $(PROBED)),)
$(shell mkdir -p $B; { \
  printf 'HARDEN =%s\n' '$(foreach f,$(HARDEN_WANTED), $(call takes,$f))'; \
  printf 'LDHARDEN =%s\n' '$(foreach f,$(LDHARDEN_WANTED), $(call takes,$f))'; \
  } >$(PROBED))
endif
include $(PROBED)
# Written anew only where it changed; few files include it.
$(shell mkdir -p $B/gen/libimgpipe/base; h='\043define IMGP_VERSION "$(VERSION)"\n'; \
  printf "$$h" | cmp -s - $B/gen/libimgpipe/base/version.h || printf "$$h" >$B/gen/libimgpipe/base/version.h)
endif

CPPFLAGS += -I. -I$B/gen -D_GNU_SOURCE
CFLAGS	+= -std=c11 $(OPT) $(WARN) $(if $(SAN),$(filter-out -D_FORTIFY%,$(HARDEN)),$(HARDEN)) $(SAN)
CXXFLAGS += -std=c++17 $(OPT) $(CXXWARN) -D_GLIBCXX_ASSERTIONS \
	  $(if $(SAN),$(filter-out -D_FORTIFY%,$(HARDEN)),$(HARDEN)) $(SAN)
LDFLAGS	+= $(LDHARDEN) $(SAN)

# DCMTK's .pc file (3.6.7) names every library it has; only these are wanted.
DCMTK_LIBS = -ldcmdata -lstdc++ -lofstd -loflog
libs	= $(if $(filter dcmtk,$(1)),$(DCMTK_LIBS)) \
	  $(shell $(PKG_CONFIG) --libs $(filter-out dcmtk,$(PKGS) $(1))) -lpthread

# --- rules ----------------------------------------------------------------
.PHONY: all bench dist deb check-deb check check-aws check-axe check-lists check-engines check-db check-dicom check-long check-s3 check-s3-kill check-s3-large check-kill check-driver check-notices check-cut-short asan install uninstall clean help
.DELETE_ON_ERROR:
all: $(addprefix $B/bin/,$(TOOLS) $(notdir $(SCRIPTS))) $B/completions/made

$B/gen/err_codes.h: libimgpipe/base/errors.tsv Makefile
	@mkdir -p $(@D)
	awk -F'\t' '/^IMGP-/ { id = substr($$1, 6); gsub(/-/, "_", id); \
	  printf "#define IMGP_E_%s \"%s\"\n", id, $$1 }' $< >$@
$B/gen/err_table.c: libimgpipe/base/errors.tsv Makefile
	@mkdir -p $(@D)
	awk -F'\t' 'BEGIN { print "#include \"libimgpipe/base/err_priv.h\"\n" \
	  "const struct imgp_error imgp_error_table[] = {" } \
	  /^IMGP-/ { gsub(/["\\]/, "\\\\&"); \
	  printf "\t{ \"%s\", \"%s\", IMGP_OWNER_%s, %d,\n\t  \"%s\",\n\t  \"%s\" },\n", \
	  $$1, $$2, $$3 == "-" ? "NONE" : toupper($$3), $$4 == "yes", $$5, $$6 } \
	  END { print "\t{ 0, 0, IMGP_OWNER_NONE, 0, 0, 0 }\n};" }' $< >$@

$B/lib/base/err_table.o: $B/gen/err_table.c $B/gen/err_codes.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$B/lib/%.o: libimgpipe/%.c | $B/gen/err_codes.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$B/lib/%.o: libimgpipe/%.cc | $B/gen/err_codes.h
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<
# The one module that sees libpq's header, which lies in a directory of its own.
$B/lib/record/db.o: CPPFLAGS += $(shell $(PKG_CONFIG) --cflags libpq)
$B/cmd/%.o: cmd/%.c | $B/gen/err_codes.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$B/libimgpipe.a: $(OBJS)
	rm -f $@
	ar rcs $@ $^

objs	= $(patsubst %,$B/cmd/%.o,$($(1)_OBJS))
$(foreach t,$(TOOLS),$(eval $B/bin/$t: $(call objs,$t)))
$(addprefix $B/bin/,$(filter-out imgp-stages,$(TOOLS))): $B/bin/%: $B/cmd/%.o $B/libimgpipe.a
	@mkdir -p $(@D)
	$(if $(filter $*,$(CXX_TOOLS)),$(CXX),$(CC)) $(LDFLAGS) -o $@ $< $(call objs,$*) $B/libimgpipe.a \
	  $(call libs,$($*_PKGS))
# main() of each is imgp_lookup_main() and so on.
$B/stages/imgp-%.o: $B/cmd/imgp-%.o
	@mkdir -p $(@D)
	objcopy --redefine-sym main=imgp_$*_main $< $@
$B/bin/imgp-stages: $B/cmd/imgp-stages.o $(patsubst %,$B/stages/%.o,$(STAGES)) \
    $(foreach t,$(STAGES),$(call objs,$t)) $B/libimgpipe.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(call libs,$(imgp-stages_PKGS))
$(addprefix $B/bin/,$(notdir $(SCRIPTS))): $B/bin/%: scripts/%
	@mkdir -p $(@D)
	install -m 755 $< $@

# What shells complete, from the tables of --help.
COMPLETED = $(filter-out $(LIBEXEC_TOOLS),$(TOOLS)) imgp-run
$B/completions/made: $(addprefix $B/bin/,$(TOOLS) imgp-run)
	rm -rf $(@D)
	mkdir -p $(@D)/bash $(@D)/zsh $(@D)/fish
	for t in $(COMPLETED); do for s in bash/$$t zsh/_$$t fish/$$t.fish; do \
	  $B/bin/$$t --completion $${s%%/*} >$(@D)/$$s || exit 1; done; done
	touch $@

$B/tests/%: tests/c/%.c $B/libimgpipe.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(shell sed -n 's,^/\* PKGS:.*libpq.*,-I,p' $< | \
	  grep -q . && $(PKG_CONFIG) --cflags libpq) $(CFLAGS) -MMD -MP -c -o $@.o $<
	$(CXX) $(LDFLAGS) -o $@ $@.o $B/libimgpipe.a \
	  $(call libs,$(shell sed -n 's,^/\* PKGS: \(.*\) \*/,\1,p' $<))

$(addprefix $B/tests/fuzz-,$(FUZZED)): $B/tests/fuzz-%: tests/fuzz/%.c \
    tests/fuzz/drive.c tests/fuzz/fuzz.h $B/libimgpipe.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@.o $<
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@-drive.o tests/fuzz/drive.c
	$(CXX) $(LDFLAGS) -o $@ $@.o $@-drive.o $B/libimgpipe.a \
	  $(call libs,$(shell sed -n 's,^/\* PKGS: \(.*\) \*/,\1,p' $<))

# What many tests start from.
FIXTURES = $B/tests/fixtures/made
$(FIXTURES): tests/lib/fixtures tests/lib/hostile.py scripts/pg scripts/load-sql scripts/sample-uploads \
    libimgpipe/base/errors.tsv $(wildcard sql/*.sql /usr/lib/postgresql/*/bin/initdb)
	tests/lib/fixtures $(abspath $(@D))
	touch $@

# A test that hangs is a failure, not a wait; but some start a thousand processes,
# which a busy machine may be slow at.
TEST_SECONDS ?= 900
PROVE	= prove -j$J -e 'timeout -k 9 $(TEST_SECONDS)' $(PROVEFLAGS)
# The longest first, so that none of them goes on when all others are done.
LONGEST	= $(patsubst %,tests/%.t,style notices s3-rgw io-words engine-batch load-sql \
	  imgp-run-kill imgp-run-signal schemas imgp-verify engines-equal s3-kill \
	  engine-ssh engine-slurm explain imgp-stamp)
TESTS	= $(LONGEST) $(filter-out $(LONGEST),$(wildcard tests/*.t))
check: all $(FIXTURES) $(CTESTS) $(addprefix $B/tests/fuzz-,$(FUZZED))
	BUILD=$(abspath $B) $(PROVE) $(if $(filter tests,$(T)),$(TESTS),$(T))
# What check has a sample of, or nothing, whole: none is skipped.  Who asks is_long
# has a sample; the longest first.
LONG_FIRST = $(patsubst %,tests/%.t,s3-sweep imgp-digest s3-kill pooler s3-swift engines \
	  engine-batch imgp-run-kill engine-kill s3-faults db-faults imgp-prune completion)
LONG_TESTS = $(LONG_FIRST) $(filter-out $(LONG_FIRST), \
	  $(sort $(shell grep -lE '\b(is_long|long_only|few|LONG)\b' tests/*.t) tests/db-faults-http.t))
# The longest goes on for ten minutes when it has a processor for itself.
check-long: TEST_SECONDS = 3600
check-long: all $(FIXTURES) $(CTESTS) $(addprefix $B/tests/fuzz-,$(FUZZED))
	scripts/setup s3
	LONG=1 S3_REQUIRED=1 BUILD=$(abspath $B) $(PROVE) $(LONG_TESTS)
# All that speaks S3, with the servers that it needs installed: none is skipped.
check-s3: all $(FIXTURES) $(CTESTS)
	scripts/setup s3
	LONG=1 S3_REQUIRED=1 BUILD=$(abspath $B) $(PROVE) $(wildcard tests/s3*.t) \
	  tests/sigv4.t tests/cred.t
# Killed at random on Ceph's gateway and on Swift, a hundred times in each of an
# upload, a copy and a copy in parts; about half an hour.
check-s3-kill: all
	LONG=1 S3_REQUIRED=1 KILLS=$${KILLS:-100} BUILD=$(abspath $B) prove -v tests/s3-kill.t
# Each process of a run killed, and thirty whole runs at random moments; minutes.  With
# SERVER=rgw on Ceph's gateway, with EACH=16 so many uploads at once.
check-kill: all $(FIXTURES)
	LONG=1 KILLS=$${KILLS:-30} BUILD=$(abspath $B) prove -v tests/imgp-run-kill.t
# A hundred runs of --pending that fail, and a hundred runs by libpq and by HTTP
# each, killed in their last third; half an hour.
check-notices: all $(FIXTURES)
	RUNS=$${RUNS:-100} POINTS=$${POINTS:-100} BUILD=$(abspath $B) \
	  prove -v tests/notices.t
# Reading processes killed at each of their system calls, each allocation refused, each
# call to a file failing; some twenty minutes.
check-cut-short: all $(FIXTURES) $(CTESTS)
	POINTS=$${POINTS:-100000} BUILD=$(abspath $B) prove -v tests/cut-short.t tests/io-words.t
# Ten thousand dry runs, a thousand of them under SIGTERM; an hour.
check-driver: all $(FIXTURES)
	LONG=1 RUNS=$${RUNS:-10000} BUILD=$(abspath $B) prove -v tests/imgp-run-signal.t
# Runs in shards on four nodes of Slurm's, over ssh, and by the state machine; a node, the
# controller, a worker and the driver killed at random KILLS times each, a minute each
# time.
check-engines: all $(FIXTURES)
	scripts/setup engines
	LONG=1 ALL=1 KILLS=$${KILLS:-3} BUILD=$(abspath $B) prove -v tests/engines*.t \
	  tests/engine-*.t
# 6 GB up, copied and down on Ceph's gateway, 50 GB to a service that keeps
# nothing; on 26 GB of disk below TMPDIR, some minutes.
check-s3-large: all
	S3_REQUIRED=1 MIB=$${MIB:-6144} SINK_MIB=$${SINK_MIB:-51200} \
	  BUILD=$(abspath $B) prove -v tests/s3-large.t
# Every sample file and archive before four judges; some minutes.
check-dicom: all $(CTESTS)
	LONG=1 ALL=1 BUILD=$(abspath $B) prove -v tests/judges.t tests/readers.t tests/referees.t \
	  tests/unstamp-4g.t
# Every order of the record keeping's steps, and by HTTP what is else a sample of
# what libpq is asked; minutes.
check-db: all $(FIXTURES) $(CTESTS)
	LONG=1 ALL=1 BUILD=$(abspath $B) $(PROVE) tests/permute.t tests/db-faults-http.t \
	  tests/imgp-record-http.t
# The state machine executed, with the interpreter and Node 22 that npm fetches (215 MB).
check-aws: all $(FIXTURES)
	LONG=1 ALL=1 BUILD=$(abspath $B) prove -v $(wildcard tests/aws-*.t)
# The pages by axe-core of the npm registry.
AXE	= axe-core@4.14.1
check-axe: all $(FIXTURES)
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix $B/axe $(AXE)
	BUILD=$(abspath $B) prove -v tests/axe.t
# Letters through a list of Debian's Mailman 3, unpacked below $B and not installed.
check-lists: all $(FIXTURES)
	rm -rf $B/lists
	tests/lib/mailman $B/lists
	BUILD=$(abspath $B) prove -v tests/lists.t
# The long tests too: a sanitizer finds what no claim asks.
asan:
	LONG=1 $(MAKE) B=.build/asan SAN='-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all' \
	  OPT='-O1 -g' check

# libFuzzer (clang): make fuzz-job FUZZ_SECONDS=600; corpus and findings in $B.
# DCMTK asks for what a header claims; under ASan our ceiling (dcm.cc) does not see it.
FUZZ_SECONDS ?= 60
FUZZ_SAN = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
# Whole deflate streams, good and damaged: make fuzz-deflate-streams STREAMS=N
STREAMS	?= 1000000
fuzz-deflate-streams: $B/tests/deflate
	BUILD=$(abspath $B) tests/fuzz/deflate-streams $(STREAMS)
fuzz-%: tests/fuzz/%.c all
	$(MAKE) CC=clang CXX=clang++ B=$B/fuzz SAN='$(FUZZ_SAN)' OPT='-O1 -g' $B/fuzz/libimgpipe.a
	clang $(CPPFLAGS) -I$B/fuzz/gen -std=c11 -O1 -g $(FUZZ_SAN) -c -o $B/fuzz/$*.o $<
	clang++ $(subst fuzzer-no-link,fuzzer,$(FUZZ_SAN)) -o $B/fuzz/$* $B/fuzz/$*.o $B/fuzz/libimgpipe.a \
	  $(call libs,$(shell sed -n 's,^/\* PKGS: \(.*\) \*/,\1,p' $<))
	mkdir -p $B/fuzz/corpus-$*
	$(if $(filter $*,$(FUZZED)),PATH="$B/bin:$$PATH" tests/fuzz/seeds $* $B/fuzz/corpus-$*)
	ASAN_OPTIONS=quarantine_size_mb=16 \
	$B/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 \
	  -malloc_limit_mb=4096 -print_final_stats=1 \
	  $(addprefix -dict=,$(wildcard tests/fuzz/$*.dict)) -artifact_prefix=$B/fuzz/ $B/fuzz/corpus-$*

# What is claimed of speed and memory: make bench-stamp BENCH='PET TGZ'.
$B/bench/corpus: tests/bench/corpus.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 $(WARN) -Wno-conversion -o $@ $< -lm
bench: all $B/bench/corpus
	BUILD=$(abspath $B) tests/bench/all $B/bench $(BENCH)
bench-%: tests/bench/% all $B/bench/corpus
	BUILD=$(abspath $B) $< $(BENCH)

dist deb:
	scripts/deb/build $@ $B/deb
check-deb:
	DEB=1 BUILD=$(abspath $B) prove -v tests/deb.t
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(DATADIR)/sql \
	  $(DESTDIR)$(DATADIR)/aws
	install -m 755 $(addprefix $B/bin/,$(filter-out $(LIBEXEC_TOOLS),$(TOOLS))) $(DESTDIR)$(BINDIR)
	install -m 755 $(addprefix $B/bin/,$(filter $(LIBEXEC_TOOLS),$(TOOLS))) $(DESTDIR)$(LIBEXECDIR)
	install -m 755 scripts/imgp-run $(DESTDIR)$(BINDIR)
	install -m 755 $(wildcard scripts/imgp-engine-*) $(DESTDIR)$(LIBEXECDIR)
	install -m 755 scripts/load-sql $(DESTDIR)$(BINDIR)/imgp-load-sql
	install -m 644 libimgpipe/base/errors.tsv $(DESTDIR)$(DATADIR)
	install -m 644 sql/*.sql sql/openapi.json $(DESTDIR)$(DATADIR)/sql
	install -d $(DESTDIR)$(DATADIR)/schemas
	install -m 644 sql/schemas/*.json $(DESTDIR)$(DATADIR)/schemas
	install -m 644 $(filter-out %/bootstrap,$(wildcard scripts/aws/*)) $(DESTDIR)$(DATADIR)/aws
	install -m 755 scripts/aws/bootstrap $(DESTDIR)$(DATADIR)/aws
	install -d $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR)
	install -m 644 $(addprefix $B/completions/bash/,$(COMPLETED)) $(DESTDIR)$(BASHDIR)
	install -m 644 $(addprefix $B/completions/zsh/_,$(COMPLETED)) $(DESTDIR)$(ZSHDIR)
	install -m 644 $(patsubst %,$B/completions/fish/%.fish,$(COMPLETED)) $(DESTDIR)$(FISHDIR)
	install -d $(DESTDIR)$(UNITDIR)/imgpipe-.service.d $(DESTDIR)$(USERDIR)
	install -m 644 $(UNITS) $(DESTDIR)$(UNITDIR)
	install -m 644 scripts/systemd/imgpipe-.service.d/*.conf $(DESTDIR)$(UNITDIR)/imgpipe-.service.d
	sed -i 's,/usr/libexec/imgpipe,$(LIBEXECDIR),' '$(DESTDIR)$(UNITDIR)/imgpipe-failed@.service'
	install -m 644 scripts/systemd/sysusers.conf $(DESTDIR)$(USERDIR)/imgpipe.conf
	install -m 644 $(addprefix scripts/systemd/,crontab imgpipe.conf sendmail.conf) $(DESTDIR)$(DATADIR)
	for m in $(MAN); do s=$${m##*.}; install -d $(DESTDIR)$(MANDIR)/man$$s; \
	  install -m 644 $$m $(DESTDIR)$(MANDIR)/man$$s; done
# Whatever install lays down; directories others may use stay.
uninstall:
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,$(filter-out $(LIBEXEC_TOOLS),$(TOOLS)) imgp-run imgp-load-sql)
	rm -rf $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(DATADIR) $(DESTDIR)$(UNITDIR)/imgpipe-.service.d
	rm -f $(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(UNITS))) $(DESTDIR)$(USERDIR)/imgpipe.conf
	rm -f $(addprefix $(DESTDIR)$(BASHDIR)/,$(COMPLETED)) \
	  $(addprefix $(DESTDIR)$(ZSHDIR)/_,$(COMPLETED)) \
	  $(patsubst %,$(DESTDIR)$(FISHDIR)/%.fish,$(COMPLETED))
	for m in $(MAN); do rm -f $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/}; done
clean:
	rm -rf .build
help:
	@sed -n 's/^#: //p' $(firstword $(MAKEFILE_LIST))

-include $(wildcard $B/lib/*/*.d $B/cmd/*.d $B/tests/*.d)
