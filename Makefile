# Makefile -- everything that is built, checked and measured here. `make help` lists the targets.

VARIANT ?= release
OUT := out/$(VARIANT)
PREFIX ?= /usr/local
DESTDIR ?=

ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
endif
ifndef V
Q := @
endif
CFLAGS_BASE := -std=c17 -g -ffp-contract=off -fno-strict-aliasing -fvisibility=hidden -fPIC -Wall -Wextra -Wpedantic \
	-Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wvla \
	-Wimplicit-fallthrough -Wundef -Wwrite-strings -D_FILE_OFFSET_BITS=64 -D_POSIX_C_SOURCE=200809L
ifdef WERROR
CFLAGS_BASE += -Werror
endif
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_debug := -O0
CFLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_ubsan := -O1 -fsanitize=undefined -fno-sanitize-recover=all
CFLAGS_tsan := -O1 -fsanitize=thread
CFLAGS_cover := -O1 --coverage
CFLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DHOLTER_FUZZ
CFLAGS_release-trusting = $(CFLAGS_release) -DHOLTER_FUZZ
CFLAGS_debug-trusting = $(CFLAGS_debug) -DHOLTER_FUZZ
CFLAGS_asan-trusting = $(CFLAGS_asan) -DHOLTER_FUZZ
CFLAGS_ubsan-trusting = $(CFLAGS_ubsan) -DHOLTER_FUZZ
CFLAGS_cover-trusting = $(CFLAGS_cover) -DHOLTER_FUZZ
INCLUDES := -Iinclude -Iengine
CFLAGS_VARIANT = $(CFLAGS_$(VARIANT))
CFLAGS_ALL = $(CFLAGS_BASE) $(CFLAGS_VARIANT) $(INCLUDES) $(CFLAGS)
LIBS := -lsodium -lzstd -lxxhash -luring -lpthread -lm
LIBS_TEST := $(shell pkg-config --libs check 2>/dev/null || echo -lcheck)

PACKAGES := gcc g++ libc6-dev pkg-config libzstd-dev libxxhash-dev liburing-dev libsodium-dev check \
	python3 zstd binutils libjansson-dev util-linux tzdata

# ---- rooms, lowest first; a room includes what its NEEDS names and nothing else (checked by `make lint`)

ROOMS := core io zone codec crypto head edits merge wal memtable segment manifest catalog vault compaction shard \
	query store
NEEDS_core :=
NEEDS_io := core
NEEDS_zone := core io
NEEDS_codec := core
NEEDS_crypto := core
NEEDS_head := core io
NEEDS_edits := core io head
NEEDS_merge := core codec
NEEDS_wal := core io codec crypto
NEEDS_memtable := core io codec crypto merge wal
NEEDS_segment := core io codec crypto merge
NEEDS_manifest := core io head edits
NEEDS_catalog := core io codec crypto head edits
NEEDS_vault := core io crypto head edits
NEEDS_compaction := core io codec crypto head edits merge segment manifest
NEEDS_shard := core io codec crypto head edits merge wal memtable segment manifest vault compaction
NEEDS_query := core io zone codec crypto head edits merge wal memtable segment manifest catalog vault compaction shard
NEEDS_store := $(filter-out store,$(ROOMS))

