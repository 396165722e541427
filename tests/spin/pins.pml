/*
 * pins.pml -- pin, manifest edit and removal of files: no reader that holds a pin misses a file.
 *
 * A model of manifest_pin.c and manifest_sweep.c (P1, P2), checked in all interleavings. Version v needs file v; the edit to
 * version v + 1 replaces it. Three readers: two threads of one handle (A), and one of the maintainer's own handle (M). A
 * handle's locks do not show in its own probe, so its pins are counted. Either handle may be killed at any moment, which
 * frees its locks; a maintainer comes again, and knows of what left before it came only that it left before.
 *
 *     spin -a pins.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000     (check.sh)
 */
#define VERSIONS 3 /* edits: versions 0 .. VERSIONS */
#define A 0
#define M 1
#define HANDLES 2
#define READS 2 /* of each reader */

#ifndef BUG
#define BUG 0 /* 1: the head page is not read again; 2: own pins are not counted; 3: removed before the edit is published */
#endif

byte head = 0;           /* the published version */
byte edits = 0;          /* the version that the manifest's files say */
bool there[VERSIONS + 1] /* the file is on the disk */;
bool locked[HANDLES * (VERSIONS + 1)];
byte count[HANDLES * (VERSIONS + 1)];
bool mutex[HANDLES];
bool dead[HANDLES];
byte kills = 0;

#define at(h, v) ((h) * (VERSIONS + 1) + (v))
#define alive(h) (!dead[h])

proctype reader(byte h)
{
    byte v;
    byte reads = 0;
    do
    :: reads == READS -> break
    :: else ->
        reads++;
        atomic { (!mutex[h] || dead[h]) -> if :: dead[h] -> goto end :: else -> mutex[h] = true fi }
again:
        v = head; /* refresh */
        if
        :: dead[h] -> goto end
        :: else
        fi;
        if
        :: count[at(h, v)] > 0 -> count[at(h, v)]++ /* the handle's lock keeps it */
        :: else ->
            atomic { if :: dead[h] -> goto end :: else -> locked[at(h, v)] = true fi }
            if
            :: dead[h] -> goto end
            :: alive(h) && (head == v || BUG == 1) -> count[at(h, v)] = 1
            :: alive(h) && head != v && BUG != 1 ->
                atomic { if :: dead[h] -> goto end :: else -> locked[at(h, v)] = false fi }
                goto again
            fi
        fi;
        atomic { if :: dead[h] -> goto end :: else -> mutex[h] = false fi }
        /* A snapshot: its files are opened when they are needed. */
        assert(dead[h] || there[v]);
        assert(dead[h] || there[v]);
        atomic { (!mutex[h] || dead[h]) -> if :: dead[h] -> goto end :: else -> mutex[h] = true fi }
        atomic {
            if
            :: dead[h] -> goto end
            :: else ->
                count[at(h, v)]--;
                if
                :: count[at(h, v)] == 0 -> locked[at(h, v)] = false
                :: else
                fi;
                mutex[h] = false
            fi
        }
    od;
end:
    skip
}

/* may: no version below `version` is pinned by A (probe) or by M itself (count) */
inline probe(version)
{
    atomic {
        may = true;
        i = 0;
        do
        :: i >= version -> break
        :: else ->
            if
            :: locked[at(A, i)] -> may = false
            :: else
            fi;
            if
            :: count[at(M, i)] > 0 && BUG != 2 -> may = false
            :: else
            fi;
            i++
        od
    }
}

/* Each file that left goes if nobody can have pinned a version that needs it; asked once for each version. */
inline sweep()
{
    free_below = 0;
    pinned_below = VERSIONS + 2;
    f = 0;
    do
    :: f >= edits -> break
    :: else ->
        left = (f + 1 > base -> f + 1 : base); /* when it left, or before which version at least */
        if
        :: !there[f]
        :: there[f] && left <= free_below -> there[f] = false
        :: there[f] && left > free_below && left >= pinned_below
        :: there[f] && left > free_below && left < pinned_below ->
            probe(left);
            if
            :: may -> free_below = left; there[f] = false
            :: else -> pinned_below = left
            fi
        fi;
        f++
    od
}

proctype maintainer()
{
    byte base, f, left, i, free_below, pinned_below;
    bool may;
come:
    base = edits;
    if
    :: head != edits -> head = edits /* what was durable, but not published */
    :: else
    fi;
    do
    :: edits == VERSIONS -> break
    :: else ->
        there[edits + 1] = true;
        edits++; /* durable, whole */
        if
        :: kills == 0 -> goto killed /* before it publishes */
        :: true
        fi;
        if
        :: BUG == 3 ->
            atomic { !mutex[M] -> mutex[M] = true }
            sweep();
            mutex[M] = false
        :: else
        fi;
        head = edits;
        atomic { !mutex[M] -> mutex[M] = true }
        sweep();
        mutex[M] = false;
        if
        :: kills == 0 -> goto killed
        :: true
        fi
    od;
    atomic { !mutex[M] -> mutex[M] = true }
    sweep();
    mutex[M] = false;
    goto end;
killed:
    atomic { /* the whole process: its reader, too; its locks are free, its memory is gone */
        kills++;
        dead[M] = true;
        i = 0;
        do
        :: i > VERSIONS -> break
        :: else -> locked[at(M, i)] = false; count[at(M, i)] = 0; i++
        od;
        mutex[M] = false
    }
    goto come;
end:
    skip
}

/* The other process, at any moment. */
proctype killer()
{
    byte i;
    if
    :: true ->
        atomic {
            dead[A] = true;
            i = 0;
            do
            :: i > VERSIONS -> break
            :: else -> locked[at(A, i)] = false; i++
            od
        }
    :: true
    fi
}

init {
    atomic {
        there[0] = true;
        run reader(A);
        run reader(A);
        run reader(M);
        run maintainer();
        run killer()
    }
}
