/*
 * test_vault_bytes.c -- bodies that no writer makes are refused, and an id leaves no trace on the
 * disk.
 *
 * Bodies are put into a log of edits as they are, so that every checksum fits. The trace is
 * searched for in the bytes of every file of the simulated disk: raw, in hexadecimal of both cases,
 * and in base64 at its three alignments.
 */
#include "vault_world.h"

/* ---- forms, in a vault without sealing ---- */

static void setup_plain(void)
{
    world_setup(false);
}

enum {
    RECORD_INDEX = 1,
    RECORD_USER = 2,
    RECORD_ERASED = 3,
    BLOB_BYTES = 24 + 96 + 16,
    USER_BYTES = 34 + BLOB_BYTES
};

static void put_record(struct buffer *body, uint8_t kind, const void *payload, size_t bytes)
{
    buffer_append_u8(body, kind);
    buffer_append_varint(body, bytes);
    buffer_append(body, payload, bytes);
}

/* A user as a writer would, without sealing; its fields can be spoilt. */
struct form {
    uint64_t number;
    uint32_t generation, epoch;
    uint8_t nonce;
    uint8_t hash;
    uint8_t key, id_bytes, after_id;
};

static void put_form(struct buffer *body, const struct form *form)
{
    uint8_t payload[USER_BYTES], associated[8 + 16 + 34], plain[96] = { 0 };
    struct writer w = writer_over(payload, sizeof payload);
    put_u64(&w, form->number);
    put_u16(&w, 0);
    put_u32(&w, form->generation);
    put_u32(&w, form->epoch);
    uint8_t hash[CRYPTO_ID_HASH_BYTES];
    crypto_id_hash(hash, &form->hash, 1, NULL);
    put_bytes(&w, hash, sizeof hash);
    uint8_t nonce[CRYPTO_NONCE_BYTES] = { form->nonce };
    put_bytes(&w, nonce, sizeof nonce);
    memcpy(associated, "HLTENTRY", 8);
    memcpy(associated + 8, world_store_id, 16);
    memcpy(associated + 24, payload, 34);
    plain[0] = form->key;
    plain[32] = form->id_bytes;
    plain[33] = form->hash; /* the id: one byte */
    plain[95] = form->after_id;
    crypto_seal(payload + 58, plain, sizeof plain, associated, sizeof associated, nonce, NULL);
    put_record(body, RECORD_USER, payload, sizeof payload);
}

static const struct form right = { .number = 5, .generation = 1, .hash = 'a', .id_bytes = 1 };

/* Put one edit with this body in the place of the vault, and open it. */
static holter_status open_body(const struct buffer *body)
{
    world_close();
    struct edits_spec spec = {
        .io = world.io, .directory = "d", .name = "vault", .kind = EDITS_VAULT, .is_private = true
    };
    memcpy(spec.store_id, world_store_id, 16);
    io_unlink(world.io, "d/vault.a", NULL);
    io_unlink(world.io, "d/vault.b", NULL);
    MUST(edits_create(&spec, &(struct edits_part){ body->data, body->bytes }, 1, &world.err));
    return world_open(false);
}

static holter_status open_form(const struct form *forms, size_t count)
{
    struct buffer body;
    buffer_init(&body);
    put_record(&body, RECORD_INDEX, "", 1);
    for (size_t i = 0; i < count; i++)
        put_form(&body, &forms[i]);
    holter_status status = open_body(&body);
    buffer_release(&body);
    return status;
}

START_TEST(a_user_by_the_page_is_read)
{
    char id[VAULT_ID_BYTES_MAX + 1];
    size_t bytes;
    MUST(open_form(&right, 1));
    MUST(vault_id(id, &bytes, world.vault, 5, &world.err));
    ck_assert_str_eq(id, "a");
}
END_TEST