# A variant that ends in -trusting differs from the plain one in those files that look at HOLTER_FUZZ, or use an inline
# function that does; the other objects are the same ones.
PLAIN := $(VARIANT:%-trusting=%)
ifeq ($(PLAIN),$(VARIANT))
objects = $(patsubst %.c,$(OUT)/%.o,$(1))
else
TRUSTING := fuzz/% $(shell grep -lE 'HOLTER_FUZZ|_TRUSTS_|checksum_fits' $(wildcard engine/*/*.c))
objects = $(patsubst %.c,$(OUT)/%.o,$(filter $(TRUSTING),$(1))) \
	$(patsubst %.c,out/$(PLAIN)/%.o,$(filter-out $(TRUSTING),$(1)))
endif
room_sources = $(wildcard engine/$(1)/*.c)
ENGINE_SOURCES := $(filter-out %_sim.c,$(foreach r,$(ROOMS),$(call room_sources,$(r))))
SIM_SOURCES := $(filter %_sim.c,$(foreach r,$(ROOMS),$(call room_sources,$(r))))
ENGINE_OBJECTS := $(call objects,$(ENGINE_SOURCES))
SIM_OBJECTS := $(call objects,$(SIM_SOURCES))
TOOL_SOURCES := $(wildcard tools/*.c)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

all: $(OUT)/holter $(OUT)/libholter.a $(OUT)/libholter.so

# loops built for several instruction sets, one of which is chosen at run time
ifneq ($(filter x86_64 amd64,$(shell uname -m)),)
out/$(PLAIN)/engine/codec/%_avx2.o: CFLAGS_ALL += -mavx2 -mpopcnt
out/$(PLAIN)/engine/codec/%_avx512.o: CFLAGS_ALL += -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi -mavx512vbmi2 -mpopcnt
endif
out/$(PLAIN)/engine/codec/%.o: CFLAGS_ALL += $(if $(filter release,$(PLAIN)),-O3)

# the .d is there once it is whole: another make may be reading it
define compile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -MF $@.new -c $< -o $@ && mv $@.new $(@:.o=.d)
endef
$(OUT)/%.o: %.c Makefile
	$(compile)
ifneq ($(PLAIN),$(VARIANT))
out/$(PLAIN)/%.o: CFLAGS_VARIANT = $(CFLAGS_$(PLAIN))
out/$(PLAIN)/%.o: %.c Makefile
	$(compile)
endif

# ---- library: one object with holter_* as its only global symbols, so that short room names cannot clash

LIB_OBJECT := $(OUT)/libholter.o
SONAME := libholter.so.0

$(LIB_OBJECT): $(ENGINE_OBJECTS)
	$(Q)$(LD) -r $^ -o $@
	$(Q)$(if $(filter cover,$(VARIANT)),,objcopy --wildcard --keep-global-symbol='holter_*' $@)

$(OUT)/libholter.a: $(LIB_OBJECT)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $<

$(OUT)/libholter.so: $(LIB_OBJECT) engine/libholter.map
	$(Q)$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=engine/libholter.map $< -o $@ $(LIBS)
	$(Q)ln -sf libholter.so $(OUT)/$(SONAME)

# ---- unit tests: tests/unit/test_<room>_<what>.c, one binary each, linked with that room and its needs only

UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
UNIT_BINARIES := $(patsubst tests/unit/%.c,$(OUT)/tests/unit/%,$(UNIT_SOURCES))
test_room = $(word 2,$(subst _, ,$(basename $(notdir $(1)))))

define unit_rule
$(OUT)/tests/unit/$(basename $(notdir $(1))): $(call objects,$(1) \
	$(foreach r,$(NEEDS_$(call test_room,$(1))) $(call test_room,$(1)),$(call room_sources,$(r))))
	$(Q)$$(CC) $$(CFLAGS_ALL) $$^ -o $$@ $$(LIBS_TEST) $$(LIBS)
endef
$(foreach s,$(UNIT_SOURCES),$(eval $(call unit_rule,$(s))))
# calls of the system that a test puts its own in the place of
comma := ,
wraps = $(1:%=-Wl$(comma)--wrap=%)
WRAPS_FAULTS := $(call wraps,pread64 pwrite64 fdatasync linkat io_uring_queue_init_params io_uring_submit)
$(OUT)/tests/unit/test_io_uring: LIBS_TEST += $(call wraps,io_uring_submit io_uring_queue_init_params \
    io_uring_get_probe_ring __io_uring_get_cqe pread64 pwrite64)
$(OUT)/tests/unit/test_io_faults $(OUT)/tests/unit/test_store_faults: LIBS_TEST += $(WRAPS_FAULTS)

# make unit T=io: the unit tests of one room, or several; without T all of them. A test that hangs is ended; one that is
# slow on a busy machine is not.
UNIT_CHOSEN := $(if $(T),$(foreach t,$(T),$(filter $(OUT)/tests/unit/test_$(t)%,$(UNIT_BINARIES))),$(UNIT_BINARIES))
UNIT_RUNS := $(UNIT_CHOSEN:%=%.run)
unit: $(UNIT_RUNS)
$(UNIT_RUNS): %.run: %
	@CK_TIMEOUT_MULTIPLIER=20 CK_FORK=$(if $(filter asan ubsan tsan,$(VARIANT)),no,yes) ./$<

.PHONY: $(UNIT_RUNS)

# ---- tool: holter, a file per verb, on the public interface alone; its transcripts are tests/cli/*.test

TOOL_OBJECTS := $(call objects,$(TOOL_SOURCES))
LIBS_TOOL := -ljansson

$(OUT)/holter: $(TOOL_OBJECTS) $(OUT)/libholter.a
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS) $(LIBS_TOOL)

# parts of the tool that need no store, tested by themselves
$(OUT)/tests/unit/test_tool_cohort: $(call objects,tools/cohort.c)
$(OUT)/tests/unit/test_tool_csv: $(call objects,tools/csv.c)
$(OUT)/tests/unit/test_tool_times: $(call objects,tools/times.c) $(OUT)/libholter.a
$(OUT)/tests/unit/test_tool_import: $(call objects,tools/csv.c tools/times.c tools/forms.c tools/flags.c tools/nearest.c \
    tools/import_csv.c tools/import_map.c tools/import_value.c) $(OUT)/libholter.a
$(OUT)/tests/unit/test_tool_line: $(call objects,tools/line.c tools/times.c tools/forms.c tools/flags.c \
    tools/import_value.c) $(OUT)/libholter.a
$(OUT)/tests/unit/test_tool_ingest: $(call objects,tools/line.c tools/times.c tools/forms.c tools/flags.c \
    tools/import_value.c tools/ingest_read.c tools/ingest_influx.c tools/ingest_json.c tools/ingest_stream.c) $(OUT)/libholter.a
$(OUT)/tests/unit/test_tool_ingest: LIBS_TEST += $(LIBS_TOOL)
$(OUT)/tests/unit/test_tool_names: $(call objects,tools/names.c tools/flags.c)

# make cli T=import: the transcripts of that name; without T all of them, and the real data if it is there
cli: $(OUT)/holter
	$(Q)HOLTER=$(CURDIR)/$(OUT)/holter $(if $(filter release debug,$(VARIANT)),,HOLTER_PEAK=any) \
		python3 tests/cli/run.py $(T)

# each verb has a man page that tells every option
manuals: $(OUT)/holter
	$(Q)HOLTER=$(CURDIR)/$(OUT)/holter python3 tests/cli/manuals.py

# what simulate makes up has the figures of real data
figures: $(OUT)/holter
	$(Q)HOLTER=$(CURDIR)/$(OUT)/holter python3 tests/simulate/figures.py

.PHONY: cli manuals figures

# ---- zones: every zone of the system, as Python reads it

$(OUT)/tests/zone/zone_answers: $(OUT)/tests/zone/zone_answers.o $(OUT)/libholter.a
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

zone-check: $(OUT)/tests/zone/zone_answers
	PROGRAM=$(CURDIR)/$< python3 -B tests/zone/zone.py

# local days and wall clocks through the tool, beside Python's: a simulated year in five zones, and the real data if it is there
days-check: $(OUT)/holter
	HOLTER=$(CURDIR)/$< python3 -B tests/zone/days.py
	HOLTER=$(CURDIR)/$< python3 -B tests/zone/real_days.py || test $$? -eq 77

.PHONY: zone-check days-check

# ---- the newcomer's targets: deps, demo, check

deps:
	apt-get update
	apt-get install -y --no-install-recommends $(PACKAGES)

demo: all
	HOLTER=$(CURDIR)/$(OUT)/holter sh tools/demo.sh

# each commit
check-fast: headers unit golden

# also corpora, transcripts, and the short forms of crash, faults, damage, model and real-stack tests
check: check-fast zone-check days-check cli manuals figures install-check corpora bench-check crash-short model-short real-short stack-short
	@echo "check: all passed"

# the long forms
check-all: check crash-long model-long real-long spin check-bugs
	@echo "check-all: all passed"

# pins, edits and removal of files in all interleavings, where spin is installed: some minutes, 4 GiB
spin:
	@sh tests/spin/check.sh

.PHONY: spin

# every public header compiles alone, as C11 and as C++
headers:
	@for h in include/holter/*.h; do \
	    echo "#include \"$$h\"" | $(CC) -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude -I. -fsyntax-only -x c - || exit 1; \
	    echo "#include \"$$h\"" | $(CXX) -Wall -Wextra -Wpedantic -Werror -Iinclude -I. -fsyntax-only -x c++ - || exit 1; \
	done

# ---- real processes: killed, stopped, forked; kills=200 is what a release claims. Then whole imports killed all over, with
# flush and compaction beside them: the long form 100 times, on the real files if they are there

REAL_BINARIES := $(OUT)/tests/real/torture $(OUT)/tests/real/processes
$(REAL_BINARIES): $(OUT)/tests/real/%: tests/real/%.c $(OUT)/libholter.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -D_GNU_SOURCE -MMD -MP $< $(OUT)/libholter.a -o $@ $(LIBS)

real_run = d=$$(mktemp -d) && ( $(OUT)/tests/real/processes $$d/p && $(OUT)/tests/real/torture $$d/t $(1) ); \
	r=$$?; rm -rf $$d; exit $$r

import_kills = HOLTER=$(CURDIR)/$(OUT)/holter python3 -B tests/real/import_kills.py $(1)

real-short: $(REAL_BINARIES) $(OUT)/holter
	@$(call real_run,60)
	@$(call import_kills,8)
	@HOLTER=$(CURDIR)/$(OUT)/holter python3 -B tests/real/mirror.py 5
real-long: $(REAL_BINARIES) $(OUT)/holter
	@$(call real_run,400)
	@$(call import_kills,100 --real)
	@HOLTER=$(CURDIR)/$(OUT)/holter python3 -B tests/real/mirror.py 120 --seed 2

# make torture SECONDS=1800: writers, readers and a compactor, killed and stopped at random for so long
torture: $(OUT)/tests/real/torture
	@d=$$(mktemp -d) && $< $$d/t $(or $(SECONDS),60)s; r=$$?; rm -rf $$d; exit $$r

# the real stack: every verb killed at each of its system calls, and answered errors there (strace); full disks, limits, a disk
# that turns read-only (mounts). What cannot be had is left out, saying so. The long form takes an hour, so check-all has it not
stack = HOLTER=$(CURDIR)/$(OUT)/holter python3 -B tests/stack/$(1)

stack-short: $(OUT)/holter
	@$(call stack,kills.py --verbs 2 --sample 3 --seed 22)
	@$(call stack,errors.py --verbs 2 --sample 3 --seed 32)
	@$(call stack,full.py --short)
stack: $(OUT)/holter
	$(call stack,kills.py)
	$(call stack,errors.py)
	$(call stack,full.py)

.PHONY: real-short real-long torture stack stack-short

# ---- sanitizers: the same tests, built otherwise

asan ubsan tsan:
	$(MAKE) VARIANT=$@ unit $(if $(filter asan,$@),corpora crash-short,)

# make valgrind T=store: unit tests under valgrind, leaks included; all of them take hours
valgrind: $(UNIT_CHOSEN)
	@for t in $^; do CK_TIMEOUT_MULTIPLIER=200 CK_FORK=no valgrind --quiet --error-exitcode=9 --leak-check=full \
	    --errors-for-leak-kinds=definite ./$$t || exit 1; done

# what is quick and reads untrusted bytes or keeps promises: for each landing. (codec_cold takes minutes; the corpora of
# its decoders are here.)
asan-short:
	@$(MAKE) --no-print-directory VARIANT=asan unit corpora \
	    T="codec_bytes codec_columns codec_fold codec_model codec_own codec_pack wal_body store"

# ---- lint

TIDY_SOURCES = $(ENGINE_SOURCES) $(TOOL_SOURCES) $(wildcard tools/examples/*.c)
lint-rooms: all
	python3 tests/lint.py $(OUT)/libholter.a

lint: lint-rooms
	@command -v clang-tidy >/dev/null || { echo "lint: clang-tidy is not installed: left out"; exit 0; }; \
	    echo $(TIDY_SOURCES) | xargs -P2 -n 1 sh -c 'clang-tidy --quiet "$$@" -- $(CFLAGS_BASE) $(INCLUDES) -w 2>/dev/null' _
	@command -v cppcheck >/dev/null || { echo "lint: cppcheck is not installed: left out"; exit 0; }; \
	    cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr --error-exitcode=1 \
	    --suppressions-list=tests/cppcheck.txt -j2 $(INCLUDES) $(TIDY_SOURCES)

format:
	clang-format -i $(wildcard engine/*/*.[ch] include/holter/*.h tools/*.[ch] tools/examples/*.c tests/*/*.[ch] fuzz/*.[ch] bench/*.[ch])

# ---- fuzzing: a target per decoder of untrusted bytes, fuzz/fuzz_<decoder>.c, its corpus fuzz/corpus/<decoder>/
#
# Variants: `fuzz` for libFuzzer (clang, ASan and UBSan); `<variant>-trusting` for driver.c. Both are built with
# HOLTER_FUZZ: checksums and tags count as right (CORE_TRUSTS_CHECKSUMS).

FUZZ_TARGETS := $(patsubst fuzz/fuzz_%.c,%,$(wildcard fuzz/fuzz_*.c))
FUZZ_SOURCES := fuzz/fuzz.c fuzz/rows.c $(ENGINE_SOURCES) $(SIM_SOURCES) tools/csv.c tools/line.c tools/times.c tools/forms.c \
    tools/flags.c tools/nearest.c tools/import_csv.c tools/import_map.c tools/import_value.c tools/import_preset.c \
    tools/import_fitabase.c tools/import_welltory.c tools/ingest_read.c tools/ingest_influx.c tools/ingest_json.c \
    tools/ingest_stream.c
FUZZ_LIBRARY := $(OUT)/fuzz/libfuzzed.a
FUZZ_FLAGS ?= -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 -max_len=24576 -print_final_stats=1
SECONDS ?=

$(FUZZ_LIBRARY): $(call objects,$(FUZZ_SOURCES))
	@mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

# with libFuzzer's main, or the driver's
FUZZ_MAIN := $(if $(filter fuzz,$(VARIANT)),,$(call objects,fuzz/driver.c))
$(OUT)/fuzz/fuzz_%: $(OUT)/fuzz/fuzz_%.o $(FUZZ_MAIN) $(FUZZ_LIBRARY)
	$(Q)$(CC) $(CFLAGS_ALL) $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) $^ -o $@ $(LIBS) $(LIBS_TOOL)

$(OUT)/fuzz/seeds: $(call objects,fuzz/seeds.c) $(FUZZ_LIBRARY)
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

# all corpora through the driver, in the variant that was asked for, whose objects are made here
corpora: $(call objects,$(filter-out fuzz/%,$(FUZZ_SOURCES)))
	@$(MAKE) --no-print-directory VARIANT=$(VARIANT)-trusting corpora-replay

corpora-replay: $(FUZZ_TARGETS:%=$(OUT)/fuzz/fuzz_%)
	@for t in $(FUZZ_TARGETS); do $(OUT)/fuzz/fuzz_$$t fuzz/corpus/$$t || exit 1; done

# make fuzz T=log SECONDS=60: one target, until stopped or for so long; finds go to out/finds/
fuzz:
	@test -n "$(T)" || { echo "make fuzz T=<one of: $(FUZZ_TARGETS)> SECONDS=60"; exit 2; }
	@$(MAKE) --no-print-directory VARIANT=fuzz out/fuzz/fuzz/fuzz_$(T)
	@mkdir -p out/finds/$(T)
	out/fuzz/fuzz/fuzz_$(T) $(FUZZ_FLAGS) $(SECONDS:%=-max_total_time=%) -artifact_prefix=out/finds/$(T)- \
	    out/finds/$(T) fuzz/corpus/$(T)

# make fuzz-campaign SECONDS=600: every target in turn, two at a time; logs in out/finds/
fuzz-campaign:
	@$(MAKE) --no-print-directory VARIANT=fuzz $(FUZZ_TARGETS:%=out/fuzz/fuzz/fuzz_%)
	@mkdir -p $(FUZZ_TARGETS:%=out/finds/%)
	@printf '%s\n' $(FUZZ_TARGETS) | xargs -P 2 -I {} sh -c 'out/fuzz/fuzz/fuzz_{} $(FUZZ_FLAGS) \
	    -max_total_time=$(or $(SECONDS),600) -artifact_prefix=out/finds/{}- out/finds/{} fuzz/corpus/{} \
	    > out/finds/{}.log 2>&1 || echo "{}: a finding, see out/finds/{}.log"; \
	    echo "{}: $$(grep -a number_of_executed_units out/finds/{}.log)"'
	@! ls out/finds/*-crash-* out/finds/*-timeout-* out/finds/*-oom-* out/finds/*-leak-* 2>/dev/null

# what a campaign found, at its smallest, into the committed corpora
fuzz-merge:
	@for t in $(FUZZ_TARGETS); do \
	    test -d out/finds/$$t || continue; \
	    out/fuzz/fuzz/fuzz_$$t $(FUZZ_FLAGS) -merge=1 fuzz/corpus/$$t out/finds/$$t 2>/dev/null; \
	done

# line coverage of each decoder of untrusted bytes, by corpora and unit tests together; under 95 % fails
DECODERS := engine/core/core_bytes.c engine/core/core_utf8.c engine/codec/codec_array_fold.c engine/codec/codec_array_read.c engine/codec/codec_block_read.c \
	engine/codec/codec_bytes.c engine/codec/codec_cold.c engine/codec/codec_float.c engine/codec/codec_own.c engine/codec/codec_pack.c \
	engine/codec/codec_rans.c engine/codec/codec_rests.c engine/codec/codec_schema.c engine/codec/codec_spell.c \
	engine/codec/codec_text.c engine/codec/codec_wave.c \
	engine/merge/merge_tombstones.c engine/wal/wal_format.c engine/wal/wal_frame.c engine/wal/wal_body.c \
	engine/wal/wal_walk.c engine/wal/wal_read.c engine/wal/wal_verify.c engine/segment/segment_format.c \
	engine/segment/segment_index.c engine/segment/segment_blocks.c engine/segment/segment_section.c engine/segment/segment_run.c \
	engine/segment/segment_read.c engine/segment/segment_verify.c engine/edits/edits_copy.c engine/head/head.c \
	engine/manifest/manifest_bytes.c engine/manifest/manifest_version.c engine/vault/vault_keyring.c \
	engine/vault/vault_bytes.c engine/catalog/catalog_bytes.c engine/catalog/catalog_metrics.c \
	engine/catalog/catalog_sources.c engine/store/store_identity.c engine/store/store_value.c engine/zone/zone.c \
	engine/zone/zone_tzif.c engine/zone/zone_rule.c engine/zone/zone_window.c tools/csv.c tools/line.c tools/times.c tools/ingest_read.c \
	tools/ingest_influx.c tools/ingest_json.c tools/ingest_stream.c
DECODER_ROOMS := core zone codec merge wal segment edits head manifest vault catalog query store tool
# the quick tests of those rooms: what crashes, fills disks and damages every bit takes minutes, and reaches no line more
DECODER_TESTS := $(filter-out %_crash %segment_damage %_recover %_memory %_random %_pins %_many %_readers %_api %_batch,$(foreach r,$(DECODER_ROOMS),\
	$(filter $(OUT)/tests/unit/test_$(r)_% $(OUT)/tests/unit/test_$(r),$(UNIT_BINARIES))))

cover:
	@mkdir -p out/cover out/cover-trusting
	@find out/cover out/cover-trusting -name '*.gcda' -delete
	@$(MAKE) --no-print-directory VARIANT=cover-trusting corpora-replay
	@$(MAKE) --no-print-directory VARIANT=cover cover-unit
	python3 fuzz/cover.py out/cover,out/cover-trusting $(DECODERS)

cover-unit: $(DECODER_TESTS)
	@for t in $^; do CK_TIMEOUT_MULTIPLIER=20 ./$$t || exit 1; done

# first inputs, from the real encoders; the same ones each time
seeds:
	@$(MAKE) --no-print-directory VARIANT=debug-trusting out/debug-trusting/fuzz/seeds
	out/debug-trusting/fuzz/seeds fuzz/corpus

.PHONY: corpora corpora-replay cover cover-unit fuzz fuzz-campaign fuzz-merge seeds

# ---- install

VERSION := $(shell sed -n 's/^.define HOLTER_VERSION_STRING "\(.*\)"/\1/p' include/holter/version.h)
AT = $(DESTDIR)$(PREFIX)
COMPLETIONS := share/bash-completion/completions
EXAMPLES := share/doc/holter/examples

install: all
	install -d "$(AT)/bin" "$(AT)/lib/pkgconfig" "$(AT)/include/holter" "$(AT)/share/man/man1" \
	    "$(AT)/$(COMPLETIONS)" "$(AT)/$(EXAMPLES)"
	install -m 755 $(OUT)/holter "$(AT)/bin/"
	install -m 644 $(OUT)/libholter.a "$(AT)/lib/"
	install -m 755 $(OUT)/libholter.so "$(AT)/lib/libholter.so.$(VERSION)"
	ln -sf libholter.so.$(VERSION) "$(AT)/lib/$(SONAME)"
	ln -sf $(SONAME) "$(AT)/lib/libholter.so"
	install -m 644 include/holter/*.h "$(AT)/include/holter/"
	install -m 644 tools/*.1 "$(AT)/share/man/man1/"
	install -m 644 tools/holter.bash "$(AT)/$(COMPLETIONS)/holter"
	install -m 644 tools/examples/*.c "$(AT)/$(EXAMPLES)/"
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' engine/holter.pc.in > "$(AT)/lib/pkgconfig/holter.pc"
	chmod 644 "$(AT)/lib/pkgconfig/holter.pc"

# takes away what this version installs, and the directories that are holter's own
uninstall:
	rm -f "$(AT)/bin/holter" "$(AT)/lib/libholter.a" "$(AT)/lib/libholter.so.$(VERSION)" "$(AT)/lib/$(SONAME)" \
	    "$(AT)/lib/libholter.so" "$(AT)/lib/pkgconfig/holter.pc" "$(AT)/$(COMPLETIONS)/holter"
	for f in include/holter/*.h; do rm -f "$(AT)/$$f"; done
	for f in tools/*.1; do rm -f "$(AT)/share/man/man1/$${f##*/}"; done
	for f in tools/examples/*.c; do rm -f "$(AT)/$(EXAMPLES)/$${f##*/}"; done
	for d in include/holter $(EXAMPLES) share/doc/holter; do rmdir "$(AT)/$$d" 2>/dev/null || true; done

