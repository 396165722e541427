/*
 * wal_verify.c -- every group of every file, without keys; each finding is told, and the walk goes
 * on behind it.
 */
#include "wal_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct findings {
    void (*report)(void *context, const char *sentence);
    void *context;
    size_t count;
};

static void find(struct findings *findings, const char *sentence)
{
    findings->count++;
    if (findings->report != NULL)
        findings->report(findings->context, sentence);
}

/* What the bytes on the disk are to blame for, not this process. */
static bool is_finding(holter_status status)
{
    return status == HOLTER_CORRUPT || status == HOLTER_IO || status == HOLTER_UNSUPPORTED;
}

/* Both copies of each header, of void files too; of kept ones those before the log. */
static holter_status verify_headers(struct findings *findings, struct wal *wal,
                                    const struct wal_read_spec *spec, holter_error *err)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    holter_status status = wal_list(&numbers, &count, wal, err);
    for (size_t i = 0; i < count && status == HOLTER_OK; i++) {
        const struct wal_source *source;
        holter_error why = { 0 };
        if (numbers[i] < spec->from.file || (wal->reads_kept && numbers[i] >= spec->end->file))
            continue;
        status = wal_source_get(&source, wal, numbers[i], &why);
        if (is_finding(status)) {
            find(findings, why.message);
            status = HOLTER_OK;
        } else if (status != HOLTER_OK) {
            error_set(err, status, "%s", why.message);
        } else if (source->bad_copies != 0) {
            error_set(&why, HOLTER_CORRUPT,
                      "log file '%s': at offset %d found a damaged copy of the header, expected it "
                      "to equal the other",
                      io_path(source->file), source->bad_copies == 1 ? 0 : WAL_HEADER_COPY_BYTES);
            find(findings, why.message);
        }
    }
    free(numbers);
    return status;
}

static holter_status verify_groups(struct findings *findings, struct wal_walk *walk,
                                   holter_error *err)
{
    for (;;) {
        struct wal_group group;
        holter_error why = { 0 };
        holter_status status = wal_walk_next(&group, walk, &why);
        if (status == HOLTER_DONE)
            return HOLTER_OK;
        if (status == HOLTER_OK)
            continue;
        if (!is_finding(status))
            return error_set(err, status, "%s", why.message);
        find(findings, why.message);
        if (!wal_walk_skip(walk))
            return HOLTER_OK;
    }
}

/* With nothing found the end is known, and so is whether a clean close is reached. */
static holter_status verify_end(struct findings *findings, struct wal *wal,
                                const struct wal_read_spec *spec, holter_error *err)
{
    struct wal_reader *reader = NULL;
    holter_error why = { 0 };
    struct wal_frame_read frame;
    holter_status status = wal_reader_open(&reader, wal, spec, &why);
    while (status == HOLTER_OK)
        status = wal_reader_next(reader, &frame, &why);
    wal_reader_close(reader);
    if (status == HOLTER_DONE)
        return HOLTER_OK;
    if (!is_finding(status))
        return error_set(err, status, "%s", why.message);
    find(findings, why.message);
    return HOLTER_OK;
}

holter_status wal_verify(struct wal *wal, const struct wal_read_spec *spec,
                         void (*report)(void *context, const char *sentence), void *context,
                         size_t *damaged, holter_error *err)
{
    struct findings findings = { .report = report, .context = context };
    struct wal_walk walk = { 0 };
    holter_error why = { 0 };

    wal_sources_close(wal); /* what is known of the files is to be read again */
    holter_status status = verify_headers(&findings, wal, spec, err);
    if (status != HOLTER_OK)
        return status;
    size_t in_headers = findings.count;
    status = wal_walk_init(&walk, wal, &spec->from, spec->end, &why);
    if (is_finding(status)) {
        if (in_headers == 0) /* else this is one of those */
            find(&findings, why.message);
        status = HOLTER_OK;
    } else if (status != HOLTER_OK) {
        error_set(err, status, "%s", why.message);
    } else {
        status = verify_groups(&findings, &walk, err);
        if (status == HOLTER_OK && findings.count == in_headers)
            status = verify_end(&findings, wal, spec, err);
    }
    wal_walk_release(&walk);
    if (status == HOLTER_OK)
        *damaged = findings.count;
    return status;
}
