/*
 * test_io_conformance.c -- every backend of io behaves as io.h says.
 *
 * One suite, run on the simulated machine, on the real system by plain calls and by io_uring, each in a fresh
 * directory under TMPDIR, and where /dev/shm exists there too, as its file system differs in what it can do. Tests that
 * need a real process or thread, or something that only the real system has, say so and pass on the
 * others.
 */
#include "io/io_sim.h"

#include "run.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIMULATED = 0, DISK = 1, MEMORY = 2, RING = 3, RING_IN_MEMORY = 4, BACKENDS = 5 };

enum { MS = 1000 * 1000 };

/* One machine, with a directory to work in, and two processes (on the real system: two handles). */
static struct sim *sim;
static struct io *io;
static struct io *other;
static struct io_queue *queue;
static struct io_queue *other_queue;
static char root[256];
static holter_error err;
static uint8_t *page; /* one page, aligned */

#define ck_ok(call)                                                                                \
    do {                                                                                           \
        holter_status ck_status = (call);                                                          \
        ck_assert_msg(ck_status == HOLTER_OK, "%s: %s: %s", #call, holter_status_name(ck_status),  \
                      err.message);                                                                \
    } while (0)

#define ck_fails(call, wanted)                                                                     \
    do {                                                                                           \
        err = (holter_error){ 0 };                                                                 \
        holter_status ck_status = (call);                                                          \
        ck_assert_msg(ck_status == (wanted), "%s: %s: %s", #call, holter_status_name(ck_status),   \
                      err.message);                                                                \
        ck_assert_int_eq(err.status, wanted);                                                      \
        ck_assert_msg(err.message[0] != '\0', "%s: fails without a sentence", #call);              \
    } while (0)

/* False where this backend is not to be had here. */
static bool start(int backend)
{
    umask(022);
    if (backend == SIMULATED) {
        sim = sim_new(&(struct sim_options){ .seed = 1 });
        io = sim_process_new(sim);
        other = sim_process_new(sim);
        memcpy(root, "root", sizeof "root");
        ck_ok(io_make_dir(io, root, &err));
    } else {
        bool has_ring = backend == RING || backend == RING_IN_MEMORY;
        bool in_memory = backend == MEMORY || backend == RING_IN_MEMORY;
        const char *under = in_memory ? "/dev/shm" : getenv("TMPDIR");
        snprintf(root, sizeof root, "%s/holter-io-XXXXXX", under != NULL ? under : "/tmp");
        if (in_memory && access(under, W_OK) != 0)
            return false;
        if (has_ring && io_uring_new(&io, &err) == HOLTER_UNSUPPORTED) {
            printf("skipped on io_uring: %s\n", err.message);
            return false;
        }
        if (has_ring)
            ck_ok(io_uring_new(&other, &err));
        if (!has_ring)
            ck_ok(io_posix_new(&io, &err));
        if (!has_ring)
            ck_ok(io_posix_new(&other, &err));
        ck_assert_ptr_nonnull(mkdtemp(root));
    }
    ck_ok(io_queue_open(&queue, io, 8, &err));
    ck_ok(io_queue_open(&other_queue, other, 8, &err));
    page = core_alloc_pages(2 * CORE_PAGE_BYTES);
    ck_assert_ptr_nonnull(page);
    return true;
}

static void remove_tree(const char *path)
{
    struct io_names names;
    ck_ok(io_list(&names, io, path, &err));
    for (size_t i = 0; i < names.count; i++) {
        char inner[IO_PATH_BYTES_MAX];
        struct stat found;
        ck_assert(io_path_join(inner, path, names.name[i], NULL, NULL));
        ck_assert_int_eq(lstat(inner, &found), 0);
        if (S_ISDIR(found.st_mode))
            remove_tree(inner);
        else
            ck_assert_int_eq(unlink(inner), 0);
    }
    io_names_release(&names);
    ck_assert_int_eq(rmdir(path), 0);
}

static void end(void)
{
    if (sim == NULL)
        remove_tree(root);
    io_queue_close(queue);
    io_queue_close(other_queue);
    io_free(io);
    io_free(other);
    sim_free(sim);
    free(page);
    sim = NULL;
}

/* The path of a name in our directory; good until the fourth call after it. */
static const char *at(const char *name)
{
    static char paths[4][IO_PATH_BYTES_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    ck_assert(io_path_join(path, root, name, NULL, NULL));
    return path;
}

static struct io_file *file_open(struct io *by, const char *name, uint32_t flags)
{
    struct io_file *file;
    ck_ok(io_open(&file, by, at(name), flags, &err));
    return file;
}

static void file_make(const char *name, const char *text)
{
    struct io_file *file = file_open(io, name, IO_CREATE);
    if (*text != '\0')
        ck_ok(io_write_exactly(queue, file, 0, text, strlen(text), &err));
    io_close(file);
}

static void check_file(const char *name, const char *text)
{
    struct buffer found;
    ck_ok(io_read_file(&found, io, at(name), 1 << 20, &err));
    ck_assert_uint_eq(found.bytes, strlen(text));
    ck_assert(found.bytes == 0 || memcmp(found.data, text, found.bytes) == 0);
    buffer_release(&found);
}

/* ---- opening --------------------------------------------------------------------------------- */

START_TEST(what_is_missing_is_not_found)
{
    if (!start(_i))
        return;
    struct io_file *file = (struct io_file *)&file;
    struct io_names names;
    struct io_stat found;
    struct buffer bytes;
    ck_fails(io_open(&file, io, at("none"), 0, &err), HOLTER_NOT_FOUND);
    ck_assert_ptr_null(file);
    ck_assert_ptr_nonnull(strstr(err.message, "none"));
    ck_fails(io_open(&file, io, at("none/inner"), IO_CREATE, &err), HOLTER_NOT_FOUND);
    ck_fails(io_stat(&found, io, at("none"), &err), HOLTER_NOT_FOUND);
    ck_fails(io_unlink(io, at("none"), &err), HOLTER_NOT_FOUND);
    ck_fails(io_rename(io, at("none"), at("to"), &err), HOLTER_NOT_FOUND);
    ck_fails(io_make_dir(io, at("none/inner"), &err), HOLTER_NOT_FOUND);
    ck_fails(io_list(&names, io, at("none"), &err), HOLTER_NOT_FOUND);
    ck_fails(io_sync_dir(io, at("none"), &err), HOLTER_NOT_FOUND);
    ck_fails(io_read_file(&bytes, io, at("none"), 10, &err), HOLTER_NOT_FOUND);
    ck_fails(io_open(&file, io, "", 0, &err), HOLTER_NOT_FOUND);
    file_make("file", "x");
    ck_fails(io_open(&file, io, at("file/inner"), 0, &err), HOLTER_NOT_FOUND);
    ck_fails(io_list(&names, io, at("file"), &err), HOLTER_NOT_FOUND);
    end();
}
END_TEST

START_TEST(create_is_exclusive)
{
    if (!start(_i))
        return;
    struct io_file *file;
    file_make("one", "here");
    ck_fails(io_open(&file, io, at("one"), IO_CREATE, &err), HOLTER_EXISTS);
    check_file("one", "here");
    ck_ok(io_make_dir(io, at("dir"), &err));
    ck_fails(io_open(&file, io, at("dir"), IO_CREATE, &err), HOLTER_EXISTS);
    ck_fails(io_make_dir(io, at("dir"), &err), HOLTER_EXISTS);
    ck_fails(io_make_dir(io, at("one"), &err), HOLTER_EXISTS);
    end();
}
END_TEST

START_TEST(only_regular_files_are_opened)
{
    if (!start(_i))
        return;
    struct io_file *file;
    ck_ok(io_make_dir(io, at("dir"), &err));
    ck_fails(io_open(&file, io, at("dir"), 0, &err), HOLTER_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "is a directory"));
    ck_fails(io_open(&file, io, at("dir"), IO_WRITABLE, &err), HOLTER_INVALID);
    ck_fails(io_unlink(io, at("dir"), &err), HOLTER_INVALID);
    if (sim == NULL) { /* nobody at its other end: must not hang */
        ck_assert_int_eq(mkfifo(at("fifo"), 0600), 0);
        ck_fails(io_open(&file, io, at("fifo"), 0, &err), HOLTER_INVALID);
        ck_fails(io_open(&file, io, at("fifo"), IO_WRITABLE, &err), HOLTER_INVALID);
        ck_fails(io_open(&file, io, "/dev/null", 0, &err), HOLTER_INVALID);
    }
    end();
}
END_TEST

START_TEST(long_paths_and_names_are_refused)
{
    if (!start(_i))
        return;
    char path[IO_PATH_BYTES_MAX + 1];
    struct io_file *file;
    struct io_names names;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    ck_fails(io_open(&file, io, path, 0, &err), HOLTER_INVALID);
    ck_fails(io_make_dir(io, path, &err), HOLTER_INVALID);
    ck_fails(io_rename(io, at("a"), path, &err), HOLTER_INVALID);
    ck_fails(io_list(&names, io, path, &err), HOLTER_INVALID);
    path[IO_PATH_BYTES_MAX - 3] = '\0';
    ck_fails(io_write_file(io, path, "", 0, 0, &err), HOLTER_INVALID);
    path[256] = '\0';
    ck_fails(io_open(&file, io, at(path), IO_CREATE, &err), HOLTER_INVALID);
    path[255] = '\0';
    ck_ok(io_open(&file, io, at(path), IO_CREATE, &err));
    io_close(file);
    end();
}
END_TEST

START_TEST(modes_and_kinds_are_told)
{
    if (!start(_i))
        return;
    struct io_stat found;
    file_make("plain", "12345");
    io_close(file_open(io, "private", IO_CREATE | IO_PRIVATE));
    ck_ok(io_make_dir(io, at("dir"), &err));

    ck_ok(io_stat(&found, io, at("plain"), &err));
    ck_assert_int_eq(found.kind, IO_KIND_FILE);
    ck_assert_uint_eq(found.mode, 0640);
    ck_assert_uint_eq(found.bytes, 5);
    ck_assert_uint_eq(found.owner, io_user_id(io));
    int64_t since = io_now_ns(io) - found.written_ns; /* file systems tell time by the tick */
    ck_assert(since > -INT64_C(1000000000) && since < INT64_C(60000000000));
    ck_ok(io_stat(&found, io, at("private"), &err));
    ck_assert_uint_eq(found.mode, 0600);
    ck_ok(io_stat(&found, io, at("dir"), &err));
    ck_assert_int_eq(found.kind, IO_KIND_DIRECTORY);
    ck_assert_uint_eq(found.mode, 0750);
    if (sim == NULL) {
        umask(0777);
        io_close(file_open(io, "umask", IO_CREATE | IO_PRIVATE));
        umask(022);
        ck_ok(io_stat(&found, io, at("umask"), &err));
        ck_assert_uint_eq(found.mode, 0600);
        ck_ok(io_stat(&found, io, "/dev/null", &err));
        ck_assert_int_eq(found.kind, IO_KIND_OTHER);
    }
    end();
}
END_TEST

/* ---- bytes ----------------------------------------------------------------------------------- */

START_TEST(bytes_come_back)
{
    if (!start(_i))
        return;
    struct io_file *file = file_open(io, "file", IO_CREATE);
    uint64_t bytes;
    char back[32] = { 0 };
    ck_assert_str_eq(io_path(file), at("file"));
    ck_ok(io_size(&bytes, file, &err));
    ck_assert_uint_eq(bytes, 0);

    ck_ok(io_write_exactly(queue, file, 5000, "later", 5, &err)); /* leaves a hole */
    ck_ok(io_write_exactly(queue, file, 0, "first", 5, &err));
    ck_ok(io_sync(queue, file, &err));
    ck_ok(io_size(&bytes, file, &err));
    ck_assert_uint_eq(bytes, 5005);
    struct io_file *again = file_open(other, "file", 0);
    ck_ok(io_read_exactly(other_queue, again, 0, back, 7, &err));
    ck_assert_mem_eq(back, "first\0\0", 7);
    ck_ok(io_read_exactly(other_queue, again, 4998, back, 7, &err));
    ck_assert_mem_eq(back, "\0\0later", 7);
    ck_ok(io_read_exactly(other_queue, again, 9000, back, 0, &err)); /* nothing is always there */
    io_close(again);
    io_close(file);
    end();
}
END_TEST

START_TEST(reads_are_short_at_the_end)
{
    if (!start(_i))
        return;
    file_make("file", "0123456789");
    struct io_file *file = file_open(io, "file", 0);
    char back[32];
    static const struct {
        uint64_t offset;
        size_t bytes;
        int64_t result;
    } cases[] = { { 0, 10, 10 }, { 0, 32, 10 }, { 4, 32, 6 },
                  { 10, 4, 0 },  { 100, 4, 0 }, { 3, 0, 0 } };
    for (size_t i = 0; i < CORE_COUNT(cases); i++) {
        struct io_op op = { .kind = IO_READ, .file = file, .memory = back };
        op.offset = cases[i].offset;
        op.bytes = cases[i].bytes;
        io_submit(queue, &op, 1);
        ck_assert_ptr_eq(io_wait(queue), &op);
        ck_assert_int_eq(op.result, cases[i].result);
    }
    ck_fails(io_read_exactly(queue, file, 4, back, 7, &err), HOLTER_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "offset 10"));
    ck_fails(io_read_exactly(queue, file, 100, back, 1, &err), HOLTER_CORRUPT);
    io_close(file);
    end();
}
END_TEST

