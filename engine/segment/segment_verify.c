/*
 * segment_verify.c -- every byte of a segment against its hashes, without any key.
 *
 * Both copies of directory and footer are looked at, so that one that has gone bad is known
 * while the other is still good. Reads go past the cache where the file still has its name, as the
 * disk is in question, not the memory.
 */
#include "segment_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verify {
    struct segment *segment;
    struct io_queue *queue;
    struct io_file *file;
    uint8_t *window;        /* SEGMENT_CHUNK_BYTES of the file .. */
    uint64_t window_offset; /* .. from here on; a multiple of 4,096 */
    size_t window_bytes;
    holter_status window_status; /* of reading them */
    void (*report)(void *context, const char *sentence);
    void *context;
    size_t damaged;
};

static void finding(struct verify *v, uint64_t offset, const char *what, const char *detail)
{
    char sentence[IO_PATH_BYTES_MAX + 256];
    v->damaged++;
    if (v->report == NULL)
        return;
    snprintf(sentence, sizeof sentence, "segment '%s': %s at offset %llu: %s", v->segment->path,
             what, (unsigned long long)offset, detail);
    v->report(v->context, sentence);
}

/* Up to `bytes` at `offset`, through the window. *take: how many there are; NULL: they cannot be
   read. */
static const uint8_t *window_get(struct verify *v, uint64_t offset, size_t bytes, size_t *take)
{
    uint64_t file_bytes = v->segment->footer.summary.bytes;
    bool is_inside = v->window_bytes > 0 && offset >= v->window_offset &&
                     offset < v->window_offset + v->window_bytes;
    if (!is_inside) {
        v->window_offset = offset / SEGMENT_PAGE_BYTES * SEGMENT_PAGE_BYTES;
        uint64_t left = file_bytes - v->window_offset;
        v->window_bytes = left < SEGMENT_CHUNK_BYTES ? (size_t)left : SEGMENT_CHUNK_BYTES;
        v->window_status =
            io_read_exactly(v->queue, v->file, v->window_offset, v->window, v->window_bytes, NULL);
        if (v->window_status !=
            HOLTER_OK) { /* then page by page, so that one bad sector hides no other place */
            v->window_bytes = SEGMENT_PAGE_BYTES;
            v->window_status = io_read_exactly(v->queue, v->file, v->window_offset, v->window,
                                               v->window_bytes, NULL);
        }
    }
    size_t at = (size_t)(offset - v->window_offset);
    *take = bytes < v->window_bytes - at ? bytes : v->window_bytes - at;
    return v->window_status == HOLTER_OK ? v->window + at : NULL;
}

/* Copy [offset, offset + bytes); false: it cannot be read. */
static bool bytes_get(struct verify *v, uint64_t offset, uint8_t *out, size_t bytes)
{
    bool is_read = true;
    while (bytes > 0) {
        size_t take = 0;
        const uint8_t *from = window_get(v, offset, bytes, &take);
        if (from == NULL)
            is_read = false;
        else
            memcpy(out, from, take);
        offset += take;
        out += take;
        bytes -= take;
    }
    return is_read;
}

static void footers_verify(struct verify *v)
{
    for (int copy = 0; copy < 2; copy++) {
        uint8_t bytes[SEGMENT_FOOTER_BYTES];
        struct segment_footer footer;
        uint64_t offset = segment_footer_offset(&v->segment->footer, copy);
        const char *what = "it cannot be read";
        if (!bytes_get(v, offset, bytes, sizeof bytes) ||
            segment_footer_decode(&footer, bytes, &v->segment->identity,
                                  v->segment->footer.summary.bytes, &what) != HOLTER_OK)
            finding(v, offset, "footer", what);
        else if (footer.summary.footer_hash != v->segment->footer.summary.footer_hash)
            finding(v, offset, "footer", "it is not the one the file was opened with");
    }
}

static void zeros_verify(struct verify *v, uint64_t offset, uint64_t end)
{
    while (offset < end) {
        size_t take = 0;
        size_t left =
            end - offset < SEGMENT_PAGE_BYTES ? (size_t)(end - offset) : SEGMENT_PAGE_BYTES;
        const uint8_t *bytes = window_get(v, offset, left, &take);
        if (bytes == NULL) {
            finding(v, offset, "padding", "it cannot be read");
            return;
        }
        for (size_t i = 0; i < take; i++) {
            if (bytes[i] != 0) {
                finding(v, offset + i, "padding", "it is not zero");
                return;
            }
        }
        offset += take;
    }
}

/* Behind the sections; and behind a directory that lies there, too. */
static void padding_verify(struct verify *v)
{
    const struct segment_footer *footer = &v->segment->footer;
    uint64_t second = segment_page_offset(footer, 0, 1);
    uint64_t at = footer->sections_end;
    if (!segment_is_in_front(footer)) {
        zeros_verify(v, at, footer->directory_offset);
        at = footer->directory_offset + (uint64_t)footer->page_count * footer->page_bytes;
    }
    zeros_verify(v, at, second);
}