# what is installed is enough to build on
install-check: all
	@MAKE="$(MAKE)" CC="$(CC)" CHECK_FLAGS="$(filter-out -fsanitize=fuzzer-no-link,$(CFLAGS_$(VARIANT)))" \
	    sh tests/install/check.sh

.PHONY: uninstall install-check

# ---- model, delivery and damage: what a store answers after random work, random delivery, and every damage

MODEL_BINARIES := $(addprefix $(OUT)/tests/model/,model delivery aggregates) $(OUT)/tests/crash/damage
WHOLE_ENGINE := $(ENGINE_OBJECTS) $(SIM_OBJECTS)

$(OUT)/tests/model/model: $(call objects,tests/model/model.c tests/model/rows.c tests/model/oracle.c) $(WHOLE_ENGINE)
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

$(OUT)/tests/model/delivery.o: CFLAGS_ALL += -D_GNU_SOURCE
$(OUT)/tests/model/delivery: $(call objects,tests/model/delivery.c tests/model/rows.c tests/model/oracle.c) $(WHOLE_ENGINE)
	$(Q)$(CC) $(CFLAGS_ALL) -Wl,--wrap=clock_gettime $^ -o $@ $(LIBS)

$(OUT)/tests/model/aggregates: $(call objects,tests/model/aggregates.c tests/model/oracle.c) $(WHOLE_ENGINE)
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