START_TEST(a_file_opened_for_reading_is_not_written)
{
    if (!start(_i))
        return;
    file_make("file", "here");
    struct io_file *file = file_open(io, "file", 0);
    ck_fails(io_write_exactly(queue, file, 0, "gone", 4, &err), HOLTER_IO);
    io_close(file);
    check_file("file", "here");
    end();
}
END_TEST

START_TEST(direct_and_durable_writes_work)
{
    if (!start(_i))
        return;
    struct io_file *file = file_open(io, "file", IO_CREATE | IO_DIRECT | IO_DSYNC);
    if (_i == SIMULATED)
        ck_assert(io_is_direct(file));
    memset(page, 0xa5, CORE_PAGE_BYTES);
    ck_ok(io_write_exactly(queue, file, CORE_PAGE_BYTES, page, CORE_PAGE_BYTES, &err));
    memset(page, 0, 2 * CORE_PAGE_BYTES);
    ck_ok(io_read_exactly(queue, file, 0, page, 2 * CORE_PAGE_BYTES, &err));
    ck_assert_uint_eq(page[0], 0);
    ck_assert_uint_eq(page[CORE_PAGE_BYTES], 0xa5);

    /* An end within a page: the read is short, and says so. */
    struct io_file *plain = file_open(io, "file", IO_WRITABLE);
    ck_assert(!io_is_direct(plain));
    ck_ok(io_write_exactly(queue, plain, 2 * CORE_PAGE_BYTES, "tail", 4, &err));
    struct io_op op = { .kind = IO_READ, .file = file, .memory = page };
    op.offset = CORE_PAGE_BYTES;
    op.bytes = 2 * CORE_PAGE_BYTES;
    io_submit(queue, &op, 1);
    ck_assert_ptr_eq(io_wait(queue), &op);
    ck_assert_int_eq(op.result, CORE_PAGE_BYTES + 4);
    ck_assert_mem_eq(page + CORE_PAGE_BYTES, "tail", 4);
    ck_fails(io_read_exactly(queue, file, CORE_PAGE_BYTES, page, 2 * CORE_PAGE_BYTES, &err),
             HOLTER_CORRUPT);
    io_close(plain);
    io_close(file);
    end();
}
END_TEST

/* ---- queues ---------------------------------------------------------------------------------- */

