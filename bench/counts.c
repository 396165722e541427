/*
 * counts.c -- the same program under callgrind, and what it counted.
 *
 * The child gets some groups in a file and runs both `counted` functions for each loop and codec.
 * callgrind counts within them alone and writes a file each time that one ends; so the files are in
 * the order of the calls, which the parent goes through in the same way.
 */
#include "counts.h"

#include "bench.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

enum { COUNTED_GROUPS = 2, LABEL_BYTES_MAX = 96 };

static const struct {
    enum codec_loops loops;
    const char *name;
} counted_loops[] = { { CODEC_LOOPS_PLAIN, "plain" }, { CODEC_LOOPS_AVX2, "avx2" } };

enum { COUNTED_LOOPS = sizeof counted_loops / sizeof counted_loops[0] };

/* But for own models, which so few rows have not: that coder is the last one of the engine. */
static bool is_counted(const struct coder *coder)
{
    return coder_is_engine(coder) && !coder_is_own(coder);
}

static void write_counted(const struct groups *groups, const char *path)
{
    struct buffer bytes;
    buffer_init(&bytes);
    for (size_t i = 0; i < groups->count && i < COUNTED_GROUPS; i++) {
        schema_encode(&bytes, &groups->at[i]->schema);
        buffer_append_varint(&bytes, groups->at[i]->count);
        codec_encode(&bytes, groups->at[i], 0, groups->at[i]->count, false);
    }
    if (bytes.failed)
        bench_fail("no memory");
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes.data, 1, bytes.bytes, file) != bytes.bytes ||
        fclose(file) != 0)
        bench_fail("'%s': %s", path, strerror(errno));
    buffer_release(&bytes);
}

static void read_counted(struct groups *out, const char *path)
{
    struct buffer bytes;
    uint8_t piece[4096];
    size_t count;
    buffer_init(&bytes);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        bench_fail("'%s': %s", path, strerror(errno));
    while ((count = fread(piece, 1, sizeof piece, file)) > 0)
        buffer_append(&bytes, piece, count);
    fclose(file);
    if (bytes.failed)
        bench_fail("no memory");
    struct reader r = reader_over(bytes.data, bytes.bytes);
    *out = (struct groups){ 0 };
    while (r.left > 0 && out->count < COUNTED_GROUPS) {
        struct schema schema;
        struct columns *c = malloc(sizeof *c);
        if (c == NULL)
            bench_fail("no memory");
        if (schema_decode(&schema, &r) != HOLTER_OK)
            bench_fail("'%s': expected rows", path);
        columns_init(c, &schema);
        if (codec_decode(c, &r, get_varint(&r), false, 0, 0) != HOLTER_OK)
            bench_fail("'%s': expected rows", path);
        groups_add(out, c);
    }
    buffer_release(&bytes);
}

/* Both of them have names in the program, by which callgrind knows when to count; what they return
   keeps their calls from becoming jumps, by which it does not. */
__attribute__((noinline)) static size_t counted_encode(const struct coder *coder,
                                                       struct blocks *blocks,
                                                       const struct groups *groups)
{
    blocks_clear(blocks);
    blocks_add_all(blocks, coder, groups);
    return blocks->count;
}

__attribute__((noinline)) static size_t counted_decode(const struct coder *coder,
                                                       const struct blocks *blocks,
                                                       struct decoded *out)
{
    blocks_decode(coder, blocks, out);
    return out->columns.count + out->rows.columns.count;
}

