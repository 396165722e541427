/*
 * io_pages_sim.c -- the bytes of one simulated file, as the cache has them and as the disk does.
 *
 * A file is pages of 4 KiB, each with two chunks, which are one while they have the same content:
 *
 *     write  --> now   dirty sectors --sync--> disk
 *                      lost sectors  --x          (dropped, or written by a disk that lies)
 *     crash: each dirty sector now or disk, each lost one disk; then both are one again
 *
 * Zeros cost nothing: a chunk of them is no chunk.
 */
#include "io_sim_impl.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t zeros[CORE_PAGE_BYTES];

/* ---- chunks ---------------------------------------------------------------------------------- */

static struct sim_chunk *chunk_ref(struct sim_chunk *chunk)
{
    if (chunk != NULL)
        chunk->refs++;
    return chunk;
}

static void chunk_unref(struct sim_chunk *chunk)
{
    if (chunk != NULL && --chunk->refs == 0)
        free(chunk);
}

static const uint8_t *chunk_bytes(const struct sim_chunk *chunk)
{
    return chunk != NULL ? chunk->bytes : zeros;
}

static struct sim_chunk *chunk_new(const uint8_t *bytes)
{
    struct sim_chunk *chunk = sim_alloc(sizeof *chunk);
    chunk->refs = 1;
    memcpy(chunk->bytes, bytes, CORE_PAGE_BYTES);
    return chunk;
}

static uint8_t *chunk_writable(struct sim_chunk **chunk)
{
    if (*chunk == NULL || (*chunk)->refs > 1) {
        struct sim_chunk *copy = chunk_new(chunk_bytes(*chunk));
        chunk_unref(*chunk);
        *chunk = copy;
    }
    (*chunk)->hashed = false;
    return (*chunk)->bytes;
}

static void chunk_set(struct sim_chunk **chunk, struct sim_chunk *to)
{
    struct sim_chunk *had = *chunk;
    *chunk = chunk_ref(to);
    chunk_unref(had);
}