START_TEST(every_operation_completes_once)
{
    if (!start(_i))
        return;
    struct io_file *file = file_open(io, "file", IO_CREATE);
    struct io_op ops[8] = { 0 };
    char text[8] = "abcdefgh";
    bool seen[8] = { 0 };
    ck_assert_ptr_null(io_wait(queue));
    io_submit(queue, ops, 0);
    ck_assert_ptr_null(io_wait(queue));
    for (size_t i = 0; i < 8; i++)
        ops[i] = (struct io_op){
            .kind = IO_WRITE, .file = file, .offset = i, .memory = text + i, .bytes = 1
        };
    io_start(queue); /* nothing is there to start */
    io_submit(queue, ops, 2);
    io_start(queue);
    io_start(queue);
    io_submit(queue, ops + 2, 3);
    io_submit(queue, ops + 5, 3);
    for (size_t i = 0; i < 8; i++) {
        struct io_op *op = io_wait(queue);
        ck_assert_ptr_nonnull(op);
        ck_assert(!seen[op - ops]);
        seen[op - ops] = true;
        ck_assert_int_eq(op->result, 1);
        if (i == 3)
            io_start(queue);
    }
    ck_assert_ptr_null(io_wait(queue));
    io_close(file);
    check_file("file", "abcdefgh");
    end();
}
END_TEST

START_TEST(linked_operations_run_in_order)
{
    if (!start(_i))
        return;
    struct io_file *file = file_open(io, "file", IO_CREATE);
    char back[4] = { 0 };
    for (unsigned round = 0; round < 20; round++) {
        char text[2] = { (char)('a' + round), (char)('A' + round) };
        struct io_op ops[4] = {
            { .kind = IO_WRITE, .linked = true, .file = file, .memory = text, .bytes = 1 },
            { .kind = IO_WRITE, .linked = true, .file = file, .memory = text + 1, .bytes = 1 },
            { .kind = IO_SYNC, .linked = true, .file = file },
            { .kind = IO_READ, .file = file, .memory = back, .bytes = 1 },
        };
        io_submit(queue, ops, 4);
        for (size_t i = 0; i < 4; i++) {
            ck_assert_ptr_eq(io_wait(queue), &ops[i]);
            ck_ok(io_op_status(&ops[i], &err));
        }
        ck_assert_int_eq(back[0], 'A' + (int)round);
    }
    io_close(file);
    end();
}
END_TEST

START_TEST(a_link_breaks_at_a_failure_or_a_short_read)
{
    if (!start(_i))
        return;
    file_make("file", "0123");
    struct io_file *file = file_open(io, "file", IO_WRITABLE);
    struct io_file *reading = file_open(io, "file", 0);
    char text[8] = "gone";
    char back[8];
    struct io_op ops[7] = {
        { .kind = IO_WRITE, .linked = true, .file = reading, .memory = text, .bytes = 4 },
        { .kind = IO_WRITE, .linked = true, .file = file, .memory = text, .bytes = 4 },
        { .kind = IO_SYNC, .file = file },
        { .kind = IO_READ, .linked = true, .file = file, .memory = back, .bytes = 8 },
        { .kind = IO_WRITE, .file = file, .memory = text, .bytes = 4 },
        { .kind = IO_SYNC, .file = file },
        { .kind = IO_SYNC, .linked = true, .file = file }, /* the last link leads nowhere */
    };
    static const int64_t results[7] = { -EBADF, -ECANCELED, -ECANCELED, 4, -ECANCELED, 0, 0 };
    io_submit(queue, ops, 7);
    while (io_wait(queue) != NULL)
        continue;
    for (size_t i = 0; i < 7; i++)
        ck_assert_int_eq(ops[i].result, results[i]);
    ck_fails(io_op_status(&ops[1], &err), HOLTER_IO);
    io_close(reading);
    io_close(file);
    check_file("file", "0123");
    end();
}
END_TEST

/* As logs of several shards are written, past the cache, and read back: a submission each. */
START_TEST(a_batch_over_several_files_is_done_whole)
{
    enum { FILES = 4 };
    if (!start(_i))
        return;
    struct io_file *files[FILES];
    struct io_op ops[2 * FILES];
    char name[2] = "a";
    uint8_t *pages = core_alloc_pages((size_t)2 * FILES * CORE_PAGE_BYTES);
    ck_assert_ptr_nonnull(pages);
    for (size_t f = 0; f < FILES; f++, name[0]++)
        files[f] = file_open(io, name, IO_CREATE | IO_DIRECT | IO_DSYNC);
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < CORE_COUNT(ops); i++) {
            uint8_t *memory = pages + i * CORE_PAGE_BYTES;
            memset(memory, (int)(16 * round + i), CORE_PAGE_BYTES);
            ops[i] = (struct io_op){ .kind = IO_WRITE, .linked = i % 2 == 0, .memory = memory };
            ops[i].file = files[i / 2];
            ops[i].offset = (2 * round + i % 2) * (uint64_t)CORE_PAGE_BYTES;
            ops[i].bytes = CORE_PAGE_BYTES;
        }
        for (unsigned turn = 0; turn < 2; turn++) { /* written, then read */
            io_submit(queue, ops, CORE_COUNT(ops));
            while (io_wait(queue) != NULL)
                continue;
            for (size_t i = 0; i < CORE_COUNT(ops); i++) {
                const uint8_t *memory = pages + i * CORE_PAGE_BYTES;
                ck_ok(io_op_status(&ops[i], &err));
                ck_assert_uint_eq(memory[0], 16 * round + i);
                ck_assert_mem_eq(memory, memory + 1, CORE_PAGE_BYTES - 1);
                ops[i].kind = IO_READ;
                if (turn == 0)
                    memset(pages + i * CORE_PAGE_BYTES, 0xff, CORE_PAGE_BYTES);
            }
        }
    }
    for (size_t f = 0; f < FILES; f++)
        io_close(files[f]);
    free(pages);
    end();
}
END_TEST

START_TEST(what_is_expected_may_be_anything)
{
    if (!start(_i))
        return;
    file_make("file", "0123");
    struct io_file *file = file_open(io, "file", 0);
    struct io_file *direct = file_open(io, "file", IO_DIRECT);
    static const uint64_t places[] = { 0, 3, 4096, INT64_MAX, UINT64_MAX };
    for (size_t a = 0; a < CORE_COUNT(places); a++) {
        for (size_t b = 0; b < CORE_COUNT(places); b++) {
            io_expect(file, places[a], places[b]);
            io_expect(direct, places[a], places[b]);
        }
    }
    io_close(direct);
    io_close(file);
    check_file("file", "0123");
    end();
}
END_TEST

START_TEST(closing_a_queue_waits)
{
    if (!start(_i))
        return;
    struct io_file *file = file_open(io, "file", IO_CREATE);
    struct io_queue *short_lived;
    struct io_op op = { .kind = IO_WRITE, .file = file, .memory = page, .bytes = 3 };
    memcpy(page, "yes", 3);
    ck_ok(io_queue_open(&short_lived, io, 1, &err));
    io_submit(short_lived, &op, 1);
    io_queue_close(short_lived);
    ck_assert_int_eq(op.result, 3);
    io_close(file);
    check_file("file", "yes");
    io_queue_close(NULL);
    io_close(NULL);
    io_unmap(NULL);
    io_mutex_free(NULL);
    end();
}
END_TEST

/* ---- directories ----------------------------------------------------------------------------- */

START_TEST(rename_replaces_and_open_files_stay)
{
    if (!start(_i))
        return;
    char back[4];
    file_make("a", "new");
    file_make("b", "old");
    struct io_file *old = file_open(io, "b", 0);
    struct io_file *moved = file_open(io, "a", 0);
    ck_ok(io_rename(io, at("a"), at("b"), &err));
    ck_fails(io_check_linked(old, &err), HOLTER_IO);
    ck_ok(io_check_linked(moved, &err));
    io_close(moved);
    check_file("b", "new");
    ck_ok(io_read_exactly(queue, old, 0, back, 3, &err));
    ck_assert_mem_eq(back, "old", 3);
    struct io_file *file;
    ck_fails(io_open(&file, io, at("a"), 0, &err), HOLTER_NOT_FOUND);
    ck_ok(io_rename(io, at("b"), at("b"), &err));
    check_file("b", "new");
    io_close(old);

    ck_ok(io_make_dir(io, at("dir"), &err));
    ck_ok(io_make_dir(io, at("dir/inner"), &err));
    ck_ok(io_make_dir(io, at("empty"), &err));
    ck_fails(io_rename(io, at("b"), at("dir"), &err), HOLTER_INVALID);
    ck_fails(io_rename(io, at("dir"), at("b"), &err), HOLTER_NOT_FOUND);
    ck_fails(io_rename(io, at("empty"), at("dir"), &err), HOLTER_EXISTS);
    ck_fails(io_rename(io, at("dir"), at("dir/inner/x"), &err), HOLTER_INVALID);
    ck_ok(io_rename(io, at("b"), at("dir/inner/c"), &err));
    ck_ok(io_rename(io, at("dir"), at("empty"), &err));
    check_file("empty/inner/c", "new");
    check_file("empty/./inner/../inner//c", "new");
    end();
}
END_TEST