static holter_status directory_verify(struct verify *v, int copy, holter_error *err)
{
    const struct segment_footer *footer = &v->segment->footer;
    struct hash64_stream *hash = hash64_stream_new();
    if (hash == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "segment '%s': no memory to verify it",
                         v->segment->path);
    size_t damaged = v->damaged;
    uint64_t user_last = 0;
    uint64_t section_end = footer->sections_begin;
    for (uint32_t page = 0; page < footer->page_count; page++) {
        uint8_t bytes[SEGMENT_PAGE_BYTES];
        struct segment_user users[SEGMENT_PAGE_ENTRIES];
        size_t count = 0;
        uint64_t offset = segment_page_offset(footer, page, copy);
        const char *what = "it cannot be read";
        if (!bytes_get(v, offset, bytes, footer->page_bytes) ||
            segment_page_decode(users, &count, bytes, footer, page, &what) != HOLTER_OK) {
            finding(v, offset, "directory page", what);
            continue;
        }
        hash64_stream_add(hash, bytes + footer->page_bytes - 8, 8);
        if (v->damaged == damaged && page > 0 &&
            (users[0].user <= user_last || users[0].section_offset != section_end))
            finding(v, offset, "directory page", "it does not go on where the one before ends");
        user_last = users[count - 1].user;
        section_end = users[count - 1].section_offset + users[count - 1].section_bytes;
    }
    if (v->damaged == damaged && !CRYPTO_TRUSTS_TAGS &&
        hash64_stream_get(hash) != footer->directory_hash)
        finding(v, segment_page_offset(footer, 0, copy), "directory",
                "its hash is not the footer's");
    hash64_stream_free(hash);
    return HOLTER_OK;
}

static holter_status section_verify(struct verify *v, const struct segment_user *user,
                                    holter_error *err)
{
    struct hash64_stream *hash = hash64_stream_new();
    if (hash == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "segment '%s': no memory to verify it",
                         v->segment->path);
    uint64_t offset = user->section_offset;
    uint64_t end = offset + user->section_bytes;
    bool is_read = true;
    while (offset < end) {
        size_t take = 0;
        size_t left =
            end - offset < SEGMENT_CHUNK_BYTES ? (size_t)(end - offset) : SEGMENT_CHUNK_BYTES;
        const uint8_t *bytes = window_get(v, offset, left, &take);
        if (bytes != NULL)
            hash64_stream_add(hash, bytes, take);
        else
            is_read = false;
        offset += take;
    }
    char what[64];
    snprintf(what, sizeof what, "section of user #%016llx", (unsigned long long)user->user);
    if (!is_read)
        finding(v, user->section_offset, what, "it cannot be read");
    else if (!CRYPTO_TRUSTS_TAGS && hash64_stream_get(hash) != user->section_hash)
        finding(v, user->section_offset, what, "its hash is not the directory's");
    hash64_stream_free(hash);
    return HOLTER_OK;
}

/* Sections are found through the directory as a reader finds them: where a page is bad twice,
   they are not looked at. */
static holter_status sections_verify(struct verify *v, holter_error *err)
{
    holter_status status = HOLTER_OK;
    uint64_t users = segment_user_count(v->segment);
    uint64_t entries = segment_page_entries(&v->segment->footer);
    for (uint64_t i = 0; status == HOLTER_OK && i < users; i++) {
        struct segment_user user;
        status = segment_user_at(&user, v->segment, v->queue, i, err);
        if (status == HOLTER_CORRUPT || status == HOLTER_IO) {
            i += entries - 1 - i % entries;
            status = HOLTER_OK;
            continue;
        }
        if (status == HOLTER_OK)
            status = section_verify(v, &user, err);
    }
    return status;
}

holter_status segment_verify(struct segment *segment, struct io_queue *queue,
                             void (*report)(void *context, const char *sentence), void *context,
                             size_t *damaged, holter_error *err)
{
    struct io_file *direct = NULL;
    struct verify v = { .segment = segment,
                        .queue = queue,
                        .file = segment->file,
                        .report = report,
                        .context = context };
    if (io_open(&direct, segment->io, segment->path, IO_DIRECT, NULL) == HOLTER_OK)
        v.file = direct;
    v.window = aligned_alloc(CORE_PAGE_BYTES, SEGMENT_CHUNK_BYTES);
    holter_status status = HOLTER_OK;
    if (v.window == NULL)
        status =
            error_set(err, HOLTER_NO_MEMORY, "segment '%s': no memory to verify it", segment->path);
    if (status == HOLTER_OK) {
        footers_verify(&v);
        status = sections_verify(&v, err);
    }
    for (int copy = 0; status == HOLTER_OK && copy < 2; copy++)
        status = directory_verify(&v, copy, err);
    if (status == HOLTER_OK) {
        padding_verify(&v);
        *damaged += v.damaged;
    }
    free(v.window);
    io_close(direct);
    return status;
}
