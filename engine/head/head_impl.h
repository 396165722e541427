/*
 * head_impl.h -- what the files of head share.
 */
#ifndef HEAD_HEAD_IMPL_H
#define HEAD_HEAD_IMPL_H

#include "head/head.h"

enum { HEAD_STATISTICS_OFFSET = 640, HEAD_COUNTERS_ROOM = 63 };

struct head {
    struct io_file *file;
    struct io_shared *page;
    bool is_writable;
    uint8_t store_id[16];
    uint32_t place;
    uint8_t boot_id[IO_BOOT_ID_BYTES];
};

/** Zeros, where the page counts for another boot. */
void head_statistics_begin(struct head *head);

#endif
