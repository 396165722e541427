/*
 * define.h -- a metric as text: what --define and --field take, and what is shown of one.
 *
 * A field is NAME:TYPE and, by type, more parts apart by ':':
 *
 *     beats:int                 whole numbers
 *     level:int:0.01:30..45     multiples of 0.01; 30 to 45 is plausible
 *     mass:float:0..500         an IEEE double
 *     state:enum:calm,tense     labels; "\," is a comma within one
 *     remark:text
 *
 * Threads: one at a time.
 */
#ifndef TOOLS_DEFINE_H
#define TOOLS_DEFINE_H

#include "tool.h"

enum { DEFINE_LABELS_MAX = 256 };

/** What the options of a definition say; NULL where one is not given. */
struct define_options {
    const char *name, *unit, *kind, *aggregation, *tier_class, *carry, *key;
    const char *healthkit, *health_connect, *open_mhealth, *loinc;
    struct option_list fields;
};

/** A metric, and what it borrows beside the options. */
struct definition {
    holter_metric metric;
    char *texts[HOLTER_FIELDS_MAX];
    const char *labels[HOLTER_FIELDS_MAX][DEFINE_LABELS_MAX];
};

/** Read a definition. Returns TOOL_OK, or TOOL_USAGE, said. *out: define_release, also then. */
int define_read(struct definition *out, const struct verb *verb,
                const struct define_options *options);
void define_release(struct definition *definition);

/** Names of kinds, aggregations, classes and types; "?" for one that this tool does not know. */
const char *kind_name(holter_kind kind);
const char *aggregation_name(holter_aggregation aggregation);
const char *class_name(holter_class tier_class);
const char *type_name(holter_type type);

enum { STEP_BYTES_MAX = 24 };
/** 10^exponent as a decimal; zero-terminated. */
void step_write(char out[static STEP_BYTES_MAX], int exponent);

/** A field as --field takes it, to stdout; its labels only where `labels`. */
void out_field(const holter_metric *metric, size_t field, bool labels);

#endif