$(OUT)/tests/crash/damage: $(call objects,tests/crash/damage.c tests/model/rows.c tests/model/oracle.c) $(WHOLE_ENGINE)
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

model-short: $(MODEL_BINARIES)
	$(OUT)/tests/model/model 50000
	$(OUT)/tests/model/delivery 2
	$(OUT)/tests/model/aggregates 3000
	$(OUT)/tests/crash/damage short

model-long: $(MODEL_BINARIES) damage-long
	$(OUT)/tests/model/model 1000000
	$(OUT)/tests/model/delivery 25
	$(OUT)/tests/model/aggregates 100000

damage-long: $(OUT)/tests/crash/damage
	$(OUT)/tests/crash/damage long

.PHONY: model-short model-long damage-long

# ---- crash explorer, faults, seeded bugs: tests/crash (EFFORT=short|long, CRASH_JOBS=2)

CRASH_SHARED := tests/crash/crash_ledger.c tests/crash/crash_world.c tests/crash/crash_workloads.c
CRASH_OBJECTS := $(call objects,$(CRASH_SHARED)) $(ENGINE_OBJECTS) $(SIM_OBJECTS)
CRASH_JOBS ?= 2
CRASH_EFFORT ?= $(if $(filter asan tsan ubsan,$(VARIANT)),tiny,short)
CRASH_BINARIES := $(addprefix $(OUT)/tests/crash/,crash_explorer faults nonces)
CFLAGS_bugs := -O1

