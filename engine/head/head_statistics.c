/*
 * head_statistics.c -- counts that only rise, in the spare of a head page, added to by every process.
 *
 *     | tag | counters .. | histogram: sum, buckets .. | histogram .. |
 *
 * A histogram's bucket i counts what was less than 2^i units, and not less than 2^(i-1); the last one
 * has no upper end. They tell about this boot: whoever opens the page for writing and finds another
 * tag (of the boot and of the list below) begins at zero. Nothing relies on them.
 *
 * Bytes: format-spec/head.md. Tests: tests/unit/test_head.c, tests/unit/test_store_threads.c.
 */
#include "head_impl.h"

#include <string.h>

enum {
    TAG_WORD = HEAD_STATISTICS_OFFSET / 8,
    COUNTERS_WORD = TAG_WORD + 1,
    HISTOGRAMS_WORD = COUNTERS_WORD + HEAD_COUNTERS_ROOM,
    HISTOGRAM_WORDS = 1 + HEAD_BUCKETS,
    LIST_VERSION = 2, /* rises when what is listed in head.h changes its place or meaning */
};

_Static_assert((HISTOGRAMS_WORD + HEAD_HISTOGRAMS * HISTOGRAM_WORDS) * 8 <= HEAD_BYTES,
               "statistics fit into the page");
_Static_assert((int)HEAD_COUNTERS <= (int)HEAD_COUNTERS_ROOM, "counters fit into their part");

static uint64_t tag_of(const struct head *head)
{
    uint8_t bytes[IO_BOOT_ID_BYTES + 16 + 4];
    struct writer w = writer_over(bytes, sizeof bytes);
    put_bytes(&w, head->boot_id, sizeof head->boot_id);
    put_bytes(&w, head->store_id, sizeof head->store_id);
    put_u32(&w, LIST_VERSION);
    return hash64(bytes, sizeof bytes);
}

void head_statistics_begin(struct head *head)
{
    uint64_t tag = tag_of(head);
    if (io_shared_load(head->page, TAG_WORD) == tag)
        return;
    for (size_t word = TAG_WORD + 1; word < HEAD_BYTES / 8; word++)
        io_shared_store(head->page, word, 0);
    io_shared_store(head->page, TAG_WORD, tag);
}

void head_count(struct head *head, enum head_counter counter, uint64_t n)
{
    if (head != NULL && head->is_writable && n > 0)
        io_shared_add(head->page, COUNTERS_WORD + (size_t)counter, n);
}

uint64_t head_counted(const struct head *head, enum head_counter counter)
{
    return head == NULL ? 0 : io_shared_load(head->page, COUNTERS_WORD + (size_t)counter);
}

static unsigned bucket_of(uint64_t value)
{
    unsigned bucket = value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
    return bucket < HEAD_BUCKETS ? bucket : HEAD_BUCKETS - 1;
}

void head_measure(struct head *head, enum head_histogram histogram, uint64_t value)
{
    if (head == NULL || !head->is_writable)
        return;
    size_t first = HISTOGRAMS_WORD + (size_t)histogram * HISTOGRAM_WORDS;
    io_shared_add(head->page, first, value);
    io_shared_add(head->page, first + 1 + bucket_of(value), 1);
}

void head_statistics_read(struct head *head, struct head_statistics *out)
{
    *out = (struct head_statistics){ 0 };
    if (head == NULL || io_shared_load(head->page, TAG_WORD) != tag_of(head))
        return;
    for (size_t i = 0; i < HEAD_COUNTERS; i++)
        out->counters[i] = io_shared_load(head->page, COUNTERS_WORD + i);
    for (size_t h = 0; h < HEAD_HISTOGRAMS; h++) {
        size_t first = HISTOGRAMS_WORD + h * HISTOGRAM_WORDS;
        out->sums[h] = io_shared_load(head->page, first);
        for (size_t i = 0; i < HEAD_BUCKETS; i++)
            out->buckets[h][i] = io_shared_load(head->page, first + 1 + i);
    }
}
