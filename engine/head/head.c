/*
 * head.c -- the head page: two slots for each pair of facts, the newer of which is always whole.
 *
 *     | header | spare | pair 0: slot slot | pair 1: slot slot | statistics, in the store's page
 *
 * H1  A publish stores into the slot that is not the newer one, so a killed publisher spoils no
 *     fact.
 * H2  The checksum covers format, store, place, pair and boot, so what another boot left counts for
 *     nothing.
 *
 * The header only tells people and newer formats what the page is; slots prove themselves.
 *
 * Bytes: format-spec/head.md. Tests: tests/unit/test_head.c.
 */
#include "head_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = 64,
    HEADER_WORDS = HEADER_BYTES / 8,
    TURN_WORD = 64 / 8,
    WAITING_WORD,
    SLOTS_OFFSET = 128,
    SLOT_BYTES = 128,
    SLOT_WORDS = SLOT_BYTES / 8,
    SLOT_COUNT = 0,
    SLOT_FACTS = 1,
    SLOT_SPARE = SLOT_FACTS + HEAD_WORDS,
    SLOT_CHECKSUM = SLOT_WORDS - 1,
    SLOTS = 2,
    READS_MAX = 16, /* a reader loses to a publisher only when two publishes pass it by */
};

static const uint8_t magic[8] = { 0x89, 'H', 'L', 'T', 'H', 'E', 'A', 'D' };
static const int64_t making_wait_ns = INT64_C(5) * 1000000000;

struct slot {
    uint64_t words[SLOT_WORDS];
};

/* ---- slots ----------------------------------------------------------------------------------- */

static size_t slot_word(unsigned pair, unsigned slot)
{
    return (SLOTS_OFFSET + (pair * SLOTS + slot) * SLOT_BYTES) / 8;
}

static void seeds_encode(struct head *head)
{
    for (unsigned pair = 0; pair < HEAD_PAIRS; pair++) {
        struct writer w = writer_over(head->seeds[pair], sizeof head->seeds[pair]);
        put_bytes(&w, magic, sizeof magic);
        put_u16(&w, HOLTER_FORMAT_MAJOR);
        put_bytes(&w, head->store_id, sizeof head->store_id);
        put_u32(&w, head->place);
        put_u32(&w, pair);
        put_bytes(&w, head->boot_id, sizeof head->boot_id);
        core_assert(w.left == 0 && !w.overrun);
    }
}

/* Of the words as they lie in memory: a page is in host order. */
static uint64_t slot_checksum(const struct head *head, unsigned pair, const struct slot *slot)
{
    uint8_t bytes[HEAD_SEED_BYTES + SLOT_CHECKSUM * 8];
    memcpy(bytes, head->seeds[pair], HEAD_SEED_BYTES);
    memcpy(bytes + HEAD_SEED_BYTES, slot->words, SLOT_CHECKSUM * 8);
    return hash64(bytes, sizeof bytes);
}

static bool slot_load(struct slot *out, struct head *head, unsigned pair, unsigned index)
{
    size_t first = slot_word(pair, index);
    for (size_t i = 0; i < SLOT_WORDS; i++)
        out->words[i] = io_shared_load(head->page, first + i);
    if (out->words[SLOT_COUNT] == 0)
        return false;
    for (size_t i = SLOT_SPARE; i < SLOT_CHECKSUM; i++)
        if (out->words[i] != 0)
            return false;
    return checksum_fits(out->words[SLOT_CHECKSUM], slot_checksum(head, pair, out));
}

/* Counts go round, so that none is the last: whatever a page holds, it can be published over. */
static bool is_ahead(uint64_t count, uint64_t other)
{
    return count != other && count - other < UINT64_C(1) << 63;
}

static uint64_t count_after(uint64_t count)
{
    return count == UINT64_MAX ? 1 : count + 1; /* 0: an empty slot */
}

/* The index of the newer slot that counts, -1: none does. */
static int slot_newest(struct slot *out, struct head *head, unsigned pair)
{
    int newest = -1;
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot slot;
        if (!slot_load(&slot, head, pair, i))
            continue;
        if (newest >= 0 && !is_ahead(slot.words[SLOT_COUNT], out->words[SLOT_COUNT]))
            continue;
        *out = slot;
        newest = (int)i;
    }
    return newest;
}

/* ---- the header ------------------------------------------------------------------------------ */