static uint64_t chunk_hash(struct sim_chunk *chunk)
{
    static const uint64_t hash_of_zeros = UINT64_C(0x5a65726f73);
    if (chunk == NULL)
        return hash_of_zeros;
    if (!chunk->hashed) {
        bool is_zero = memcmp(chunk->bytes, zeros, CORE_PAGE_BYTES) == 0;
        chunk->hash = is_zero ? hash_of_zeros : hash64(chunk->bytes, CORE_PAGE_BYTES);
        chunk->hashed = true;
    }
    return chunk->hash;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

struct sim_node *node_new(enum io_kind kind, uint32_t mode)
{
    struct sim_node *node = sim_alloc(sizeof *node);
    node->refs = 1;
    node->kind = kind;
    node->mode = mode;
    return node;
}

struct sim_node *node_ref(struct sim_node *node)
{
    if (node != NULL)
        node->refs++;
    return node;
}

static void pages_cut(struct sim_node *node, size_t page_count)
{
    while (node->page_count > page_count) {
        struct sim_page *page = &node->page[--node->page_count];
        chunk_unref(page->now);
        chunk_unref(page->disk);
    }
}

void node_unref(struct sim_node *node)
{
    if (node == NULL || --node->refs > 0)
        return;
    pages_cut(node, 0);
    free(node->page);
    entries_release(&node->now);
    entries_release(&node->disk);
    free(node);
}

struct sim_node *node_clone(const struct sim_node *node)
{
    struct sim_node *copy = sim_alloc(sizeof *copy);
    *copy = *node;
    copy->refs = 1;
    copy->now = (struct sim_entries){ 0 };
    copy->disk = (struct sim_entries){ 0 };
    entries_copy(&copy->now, &node->now);
    entries_copy(&copy->disk, &node->disk);
    copy->page_capacity = node->page_count;
    copy->page = NULL;
    if (node->page_count > 0) {
        copy->page = sim_resize(NULL, node->page_count * sizeof *copy->page);
        memcpy(copy->page, node->page, node->page_count * sizeof *copy->page);
    }
    for (size_t i = 0; i < copy->page_count; i++) {
        chunk_ref(copy->page[i].now);
        chunk_ref(copy->page[i].disk);
    }
    return copy;
}

/* ---- reading and writing --------------------------------------------------------------------- */

/* How much of [offset, offset + bytes) lies in the page that `offset` is in. */
static size_t part_in_page(uint64_t offset, uint64_t bytes)
{
    uint64_t left = CORE_PAGE_BYTES - offset % CORE_PAGE_BYTES;
    return (size_t)(left < bytes ? left : bytes);
}

size_t pages_read(const struct sim_node *node, uint64_t offset, void *out, size_t bytes)
{
    if (offset >= node->bytes)
        return 0;
    if (bytes > node->bytes - offset)
        bytes = (size_t)(node->bytes - offset);
    for (size_t done = 0; done < bytes;) {
        uint64_t at = offset + done;
        size_t part = part_in_page(at, bytes - done);
        const struct sim_page *page = &node->page[at / CORE_PAGE_BYTES];
        memcpy((uint8_t *)out + done, chunk_bytes(page->now) + at % CORE_PAGE_BYTES, part);
        done += part;
    }
    return bytes;
}

size_t pages_read_past_cache(const struct sim_node *node, uint64_t offset, void *out, size_t bytes)
{
    /* The kernel writes dirty sectors back before it reads, so only lost ones differ. */
    size_t read = pages_read(node, offset, out, bytes);
    for (size_t done = 0; done < read;) {
        uint64_t at = offset + done;
        uint64_t left = CORE_SECTOR_BYTES - at % CORE_SECTOR_BYTES;
        size_t part = left < read - done ? (size_t)left : read - done;
        const struct sim_page *page = &node->page[at / CORE_PAGE_BYTES];
        size_t within = at % CORE_PAGE_BYTES;
        if (page->lost >> within / CORE_SECTOR_BYTES & 1)
            memcpy((uint8_t *)out + done, chunk_bytes(page->disk) + within, part);
        done += part;
    }
    return read;
}

static void pages_extend(struct sim_node *node, uint64_t bytes)
{
    core_assert(bytes <= SIM_FILE_BYTES_MAX);
    size_t wanted = (size_t)((bytes + CORE_PAGE_BYTES - 1) / CORE_PAGE_BYTES);
    if (wanted > node->page_capacity) {
        size_t capacity = node->page_capacity < 4 ? 4 : 2 * node->page_capacity;
        capacity = capacity < wanted ? wanted : capacity;
        node->page = sim_resize(node->page, capacity * sizeof *node->page);
        node->page_capacity = capacity;
    }
    if (wanted > node->page_count) {
        memset(node->page + node->page_count, 0, (wanted - node->page_count) * sizeof *node->page);
        node->page_count = wanted;
    }
    node->bytes = bytes;
}

/* The sectors of one page that [begin, end) within it touches, as bits. */
static uint8_t sector_bits(size_t begin, size_t end)
{
    unsigned first = (unsigned)(begin / CORE_SECTOR_BYTES);
    unsigned last = (unsigned)((end - 1) / CORE_SECTOR_BYTES);
    return (uint8_t)((0xffu << first) & (0xffu >> (SIM_SECTORS - 1 - last)));
}

static void page_write(struct sim_page *page, size_t within, const uint8_t *bytes, size_t count)
{
    uint8_t bits = sector_bits(within, within + count);
    page->dirty |= bits;
    page->lost &= (uint8_t)~bits;
    if (memcmp(chunk_bytes(page->now) + within, bytes, count) == 0)
        return; /* zeros over a hole, above all */
    memcpy(chunk_writable(&page->now) + within, bytes, count);
}

void pages_write(struct sim_node *node, uint64_t offset, const void *bytes, size_t count)
{
    if (count == 0)
        return;
    if (offset + count > node->bytes) {
        pages_extend(node, offset + count);
        node->bytes_dirty = true;
    }
    for (size_t done = 0; done < count;) {
        uint64_t at = offset + done;
        size_t part = part_in_page(at, count - done);
        page_write(&node->page[at / CORE_PAGE_BYTES], at % CORE_PAGE_BYTES,
                   (const uint8_t *)bytes + done, part);
        done += part;
    }
    node->unsettled = true;
    node->hashed = false;
}

uint64_t pages_load_word(const struct sim_node *node, size_t word)
{
    uint64_t value = 0;
    uint64_t offset = (uint64_t)word * sizeof value;
    if (offset + sizeof value > node->bytes)
        return 0;
    const uint8_t *page = chunk_bytes(node->page[offset / CORE_PAGE_BYTES].now);
    memcpy(&value, page + offset % CORE_PAGE_BYTES, sizeof value);
    return value;
}

void pages_store_word(struct sim_node *node, size_t word, uint64_t value)
{
    uint64_t offset = (uint64_t)word * sizeof value;
    core_assert(offset + sizeof value <= node->bytes);
    pages_write(node, offset, &value, sizeof value);
    if (offset + sizeof value > node->shared_bytes)
        node->shared_bytes = offset + sizeof value;
}

/* ---- becoming durable ------------------------------------------------------------------------ */

static void copy_sectors(uint8_t *to, const uint8_t *from, uint8_t bits)
{
    for (size_t i = 0; i < SIM_SECTORS; i++) {
        if (bits >> i & 1)
            memcpy(to + i * CORE_SECTOR_BYTES, from + i * CORE_SECTOR_BYTES, CORE_SECTOR_BYTES);
    }
}

/* These sectors of `from` are on disk; those that `now` still has so are no longer dirty. */
static void page_settle(struct sim_page *page, struct sim_chunk *from, uint8_t bits)
{
    const uint8_t *bytes = chunk_bytes(from);
    const uint8_t *now = chunk_bytes(page->now);
    for (size_t i = 0; i < SIM_SECTORS; i++) {
        size_t at = i * CORE_SECTOR_BYTES;
        if ((bits >> i & 1) &&
            (now == bytes || memcmp(now + at, bytes + at, CORE_SECTOR_BYTES) == 0))
            page->dirty &= (uint8_t) ~(1u << i);
    }
    if (page->dirty == 0 && page->lost == 0)
        chunk_set(&page->disk, page->now); /* S2 */
    else
        copy_sectors(chunk_writable(&page->disk), bytes, bits);
}

/* Also where a file's size is only now dirty because a sync of it was lost. */
static void settle_bytes(struct sim_node *node, uint64_t bytes)
{
    if (bytes > node->bytes_disk)
        node->bytes_disk = bytes;
    if (node->bytes_disk >= node->bytes)
        node->bytes_dirty = false;
}

static void pages_settle(struct sim_node *node, uint64_t offset, size_t count)
{
    for (size_t done = 0; done < count;) {
        uint64_t at = offset + done;
        size_t within = at % CORE_PAGE_BYTES;
        size_t part = part_in_page(at, count - done);
        struct sim_page *page = &node->page[at / CORE_PAGE_BYTES];
        page_settle(page, page->now, sector_bits(within, within + part) & page->dirty);
        done += part;
    }
    if (count > 0)
        settle_bytes(node, offset + count);
}

void pages_write_through(struct sim_node *node, uint64_t offset, const void *bytes, size_t count)
{
    bool unsettled = node->unsettled;
    pages_write(node, offset, bytes, count);
    pages_settle(node, offset, count);
    node->unsettled = unsettled;
}

void pages_sync(struct sim_node *node, const struct sim_node *covered)
{
    core_assert(covered->page_count <= node->page_count);
    if (!covered->unsettled)
        return;
    bool left = false;
    for (size_t i = 0; i < node->page_count; i++) {
        struct sim_page *page = &node->page[i];
        if (i < covered->page_count) {
            /* What was lost since then stays so; what became durable may be newer. */
            uint8_t bits = covered->page[i].dirty & page->dirty;
            if (bits != 0)
                page_settle(page, covered->page[i].now, bits);
        }
        left = left || page->dirty != 0 || page->lost != 0;
    }
    if (covered->bytes_dirty)
        settle_bytes(node, covered->bytes);
    node->unsettled = left || node->bytes_disk != node->bytes;
    if (!node->unsettled)
        node->shared_bytes = 0;
}

void pages_sync_some(struct sim_node *node, struct sim_random *random)
{
    for (size_t i = 0; i < node->page_count; i++) {
        struct sim_page *page = &node->page[i];
        uint8_t bits = page->dirty & (uint8_t)random_next(random);
        if (bits == 0)
            continue;
        copy_sectors(chunk_writable(&page->disk), chunk_bytes(page->now), bits);
    }
    if (node->bytes_dirty && random_coin(random))
        settle_bytes(node, node->bytes);
}

void pages_drop(struct sim_node *node, uint64_t offset, uint64_t count)
{
    uint64_t end = count > node->bytes - offset ? node->bytes : offset + count;
    for (uint64_t at = offset; at < end;) {
        size_t within = at % CORE_PAGE_BYTES;
        size_t part = part_in_page(at, end - at);
        struct sim_page *page = &node->page[at / CORE_PAGE_BYTES];
        uint8_t bits = page->dirty & sector_bits(within, within + part);
        page->lost |= bits;
        page->dirty &= (uint8_t)~bits;
        at += part;
    }
    if (end == node->bytes)
        node->bytes_dirty = false;
}

void pages_replace(struct sim_node *node, const void *bytes, size_t count)
{
    pages_cut(node, 0);
    node->bytes = 0;
    node->bytes_disk = 0;
    node->shared_bytes = 0;
    node->bytes_dirty = false;
    node->unsettled = false;
    node->hashed = false;
    pages_write_through(node, 0, bytes, count);
}

static void chunk_flip(struct sim_chunk **chunk, size_t bit)
{
    chunk_writable(chunk)[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

void pages_flip(struct sim_node *node, uint64_t bit)
{
    struct sim_page *page = &node->page[bit / 8 / CORE_PAGE_BYTES];
    size_t within = (size_t)(bit % (8 * CORE_PAGE_BYTES));
    bool is_one = page->now == page->disk;
    chunk_flip(&page->now, within);
    if (is_one)
        chunk_set(&page->disk, page->now);
    else
        chunk_flip(&page->disk, within);
    node->hashed = false;
}

/* ---- a power cut ----------------------------------------------------------------------------- */

void choice_begin_group(struct sim_choice *choice, bool is_file)
{
    /* Whole files kept or lost are as likely as ones that are torn. */
    static const uint32_t biases[] = { 0, 24, 128, 232, 256 };
    choice->bias = biases[random_below(&choice->random, CORE_COUNT(biases))];
    if (choice->is_by_file && is_file)
        choice->bias = choice->files >> choice->file++ & 1 ? 256 : 0;
}

bool choice_next(struct sim_choice *choice)
{
    size_t item = choice->item++;
    if (choice->keep != NULL)
        return item < choice->keep_bits && (choice->keep[item / 8] >> item % 8 & 1);
    if (choice->mode != SIM_CRASH_RANDOM)
        return choice->mode == SIM_CRASH_ALL;
    return random_below(&choice->random, 256) < choice->bias;
}

size_t pages_pending_count(const struct sim_node *node)
{
    if (!node->unsettled)
        return 0;
    size_t count = node->bytes_dirty;
    for (size_t i = 0; i < node->page_count; i++) {
        for (unsigned bits = node->page[i].dirty; bits != 0; bits &= bits - 1)
            count++;
    }
    return count;
}

bool pages_is_file(const struct sim_node *node)
{
    return node->shared_bytes == 0 && pages_pending_count(node) > 0;
}

/* Shared words reach the disk one by one, at any time, or never; some come out as neither. */
static void garble_words(uint8_t *bytes, const uint8_t *now, uint8_t bits,
                         struct sim_random *random)
{
    for (size_t at = 0; at < CORE_PAGE_BYTES; at += sizeof(uint64_t)) {
        if (!(bits >> at / CORE_SECTOR_BYTES & 1))
            continue;
        uint64_t pick = random_below(random, 8);
        uint64_t garbage = random_next(random);
        if (pick == 0)
            memcpy(bytes + at, &garbage, sizeof garbage);
        else if (pick < 5)
            memcpy(bytes + at, now + at, sizeof garbage);
    }
}

static void page_crash(struct sim_page *page, struct sim_choice *choice, bool is_shared,
                       uint8_t *kept_out)
{
    uint8_t kept = 0;
    for (unsigned i = 0; i < SIM_SECTORS; i++) {
        if (page->dirty >> i & 1)
            kept |= (uint8_t)((unsigned)choice_next(choice) << i);
    }
    bool random = choice->keep == NULL && choice->mode == SIM_CRASH_RANDOM;
    if (is_shared && page->dirty != 0 && random && random_coin(&choice->random)) {
        garble_words(chunk_writable(&page->disk), chunk_bytes(page->now), page->dirty,
                     &choice->random);
        kept = page->dirty;
    } else if (kept == page->dirty && page->lost == 0) {
        chunk_set(&page->disk, page->now);
    } else if (kept != 0) {
        copy_sectors(chunk_writable(&page->disk), chunk_bytes(page->now), kept);
    }
    chunk_set(&page->now, page->disk);
    page->dirty = 0;
    page->lost = 0;
    *kept_out = kept;
}

/* S3, after the file became shorter. */
static void trim(struct sim_node *node, uint64_t bytes)
{
    node->bytes = bytes;
    pages_cut(node, (size_t)((bytes + CORE_PAGE_BYTES - 1) / CORE_PAGE_BYTES));
    size_t within = bytes % CORE_PAGE_BYTES;
    if (within == 0)
        return;
    struct sim_page *page = &node->page[node->page_count - 1];
    if (memcmp(chunk_bytes(page->now) + within, zeros, CORE_PAGE_BYTES - within) == 0)
        return;
    memset(chunk_writable(&page->now) + within, 0, CORE_PAGE_BYTES - within);
    chunk_set(&page->disk, page->now);
}

void pages_crash(struct sim_node *node, struct sim_choice *choice)
{
    choice_begin_group(choice, pages_is_file(node));
    uint64_t bytes = node->bytes_disk;
    if (node->bytes_dirty && choice_next(choice))
        bytes = node->bytes;
    for (size_t i = 0; i < node->page_count; i++) {
        struct sim_page *page = &node->page[i];
        if (page->dirty == 0 && page->lost == 0)
            continue;
        uint8_t kept;
        page_crash(page, choice, (uint64_t)i * CORE_PAGE_BYTES < node->shared_bytes, &kept);

        /* A sector that is there brings the size up to it, unless the size itself was lost. */
        uint64_t end = (uint64_t)i * CORE_PAGE_BYTES;
        for (unsigned s = 0; s < SIM_SECTORS && node->bytes_dirty; s++) {
            uint64_t sector_end = end + (s + 1) * (uint64_t)CORE_SECTOR_BYTES;
            if ((kept >> s & 1) && sector_end > bytes)
                bytes = sector_end < node->bytes ? sector_end : node->bytes;
        }
    }
    trim(node, bytes);
    node->bytes_disk = bytes;
    node->bytes_dirty = false;
    node->unsettled = false;
    node->shared_bytes = 0;
    node->hashed = false;
}

uint64_t pages_hash(struct sim_node *node)
{
    if (node->hashed)
        return node->hash;
    uint64_t hash = node->bytes;
    for (size_t i = 0; i < node->page_count; i++) {
        uint64_t pair[2] = { hash, chunk_hash(node->page[i].now) };
        hash = hash64(pair, sizeof pair);
    }
    node->hash = hash;
    node->hashed = true;
    return hash;
}