START_TEST(a_file_without_a_name_gets_one)
{
    if (!start(_i))
        return;
    struct io_file *file = NULL, *second = NULL;
    struct io_names names;
    holter_status status = io_open(&file, io, at("."), IO_UNNAMED, &err);
    if (status == HOLTER_UNSUPPORTED) {
        printf("left out: %s\n", err.message);
        end();
        return;
    }
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    ck_ok(io_write_exactly(queue, file, 0, "none", 4, &err));
    ck_ok(io_sync(queue, file, &err));
    ck_ok(io_list(&names, io, at("."), &err));
    ck_assert_uint_eq(names.count, 0);
    io_names_release(&names);
    ck_fails(io_check_linked(file, &err), HOLTER_IO);
    file_make("taken", "taken");
    ck_fails(io_link(file, at("taken"), &err), HOLTER_EXISTS);
    ck_fails(io_link(file, at("no/dir"), &err), HOLTER_NOT_FOUND);
    check_file("taken", "taken");
    ck_ok(io_link(file, at("named"), &err));
    ck_ok(io_check_linked(file, &err));
    check_file("named", "none");
    ck_ok(io_write_exactly(queue, file, 0, "name", 4, &err));
    io_close(file);
    check_file("named", "name");

    ck_ok(io_open(&second, io, at("."), IO_UNNAMED | IO_DIRECT, &err)); /* never named */
    io_close(second);
    ck_ok(io_list(&names, io, at("."), &err));
    ck_assert_uint_eq(names.count, 2);
    io_names_release(&names);
    ck_fails(io_open(&file, io, at("named"), IO_UNNAMED, &err), HOLTER_NOT_FOUND);
    ck_fails(io_open(&file, io, at("none"), IO_UNNAMED, &err), HOLTER_NOT_FOUND);
    end();
}
END_TEST

START_TEST(an_unlinked_file_stays_while_open)
{
    if (!start(_i))
        return;
    char back[4];
    file_make("file", "old");
    struct io_file *old = file_open(io, "file", IO_WRITABLE);
    ck_ok(io_check_linked(old, &err));
    ck_ok(io_unlink(other, at("file"), &err));
    ck_fails(io_check_linked(old, &err), HOLTER_IO);
    file_make("file", "new");
    ck_fails(io_check_linked(old, &err), HOLTER_IO);
    ck_ok(io_write_exactly(queue, old, 3, "er", 2, &err));
    ck_ok(io_read_exactly(queue, old, 0, back, 3, &err));
    ck_assert_mem_eq(back, "old", 3);
    io_close(old);
    check_file("file", "new");
    end();
}
END_TEST

START_TEST(names_are_listed_by_their_bytes)
{
    if (!start(_i))
        return;
    static const char *const sorted[] = { "1", "10", "2", "B", "a",       "ab",
                                          "b", "c",  "d", "e", "\xc3\xa9" };
    struct io_names names;
    ck_ok(io_list(&names, io, root, &err));
    ck_assert_uint_eq(names.count, 0);
    io_names_release(&names);
    for (size_t i = CORE_COUNT(sorted); i > 0; i--)
        file_make(sorted[i - 1], "");
    ck_ok(io_list(&names, io, root, &err));
    ck_assert_uint_eq(names.count, CORE_COUNT(sorted));
    for (size_t i = 0; i < names.count; i++)
        ck_assert_str_eq(names.name[i], sorted[i]);
    io_names_release(&names);
    ck_assert_ptr_null(names.name);
    ck_ok(io_sync_dir(io, root, &err));
    end();
}
END_TEST

START_TEST(space_is_told)
{
    if (!start(_i))
        return;
    struct io_space space = { 0 };
    ck_ok(io_space(&space, io, root, &err));
    ck_assert_uint_gt(space.bytes_free, 0);
    ck_assert_uint_gt(space.inodes_free, 0);
    ck_fails(io_space(&space, io, at("none"), &err), HOLTER_NOT_FOUND);
    end();
}
END_TEST

/* ---- permission ------------------------------------------------------------------------------ */

/* In a child without root's rights: which of these does not end as it should, by bit. */
static unsigned denials(void)
{
    struct io_file *file = NULL;
    unsigned wrong = 0;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 1;
    wrong |= (io_open(&file, io, at("shut"), 0, NULL) != HOLTER_DENIED) << 1;
    wrong |= (io_open(&file, io, at("shown"), IO_WRITABLE, NULL) != HOLTER_DENIED) << 2;
    wrong |= (io_open(&file, io, at("new"), IO_CREATE, NULL) != HOLTER_DENIED) << 3;
    wrong |= (io_make_dir(io, at("dir"), NULL) != HOLTER_DENIED) << 4;
    wrong |= (io_unlink(io, at("shown"), NULL) != HOLTER_DENIED) << 5;
    wrong |= (io_write_file(io, at("shown"), "x", 1, 0, NULL) != HOLTER_DENIED) << 6;
    wrong |= (io_open(&file, io, at("shown"), 0, NULL) != HOLTER_OK) << 7;
    if (file != NULL) {
        char byte;
        wrong |= (io_read_exactly(queue, file, 0, &byte, 1, NULL) != HOLTER_OK) << 8;
        wrong |= (io_lock(file, 0, 1, IO_LOCK_SHARED, 0, NULL) != HOLTER_OK) << 9;
        io_close(file);
    }
    return wrong;
}

START_TEST(permission_is_denied)
{
    if (_i == SIMULATED || !start(_i))
        return;
    file_make("shut", "x");
    file_make("shown", "x");
    ck_assert_int_eq(chmod(at("shut"), 0), 0);
    ck_assert_int_eq(chmod(at("shown"), 0444), 0);
    ck_assert_int_eq(chmod(root, 0555), 0);
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        unsigned wrong = denials();
        _exit(write(pipes[1], &wrong, sizeof wrong) == sizeof wrong ? 0 : 1);
    }
    unsigned wrong = 1;
    ck_assert_int_eq(read(pipes[0], &wrong, sizeof wrong), sizeof wrong);
    ck_assert_uint_eq(wrong, 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    close(pipes[0]);
    close(pipes[1]);
    ck_assert_int_eq(chmod(root, 0755), 0);
    end();
}
END_TEST

START_TEST(a_read_only_mount_is_read)
{
    if (_i != SIMULATED || !start(_i))
        return;
    struct io_file *file;
    file_make("file", "here");
    struct io_file *before = file_open(io, "file", IO_WRITABLE);
    sim_read_only(sim, true);
    ck_fails(io_open(&file, io, at("file"), IO_WRITABLE, &err), HOLTER_DENIED);
    ck_fails(io_open(&file, io, at("new"), IO_CREATE, &err), HOLTER_DENIED);
    ck_fails(io_make_dir(io, at("dir"), &err), HOLTER_DENIED);
    ck_fails(io_unlink(io, at("file"), &err), HOLTER_DENIED);
    ck_fails(io_rename(io, at("file"), at("new"), &err), HOLTER_DENIED);
    ck_fails(io_write_exactly(queue, before, 0, "gone", 4, &err), HOLTER_IO);
    check_file("file", "here");
    io_close(before);
    end();
}
END_TEST

/* ---- locks ----------------------------------------------------------------------------------- */