/* What was counted the index-th time, from 1: "totals: N" of a file that callgrind wrote. */
static double take_total(size_t index)
{
    char line[256];
    char name[LABEL_BYTES_MAX];
    double total = 0;
    snprintf(name, sizeof name, "callgrind.%zu", index);
    FILE *file = fopen(bench_path(name), "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "totals: ", strlen("totals: ")) == 0)
            total = strtod(line + strlen("totals: "), NULL);
    if (file != NULL)
        fclose(file);
    bench_remove(name);
    if (total <= 0)
        bench_fail("callgrind: found no count in '%s'", name);
    return total;
}

/* False: there is no valgrind. */
static bool run_callgrind(const char *program, const char *rows, const char *out)
{
    char file[BENCH_PATH_BYTES_MAX + 32];
    char log[BENCH_PATH_BYTES_MAX + 32];
    snprintf(file, sizeof file, "--callgrind-out-file=%s", out);
    snprintf(log, sizeof log, "--log-file=%s.log", out);
    const char *const arguments[] = {
        "valgrind",
        "--tool=callgrind",
        "--toggle-collect=counted_*", /* a name that is also one to dump after counts nothing */
        "--dump-after=counted_encode",
        "--dump-after=counted_decode",
        file,
        log,
        program,
        COUNTS_OPTION,
        rows,
        NULL,
    };
    pid_t child;
    int status;
    int failure =
        posix_spawnp(&child, "valgrind", NULL, NULL, (char *const *)(uintptr_t)arguments, environ);
    if (failure == ENOENT)
        return false;
    if (failure != 0)
        bench_fail("valgrind: %s", strerror(failure));
    if (waitpid(child, &status, 0) != child || status != 0)
        bench_fail("valgrind failed on '%s %s'", program, COUNTS_OPTION);
    return true;
}

static bool has_valgrind = true;

void counts_measure(const char *program, const char *name, const struct groups *groups)
{
    char rows_path[BENCH_PATH_BYTES_MAX];
    char out_path[BENCH_PATH_BYTES_MAX];
    double rows = 0;
    size_t index = 1;
    for (size_t i = 0; i < groups->count && i < COUNTED_GROUPS; i++)
        rows += (double)groups->at[i]->count;
    snprintf(rows_path, sizeof rows_path, "%s", bench_path("rows"));
    snprintf(out_path, sizeof out_path, "%s", bench_path("callgrind"));
    write_counted(groups, rows_path);
    if (has_valgrind && !run_callgrind(program, rows_path, out_path)) {
        has_valgrind = false;
        fprintf(stderr, "%s: no valgrind: instructions are left out\n", program);
    }
    for (size_t l = 0; has_valgrind && l < COUNTED_LOOPS; l++) {
        if (!codec_loops_use(counted_loops[l].loops))
            continue;
        for (size_t i = 0; i < coder_count && is_counted(&coders[i]); i++) {
            char at[LABEL_BYTES_MAX];
            snprintf(at, sizeof at, "%s, %s, %s", name, coders[i].name, counted_loops[l].name);
            bench_report_one(at, "encode instructions", "/sample", take_total(index++) / rows);
            bench_report_one(at, "decode instructions", "/sample", take_total(index++) / rows);
        }
    }
    if (!codec_loops_use(CODEC_LOOPS_BEST))
        bench_fail("no loops for this CPU");
}

/* Each is called once before, so that memory is there when it counts. */
int counts_run(const char *path)
{
    struct groups groups;
    struct blocks blocks = { 0 };
    struct decoded out;
    read_counted(&groups, path);
    if (groups.count == 0)
        return 1;
    decoded_init(&out, &groups.at[0]->schema);
    for (size_t l = 0; l < COUNTED_LOOPS; l++) {
        if (!codec_loops_use(counted_loops[l].loops))
            continue;
        for (size_t i = 0; i < coder_count && is_counted(&coders[i]); i++) {
            blocks_clear(&blocks);
            blocks_add_all(&blocks, &coders[i], &groups);
            blocks_decode(&coders[i], &blocks, &out);
            if (counted_encode(&coders[i], &blocks, &groups) == 0 ||
                counted_decode(&coders[i], &blocks, &out) == 0)
                bench_fail("%s: nothing was counted", coders[i].name);
        }
    }
    decoded_release(&out);
    blocks_release(&blocks);
    groups_release(&groups);
    return 0;
}