$(OUT)/tests/crash/crash_explorer: $(call objects,tests/crash/crash_explorer.c) $(CRASH_OBJECTS)
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

$(OUT)/tests/crash/faults: $(call objects,tests/crash/faults.c) $(CRASH_OBJECTS)
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

$(OUT)/tests/crash/nonces: $(call objects,tests/crash/nonces.c) $(CRASH_OBJECTS)
	$(Q)$(CC) $(CFLAGS_ALL) -Wl,--wrap=crypto_seal $^ -o $@ $(LIBS)

# every call of every workload is cut, some of the ends are looked at
crash-short: $(CRASH_BINARIES)
	$(OUT)/tests/crash/crash_explorer --effort $(CRASH_EFFORT) --jobs $(CRASH_JOBS)
	$(OUT)/tests/crash/faults --effort $(CRASH_EFFORT) --jobs $(CRASH_JOBS)
	$(OUT)/tests/crash/nonces

# at least 300,000 distinct end images
crash-long: $(CRASH_BINARIES)
	$(OUT)/tests/crash/crash_explorer --effort long --images 300000 --jobs $(CRASH_JOBS)
	$(OUT)/tests/crash/faults --effort long --jobs $(CRASH_JOBS)

# every seeded bug of tests/crash/bugs is caught, in a copy of the tree
check-bugs:
	python3 tests/crash/check_bugs.py --make "$(MAKE)" --scratch out/check-bugs

