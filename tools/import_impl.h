/*
 * import_impl.h -- what the files of holter import share.
 *
 *     file -> input (zstd) -> csv (records) -> import_csv or import_preset (rows)
 *          -> import_rows, or import_replace (commit)
 */
#ifndef TOOLS_IMPORT_IMPL_H
#define TOOLS_IMPORT_IMPL_H

#include "csv.h"
#include "import_map.h"
#include "import_preset.h"
#include "import_replace.h"
#include "import_rows.h"
#include "progress.h"
#include "times.h"
#include "tool.h"

enum { PLANS_MAX = 1024, TEXT_BYTES = 400, NO_PLAN = -1 };

/* A metric of the import, and the slot that holds each of its fields. */
struct plan {
    holter_metric metric;
    enum slot slots[HOLTER_FIELDS_MAX];
    size_t unmapped_field; /* SIZE_MAX: every field is mapped */
};

struct import {
    /* what was asked for */
    const char *format, *metric_name, *user_text, *source_name, *duration_text, *time_text, *zone,
        *on_error;
    const char *region, *keyring;
    struct option_list map_texts;
    bool round, json, skips;
    const struct preset *preset; /* NULL: --format csv */
    const char *revision_text;   /* NULL: none was given */
    struct map map;
    struct time_format time_format;
    struct time_zone time_zone; /* that --tz names */
    int64_t duration_ns;        /* -1: none was given */
    char *user;                 /* owned; NULL: none was given */
    /* what there is */
    holter_store *store;
    struct import_rows rows;
    struct plan *plans[PLANS_MAX];
    int plan_count;
    int default_plan;
    int last_plan;
    int64_t last_user, last_source; /* indexes of names, or NAMES_MISSING */
    /* where we are */
    char **files;
    uint32_t file;
    uint64_t line;
    int columns[SLOT_COUNT];
    const struct csv_field *fields;
    struct preset_reader reader; /* of a preset */
    struct replace replace;      /* of a preset that replaces */
    uint64_t refusals_shown;
    struct progress progress;
    uint64_t bytes_before; /* of the files before this one */
    bool replaces_now;     /* a file was begun in `replace` */
};

/* ---- import.c ---- */

/** The row at hand is refused; false always. `column` NULL: the sentence is about the whole row. */
bool import_refuse(struct import *im, const char *column, const char *format, ...)
    TOOL_PRINTF(3, 4);

/* ---- import_csv.c ---- */

/** The record at hand, at the end of the rows. false: refused, or *code is not TOOL_OK. */
bool import_csv_row(struct import *im, int *code);
/** The plan of --metric: a wrong mapping is told before any file is read. Returns an exit code. */
int import_csv_default_plan(struct import *im);

#endif