static holter_status try_lock(struct io_file *file, uint64_t offset, uint64_t bytes,
                              enum io_lock_mode mode)
{
    return io_lock(file, offset, bytes, mode, 0, &err);
}

static bool is_held(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    bool held;
    ck_ok(io_lock_probe(&held, file, offset, bytes, &err));
    return held;
}

START_TEST(locks_exclude_as_their_modes_say)
{
    if (!start(_i))
        return;
    file_make("file", "");
    struct io_file *a = file_open(io, "file", IO_WRITABLE);
    struct io_file *b = file_open(other, "file", IO_WRITABLE);
    struct io_file *c = file_open(io, "file", 0); /* of a's process */

    ck_ok(try_lock(a, 0, 1, IO_LOCK_SHARED));
    ck_ok(try_lock(b, 0, 1, IO_LOCK_SHARED));
    ck_ok(try_lock(c, 0, 1, IO_LOCK_SHARED));
    ck_fails(try_lock(a, 0, 1, IO_LOCK_EXCLUSIVE), HOLTER_BUSY);
    ck_assert(is_held(a, 0, 1));
    io_unlock(b, 0, 1);
    io_unlock(c, 0, 1);
    ck_assert(!is_held(a, 0, 1)); /* its own does not count */
    ck_assert(is_held(b, 0, 1));
    ck_ok(try_lock(a, 0, 1, IO_LOCK_EXCLUSIVE)); /* conversion */
    ck_fails(try_lock(b, 0, 1, IO_LOCK_SHARED), HOLTER_BUSY);
    ck_fails(try_lock(c, 0, 1, IO_LOCK_SHARED), HOLTER_BUSY);
    ck_ok(try_lock(a, 0, 1, IO_LOCK_EXCLUSIVE)); /* again */
    ck_ok(try_lock(a, 0, 1, IO_LOCK_SHARED));    /* and back */
    ck_ok(try_lock(c, 0, 1, IO_LOCK_SHARED));
    ck_fails(try_lock(c, 5, 1, IO_LOCK_EXCLUSIVE), HOLTER_DENIED);
    ck_assert(is_held(c, 0, 1));
    io_close(a);
    io_close(b);
    io_close(c);
    end();
}
END_TEST

START_TEST(a_failed_conversion_keeps_the_lock)
{
    if (!start(_i))
        return;
    file_make("file", "");
    struct io_file *a = file_open(io, "file", IO_WRITABLE);
    struct io_file *b = file_open(other, "file", IO_WRITABLE);
    ck_ok(try_lock(a, 0, 1, IO_LOCK_SHARED));
    ck_ok(try_lock(b, 0, 1, IO_LOCK_SHARED));
    ck_fails(try_lock(a, 0, 1, IO_LOCK_EXCLUSIVE), HOLTER_BUSY);
    ck_fails(try_lock(b, 0, 1, IO_LOCK_EXCLUSIVE), HOLTER_BUSY);
    io_unlock(b, 0, 1);
    ck_fails(try_lock(b, 0, 1, IO_LOCK_EXCLUSIVE), HOLTER_BUSY);
    io_close(a);
    io_close(b);
    end();
}
END_TEST

START_TEST(locks_are_ranges)
{
    if (!start(_i))
        return;
    file_make("file", "");
    struct io_file *a = file_open(io, "file", IO_WRITABLE);
    struct io_file *b = file_open(other, "file", IO_WRITABLE);
    ck_ok(try_lock(a, 10, 20, IO_LOCK_EXCLUSIVE));
    ck_ok(try_lock(b, 0, 10, IO_LOCK_EXCLUSIVE));
    ck_ok(try_lock(b, 30, 10, IO_LOCK_EXCLUSIVE));
    ck_fails(try_lock(b, 29, 1, IO_LOCK_SHARED), HOLTER_BUSY);
    ck_assert_ptr_nonnull(strstr(err.message, "[29, 30)"));
    io_unlock(a, 15, 5); /* splits it */
    ck_ok(try_lock(b, 15, 5, IO_LOCK_EXCLUSIVE));
    ck_assert(is_held(b, 14, 1));
    ck_assert(is_held(b, 20, 1));
    ck_assert(!is_held(b, 15, 5));
    io_unlock(b, 15, 5);
    ck_ok(try_lock(a, 12, 4, IO_LOCK_SHARED)); /* converts a middle part */
    ck_ok(try_lock(b, 12, 4, IO_LOCK_SHARED));
    ck_fails(try_lock(b, 11, 2, IO_LOCK_SHARED), HOLTER_BUSY);
    io_unlock(a, 0, 100);
    ck_ok(try_lock(b, 0, 100, IO_LOCK_EXCLUSIVE));
    io_unlock(b, 200, 5); /* not held: nothing */
    io_close(a);
    io_close(b);
    end();
}
END_TEST

START_TEST(closing_a_file_frees_its_locks_alone)
{
    if (!start(_i))
        return;
    file_make("file", "");
    struct io_file *a = file_open(io, "file", IO_WRITABLE);
    struct io_file *twin = file_open(io, "file", IO_WRITABLE);
    struct io_file *b = file_open(other, "file", IO_WRITABLE);
    ck_ok(try_lock(a, 0, 1, IO_LOCK_EXCLUSIVE));
    ck_ok(try_lock(twin, 1, 1, IO_LOCK_EXCLUSIVE));
    io_close(twin);
    ck_fails(try_lock(b, 0, 1, IO_LOCK_EXCLUSIVE), HOLTER_BUSY);
    ck_ok(try_lock(b, 1, 1, IO_LOCK_EXCLUSIVE));
    io_close(a);
    ck_ok(try_lock(b, 0, 2, IO_LOCK_EXCLUSIVE));
    io_close(b);
    end();
}
END_TEST

START_TEST(waiting_for_a_lock_ends_at_the_deadline)
{
    if (!start(_i))
        return;
    file_make("file", "");
    struct io_file *a = file_open(io, "file", IO_WRITABLE);
    struct io_file *b = file_open(other, "file", IO_WRITABLE);
    ck_ok(try_lock(a, 0, 1, IO_LOCK_EXCLUSIVE));
    int64_t before_ns = io_monotonic_ns(io);
    ck_fails(io_lock(b, 0, 1, IO_LOCK_SHARED, before_ns + 20 * MS, &err), HOLTER_BUSY);
    int64_t waited_ns = io_monotonic_ns(io) - before_ns;
    ck_assert_int_ge(waited_ns, 20 * MS);
    ck_assert_int_lt(waited_ns, INT64_C(2000) * MS);
    ck_ok(
        io_lock(b, 1, 1, IO_LOCK_SHARED, before_ns, &err)); /* free: the deadline does not matter */
    io_close(a);
    io_close(b);
    end();
}
END_TEST

struct release {
    struct io_file *file;
    int64_t after_ns;
};

static void *release_later(void *context)
{
    struct release *release = context;
    io_sleep_ns(io, release->after_ns);
    io_unlock(release->file, 0, 1);
    return NULL;
}

START_TEST(a_lock_that_is_freed_is_taken)
{
    if (_i == SIMULATED || !start(_i))
        return;
    file_make("file", "");
    struct io_file *a = file_open(io, "file", IO_WRITABLE);
    struct io_file *b = file_open(other, "file", IO_WRITABLE);
    struct release release = { a, 10 * MS };
    pthread_t thread;
    ck_ok(try_lock(a, 0, 1, IO_LOCK_EXCLUSIVE));
    ck_assert_int_eq(pthread_create(&thread, NULL, release_later, &release), 0);
    ck_ok(io_lock(b, 0, 1, IO_LOCK_EXCLUSIVE, io_monotonic_ns(io) + INT64_C(5000) * MS, &err));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    io_close(a);
    io_close(b);
    end();
}
END_TEST