.PHONY: crash-short crash-long check-bugs

help:
	@echo "make            out/release/holter, libholter.a, libholter.so"
	@echo "make deps       install the packages that are needed (as root)"
	@echo "make demo       the main job, to look at"
	@echo "make check-fast unit and golden tests        make check      also the short forms of the rest"
	@echo "make check-all  the long forms               make check-bugs every seeded bug must be caught"
	@echo "make stack      kills, errors, full disks    make torture SECONDS=600  writers, readers, a compactor, killed"
	@echo "make asan | ubsan | tsan                     the tests, sanitized; make valgrind T=codec  under valgrind"
	@echo "make unit T=io  one room's tests             make cli T=import  one transcript"
	@echo "make fuzz T=log SECONDS=60  one fuzz target  make cover      line coverage of the decoders"
	@echo "make bench B=append  one question, measured; without B the questions there are; make bench-counts  instructions a sample"
	@echo "make lint | format | install, uninstall DESTDIR= PREFIX= | clean"

clean:
	rm -rf out

-include $(shell find $(sort $(wildcard $(OUT) out/$(PLAIN))) /dev/null -name '*.d')

.PHONY: all unit clean deps demo check check-fast check-all headers asan ubsan tsan asan-short valgrind lint lint-rooms format install help

# ---- benchmarks: bench/bench_<question>.c on the public interface (but for codecs by themselves) and the cohort; results/
# keeps a run of each

