/*
 * test_catalog_bytes.c -- bodies that no writer makes are refused, and changed bytes never crash or
 * change unseen.
 *
 * Bodies are put into a log of edits as they are, so that every checksum fits: a table of forms,
 * every length of the body that a new store has, and every byte of it changed in turn. What still
 * opens must tell something else, so that no byte goes unread and nothing has a second form.
 */
#include "catalog/catalog_impl.h"
#include "catalog_world.h"

static void setup_plain(void)
{
    world_setup(false);
}

static void setup_sealed(void)
{
    world_setup(true);
}

static holter_status open_body(const void *bytes, size_t count)
{
    world_close();
    struct edits_spec spec = {
        .io = world.io, .directory = "d", .name = "catalog", .kind = EDITS_CATALOG
    };
    memcpy(spec.store_id, world_store_id, 16);
    io_unlink(world.io, "d/catalog.a", NULL);
    io_unlink(world.io, "d/catalog.b", NULL);
    MUST(edits_create(&spec, &(struct edits_part){ bytes, count }, 1, &world.err));
    return world_open(false);
}

static const struct {
    const char *bytes;
    size_t count;
    holter_status status;
} bodies[] = {
    { "\1\6\0\0\1\0\1a", 8, HOLTER_OK },
    { "\1\6\1\0\1\0\1a", 8, HOLTER_CORRUPT }, /* number 1 first */
    { "\1\6\0\0\0\0\1a", 8, HOLTER_CORRUPT }, /* no shards */
    { "\1\6\0\0\1\1\1a", 8, HOLTER_CORRUPT }, /* 257 shards */
    { "\1\6\0\0\1\0\1A", 8, HOLTER_CORRUPT },
    { "\1\6\0\0\1\0\1-", 8, HOLTER_CORRUPT },
    { "\1\6\0\0\1\0\1/", 8, HOLTER_CORRUPT },
    { "\1\5\0\0\1\0\0", 7, HOLTER_CORRUPT },                  /* no name */
    { "\1\6\0\0\1\0\2a", 8, HOLTER_CORRUPT },                 /* a longer name than there is */
    { "\1\7\0\0\1\0\1aa", 9, HOLTER_CORRUPT },                /* bytes behind the name */
    { "\1\6\0\0\1\0\1a\1\6\1\0\1\0\1a", 16, HOLTER_CORRUPT }, /* one name twice */
    { "\1\6\0\0\1\0\1a\1\6\1\0\1\0\1b", 16, HOLTER_OK },
    { "\0\0", 2, HOLTER_CORRUPT },
    { "\5\0", 2, HOLTER_UNSUPPORTED },
    { "\6\x10\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 18, HOLTER_OK },
    { "\6\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18, HOLTER_OK },
    { "\6\x10\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18, HOLTER_CORRUPT },   /* no size */
    { "\6\x10\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 18, HOLTER_CORRUPT },   /* no age */
    { "\6\x10\0\0\0\0\0\0\0\x80\1\0\0\0\0\0\0\0", 18, HOLTER_CORRUPT }, /* one before 0 */
    { "\6\xf\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0", 17, HOLTER_CORRUPT },
    { "\7\0", 2, HOLTER_UNSUPPORTED },
    { "\x7f\0", 2, HOLTER_UNSUPPORTED },
    { "\x80\0", 2, HOLTER_OK },
    { "\xff\1x", 3, HOLTER_OK },
    { "\1", 1, HOLTER_CORRUPT },
    { "\1\x86\0\0\0\1\0\1a", 9, HOLTER_CORRUPT }, /* an over-long varint */
    { "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 11, HOLTER_CORRUPT },
    { "\2\0", 2, HOLTER_CORRUPT },
    { "\3\7\1\0\0\0\0\1a", 9, HOLTER_CORRUPT }, /* a label for no metric */
    { "\3\6\1\0\0\0\0\0", 8, HOLTER_CORRUPT },  /* an empty one */
    { "\4\0", 2, HOLTER_CORRUPT },
};

START_TEST(bodies_that_no_writer_makes_are_refused)
{
    ck_assert_int_eq(open_body(bodies[_i].bytes, bodies[_i].count), bodies[_i].status);
}
END_TEST

START_TEST(what_was_skipped_is_not_written_over)
{
    struct catalog_metric metric = world_metric("switch");
    uint32_t number;
    MUST(open_body("\x80\0", 2));
    world_close();
    MUST(world_open(true));
    ck_assert_int_eq(catalog_add_metric(world.catalog, &metric, &number, &world.err),
                     HOLTER_UNSUPPORTED);
}
END_TEST

static void feed_is(int64_t age_ns, uint64_t bytes)
{
    struct catalog_feed feed = catalog_feed(world.catalog);
    ck_assert_int_eq(feed.age_ns, age_ns);
    ck_assert_uint_eq(feed.bytes, bytes);
}

START_TEST(the_last_feed_stands_also_when_the_log_is_rewritten)
{
    MUST(open_body("\1\6\0\0\1\0\1a", 8));
    world_close();
    MUST(world_open(true));
    feed_is(0, 0);
    MUST(catalog_set_feed(world.catalog, &(struct catalog_feed){ 5, 6 }, &world.err));
    MUST(catalog_set_feed(world.catalog, &(struct catalog_feed){ INT64_MAX, UINT64_MAX },
                          &world.err));
    uint64_t version = catalog_version(world.catalog);
    MUST(catalog_set_feed(world.catalog, &(struct catalog_feed){ INT64_MAX, UINT64_MAX },
                          &world.err));
    ck_assert_uint_eq(catalog_version(world.catalog), version); /* equal: no edit */
    world_reopen();
    feed_is(INT64_MAX, UINT64_MAX);
    uint64_t bytes = world.catalog->live_bytes;
    for (int i = 1; i < 4000; i++) /* so often that it is rewritten */
        MUST(catalog_set_feed(world.catalog, &(struct catalog_feed){ i, 7 }, &world.err));
    ck_assert_uint_eq(world.catalog->live_bytes, bytes);
    ck_assert_uint_lt(edits_bytes(world.catalog->edits), 128 << 10);
    world_reopen();
    feed_is(3999, 7);
    MUST(catalog_set_feed(world.catalog, &(struct catalog_feed){ 0, 0 }, &world.err));
    ck_assert_uint_eq(world.catalog->live_bytes, bytes - 18);
    world_reopen();
    feed_is(0, 0);
    ck_assert_int_eq(catalog_set_feed(world.catalog, &(struct catalog_feed){ 1, 0 }, &world.err),
                     HOLTER_INVALID);
}
END_TEST

START_TEST(built_in_metrics_that_are_missing_are_added)
{
    MUST(open_body("\1\6\0\0\1\0\1a", 8));
    ck_assert_uint_eq(catalog_metric_count(world.catalog), 0);
    world_close();
    MUST(world_open(true));
    ck_assert_uint_eq(catalog_version(world.catalog), 2);
    ck_assert_str_eq(catalog_metric_by_number(world.catalog, 1)->name, "heart_rate");
    size_t count = catalog_metric_count(world.catalog);
    world_reopen();
    ck_assert_uint_eq(catalog_version(world.catalog), 2);
    ck_assert_uint_eq(catalog_metric_count(world.catalog), count);
}
END_TEST

/* A label and sources behind a metric, as far as they depend on the state. */
START_TEST(changes_that_contradict_the_state_are_refused)
{
    static const struct {
        uint64_t user;
        uint32_t number, generation;
        size_t blob_bytes;
        uint8_t nonce;
        holter_status status;
    } sources[] = {
        { 5, 1, 0, 24 + 64 + 16, 0, HOLTER_OK },
        { 0, 1, 0, 24 + 64 + 16, 0, HOLTER_CORRUPT },
        { 5, 0, 0, 24 + 64 + 16, 0, HOLTER_CORRUPT },
        { 5, 2, 0, 24 + 64 + 16, 0, HOLTER_CORRUPT },
        { 5, 1, 1, 24 + 64 + 16, 0, HOLTER_CORRUPT },
        { 5, 1, 0, 24 + 64 + 16, 1, HOLTER_CORRUPT },
        { 5, 1, 0, 24 + 63 + 16, 0, HOLTER_CORRUPT },
        { 5, 1, 0, 24 + 16, 0, HOLTER_CORRUPT },
        { 5, 1, 0, 24 + 14 * 64 + 16, 0, HOLTER_OK },
        { 5, 1, 0, 24 + 15 * 64 + 16, 0, HOLTER_CORRUPT },
        { 5, 1, 0, 0, 0, HOLTER_CORRUPT },
    };
    for (size_t i = 0; i < CORE_COUNT(sources); i++) {
        struct buffer body;
        buffer_init(&body);
        buffer_append_u8(&body, 4);
        buffer_append_varint(&body, 16 + sources[i].blob_bytes);
        buffer_append_u64(&body, sources[i].user);
        buffer_append_u32(&body, sources[i].number);
        buffer_append_u32(&body, sources[i].generation);
        if (sources[i].blob_bytes > 0)
            buffer_append_u8(&body, sources[i].nonce);
        if (sources[i].blob_bytes > 1)
            buffer_append_zeros(&body, sources[i].blob_bytes - 1);
        ck_assert_int_eq(open_body(body.data, body.bytes), sources[i].status);
        if (sources[i].status == HOLTER_OK) { /* it is there, but its checksum does not fit */
            struct catalog_source out;
            ck_assert_int_eq(catalog_source_by_number(&out, world.catalog, 5, 1, world.arena, NULL,
                                                      &world.err),
                             HOLTER_CORRUPT);
        }
        buffer_release(&body);
    }
}
END_TEST

/* ---- the body of a new store ---- */

static struct buffer first_body(void)
{
    struct buffer file, body;
    buffer_init(&file);
    buffer_init(&body);
    MUST(sim_file_read(&file, world.sim, "d/catalog.a"));
    struct reader r = reader_over(file.data + 512 + 4, 4);
    size_t bytes = get_u32(&r);
    ck_assert_uint_gt(bytes, 4000);
    ck_assert_uint_le(512 + 32 + bytes, file.bytes);
    buffer_append(&body, file.data + 512 + 32, bytes);
    buffer_release(&file);
    return body;
}

/* Over all that can be read of regions and metrics. */
static uint64_t state_hash(void)
{
    struct buffer all;
    buffer_init(&all);
    for (size_t i = 0; i < catalog_region_count(world.catalog); i++) {
        const struct catalog_region *region = catalog_region_at(world.catalog, i);
        buffer_append_u16(&all, region->number);
        buffer_append_u16(&all, region->shards);
        buffer_append(&all, region->name, strlen(region->name) + 1);
    }
    for (size_t i = 0; i < catalog_metric_count(world.catalog); i++) {
        const struct catalog_metric *m = catalog_metric_at(world.catalog, i);
        buffer_append_u32(&all, m->number);
        buffer_append(&all, m->name, strlen(m->name) + 1);
        buffer_append(&all, m->unit, strlen(m->unit) + 1);
        schema_encode(&all, &m->schema);
        buffer_append_u8(&all, m->aggregation);
        buffer_append_u8(&all, m->class);
        buffer_append_i64(&all, m->carry_ns);
        const char *const names[] = { m->healthkit, m->health_connect, m->open_mhealth, m->loinc };
        for (size_t k = 0; k < CORE_COUNT(names); k++)
            buffer_append(&all, names[k], strlen(names[k]) + 1);
        for (size_t k = 0; k < m->schema.field_count; k++) {
            const struct catalog_field *f = &m->fields[k];
            buffer_append(&all, f->name, strlen(f->name) + 1);
            buffer_append_u8(&all, (uint8_t)f->exponent);
            buffer_append_u8(&all, f->has_range);
            buffer_append_i64(&all, f->min);
            buffer_append_i64(&all, f->max);
            for (size_t l = 0; l < f->label_count; l++)
                buffer_append(&all, f->labels[l], strlen(f->labels[l]) + 1);
        }
    }
    uint64_t hash = hash64(all.data, all.bytes);
    buffer_release(&all);
    return hash;
}

START_TEST(every_cut_body_is_refused_or_ends_between_records)
{
    struct buffer body = first_body();
    size_t opened = 0;
    MUST(open_body(body.data, body.bytes));
    size_t metrics = catalog_metric_count(world.catalog);
    for (size_t count = 1; count < body.bytes; count++) {
        holter_status status = open_body(body.data, count);
        ck_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
        opened += status == HOLTER_OK;
    }
    ck_assert_uint_eq(opened, metrics); /* after the region, and after each metric but the last */
    buffer_release(&body);
}
END_TEST

START_TEST(every_changed_byte_is_refused_or_means_something_else)
{
    struct buffer body = first_body();
    static const uint8_t changes[] = { 0x01, 0x80, 0x20 };
    MUST(open_body(body.data, body.bytes));
    uint64_t right = state_hash();
    size_t refused = 0, tried = 0;
    for (size_t i = 0; i < body.bytes; i++) {
        uint8_t change = changes[i % CORE_COUNT(changes)];
        body.data[i] ^= change;
        holter_status status = open_body(body.data, body.bytes);
        tried++;
        refused += status != HOLTER_OK;
        ck_assert(status == HOLTER_OK || status == HOLTER_CORRUPT || status == HOLTER_UNSUPPORTED);
        if (status == HOLTER_OK)
            ck_assert_msg(state_hash() != right, "byte %zu is not looked at", i);
        body.data[i] ^= change;
    }
    ck_assert_uint_gt(refused, tried / 4);
    buffer_release(&body);
}
END_TEST

/* ---- sealed sources ---- */

START_TEST(every_changed_byte_of_a_sealed_source_is_found)
{
    struct catalog_source source = world_source(0, "watch"), out;
    MUST(world_put(&source));
    struct buffer file;
    buffer_init(&file);
    MUST(sim_file_read(&file, world.sim, "d/catalog.a"));
    const uint8_t *record = file.data + file.bytes - 512 + 32;
    size_t bytes = 1 + 1 + 16 + 24 + 64 + 16; /* 120 is a varint of one byte */
    ck_assert_uint_eq(record[0], 4);
    ck_assert_uint_eq(record[1], 120);
    struct buffer body;
    buffer_init(&body);
    buffer_append(&body, record, bytes);
    for (size_t i = 2; i < bytes; i++) {
        body.data[i] ^= 4;
        holter_status status = open_body(body.data, body.bytes);
        if (status == HOLTER_OK) {
            struct reader r = reader_over(body.data + 2, 8);
            status = catalog_source_by_number(&out, world.catalog, get_u64(&r), 1, world.arena,
                                              world.keys[0], &world.err);
        }
        ck_assert_msg(status == HOLTER_CORRUPT, "byte %zu: %d", i, status);
        body.data[i] ^= 4;
    }
    MUST(open_body(body.data, body.bytes));
    MUST(catalog_source_by_number(&out, world.catalog, 100, 1, world.arena, world.keys[0],
                                  &world.err));
    ck_assert_str_eq(out.name, "watch");
    buffer_release(&body);
    buffer_release(&file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("catalog_bytes");
    TCase *plain = tcase_create("plain"), *sealed = tcase_create("sealed");
    tcase_set_timeout(plain, 120);
    tcase_add_checked_fixture(plain, setup_plain, world_teardown);
    tcase_add_loop_test(plain, bodies_that_no_writer_makes_are_refused, 0, CORE_COUNT(bodies));
    tcase_add_test(plain, what_was_skipped_is_not_written_over);
    tcase_add_test(plain, the_last_feed_stands_also_when_the_log_is_rewritten);
    tcase_add_test(plain, built_in_metrics_that_are_missing_are_added);
    tcase_add_test(plain, changes_that_contradict_the_state_are_refused);
    tcase_add_test(plain, every_cut_body_is_refused_or_ends_between_records);
    tcase_add_test(plain, every_changed_byte_is_refused_or_means_something_else);
    suite_add_tcase(suite, plain);
    tcase_add_checked_fixture(sealed, setup_sealed, world_teardown);
    tcase_add_test(sealed, every_changed_byte_of_a_sealed_source_is_found);
    suite_add_tcase(suite, sealed);
    return run_suite(suite);
}