START_TEST(death_frees_locks)
{
    if (!start(_i))
        return;
    file_make("file", "");
    struct io_file *mine = file_open(io, "file", IO_WRITABLE);
    if (sim != NULL) {
        struct io_file *theirs = file_open(other, "file", IO_WRITABLE);
        struct io_process process = io_process_self(other);
        ck_ok(try_lock(theirs, 0, 1, IO_LOCK_EXCLUSIVE));
        ck_fails(try_lock(mine, 0, 1, IO_LOCK_EXCLUSIVE), HOLTER_BUSY);
        ck_assert(io_process_is_alive(io, process));
        sim_process_kill(other);
        ck_assert(!io_process_is_alive(io, process));
        ck_ok(try_lock(mine, 0, 1, IO_LOCK_EXCLUSIVE));
        io_close(theirs);
    } else {
        int pipes[2];
        struct io_process process;
        ck_assert_int_eq(pipe(pipes), 0);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            struct io_file *theirs;
            if (io_open(&theirs, io, at("file"), IO_WRITABLE, NULL) != HOLTER_OK ||
                io_lock(theirs, 0, 1, IO_LOCK_EXCLUSIVE, 0, NULL) != HOLTER_OK)
                _exit(1);
            process = io_process_self(io);
            if (write(pipes[1], &process, sizeof process) != sizeof process)
                _exit(1);
            pause();
            _exit(0);
        }
        ck_assert_int_eq(read(pipes[0], &process, sizeof process), sizeof process);
        ck_assert_uint_eq(process.pid, (uint64_t)child);
        ck_fails(try_lock(mine, 0, 1, IO_LOCK_EXCLUSIVE), HOLTER_BUSY);
        ck_assert(io_process_is_alive(io, process));
        kill(child, SIGKILL);
        ck_ok(
            io_lock(mine, 0, 1, IO_LOCK_EXCLUSIVE, io_monotonic_ns(io) + INT64_C(5000) * MS, &err));
        siginfo_t info;
        ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
        ck_assert(!io_process_is_alive(io, process)); /* not yet waited for: no life either */
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        ck_assert(!io_process_is_alive(io, process));
        close(pipes[0]);
        close(pipes[1]);
    }
    io_close(mine);
    end();
}
END_TEST

/* ---- shared memory --------------------------------------------------------------------------- */

START_TEST(shared_words_are_seen_by_all)
{
    if (!start(_i))
        return;
    struct io_file *a = file_open(io, "head", IO_CREATE);
    ck_ok(io_write_exactly(queue, a, 0, page, 2 * CORE_PAGE_BYTES, &err));
    struct io_file *b = file_open(other, "head", 0);
    struct io_shared *writing, *reading;
    ck_ok(io_map(&writing, a, 2 * CORE_PAGE_BYTES, true, &err));
    ck_ok(io_map(&reading, b, CORE_PAGE_BYTES, false, &err));
    ck_assert_uint_eq(io_shared_load(reading, 7), 0);
    io_shared_store(writing, 7, UINT64_C(0x0123456789abcdef));
    io_shared_store(writing, 1023, 5);
    ck_assert_uint_eq(io_shared_load(reading, 7), UINT64_C(0x0123456789abcdef));
    ck_assert_uint_eq(io_shared_load(writing, 1023), 5);

    uint64_t word = 0; /* the words are the bytes of the file */
    ck_ok(io_read_exactly(other_queue, b, 7 * 8, &word, 8, &err));
    ck_assert_uint_eq(word, UINT64_C(0x0123456789abcdef));
    io_close(a); /* the map outlives the file */
    io_shared_store(writing, 7, 9);
    ck_assert_uint_eq(io_shared_load(reading, 7), 9);
    io_unmap(writing);
    io_unmap(reading);
    io_close(b);
    end();
}
END_TEST

START_TEST(maps_stay_within_the_file_and_its_flags)
{
    if (!start(_i))
        return;
    struct io_file *a = file_open(io, "head", IO_CREATE);
    ck_ok(io_write_exactly(queue, a, 0, page, CORE_PAGE_BYTES, &err));
    struct io_file *b = file_open(io, "head", 0);
    struct io_shared *shared;
    ck_fails(io_map(&shared, a, 2 * CORE_PAGE_BYTES, true, &err), HOLTER_INVALID);
    ck_assert_ptr_null(shared);
    ck_fails(io_map(&shared, b, CORE_PAGE_BYTES, true, &err), HOLTER_DENIED);
    io_close(a);
    io_close(b);
    end();
}
END_TEST

/* ---- clock, randomness, processes, mutexes --------------------------------------------------- */

START_TEST(clocks_go_on)
{
    if (!start(_i))
        return;
    int64_t last_ns = io_monotonic_ns(io);
    ck_assert_int_gt(io_now_ns(io), INT64_C(1600000000) * 1000 * MS);
    for (unsigned i = 0; i < 100; i++) {
        int64_t now_ns = io_monotonic_ns(io);
        ck_assert_int_ge(now_ns, last_ns);
        last_ns = now_ns;
    }
    io_sleep_ns(io, 3 * MS);
    ck_assert_int_ge(io_monotonic_ns(io), last_ns + 3 * MS);
    io_sleep_ns(io, 0);
    io_sleep_ns(io, -5);
    end();
}
END_TEST

START_TEST(random_bytes_differ_and_a_boot_has_one_id)
{
    if (!start(_i))
        return;
    uint8_t a[300] = { 0 }, b[300] = { 0 };
    ck_ok(io_random(io, a, sizeof a, &err));
    ck_ok(io_random(other, b, sizeof b, &err));
    ck_assert_mem_ne(a, b, 16);
    ck_assert_mem_ne(a + 284, b + 284, 16);
    uint8_t id[IO_BOOT_ID_BYTES], again[IO_BOOT_ID_BYTES];
    static const uint8_t none[IO_BOOT_ID_BYTES] = { 0 };
    ck_ok(io_boot_id(io, id, &err));
    ck_ok(io_boot_id(other, again, &err));
    ck_assert_uint_ge(io_processors(io), 1);
    ck_assert_uint_eq(io_processors(io), io_processors(other));
    ck_assert_mem_eq(id, again, sizeof id);
    ck_assert_mem_ne(id, none, sizeof id);
    end();
}
END_TEST

START_TEST(processes_are_known_by_pid_and_start)
{
    if (!start(_i))
        return;
    struct io_process self = io_process_self(io);
    struct io_process again = io_process_self(io);
    ck_assert_uint_eq(self.start_ns, again.start_ns);
    ck_assert(io_process_is_alive(other, self));
    struct io_process later = { self.pid, self.start_ns + 1000 * MS };
    ck_assert(!io_process_is_alive(other, later));
    struct io_process absent = { UINT64_C(1) << 40, self.start_ns };
    ck_assert(!io_process_is_alive(other, absent));
    ck_assert(!io_process_is_alive(other, (struct io_process){ 0, 0 }));
    end();
}
END_TEST

START_TEST(a_mutex_is_waited_for_until_the_deadline)
{
    if (!start(_i))
        return;
    struct io_mutex *mutex;
    ck_ok(io_mutex_new(&mutex, io, &err));
    io_mutex_lock(mutex);
    int64_t before_ns = io_monotonic_ns(io);
    ck_assert(!io_mutex_lock_until(mutex, before_ns + 10 * MS));
    ck_assert_int_ge(io_monotonic_ns(io), before_ns + 10 * MS);
    ck_assert(!io_mutex_lock_until(mutex, 0));
    io_mutex_unlock(mutex);
    ck_assert(io_mutex_lock_until(mutex, 0)); /* free: the deadline does not matter */
    io_mutex_unlock(mutex);
    io_mutex_free(mutex);
    end();
}
END_TEST

struct counting {
    struct io_mutex *mutex;
    unsigned count; /* guarded by it */
};

static void *count_up(void *context)
{
    struct counting *counting = context;
    for (unsigned i = 0; i < 2000; i++) {
        if (i % 2 == 0)
            io_mutex_lock(counting->mutex);
        else
            while (!io_mutex_lock_until(counting->mutex, io_monotonic_ns(io) + 100 * MS))
                continue;
        counting->count++;
        io_mutex_unlock(counting->mutex);
    }
    return NULL;
}

START_TEST(a_mutex_excludes_threads)
{
    if (_i == SIMULATED || !start(_i))
        return;
    struct counting counting = { 0 };
    pthread_t threads[4];
    ck_ok(io_mutex_new(&counting.mutex, io, &err));
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, &counting), 0);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(counting.count, 8000);
    io_mutex_free(counting.mutex);
    end();
}
END_TEST