static const struct {
    struct form forms[2];
    size_t count;
    holter_status opening, id;
} user_forms[] = {
    { { { .number = 0, .generation = 1, .hash = 'a', .id_bytes = 1 } }, 1, HOLTER_CORRUPT, 0 },
    { { { .number = 5, .generation = 0, .hash = 'a', .id_bytes = 1 } }, 1, HOLTER_CORRUPT, 0 },
    { { { .number = 5, .generation = 1, .epoch = 1, .hash = 'a', .id_bytes = 1 } },
      1,
      HOLTER_CORRUPT,
      0 },
    { { { .number = 5, .generation = 1, .nonce = 1, .hash = 'a', .id_bytes = 1 } },
      1,
      HOLTER_CORRUPT,
      0 },
    { { { 5, 1, 0, 0, 'a', 0, 1, 0 }, { 5, 1, 0, 0, 'b', 0, 1, 0 } },
      2,
      HOLTER_CORRUPT,
      0 }, /* one number */
    { { { 5, 1, 0, 0, 'a', 0, 1, 0 }, { 6, 1, 0, 0, 'a', 0, 1, 0 } },
      2,
      HOLTER_CORRUPT,
      0 }, /* one hash */
    { { { .number = 5, .generation = 1, .hash = 'a', .id_bytes = 1, .key = 1 } },
      1,
      HOLTER_OK,
      HOLTER_CORRUPT },
    { { { .number = 5, .generation = 1, .hash = 'a', .id_bytes = 0 } },
      1,
      HOLTER_OK,
      HOLTER_CORRUPT },
    { { { .number = 5, .generation = 1, .hash = 'a', .id_bytes = 64 } },
      1,
      HOLTER_OK,
      HOLTER_CORRUPT },
    { { { .number = 5, .generation = 1, .hash = 'a', .id_bytes = 1, .after_id = 1 } },
      1,
      HOLTER_OK,
      HOLTER_CORRUPT },
    { { { .number = 5, .generation = 1, .hash = 0xff, .id_bytes = 1 } },
      1,
      HOLTER_OK,
      HOLTER_CORRUPT }, /* UTF-8 */
};

START_TEST(users_that_no_writer_makes_are_refused)
{
    char id[VAULT_ID_BYTES_MAX + 1];
    size_t bytes;
    holter_status status = open_form(user_forms[_i].forms, user_forms[_i].count);
    ck_assert_int_eq(status, user_forms[_i].opening);
    if (status == HOLTER_OK)
        ck_assert_int_eq(vault_id(id, &bytes, world.vault, 5, &world.err), user_forms[_i].id);
    else
        ck_assert_ptr_null(world.vault);
}
END_TEST

