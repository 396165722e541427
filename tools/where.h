/*
 * where.h -- conditions of --where, such as "value>=120": which rows are asked for.
 *
 * Threads: one.
 */
#ifndef TOOLS_WHERE_H
#define TOOLS_WHERE_H

#include "tool.h"

/** Filters of a metric, at most one a field. */
struct where {
    holter_filter filters[HOLTER_FIELDS_MAX];
    size_t count;
    bool is_nothing; /* no row can meet all of them */
};

/**
 * Each text is FIELD, one of = < <= > >=, and a value as the field takes it (a label takes = alone); FIELD may be left
 * out where the metric has one that is no key. All of them hold. Returns TOOL_OK or the exit code, said.
 */
int where_read(struct where *out, const struct verb *verb, const struct option_list *texts,
               const holter_metric *metric);

#endif
