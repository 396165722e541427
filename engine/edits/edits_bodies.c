/*
 * edits_bodies.c -- the records of an edit, in as many bodies as they need.
 */
#include "edits/edits.h"

#include <stdlib.h>

enum { RECORD_HEAD_BYTES_MAX = 1 + 10 };

void edits_bodies_release(struct edits_bodies *b)
{
    for (size_t i = 0; i < b->count; i++)
        buffer_release(&b->body[i]);
    free(b->body);
    *b = (struct edits_bodies){ 0 };
}

struct buffer *edits_bodies_begin(struct edits_bodies *b, uint8_t kind, size_t payload_bytes)
{
    core_assert(payload_bytes <= EDITS_BODY_BYTES_MAX - RECORD_HEAD_BYTES_MAX);
    size_t most = RECORD_HEAD_BYTES_MAX + payload_bytes;
    if (b->failed)
        return NULL;
    if (b->count == 0 || b->body[b->count - 1].bytes + most > EDITS_BODY_BYTES_MAX) {
        void *list = b->body;
        if (!core_grow(&list, &b->capacity, b->count + 1, sizeof *b->body)) {
            b->failed = true;
            return NULL;
        }
        b->body = list;
        buffer_init(&b->body[b->count++]);
    }
    struct buffer *body = &b->body[b->count - 1];
    if (!buffer_reserve(body, most)) {
        b->failed = true;
        return NULL;
    }
    buffer_append_u8(body, kind);
    buffer_append_varint(body, payload_bytes);
    return body;
}

void edits_bodies_put(struct edits_bodies *b, uint8_t kind, const struct buffer *payload)
{
    b->failed |= payload->failed;
    struct buffer *body = edits_bodies_begin(b, kind, payload->bytes);
    if (body != NULL)
        buffer_append(body, payload->data, payload->bytes);
}

struct edits_part *edits_bodies_parts(const struct edits_bodies *b)
{
    struct edits_part *parts = b->failed ? NULL : core_calloc(b->count, sizeof *parts);
    for (size_t i = 0; parts != NULL && i < b->count; i++)
        parts[i] = (struct edits_part){ b->body[i].data, b->body[i].bytes };
    return parts;
}