static void header_encode(uint8_t out[static HEADER_BYTES], const struct head *head)
{
    struct writer w = writer_over(out, HEADER_BYTES);
    put_bytes(&w, magic, sizeof magic);
    put_u16(&w, HOLTER_FORMAT_MAJOR);
    put_u16(&w, HOLTER_FORMAT_MINOR);
    put_u32(&w, 0); /* must-understand features */
    put_u32(&w, 0); /* may-ignore features */
    put_bytes(&w, head->store_id, sizeof head->store_id);
    put_u32(&w, head->place);
    put_zeros(&w, 16);
    put_u64(&w, hash64(out, HEADER_BYTES - 8));
    core_assert(w.left == 0 && !w.overrun);
}

static bool header_is_newer(const uint8_t in[static HEADER_BYTES])
{
    struct reader r = reader_over(in, HEADER_BYTES);
    const uint8_t *found = get_bytes(&r, sizeof magic);
    uint16_t major = get_u16(&r);
    (void)get_u16(&r); /* a newer minor changes nothing that must be understood */
    uint32_t must_understand = get_u32(&r);
    struct reader end = reader_over(in + HEADER_BYTES - 8, 8);
    return memcmp(found, magic, sizeof magic) == 0 &&
           checksum_fits(get_u64(&end), hash64(in, HEADER_BYTES - 8)) &&
           (major > HOLTER_FORMAT_MAJOR || must_understand != 0);
}

/* Words are in host order, which on every supported machine is little-endian. */
static holter_status header_check(struct head *head, const char *path, bool writable,
                                  holter_error *err)
{
    uint64_t found[HEADER_WORDS], wanted[HEADER_WORDS];
    uint8_t bytes[HEADER_BYTES];

    for (size_t i = 0; i < HEADER_WORDS; i++)
        found[i] = io_shared_load(head->page, i);
    memcpy(bytes, found, sizeof bytes);
    if (header_is_newer(bytes))
        return error_set(err, HOLTER_UNSUPPORTED,
                         "head page '%s': a newer format than %d; a newer holter is needed", path,
                         HOLTER_FORMAT_MAJOR);

    header_encode(bytes, head);
    memcpy(wanted, bytes, sizeof bytes);
    for (size_t i = 0; writable && i < HEADER_WORDS; i++)
        if (found[i] != wanted[i])
            io_shared_store(head->page, i, wanted[i]);
    return HOLTER_OK;
}

/* ---- entry points ---------------------------------------------------------------------------- */

static holter_status fill_with_zeros(struct io *io, struct io_file *file, uint64_t bytes,
                                     holter_error *err)
{
    static const uint8_t zeros[HEAD_BYTES];
    struct io_queue *queue;
    holter_status status = io_queue_open(&queue, io, 1, err);
    if (status != HOLTER_OK)
        return status;
    status = io_write_exactly(queue, file, bytes, zeros, (size_t)(HEAD_BYTES - bytes), err);
    io_queue_close(queue);
    return status;
}

/*
 * Fill up a page that is too short, under a lock: filling must not wipe what another has published.
 */
static holter_status make_long_enough(struct io *io, struct io_file *file, holter_error *err)
{
    uint64_t bytes;
    holter_status status =
        io_lock(file, 0, 1, IO_LOCK_EXCLUSIVE, io_monotonic_ns(io) + making_wait_ns, err);
    if (status != HOLTER_OK)
        return status;
    status = io_size(&bytes, file, err);
    if (status == HOLTER_OK && bytes < HEAD_BYTES)
        status = fill_with_zeros(io, file, bytes, err);
    io_unlock(file, 0, 1);
    return status;
}

static holter_status open_file(struct io_file **out, struct io *io, const char *path, bool writable,
                               holter_error *err)
{
    holter_status status = io_open(out, io, path, writable ? IO_WRITABLE : 0, err);
    if (status != HOLTER_NOT_FOUND || !writable)
        return status;
    status = io_open(out, io, path, IO_WRITABLE | IO_CREATE, err);
    if (status != HOLTER_EXISTS)
        return status;
    return io_open(out, io, path, IO_WRITABLE, err); /* another process made it just now */
}