BENCHES := $(patsubst bench/bench_%.c,%,$(wildcard bench/bench_*.c))
BENCH_BINARIES := $(BENCHES:%=$(OUT)/bench/bench_%)
BENCH_DIR ?= $(OUT)
bench_run = BENCH_COMMIT=$$(git rev-parse --short HEAD 2>/dev/null || echo unknown) $(OUT)/bench/bench_$(1) \
	--dir $(BENCH_DIR) $(if $(filter size codec load append,$(1)),--holter $(OUT)/holter)

BENCH_SHARED := $(call objects,bench/bench.c bench/real.c bench/series.c bench/ingest.c bench/peer.c tools/cohort.c)
# SQLite, the peer of some, where it can be had
ifeq ($(shell pkg-config --exists sqlite3 && echo there),there)
$(OUT)/bench/peer.o: CFLAGS_ALL += -DBENCH_SQLITE
$(BENCH_BINARIES): LIBS += -lsqlite3
endif
$(filter-out %/bench_codec %/bench_scan,$(BENCH_BINARIES)): $(OUT)/bench/bench_%: $(OUT)/bench/bench_%.o $(BENCH_SHARED) $(OUT)/libholter.a
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

# codecs are inside the engine, and local symbols of libholter.a
$(OUT)/bench/bench_codec $(OUT)/bench/bench_scan: $(OUT)/bench/bench_%: $(OUT)/bench/bench_%.o $(call objects,bench/coders.c bench/columns_zstd.c bench/counts.c) \
    $(BENCH_SHARED) $(ENGINE_OBJECTS)
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