struct queueing {
    struct io_mutex *mutex;
    unsigned number;
    unsigned *next; /* guarded by it */
    bool in_order;
    atomic_bool is_here; /* and about to wait */
};

static void *take_turn(void *context)
{
    struct queueing *queueing = context;
    atomic_store(&queueing->is_here, true);
    io_mutex_lock(queueing->mutex);
    queueing->in_order = *queueing->next == queueing->number;
    (*queueing->next)++;
    io_mutex_unlock(queueing->mutex);
    return NULL;
}

static void *give_up(void *context)
{
    struct queueing *queueing = context;
    atomic_store(&queueing->is_here, true);
    queueing->in_order = !io_mutex_lock_until(queueing->mutex, io_monotonic_ns(io) + 5 * MS);
    return NULL;
}

START_TEST(threads_queue_in_order_for_a_mutex)
{
    if (_i == SIMULATED || !start(_i))
        return;
    unsigned next = 0;
    struct io_mutex *mutex;
    pthread_t threads[6];
    struct queueing queueing[6];
    ck_ok(io_mutex_new(&mutex, io, &err));
    io_mutex_lock(mutex);
    for (unsigned i = 0; i < 6; i++) { /* the third and the last leave the queue again */
        queueing[i] = (struct queueing){ .mutex = mutex, .number = i - (i > 2), .next = &next };
        bool gives_up = i == 2 || i == 5;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, gives_up ? give_up : take_turn,
                                        &queueing[i]),
                         0);
        while (!atomic_load(&queueing[i].is_here))
            io_sleep_ns(io, MS);
        io_sleep_ns(io, 15 * MS);
    }
    io_sleep_ns(io, 10 * MS);
    io_mutex_unlock(mutex);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_msg(queueing[i].in_order, "thread %u", i);
    }
    ck_assert(io_mutex_lock_until(mutex, 0));
    io_mutex_unlock(mutex);
    io_mutex_free(mutex);
    end();
}
END_TEST

START_TEST(a_signal_ends_as_many_waits_as_it_is_set)
{
    if (!start(_i))
        return;
    struct io_signal *signal;
    ck_ok(io_signal_new(&signal, io, &err));
    int64_t before_ns = io_monotonic_ns(io);
    ck_assert(!io_signal_wait_until(signal, 0));
    ck_assert(!io_signal_wait_until(signal, before_ns + 10 * MS));
    ck_assert_int_ge(io_monotonic_ns(io), before_ns + 10 * MS);
    io_signal_set(signal);
    io_signal_set(signal);
    ck_assert(io_signal_wait_until(signal, INT64_MAX));
    ck_assert(io_signal_wait_until(signal, 0));
    ck_assert(!io_signal_wait_until(signal, 0));
    io_signal_free(signal);
    io_signal_free(NULL);
    end();
}
END_TEST

/* Turns of two threads, told by a signal each. */
struct turns {
    struct io_signal *mine, *other;
    unsigned *count; /* only by whose turn it is */
};

static void take_turns(void *context)
{
    struct turns *turns = context;
    for (unsigned i = 0; i < 500 && io_signal_wait_until(turns->mine, INT64_MAX); i++) {
        ++*turns->count;
        io_signal_set(turns->other);
    }
}

START_TEST(threads_tell_each_other_by_signals)
{
    if (!start(_i))
        return;
    unsigned count = 0;
    struct io_signal *signals[2];
    struct io_thread *threads[2];
    struct turns turns[2];
    for (size_t i = 0; i < 2; i++)
        ck_ok(io_signal_new(&signals[i], io, &err));
    for (size_t i = 0; i < 2; i++) {
        turns[i] = (struct turns){ signals[i], signals[1 - i], &count };
        holter_status status = io_thread_start(&threads[i], io, take_turns, &turns[i], &err);
        ck_assert_int_eq(status, _i == SIMULATED ? HOLTER_UNSUPPORTED : HOLTER_OK);
    }
    if (_i != SIMULATED) {
        io_signal_set(signals[0]);
        for (size_t i = 0; i < 2; i++)
            io_thread_join(threads[i]);
        ck_assert_uint_eq(count, 1000);
    }
    for (size_t i = 0; i < 2; i++)
        io_signal_free(signals[i]);
    end();
}
END_TEST

START_TEST(additions_to_shared_words_are_not_lost)
{
    if (!start(_i))
        return;
    struct io_file *file;
    struct io_shared *shared;
    ck_ok(io_open(&file, io, at("words"), IO_CREATE, &err));
    static const uint8_t zeros[4096];
    ck_ok(io_write_exactly(queue, file, 0, zeros, sizeof zeros, &err));
    ck_ok(io_map(&shared, file, sizeof zeros, true, &err));
    io_shared_store(shared, 3, 7);
    io_shared_add(shared, 3, 5);
    io_shared_add(shared, 3, UINT64_MAX); /* goes round */
    ck_assert_uint_eq(io_shared_load(shared, 3), 11);
    ck_assert_uint_eq(io_shared_load(shared, 2), 0);
    io_unmap(shared);
    io_close(file);
    end();
}
END_TEST

/* A thread that waits for a word of a shared page. */
struct waiter {
    struct io_shared *shared;
    struct io_signal *is_awake;
};

static void wait_for_word(void *context)
{
    struct waiter *waiter = context;
    while (io_shared_load(waiter->shared, 5) == 0)
        io_shared_wait(waiter->shared, 5, 0, INT64_MAX);
    io_signal_set(waiter->is_awake);
}

START_TEST(who_waits_for_a_shared_word_is_woken)
{
    if (!start(_i))
        return;
    struct io_file *file;
    struct waiter waiter;
    struct io_thread *thread;
    static const uint8_t zeros[4096];
    ck_ok(io_open(&file, io, at("words"), IO_CREATE, &err));
    ck_ok(io_write_exactly(queue, file, 0, zeros, sizeof zeros, &err));
    ck_ok(io_map(&waiter.shared, file, sizeof zeros, true, &err));
    ck_ok(io_signal_new(&waiter.is_awake, io, &err));

    io_shared_wait(waiter.shared, 5, 1, INT64_MAX); /* it has another value: at once */
    int64_t before_ns = io_monotonic_ns(io);
    io_shared_wait(waiter.shared, 5, 0, before_ns); /* the deadline is over */
    while (io_monotonic_ns(io) < before_ns + 10 * MS)
        io_shared_wait(waiter.shared, 5, 0, before_ns + 10 * MS);
    io_shared_wake_one(waiter.shared, 5); /* nobody waits */

    if (_i != SIMULATED) {
        ck_ok(io_thread_start(&thread, io, wait_for_word, &waiter, &err));
        ck_assert(!io_signal_wait_until(waiter.is_awake, io_monotonic_ns(io) + 10 * MS));
        io_shared_add(waiter.shared, 5, 1);
        io_shared_wake_one(waiter.shared, 5);
        ck_assert(io_signal_wait_until(waiter.is_awake, INT64_MAX));
        io_thread_join(thread);
    }
    io_signal_free(waiter.is_awake);
    io_unmap(waiter.shared);
    io_close(file);
    end();
}
END_TEST

/* ---- forks ----------------------------------------------------------------------------------- */

static struct io_file *inherited;
static unsigned forks_seen;
static unsigned forgotten_seen;

static void forget_me(void *context)
{
    forks_seen++;
    io_fork_forget(io, forget_me, context);
}

static void leave_file(void *context)
{
    forks_seen++;
    io_abandon(context);
}

static void never(void *context)
{
    (void)context;
    forgotten_seen++;
}

