/*
 * test_shard_log.c -- where a shard's appends go: after failures, over takeovers and boots; and
 * frames that no writer wrote.
 *
 * A shard without sealing on a simulated disk; rows are counted by their frames.
 */
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io_sim.h"
#include "shard/shard.h"

#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        holter_status check_status = (call);                                                       \
        ck_assert_msg(check_status == HOLTER_OK, "%s: %s", #call, fixture.err.message);            \
    } while (0)

static struct {
    struct sim *sim;
    struct io *io;
    struct io_queue *queue;
    struct shard *shard;
    holter_error err;
} fixture;

static holter_status no_key(void *context, uint64_t user, uint32_t generation,
                            const struct crypto_key **key, uint32_t *newest, holter_error *err)
{
    (void)context;
    (void)user;
    (void)generation;
    (void)err;
    *key = NULL;
    *newest = 1;
    return HOLTER_OK;
}

static void put_no_key(void *context, const struct crypto_key *key)
{
    (void)context;
    (void)key;
}

static uint8_t class_of(void *context, uint32_t metric)
{
    (void)context;
    (void)metric;
    return 0;
}

static struct shard_spec spec_on(struct io *io)
{
    return (struct shard_spec){ .io = io,
                                .directory = "shard",
                                .store_id = { 9 },
                                .place = 1,
                                .is_writable = true,
                                .log_file_bytes = WAL_FILE_BYTES_MIN,
                                .keys = { no_key, put_no_key, NULL },
                                .class_of = class_of };
}

static void open_on(struct shard **shard, struct io *io)
{
    struct shard_spec spec = spec_on(io);
    CHECK_OK(shard_open(shard, &spec, &fixture.err));
}

static void setup(void)
{
    fixture.sim = sim_new(NULL);
    fixture.io = sim_process_new(fixture.sim);
    struct shard_spec spec = spec_on(fixture.io);
    CHECK_OK(io_queue_open(&fixture.queue, fixture.io, 4, &fixture.err));
    CHECK_OK(shard_create(&spec, &fixture.err));
    CHECK_OK(io_sync_dir(fixture.io, ".", &fixture.err));
    open_on(&fixture.shard, fixture.io);
}

static void teardown(void)
{
    shard_close(fixture.shard);
    io_queue_close(fixture.queue);
    io_free(fixture.io);
    sim_free(fixture.sim);
}

static holter_status write_part(struct shard *shard, struct io_queue *queue,
                                struct shard_part *part)
{
    struct shard_write *write;
    holter_status status = shard_write_begin(&write, shard, &fixture.err);
    if (status != HOLTER_OK)
        return status;
    status = shard_write_put(write, part, 1, &fixture.err);
    if (status != HOLTER_OK) {
        shard_write_abort(write);
        return status;
    }
    size_t count;
    struct io_op *ops = shard_write_ops(write, &count);
    io_submit(queue, ops, count);
    while (io_wait(queue) != NULL)
        continue;
    return shard_write_end(write, &fixture.err);
}

/* One row of a user. */
static holter_status append(struct shard *shard, struct io_queue *queue, int64_t time)
{
    static const struct schema schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    struct wal_part part = { .metric = 1, .source = 1 };
    struct row row = { .time = time, .field = { 60 } };
    columns_init(&part.columns, &schema);
    ck_assert(columns_append(&part.columns, &row));
    struct shard_part whole = { .user = 7, .parts = &part, .part_count = 1 };
    holter_status status = write_part(shard, queue, &whole);
    columns_release(&part.columns);
    return status;
}

/* A deletion of all that a user has. */
static holter_status append_deletion(struct shard *shard, struct io_queue *queue)
{
    struct wal_tombstone all = { .begin = 0, .end = 1000 };
    struct shard_part whole = { .user = 7, .tombstones = &all, .tombstone_count = 1 };
    return write_part(shard, queue, &whole);
}

static size_t log_files(void)
{
    struct io_names names;
    size_t count = 0;
    ck_assert_int_eq(sim_files(&names, fixture.sim), HOLTER_OK);
    for (size_t i = 0; i < names.count; i++)
        count += strncmp(names.name[i], "shard/log-", 10) == 0;
    io_names_release(&names);
    return count;
}

/*
 * Whether it left bytes, or the tail still reads as zeros: what the disk does with it is not known.
 */
START_TEST(a_file_is_given_up_after_a_failed_write)
{
    const struct sim_fault fault = { .kind = SIM_WRITE, .nth = 0, .error = EIO };
    CHECK_OK(append(fixture.shard, fixture.queue, 1));
    for (size_t i = 1; i <= 8; i++) {
        ck_assert_uint_eq(log_files(), i);
        sim_fault_set(fixture.sim, &fault);
        ck_assert_int_eq(append(fixture.shard, fixture.queue, 2), HOLTER_IO);
        sim_fault_clear(fixture.sim);
        CHECK_OK(append(fixture.shard, fixture.queue, 2));
    }
}
END_TEST

