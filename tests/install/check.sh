#!/bin/sh
# check.sh -- what `make install` puts in place is enough to build on: the examples and the program of README.md are
# compiled against it with pkg-config alone, shared and static, and run; completion completes; uninstall leaves nothing.
# Run by `make install-check`; MAKE, CC and CHECK_FLAGS come from there.
set -eu
ROOT=$PWD
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
DEST="$WORK/de st" # a path with a space, as packagers have them
PREFIX=/opt/holter

fail() { echo "install-check: $*" >&2; exit 1; }
expect() { [ "$2" = "$3" ] || fail "$1: found '$2', expected '$3'"; }

# ---- what is there

$MAKE --no-print-directory install DESTDIR="$DEST" PREFIX=$PREFIX >/dev/null
AT="$DEST$PREFIX"
VERSION=$(sed -n 's/^#define HOLTER_VERSION_STRING "\(.*\)"/\1/p' include/holter/version.h)
for file in bin/holter lib/libholter.a lib/libholter.so lib/libholter.so.0 lib/pkgconfig/holter.pc \
    include/holter/holter.h share/man/man1/holter.1 share/bash-completion/completions/holter; do
    [ -f "$AT/$file" ] || fail "'$file' is not there"
done
expect "the tool's version" "$("$AT/bin/holter" --version | cut -d' ' -f2)" "$VERSION"
for verb in $("$AT/bin/holter" help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | grep -vx holter); do
    [ -f "$AT/share/man/man1/holter-$verb.1" ] || fail "'$verb' has no man page"
done
grep -rqF "$WORK" "$AT/lib/pkgconfig" && fail "holter.pc names DESTDIR"

# ---- programs against it; a pkg-config that knows nothing else, in a link without spaces

ln -s "$DEST" "$WORK/root"
pc() { PKG_CONFIG_SYSROOT_DIR="$WORK/root" PKG_CONFIG_LIBDIR="$WORK/root$PREFIX/lib/pkgconfig" pkg-config "$@" holter; }
expect "version of holter.pc" "$(pc --modversion)" "$VERSION"

awk '/^```c$/ { inside = 1; next } /^```/ { inside = 0 } inside' README.md > "$WORK/readme.c"
cp tools/examples/*.c "$WORK/"

# build KIND FLAGS: all programs, into $WORK/KIND
build() {
    mkdir "$WORK/$1"
    for program in readme gateway analytics operator; do
        # shellcheck disable=SC2046,SC2086
        $CC -std=gnu11 -Wall -Wextra -Werror $CHECK_FLAGS "$WORK/$program.c" -o "$WORK/$1/$program" $2 ||
            fail "$program does not build $1"
    done
}

# run KIND: the three parts a store's life has
run() {
    cd "$WORK/$1"
    expect "readme, $1" "$(./readme)" "1 samples, the first of 62 bpm"
    "$AT/bin/holter" init store >/dev/null 2>&1
    awk 'BEGIN { for (i = 0; i < 2500; i++) print "person-" i % 3, 1767225600 + i, 60 + i % 7 }' > rows
    expect "gateway, $1" "$(./gateway store < rows)" "2500 new, 0 duplicate, 0 corrected, 0 superseded, 0 not stored"
    expect "gateway again, $1" "$(./gateway store < rows)" "0 new, 2500 duplicate, 0 corrected, 0 superseded, 0 not stored"
    expect "operator, $1" "$(./operator store 2>/dev/null | sed -n '1p;3p')" "flushed 2500 rows
verified"
    expect "analytics, $1" "$(./analytics store person-1)" "833 rows, 60 to 66, mean 63.00
latest: 65 at 1767228097 s"
    ./analytics store nobody 2>/dev/null && fail "analytics, $1: found nobody"
    ./operator missing 2>/dev/null && fail "operator, $1: a store that is not there"
    cd "$ROOT"
}

build shared "$(pc --cflags --libs)"
export LD_LIBRARY_PATH="$AT/lib"
run shared
unset LD_LIBRARY_PATH
case $CHECK_FLAGS in
*sanitize*) echo "install-check: static is left out: sanitizers link shared" ;;
*)
    build static "-static $(pc --static --cflags --libs)"
    run static
    ;;
esac

# ---- completion

# completes WORD ...: what the last word can become
completes() {
    PATH="$AT/bin:$PATH" bash -u -c '. "$0"
        COMP_WORDS=(holter "$@") COMP_CWORD=$#
        _holter holter; echo ${COMPREPLY[@]}' "$AT/share/bash-completion/completions/holter" "$@"
}
expect "a verb" "$(completes ver)" "verify"
expect "a verb after help" "$(completes help fl)" "flush"
expect "an option" "$(completes compact s --key)" "--keyring"
expect "a choice" "$(completes compact s --to w)" "warm"
expect "a file is left to bash" "$(completes stat st)" ""

# ---- and away

$MAKE --no-print-directory uninstall DESTDIR="$DEST" PREFIX=$PREFIX >/dev/null
left=$(find "$DEST" -type f -o -type l)
[ -z "$left" ] || fail "uninstall left $left"
echo "install-check: passed"
