/*
 * memory_run.h -- a run over sorted rows that a test has, as one block.
 */
#ifndef TESTS_UNIT_MEMORY_RUN_H
#define TESTS_UNIT_MEMORY_RUN_H

#include "merge/merge.h"

struct merge_memory {
    const struct columns *columns;
    bool is_read;
};

static inline holter_status memory_read(struct merge_run *run, const struct columns **block,
                                        size_t *first, size_t *count, holter_error *err)
{
    (void)err;
    struct merge_memory *memory = run->context;
    if (memory->is_read || memory->columns->count == 0)
        return HOLTER_DONE;
    memory->is_read = true;
    *block = memory->columns;
    *first = 0;
    *count = memory->columns->count;
    return HOLTER_OK;
}

static inline int64_t memory_next_begin(const struct merge_run *run)
{
    const struct merge_memory *memory = run->context;
    return memory->is_read ? INT64_MAX : INT64_MIN;
}

/* With exact sequences, unless the test says otherwise of *run. */
static inline void merge_memory_run(struct merge_run *run, struct merge_memory *memory,
                                    const struct columns *columns)
{
    *memory = (struct merge_memory){ .columns = columns };
    *run = (struct merge_run){
        .read = memory_read,
        .next_begin = memory_next_begin,
        .context = memory,
        .is_exact = true,
    };
}

#endif