START_TEST(a_log_file_is_of_one_boot)
{
    CHECK_OK(append(fixture.shard, fixture.queue, 1));
    sim_crash(fixture.sim, SIM_CRASH_DURABLE, 1);
    struct io *first = sim_process_new(fixture.sim);
    struct io *second = sim_process_new(fixture.sim);
    struct io_queue *queue;
    struct shard *shard;
    open_on(&shard, first); /* recovers, publishes, and appends nothing */
    shard_close(shard);
    open_on(&shard, second);
    CHECK_OK(io_queue_open(&queue, second, 4, &fixture.err));
    CHECK_OK(append(shard, queue, 2));
    ck_assert_uint_eq(log_files(), 2);
    io_queue_close(queue);
    shard_close(shard);
    io_free(first);
    io_free(second);
}
END_TEST

/*
 * A writer died between naming a log file and making the name durable, and the head page is gone.
 * The flush of a deletion makes no segment, which would make the name durable on the way.
 */
START_TEST(a_flush_rests_on_no_name_that_a_power_cut_takes)
{
    static const uint8_t zeros[HEAD_BYTES];
    const struct sim_fault write = { .kind = SIM_WRITE, .error = EIO };
    const struct sim_fault sync_dir = { .kind = SIM_SYNC_DIR, .error = EIO };
    struct io *first = sim_process_new(fixture.sim);
    struct shard *shard;
    open_on(&shard, first);
    CHECK_OK(
        shard_flush(NULL, shard, true, &fixture.err)); /* it knows the directory to be synced */
    CHECK_OK(append_deletion(fixture.shard, fixture.queue));
    sim_fault_set(fixture.sim, &write);
    ck_assert_int_eq(append(fixture.shard, fixture.queue, 1), HOLTER_IO);
    sim_fault_clear(fixture.sim);
    sim_fault_set(fixture.sim, &sync_dir);
    ck_assert_int_eq(append(fixture.shard, fixture.queue, 1), HOLTER_IO);
    sim_fault_clear(fixture.sim);
    ck_assert_uint_eq(log_files(), 2);
    sim_process_kill(fixture.io);
    ck_assert_int_eq(sim_file_write(fixture.sim, "shard/head", zeros, sizeof zeros), HOLTER_OK);

    CHECK_OK(shard_flush(NULL, shard, true, &fixture.err));
    sim_crash(fixture.sim, SIM_CRASH_DURABLE, 1);
    shard_close(shard);
    io_free(first);

    struct io *second = sim_process_new(fixture.sim);
    open_on(&shard, second);
    shard_close(shard);
    io_free(second);
}
END_TEST

/* A group whose checksum fits: the bytes of whoever may write to the disk. */
START_TEST(a_frame_of_no_user_is_damage)
{
    static const char path[] = "shard/log-0000000000000001";
    enum { GROUP = WAL_PAGE_BYTES, CHECKSUM = 8, CHECKED = 16, USER = 80 + 8 };
    struct buffer bytes;
    buffer_init(&bytes);
    CHECK_OK(append(fixture.shard, fixture.queue, 1));
    ck_assert_int_eq(sim_file_read(&bytes, fixture.sim, path), HOLTER_OK);
    uint8_t *group = bytes.data + GROUP;
    ck_assert_int_eq(group[USER], 7);
    group[USER] = 0;
    struct writer w = writer_over(group + CHECKSUM, 8);
    put_u64(&w, hash64(group + CHECKED, WAL_PAGE_BYTES - CHECKED));
    ck_assert_int_eq(sim_file_write(fixture.sim, path, bytes.data, bytes.bytes), HOLTER_OK);
    buffer_release(&bytes);

    struct io *other = sim_process_new(fixture.sim);
    struct shard *shard;
    struct shard_snapshot *snapshot;
    open_on(&shard, other);
    ck_assert_int_eq(shard_snapshot_open(&snapshot, shard, &fixture.err), HOLTER_CORRUPT);
    shard_close(shard);
    io_free(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard: log");
    TCase *tests = tcase_create("log");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_file_is_given_up_after_a_failed_write);
    tcase_add_test(tests, a_log_file_is_of_one_boot);
    tcase_add_test(tests, a_flush_rests_on_no_name_that_a_power_cut_takes);
    tcase_add_test(tests, a_frame_of_no_user_is_damage);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
