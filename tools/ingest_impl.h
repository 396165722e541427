/*
 * ingest_impl.h -- what both forms of a line share on its way to a row.
 */
#ifndef TOOLS_INGEST_IMPL_H
#define TOOLS_INGEST_IMPL_H

#include "ingest_read.h"

struct ingest_metric {
    holter_metric metric;
    size_t name_bytes[HOLTER_FIELDS_MAX];
    int only_field; /* the one beside the key, which is also called "value"; -1: there are several */
};

/** What a name stands for beside a metric's fields. */
enum ingest_part {
    PART_USER,
    PART_SOURCE,
    PART_DURATION,
    PART_REVISION,
    PART_FLAGS,
    PART_NONE,
};

/* INGEST_REFUSED always. */
enum ingest_result ingest_refuse(struct ingest_reader *reader, const char *format, ...)
    TOOL_PRINTF(2, 3);
/** reader->problem, of a leaf, gets what it is about in front. INGEST_REFUSED always. */
enum ingest_result ingest_refuse_part(struct ingest_reader *reader, const char *part);
/** A time in the caller's unit. */
enum ingest_result ingest_time_take(struct ingest_reader *reader, const char *part, int64_t units,
                                    int64_t *out_ns);

/** reader->last becomes the metric of a name. */
enum ingest_result ingest_metric_need(struct ingest_reader *reader, struct csv_field name);
/** The metric anew, which may have got labels; false: nothing changed. */
bool ingest_metric_renew(struct ingest_reader *reader);
/** The field that a name stands for: its own, "value", "key"; -1: none. */
int ingest_field_of(const struct ingest_metric *metric, struct csv_field name);
/** But who measured, which the two forms name otherwise. */
enum ingest_part ingest_part_of(struct csv_field name);
bool ingest_is_name(struct csv_field name, const char *text);

/** A text as a value of reader->last; where it is no label, those that are new are looked for. */
bool ingest_value_read(struct ingest_reader *reader, int field, struct csv_field text);
/** true and false: 1 and 0, or labels of these names. */
bool ingest_boolean_read(struct ingest_reader *reader, int field, bool is_true);

/** A sample of reader->last without values, of now. */
void ingest_sample_begin(struct ingest_reader *reader);
/** Every field has a value (a bit each), and the duration is as the metric asks for. */
enum ingest_result ingest_sample_end(struct ingest_reader *reader, unsigned fields, bool has_time);
/** Who measured: the line's own or the caller's, checked. */
enum ingest_result ingest_person_check(struct ingest_reader *reader);

/** The two forms (ingest_influx.c, ingest_json.c). */
enum ingest_result ingest_influx_read(struct ingest_reader *reader, char *bytes, size_t count);
enum ingest_result ingest_json_read(struct ingest_reader *reader, const char *bytes, size_t count);
void ingest_json_release(struct ingest_reader *reader);

#endif
