/*
 * head_impl.h -- what the files of head share.
 */
#ifndef HEAD_HEAD_IMPL_H
#define HEAD_HEAD_IMPL_H

#include "head/head.h"

enum { HEAD_STATISTICS_OFFSET = 640, HEAD_COUNTERS_ROOM = 63 };
/* What a slot's checksum covers before its words. */
enum { HEAD_SEED_BYTES = 8 + 2 + 16 + 4 + 4 + IO_BOOT_ID_BYTES };

struct head {
    struct io_file *file;
    struct io_shared *page;
    bool is_writable;
    uint8_t store_id[16];
    uint32_t place;
    uint8_t boot_id[IO_BOOT_ID_BYTES];
    uint8_t seeds[HEAD_PAIRS][HEAD_SEED_BYTES];
};

/** Zeros, where the page counts for another boot. */
void head_statistics_begin(struct head *head);

#endif