static const struct {
    const char *bytes;
    size_t count;
    holter_status status;
} bodies[] = {
    { "\1\1\0", 3, HOLTER_OK },
    { "\1\1\0\1\1\0", 6, HOLTER_CORRUPT },           /* two indexes */
    { "\3\10\1\0\0\0\0\0\0\0", 10, HOLTER_CORRUPT }, /* none */
    { "\1\1\1", 3, HOLTER_CORRUPT },                 /* sealed, but too short */
    { "\1\1\2", 3, HOLTER_CORRUPT },
    { "\1\2\0\0", 4, HOLTER_CORRUPT },
    { "\1\1\0\3\10\1\0\0\0\0\0\0\0", 13, HOLTER_OK },                      /* an erased number */
    { "\1\1\0\3\10\0\0\0\0\0\0\0\0", 13, HOLTER_CORRUPT },                 /* number 0 */
    { "\1\1\0\3\20\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 21, HOLTER_CORRUPT }, /* erased twice */
    { "\1\1\0\3\7\1\0\0\0\0\0\0", 12, HOLTER_CORRUPT },
    { "\1\1\0\3\0", 5, HOLTER_CORRUPT },
    { "\1\1\0\2\1\0", 6, HOLTER_CORRUPT },   /* a short user */
    { "\1\1\0\0\0", 5, HOLTER_CORRUPT },     /* kind 0 */
    { "\1\1\0\4\0", 5, HOLTER_UNSUPPORTED }, /* a further key */
    { "\1\1\0\7\0", 5, HOLTER_UNSUPPORTED }, /* legal hold */
    { "\1\1\0\x7f\0", 5, HOLTER_UNSUPPORTED },
    { "\1\1\0\x80\0", 5, HOLTER_OK }, /* may be skipped */
    { "\1\1\0\xff\2ab", 7, HOLTER_OK },
    { "\1\1\0\3", 4, HOLTER_CORRUPT },                        /* cut after the kind */
    { "\1\1\0\3\11\1\0\0\0\0\0\0\0", 13, HOLTER_CORRUPT },    /* longer than the body */
    { "\1\1\0\3\x88\0\1\0\0\0\0\0\0\0", 14, HOLTER_CORRUPT }, /* an over-long varint */
    { "\1\1\0\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 14, HOLTER_CORRUPT },
};

START_TEST(bodies_that_no_writer_makes_are_refused)
{
    struct buffer body;
    buffer_init(&body);
    buffer_append(&body, bodies[_i].bytes, bodies[_i].count);
    ck_assert_int_eq(open_body(&body), bodies[_i].status);
    buffer_release(&body);
}
END_TEST

START_TEST(what_was_skipped_is_not_written_over)
{
    struct buffer body;
    uint64_t number;
    buffer_init(&body);
    buffer_append(&body, "\1\1\0\x80\0", 5);
    MUST(open_body(&body));
    world_close();
    MUST(world_open(true));
    ck_assert_int_eq(world_add(&number, "a"), HOLTER_UNSUPPORTED);
    buffer_release(&body);
}
END_TEST

START_TEST(a_sealed_index_in_a_plain_store_is_denied)
{
    struct buffer body;
    uint8_t payload[77] = { 1, 1 };
    buffer_init(&body);
    put_record(&body, RECORD_INDEX, payload, sizeof payload);
    ck_assert_int_eq(open_body(&body), HOLTER_DENIED);
    buffer_release(&body);
}
END_TEST

/* ---- a sealed vault ---- */

static void setup_sealed(void)
{
    world_setup(true);
}

/*
 * The last edit's record begins at the last sector but one or two; its body holds one user record.
 */
START_TEST(every_changed_byte_of_a_sealed_entry_is_found)
{
    uint64_t number;
    char id[VAULT_ID_BYTES_MAX + 1];
    size_t bytes;
    MUST(world_add(&number, "someone"));
    struct buffer file = world_bytes("d/vault.a");
    const uint8_t *user = file.data + file.bytes - 512 + 32;
    ck_assert_uint_eq(user[0], RECORD_USER);
    struct buffer body;
    buffer_init(&body);
    buffer_append(&body, file.data + 512 + 32, 1 + 1 + 77); /* the index record of version 1 */
    ck_assert_uint_eq(body.data[0], RECORD_INDEX);
    size_t at = body.bytes;
    buffer_append(&body, user, 3 + USER_BYTES);

    MUST(open_body(&body)); /* as it was */
    MUST(vault_id(id, &bytes, world.vault, number, &world.err));
    ck_assert_str_eq(id, "someone");
    for (size_t i = at + 3; i < body.bytes; i++) {
        body.data[i] ^= 0x10;
        holter_status status = open_body(&body);
        if (status == HOLTER_OK) {
            struct vault_user changed = vault_user_at(world.vault, 0);
            status = vault_id(id, &bytes, world.vault, changed.number, &world.err);
        }
        ck_assert_msg(status == HOLTER_CORRUPT || status == HOLTER_DENIED, "byte %zu: %d",
                      i - at - 3, status);
        body.data[i] ^= 0x10;
    }
    buffer_release(&body);
    buffer_release(&file);
}
END_TEST

/* ---- no trace ---- */

enum { TRACE_IDS = 10000, TRACE_BYTES = 16, NEEDLE_BYTES = 8 };

/* A set of 8-byte needles, found in a file by a filter and then exactly. */
struct needles {
    uint64_t *slot; /* 0 free */
    size_t capacity;
};

static uint64_t needle_of(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t *needle_slot(const struct needles *n, uint64_t word)
{
    uint64_t hash = word * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (hash >> 32) & (n->capacity - 1);
    while (n->slot[at] != 0 && n->slot[at] != word)
        at = (at + 1) & (n->capacity - 1);
    return &n->slot[at];
}

static void needle_add(struct needles *n, const uint8_t *bytes)
{
    uint64_t word = needle_of(bytes);
    *needle_slot(n, word) = word;
}

static void base64(char *out, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i + 3 <= count; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (int k = 0; k < 4; k++)
            *out++ = digits[three >> (18 - 6 * k) & 63];
    }
    *out = '\0';
}

/* Eight bytes from the middle of each form: any copy of the id, whole or half, holds them. */
static void needles_of_id(struct needles *n, const char *id)
{
    const uint8_t *bytes = (const uint8_t *)id;
    char text[4 * TRACE_BYTES];
    needle_add(n, bytes + 4);
    hex_encode(text, bytes, TRACE_BYTES);
    needle_add(n, (const uint8_t *)text + 8);
    for (char *c = text; *c != '\0'; c++)
        if (*c >= 'a')
            *c = (char)(*c - 'a' + 'A');
    needle_add(n, (const uint8_t *)text + 8);
    for (size_t shift = 0; shift < 3; shift++) { /* three neighbours' worth of alignments */
        base64(text, bytes + shift, TRACE_BYTES - shift);
        needle_add(n, (const uint8_t *)text + 4);
    }
}

static size_t traces(const struct needles *n)
{
    struct io_names names;
    size_t found = 0;
    MUST(sim_files(&names, world.sim));
    ck_assert_uint_ge(names.count, 2);
    for (size_t f = 0; f < names.count; f++) {
        struct buffer bytes = world_bytes(names.name[f]);
        for (size_t i = 0; i + NEEDLE_BYTES <= bytes.bytes; i++) {
            uint64_t word = needle_of(bytes.data + i);
            found += word != 0 && *needle_slot(n, word) == word;
        }
        buffer_release(&bytes);
    }
    io_names_release(&names);
    return found;
}

static size_t traces_of_random_ids(void)
{
    static char text[TRACE_IDS][TRACE_BYTES + 1];
    static struct vault_id ids[TRACE_IDS];
    static uint64_t numbers[TRACE_IDS];
    struct needles needles = { .capacity = 1 << 18 };
    struct random random = { 77 };
    needles.slot = calloc(needles.capacity, sizeof *needles.slot);
    for (size_t i = 0; i < TRACE_IDS; i++) {
        for (size_t k = 0; k < TRACE_BYTES; k++)
            text[i][k] = "abcdefghijklmnopqrstuvwxyz0123456789"[random_below(&random, 36)];
        ids[i] = (struct vault_id){ text[i], TRACE_BYTES, 0 };
        needles_of_id(&needles, text[i]);
    }
    MUST(vault_add(numbers, world.vault, ids, TRACE_IDS / 2, &world.err));
    for (size_t i = TRACE_IDS / 2; i < TRACE_IDS; i += 500)
        MUST(vault_add(numbers + i, world.vault, ids + i, 500, &world.err));
    MUST(vault_erase(world.vault, numbers, 10, &world.err));
    size_t found = traces(&needles);
    free(needles.slot);
    return found;
}

START_TEST(ids_leave_no_trace_on_the_disk)
{
    ck_assert_uint_eq(traces_of_random_ids(), 0);
}
END_TEST

/* The search itself: without sealing it finds each id that was not erased, in both copies. */
START_TEST(the_search_for_traces_finds_what_is_there)
{
    ck_assert_uint_eq(traces_of_random_ids(), 2 * (TRACE_IDS - 10));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vault_bytes");
    TCase *plain = tcase_create("plain"), *sealed = tcase_create("sealed");
    tcase_set_timeout(plain, 120);
    tcase_set_timeout(sealed, 120);
    tcase_add_checked_fixture(plain, setup_plain, world_teardown);
    tcase_add_test(plain, a_user_by_the_page_is_read);
    tcase_add_loop_test(plain, users_that_no_writer_makes_are_refused, 0, CORE_COUNT(user_forms));
    tcase_add_loop_test(plain, bodies_that_no_writer_makes_are_refused, 0, CORE_COUNT(bodies));
    tcase_add_test(plain, what_was_skipped_is_not_written_over);
    tcase_add_test(plain, a_sealed_index_in_a_plain_store_is_denied);
    tcase_add_test(plain, the_search_for_traces_finds_what_is_there);
    suite_add_tcase(suite, plain);
    tcase_add_checked_fixture(sealed, setup_sealed, world_teardown);
    tcase_add_test(sealed, every_changed_byte_of_a_sealed_entry_is_found);
    tcase_add_test(sealed, ids_leave_no_trace_on_the_disk);
    suite_add_tcase(suite, sealed);
    return run_suite(suite);
}