static int after_fork(void)
{
    uint64_t bytes;
    int dummy = 0;
    if (forks_seen != 2 || forgotten_seen != 0)
        return 1;
    if (io_size(&bytes, inherited, NULL) != HOLTER_IO ||
        io_lock(inherited, 0, 1, IO_LOCK_EXCLUSIVE, 0, NULL) != HOLTER_IO)
        return 2;
    io_unlock(inherited, 0, 1); /* nothing of ours is held any more */
    pid_t grandchild = fork();  /* one watcher forgot itself */
    if (grandchild == 0)
        _exit(forks_seen == 3 ? 0 : 1);
    int status;
    if (waitpid(grandchild, &status, 0) != grandchild || status != 0)
        return 3;
    io_fork_forget(io, leave_file, &dummy); /* not watched with this context: nothing */
    io_fork_forget(io, leave_file, inherited);
    io_close(inherited);
    return 0;
}

START_TEST(a_forked_child_leaves_what_it_inherited)
{
    if (_i == SIMULATED || !start(_i))
        return;
    file_make("file", "");
    inherited = file_open(io, "file", IO_WRITABLE);
    forks_seen = 0;
    ck_ok(try_lock(inherited, 0, 1, IO_LOCK_EXCLUSIVE));
    ck_ok(io_fork_watch(io, leave_file, inherited, &err));
    ck_ok(io_fork_watch(io, forget_me, NULL, &err));
    ck_ok(io_fork_watch(io, never, NULL, &err));
    io_fork_forget(io, never, NULL);

    int pipes[2];
    char byte = 0;
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int wrong = after_fork();
        if (read(pipes[0], &byte, 1) != 1) /* stay alive while the parent looks */
            wrong = 4;
        _exit(wrong);
    }
    ck_assert_uint_eq(forks_seen, 0);
    struct io_file *probe = file_open(other, "file", IO_WRITABLE);
    ck_assert(is_held(probe, 0, 1));
    io_close(inherited); /* frees it, as the child shares it no longer: wait for that alone */
    ck_ok(io_lock(probe, 0, 1, IO_LOCK_EXCLUSIVE, io_monotonic_ns(io) + INT64_C(5000) * MS, &err));
    ck_assert_int_eq(write(pipes[1], &byte, 1), 1);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    io_fork_forget(io, leave_file, inherited);
    io_fork_forget(io, forget_me, NULL);
    close(pipes[0]);
    close(pipes[1]);
    io_close(probe);
    end();
}
END_TEST

/* ---- conveniences ---------------------------------------------------------------------------- */

START_TEST(a_file_is_written_whole)
{
    if (!start(_i))
        return;
    struct io_stat found;
    ck_ok(io_write_file(io, at("file"), "one", 3, 0, &err));
    check_file("file", "one");
    file_make("file.tmp", "of a process that died, and longer");
    ck_ok(io_write_file(io, at("file"), "other", 5, IO_PRIVATE, &err));
    check_file("file", "other");
    ck_ok(io_stat(&found, io, at("file"), &err));
    ck_assert_uint_eq(found.mode, 0600);
    ck_fails(io_stat(&found, io, at("file.tmp"), &err), HOLTER_NOT_FOUND);
    ck_ok(io_write_file(io, at("file"), NULL, 0, 0, &err));
    check_file("file", "");
    ck_fails(io_write_file(io, at("none/file"), "x", 1, 0, &err), HOLTER_NOT_FOUND);

    ck_ok(io_make_dir(io, at("dir"), &err)); /* the rename fails; nothing is left aside */
    ck_fails(io_write_file(io, at("dir"), "x", 1, 0, &err), HOLTER_INVALID);
    ck_fails(io_stat(&found, io, at("dir.tmp"), &err), HOLTER_NOT_FOUND);
    end();
}
END_TEST

START_TEST(a_file_that_is_too_large_is_not_read)
{
    if (!start(_i))
        return;
    struct buffer out;
    file_make("file", "0123456789");
    ck_fails(io_read_file(&out, io, at("file"), 9, &err), HOLTER_CORRUPT);
    ck_assert_ptr_null(out.data);
    ck_ok(io_read_file(&out, io, at("file"), 10, &err));
    ck_assert_uint_eq(out.bytes, 10);
    ck_assert_mem_eq(out.data, "0123456789", 10);
    buffer_release(&out);
    ck_fails(io_read_file(&out, io, root, 10, &err), HOLTER_INVALID);
    end();
}
END_TEST

static const struct {
    const char *part[4];
    const char *joined;
} joins[] = {
    { { "a", "b", "c", "d" }, "a/b/c/d" }, { { "a", NULL, "c", NULL }, "a" },
    { { "/", "b", NULL, NULL }, "/b" },    { { "a/", "b", NULL, NULL }, "a/b" },
    { { NULL, NULL, NULL, NULL }, "" },    { { "", "b", NULL, NULL }, "b" },
};

START_TEST(paths_are_joined)
{
    char out[IO_PATH_BYTES_MAX];
    const char *const *part = joins[_i].part;
    ck_assert(io_path_join(out, part[0], part[1], part[2], part[3]));
    ck_assert_str_eq(out, joins[_i].joined);
}
END_TEST

START_TEST(a_join_that_does_not_fit_is_refused)
{
    char out[IO_PATH_BYTES_MAX];
    char part[IO_PATH_BYTES_MAX];
    memset(part, 'x', sizeof part);
    part[IO_PATH_BYTES_MAX - 3] = '\0';
    ck_assert(io_path_join(out, part, "y", NULL, NULL));
    ck_assert_uint_eq(strlen(out), IO_PATH_BYTES_MAX - 1);
    ck_assert(!io_path_join(out, part, "yy", NULL, NULL));
    part[IO_PATH_BYTES_MAX - 3] = 'x';
    part[IO_PATH_BYTES_MAX - 1] = '\0';
    ck_assert(io_path_join(out, part, NULL, NULL, NULL));
    ck_assert(!io_path_join(out, part, "", NULL, NULL));
}
END_TEST

static Suite *io_conformance_suite(void)
{
    Suite *suite = suite_create("io_conformance");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    static const TTest *const *const tests[] = {
        &what_is_missing_is_not_found,
        &create_is_exclusive,
        &only_regular_files_are_opened,
        &long_paths_and_names_are_refused,
        &modes_and_kinds_are_told,
        &bytes_come_back,
        &reads_are_short_at_the_end,
        &a_file_opened_for_reading_is_not_written,
        &direct_and_durable_writes_work,
        &every_operation_completes_once,
        &linked_operations_run_in_order,
        &a_link_breaks_at_a_failure_or_a_short_read,
        &a_batch_over_several_files_is_done_whole,
        &what_is_expected_may_be_anything,
        &closing_a_queue_waits,
        &rename_replaces_and_open_files_stay,
        &a_file_without_a_name_gets_one,
        &an_unlinked_file_stays_while_open,
        &names_are_listed_by_their_bytes,
        &space_is_told,
        &permission_is_denied,
        &a_read_only_mount_is_read,
        &locks_exclude_as_their_modes_say,
        &a_failed_conversion_keeps_the_lock,
        &locks_are_ranges,
        &closing_a_file_frees_its_locks_alone,
        &waiting_for_a_lock_ends_at_the_deadline,
        &a_lock_that_is_freed_is_taken,
        &death_frees_locks,
        &shared_words_are_seen_by_all,
        &maps_stay_within_the_file_and_its_flags,
        &clocks_go_on,
        &random_bytes_differ_and_a_boot_has_one_id,
        &processes_are_known_by_pid_and_start,
        &a_mutex_is_waited_for_until_the_deadline,
        &a_mutex_excludes_threads,
        &threads_queue_in_order_for_a_mutex,
        &a_signal_ends_as_many_waits_as_it_is_set,
        &threads_tell_each_other_by_signals,
        &additions_to_shared_words_are_not_lost,
        &who_waits_for_a_shared_word_is_woken,
        &a_forked_child_leaves_what_it_inherited,
        &a_file_is_written_whole,
        &a_file_that_is_too_large_is_not_read,
    };
    for (size_t i = 0; i < CORE_COUNT(tests); i++)
        tcase_add_loop_test(all, *tests[i], SIMULATED, BACKENDS);
    tcase_add_loop_test(all, paths_are_joined, 0, CORE_COUNT(joins));
    tcase_add_test(all, a_join_that_does_not_fit_is_refused);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return run_suite(io_conformance_suite());
}