# make bench B=append JSON=1: one question, its stores in BENCH_DIR; without B the questions there are. BENCH_OPTIONS of its
# own, as for size: '--users 100 --days 30 --only cohort'
bench: $(if $(B),$(OUT)/bench/bench_$(B) $(OUT)/holter)
	@$(if $(B),$(call bench_run,$(B)) $(if $(JSON),--json) $(BENCH_OPTIONS),echo "make bench B=<one of: $(BENCHES)> JSON=1")

# instructions of a sample in each codec, which a busy machine does not change
bench-counts: $(OUT)/bench/bench_codec
	@$(call bench_run,codec) --what counts $(if $(JSON),--json)

# every benchmark runs, at its shortest, and every line is what a reader of results expects
bench-check: $(BENCH_BINARIES) $(OUT)/holter
	@set -e; $(foreach b,$(BENCHES),$(call bench_run,$(b)) --quick --json > $(OUT)/bench/$(b).jsonl; ) \
	    python3 bench/check_lines.py $(BENCHES:%=$(OUT)/bench/%.jsonl) $(wildcard bench/results/*.jsonl)

# what models cost people whom they were not trained on: trains and builds three times, some ten minutes
bench-unseen:
	python3 -B bench/unseen.py --make "$(MAKE)" --scratch out/unseen || test $$? -eq 77

.PHONY: bench bench-check bench-counts bench-unseen

# ---- golden: committed stores and fresh ones, read alike by the engine and by the second reader (tests/golden/golden.py)

GOLDEN_OUT := $(OUT)/tests/golden
$(GOLDEN_OUT)/dump $(GOLDEN_OUT)/make_golden: $(GOLDEN_OUT)/%: $(OUT)/tests/golden/%.o \
	$(OUT)/tests/golden/golden_form.o $(OUT)/libholter.a
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

golden: $(GOLDEN_OUT)/dump $(GOLDEN_OUT)/make_golden
	python3 -B tests/reader/test_reader.py
	PROGRAMS=$(CURDIR)/$(GOLDEN_OUT) python3 -B tests/golden/golden.py

# write the archives of this format anew, after it changed; only while no release has gone out with it
golden-record: $(GOLDEN_OUT)/dump $(GOLDEN_OUT)/make_golden
	PROGRAMS=$(CURDIR)/$(GOLDEN_OUT) python3 -B tests/golden/golden.py record

.PHONY: golden golden-record