holter_status head_open(struct head **out, struct io *io, const char *path,
                        const uint8_t store_id[static 16], uint32_t place, bool writable,
                        holter_error *err)
{
    *out = NULL;
    uint64_t bytes;
    struct head *head = calloc(1, sizeof *head);
    if (head == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "head page '%s': handle", path);
    memcpy(head->store_id, store_id, sizeof head->store_id);
    head->place = place;

    holter_status status = io_boot_id(io, head->boot_id, err);
    if (status != HOLTER_OK)
        goto done;
    status = open_file(&head->file, io, path, writable, err);
    if (status != HOLTER_OK)
        goto done;
    status = io_size(&bytes, head->file, err);
    if (status != HOLTER_OK)
        goto done;
    if (bytes < HEAD_BYTES && !writable) {
        status = error_set(err, HOLTER_NOT_FOUND, "head page '%s': %llu bytes, expected %d", path,
                           (unsigned long long)bytes, HEAD_BYTES);
        goto done;
    }
    if (bytes < HEAD_BYTES)
        status = make_long_enough(io, head->file, err);
    if (status != HOLTER_OK)
        goto done;
    status = io_map(&head->page, head->file, HEAD_BYTES, writable, err);
    if (status != HOLTER_OK)
        goto done;
    status = header_check(head, path, writable, err);
    if (status != HOLTER_OK)
        goto done;
    seeds_encode(head);
    head->is_writable = writable;
    if (writable && place == 0)
        head_statistics_begin(head);

    *out = head;
    head = NULL; /* now the caller's */
done:
    head_close(head);
    return status;
}

void head_close(struct head *head)
{
    if (head == NULL)
        return;
    if (head->page != NULL)
        io_unmap(head->page);
    io_close(head->file);
    free(head);
}

holter_status head_check_linked(const struct head *head, holter_error *err)
{
    return io_check_linked(head->file, err);
}

bool head_read(struct head *head, unsigned pair, uint64_t words[static HEAD_WORDS])
{
    core_assert(pair < HEAD_PAIRS);
    for (unsigned i = 0; i < READS_MAX; i++) {
        struct slot slot;
        if (slot_newest(&slot, head, pair) < 0)
            continue;
        memcpy(words, slot.words + SLOT_FACTS, HEAD_WORDS * sizeof *words);
        return true;
    }
    return false;
}

struct head_stamp head_stamp(const struct head *head, unsigned pair)
{
    struct head_stamp stamp;
    core_assert(pair < HEAD_PAIRS);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        stamp.words[2 * slot] = io_shared_load(head->page, slot_word(pair, slot) + SLOT_COUNT);
        stamp.words[2 * slot + 1] =
            io_shared_load(head->page, slot_word(pair, slot) + SLOT_CHECKSUM);
    }
    return stamp;
}

bool head_stamp_is_equal(const struct head_stamp *a, const struct head_stamp *b)
{
    return memcmp(a->words, b->words, sizeof a->words) == 0;
}

void head_publish(struct head *head, unsigned pair, const uint64_t words[static HEAD_WORDS])
{
    core_assert(pair < HEAD_PAIRS);
    struct slot newest = { .words = { 0 } };
    int index = slot_newest(&newest, head, pair);
    struct slot slot = { .words = { 0 } };
    slot.words[SLOT_COUNT] = count_after(index < 0 ? 0 : newest.words[SLOT_COUNT]);
    memcpy(slot.words + SLOT_FACTS, words, HEAD_WORDS * sizeof *words);
    slot.words[SLOT_CHECKSUM] = slot_checksum(head, pair, &slot);

    size_t first = slot_word(pair, index == 0 ? 1 : 0); /* H1 */
    for (size_t i = 0; i < SLOT_WORDS; i++)
        io_shared_store(head->page, first + i, slot.words[i]);
}

uint64_t head_turn(struct head *head)
{
    return io_shared_load(head->page, TURN_WORD);
}

void head_wait(struct head *head, uint64_t turn, int64_t deadline_ns)
{
    io_shared_add(head->page, WAITING_WORD, 1);
    io_shared_wait(head->page, TURN_WORD, turn, deadline_ns);
    io_shared_add(head->page, WAITING_WORD,
                  UINT64_MAX); /* one less; one too many for ever after a kill */
}

void head_pass_turn(struct head *head)
{
    io_shared_add(head->page, TURN_WORD, 1);
    if (io_shared_load(head->page, WAITING_WORD) != 0)
        io_shared_wake_one(head->page, TURN_WORD);
}

void head_forget(struct head *head, unsigned pair)
{
    core_assert(pair < HEAD_PAIRS);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        for (size_t i = 0; i < SLOT_WORDS; i++)
            io_shared_store(head->page, slot_word(pair, slot) + i, 0);
    }
}
