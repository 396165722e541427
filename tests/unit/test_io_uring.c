/*
 * test_io_uring.c -- batches in a ring end as plain calls would, whatever the kernel does with them.
 *
 * Claim: results, bytes and cancellations of any batch are those of calls one after the other; so too where the
 * kernel takes no entry, or only some, where an operation is interrupted, cancelled or has to wait for memory,
 * where it answers no question any more, where more completes than the ring holds, and where a queue can have no
 * ring. Method: seeded batches of reads, writes and syncs, linked and not, on files of which one may not be
 * written, against the same on other files by plain calls; the ring's calls and the plain ones are wrapped by the
 * linker (Makefile), so that they refuse and complete as a test wants. What every backend does:
 * test_io_conformance.c; what becomes of errors of the disk: test_io_faults.c.
 */
#include "io/io.h"

#include "random.h"
#include "run.h"

#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        holter_status check_status = (call);                                                       \
        ck_assert_msg(check_status == HOLTER_OK, "%s: %s", #call, err.message);                    \
    } while (0)

enum { DEPTH = 32, SPAN = 512, FILES = 3, ROUNDS = 100 };

static holter_error err;
static char root[64];

/* ---- a kernel that does as it is told -------------------------------------------------------- */

static struct {
    int init_error;       /* of the next rings; 0: none */
    bool may_drop;        /* the next rings, what does not fit them */
    bool knows_no_writes; /* the next rings */
    unsigned
        flood; /* so many entries that do nothing, into each new ring and behind each submission */
    unsigned refuse;    /* of 8 submissions: take nothing */
    bool refuse_odd;    /* of each two submissions the first: take nothing */
    unsigned part;      /* of 8 submissions: take only some entries */
    unsigned interrupt; /* of 8 completions: another error in the place of a result */
    int deaf;           /* each wait answers this error, completions show at every third; 0: none */
    unsigned hidden;    /* completions */
    unsigned long submissions, taken, refused, parted, interrupted, unheard, overflows;
    struct random random;
} kernel;

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *p);
struct io_uring_probe *__real_io_uring_get_probe_ring(struct io_uring *ring);
struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **out, unsigned submit,
                              unsigned wait, sigset_t *mask);
int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **out, unsigned submit,
                              unsigned wait, sigset_t *mask);

static void flood(struct io_uring *ring)
{
    for (unsigned i = 0; i < kernel.flood; i++) {
        struct io_uring_sqe *entry = io_uring_get_sqe(ring);
        if (entry == NULL) {
            CHECK(__real_io_uring_submit(ring) > 0);
            CHECK((entry = io_uring_get_sqe(ring)) != NULL);
        }
        io_uring_prep_nop(entry);
        io_uring_sqe_set_data(entry, NULL);
    }
    while (kernel.flood > 0 && io_uring_sq_ready(ring) > 0)
        CHECK(__real_io_uring_submit(ring) > 0);
}

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *p)
{
    if (kernel.init_error != 0)
        return kernel.init_error;
    int error = __real_io_uring_queue_init_params(entries, ring, p);
    if (error == 0 && kernel.may_drop)
        p->features &= ~IORING_FEAT_NODROP;
    if (error == 0)
        flood(ring);
    return error;
}

struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring)
{
    struct io_uring_probe *probe = __real_io_uring_get_probe_ring(ring);
    if (probe != NULL && kernel.knows_no_writes)
        probe->ops[IORING_OP_WRITE].flags = 0;
    return probe;
}

static void await_all(struct io_uring *ring, unsigned completed)
{
    while (io_uring_cq_ready(ring) < completed)
        sched_yield();
}

/* The results of transfers that have completed are changed where they lie. */
static void interrupt_some(struct io_uring *ring, unsigned completed)
{
    static const int errors[] = { -EINTR, -EAGAIN, -ECANCELED, -ENOMEM };
    unsigned head = *ring->cq.khead;
    await_all(ring, completed);
    for (unsigned i = 0; i < completed; i++) {
        struct io_uring_cqe *cqe = &ring->cq.cqes[(head + i) & *ring->cq.kring_mask];
        const struct io_op *op = io_uring_cqe_get_data(cqe);
        if (op == NULL || op->kind == IO_SYNC ||
            random_below(&kernel.random, 8) >= kernel.interrupt)
            continue;
        cqe->res = errors[random_below(&kernel.random, 4)];
        kernel.interrupted++;
    }
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
    static const int errors[] = { -EAGAIN, -ENOMEM, -EBUSY, -EINTR, -EPERM, 0 };
    bool is_odd = kernel.submissions++ % 2 == 0;
    if ((kernel.refuse_odd && is_odd) || random_below(&kernel.random, 8) < kernel.refuse) {
        kernel.refused++;
        return kernel.refuse_odd ? -EAGAIN : errors[random_below(&kernel.random, 6)];
    }
    unsigned before = io_uring_cq_ready(ring);
    unsigned held = io_uring_sq_ready(ring);
    bool is_part = held > 1 && random_below(&kernel.random, 8) < kernel.part;
    held = is_part ? 1 + (unsigned)random_below(&kernel.random, held - 1) : 0;
    ring->sq.sqe_tail -= held; /* the kernel does not see them */
    int taken = __real_io_uring_submit(ring);
    ring->sq.sqe_tail += held;
    kernel.parted += is_part;
    kernel.taken += taken > 0 ? (unsigned)taken : 0;
    if (taken > 0 && kernel.interrupt > 0)
        interrupt_some(ring, before + (unsigned)taken);
    if (taken > 0 && kernel.deaf != 0) {
        await_all(ring, before + (unsigned)taken);
        kernel.hidden = before + (unsigned)taken;
        *ring->cq.ktail -= kernel.hidden;
    }
    if (!is_part)
        flood(ring);
    kernel.overflows += io_uring_cq_has_overflow(ring);
    return taken;
}

int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **out, unsigned submit,
                              unsigned wait, sigset_t *mask)
{
    if (kernel.deaf == 0)
        return __real___io_uring_get_cqe(ring, out, submit, wait, mask);
    if (++kernel.unheard % 3 == 0) {
        *ring->cq.ktail += kernel.hidden;
        kernel.hidden = 0;
    }
    return kernel.deaf;
}

/* Plain calls of a GiB and more, and what follows them, move nothing. */
static struct {
    size_t bytes[4]; /* of each call */
    size_t count;
    size_t fails_at; /* call; 0: none */
    int error;       /* with that; 0: it is short by one byte */
} huge;

ssize_t __real_pread64(int descriptor, void *memory, size_t bytes, off_t offset);
ssize_t __wrap_pread64(int descriptor, void *memory, size_t bytes, off_t offset);
ssize_t __real_pwrite64(int descriptor, const void *memory, size_t bytes, off_t offset);
ssize_t __wrap_pwrite64(int descriptor, const void *memory, size_t bytes, off_t offset);

static ssize_t move_nothing(size_t bytes)
{
    CHECK(huge.count < CORE_COUNT(huge.bytes));
    huge.bytes[huge.count++] = bytes;
    if (huge.fails_at != huge.count)
        return (ssize_t)bytes;
    errno = huge.error;
    return huge.error != 0 ? -1 : (ssize_t)bytes - 1;
}

ssize_t __wrap_pread64(int descriptor, void *memory, size_t bytes, off_t offset)
{
    bool is_huge = bytes >> 30 > 0 || huge.count > 0;
    return is_huge ? move_nothing(bytes) : __real_pread64(descriptor, memory, bytes, offset);
}

ssize_t __wrap_pwrite64(int descriptor, const void *memory, size_t bytes, off_t offset)
{
    bool is_huge = bytes >> 30 > 0 || huge.count > 0;
    return is_huge ? move_nothing(bytes) : __real_pwrite64(descriptor, memory, bytes, offset);
}

/* ---- a place --------------------------------------------------------------------------------- */

/* One backend's files, all of equal content at first; the last one is open for reading only. */
struct side {
    struct io *io;
    struct io_queue *queue;
    struct io_file *files[FILES];
    uint8_t memory[DEPTH][SPAN];
    struct io_op ops[DEPTH];
};

static const char *path_of(const char *side, size_t file)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s-%zu", root, side, file);
    return path;
}

static void side_open(struct side *side, const char *name)
{
    static uint8_t bytes[DEPTH * SPAN];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    CHECK_OK(io_queue_open(&side->queue, side->io, DEPTH, &err));
    for (size_t f = 0; f < FILES; f++) {
        const char *path = path_of(name, f);
        CHECK_OK(io_write_file(side->io, path, bytes, sizeof bytes, 0, &err));
        CHECK_OK(io_open(&side->files[f], side->io, path, f + 1 < FILES ? IO_WRITABLE : 0, &err));
    }
}

static void side_close(struct side *side, const char *name)
{
    io_queue_close(side->queue);
    for (size_t f = 0; f < FILES; f++) {
        io_close(side->files[f]);
        CHECK(unlink(path_of(name, f)) == 0);
    }
    io_free(side->io);
}

/* False: there is no ring to be had here. */
static bool sides_open(struct side *ring, struct side *plain)
{
    memset(&kernel, 0, sizeof kernel);
    memset(&huge, 0, sizeof huge);
    memset(ring->memory, 0, sizeof ring->memory);
    memset(plain->memory, 0, sizeof plain->memory);
    const char *under =
        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR"); /* whose syncs are quick */
    snprintf(root, sizeof root, "%.40s/holter-ring-XXXXXX", under != NULL ? under : "/tmp");
    if (io_uring_new(&ring->io, &err) == HOLTER_UNSUPPORTED) {
        printf("skipped: %s\n", err.message);
        return false;
    }
    CHECK(mkdtemp(root) != NULL);
    CHECK_OK(io_posix_new(&plain->io, &err));
    side_open(ring, "ring");
    side_open(plain, "plain");
    return true;
}

static void sides_close(struct side *ring, struct side *plain)
{
    side_close(ring, "ring");
    side_close(plain, "plain");
    CHECK(rmdir(root) == 0);
}

/* ---- batches --------------------------------------------------------------------------------- */

/* Each operation has a span of its own, so that their order does not matter; some pass the file's end. */
static size_t fill_batch(struct side *side, uint64_t seed)
{
    struct random random = { seed };
    size_t count = 1 + random_below(&random, DEPTH);
    for (size_t i = 0; i < count; i++) {
        struct io_op *op = &side->ops[i];
        *op = (struct io_op){ .kind = IO_READ + (enum io_op_kind)random_below(&random, 3) };
        op->linked = random_below(&random, 3) == 0;
        op->file = side->files[random_below(&random, FILES)];
        op->offset = i * SPAN + random_below(&random, 8);
        if (random_below(&random, 8) == 0)
            op->offset += DEPTH * SPAN;
        if (op->kind == IO_SYNC)
            continue;
        op->memory = side->memory[i];
        op->bytes = 1 + random_below(&random, SPAN - 8);
        for (size_t k = 0; k < SPAN; k++)
            side->memory[i][k] = op->kind == IO_WRITE ? (uint8_t)random_u64(&random) : 0xee;
    }
    return count;
}

/*
 * All of it comes back, each operation once. A batch of an even number is started at its half, or where the chain there
 * ends, before the rest is submitted.
 */
static void run_batch(struct side *side, size_t count)
{
    bool seen[DEPTH] = { false };
    const struct io_op *op;
    size_t first = count % 2 == 0 ? count / 2 : 0;
    while (first > 0 && first < count && side->ops[first - 1].linked)
        first++;
    io_submit(side->queue, side->ops, first);
    io_start(side->queue);
    io_submit(side->queue, side->ops + first, count - first);
    for (size_t i = 0; i < count; i++) {
        CHECK((op = io_wait(side->queue)) != NULL);
        CHECK(!seen[op - side->ops]);
        seen[op - side->ops] = true;
    }
    CHECK(io_wait(side->queue) == NULL);
}

static void assert_equal_files(const struct side *ring, const struct side *plain)
{
    for (size_t f = 0; f < FILES; f++) {
        struct buffer a, b;
        CHECK_OK(io_read_file(&a, ring->io, io_path(ring->files[f]), 1 << 20, &err));
        CHECK_OK(io_read_file(&b, plain->io, io_path(plain->files[f]), 1 << 20, &err));
        CHECK(a.bytes == b.bytes);
        CHECK(memcmp(a.data, b.data, a.bytes) == 0);
        buffer_release(&a);
        buffer_release(&b);
    }
}

/* Reads of a file behind which another operation of the batch may write end differently: sizes are settled first. */
static void assert_batches_agree(struct side *ring, struct side *plain, uint64_t seed)
{
    uint8_t last = 0;
    for (size_t f = 0; f + 1 < FILES; f++) {
        CHECK_OK(io_write_exactly(ring->queue, ring->files[f], 3 * DEPTH * SPAN, &last, 1, &err));
        CHECK_OK(io_write_exactly(plain->queue, plain->files[f], 3 * DEPTH * SPAN, &last, 1, &err));
    }
    for (uint64_t round = 0; round < ROUNDS; round++) {
        size_t count = fill_batch(ring, seed + round);
        CHECK(fill_batch(plain, seed + round) == count);
        run_batch(ring, count);
        run_batch(plain, count);
        for (size_t i = 0; i < count; i++) {
            ck_assert_int_eq(ring->ops[i].result, plain->ops[i].result);
            CHECK(memcmp(ring->memory[i], plain->memory[i], SPAN) == 0);
        }
    }
    assert_equal_files(ring, plain);
}

static struct side ring, plain;

START_TEST(batches_end_as_plain_calls_do)
{
    if (!sides_open(&ring, &plain))
        return;
    assert_batches_agree(&ring, &plain, 1);
    CHECK(kernel.taken > ROUNDS);
    sides_close(&ring, &plain);
}
END_TEST

START_TEST(what_the_kernel_does_not_take_is_done_all_the_same)
{
    if (!sides_open(&ring, &plain))
        return;
    kernel.refuse = (unsigned)_i;
    assert_batches_agree(&ring, &plain, 1000);
    CHECK(kernel.refused > 0);
    CHECK(_i == 8 || kernel.taken > 0);
    sides_close(&ring, &plain);
}
END_TEST

START_TEST(what_is_interrupted_is_done_again)
{
    if (!sides_open(&ring, &plain))
        return;
    kernel.interrupt = (unsigned)_i;
    kernel.refuse = 1;
    assert_batches_agree(&ring, &plain, 2000);
    CHECK(kernel.interrupted > 0);
    sides_close(&ring, &plain);
}
END_TEST

START_TEST(what_is_taken_in_parts_is_done_whole)
{
    if (!sides_open(&ring, &plain))
        return;
    kernel.part = (unsigned)_i;
    kernel.interrupt = 1;
    assert_batches_agree(&ring, &plain, 2500);
    CHECK(kernel.parted > 0);
    sides_close(&ring, &plain);
}
END_TEST

/* Above all: nothing of a batch is given back while the kernel may still use its memory. */
START_TEST(a_ring_that_answers_no_wait_is_looked_at)
{
    static const int errors[] = { -EINTR, -EAGAIN, -EBUSY, -EPERM, -ENOSYS, -ENOMEM, -ENXIO };
    if (!sides_open(&ring, &plain))
        return;
    kernel.deaf = errors[_i];
    assert_batches_agree(&ring, &plain, 6000);
    CHECK(kernel.unheard > ROUNDS);
    sides_close(&ring, &plain);
}
END_TEST

START_TEST(completions_that_do_not_fit_the_ring_are_not_lost)
{
    if (!sides_open(&ring, &plain))
        return;
    kernel.flood = 5 * DEPTH;
    assert_batches_agree(&ring, &plain, 7000);
    CHECK(kernel.overflows > 0);
    sides_close(&ring, &plain);
}
END_TEST

/* What was refused becomes entries that do nothing: they too complete, and must not fill the ring. */
START_TEST(refused_entries_do_not_pile_up)
{
    if (!sides_open(&ring, &plain))
        return;
    kernel.refuse_odd = true;
    for (size_t round = 0; round < 50; round++) {
        for (size_t i = 0; i < DEPTH; i++)
            ring.ops[i] = (struct io_op){
                .kind = IO_READ, .file = ring.files[0], .memory = ring.memory[i], .bytes = SPAN
            };
        run_batch(&ring, DEPTH);
        for (size_t i = 0; i < DEPTH; i++)
            ck_assert_int_eq(ring.ops[i].result, SPAN);
    }
    CHECK(kernel.refused > 10 && kernel.taken > 0);
    ck_assert_uint_eq(kernel.overflows, 0);
    sides_close(&ring, &plain);
}
END_TEST

/* The kernel moves less than 2 GiB at once; a GiB and more goes by plain calls, in pieces. */
START_TEST(more_than_a_gib_is_moved_in_pieces)
{
    static const struct {
        size_t bytes, fails_at;
        int error;
        int64_t result;
        size_t calls;
    } cases[] = {
        { 1, 0, 0, 1, 2 },       { 4096, 0, 0, 4096, 2 }, { 4096, 1, 0, -1, 1 },
        { 4096, 2, 0, 4095, 2 }, { 4096, 2, EIO, 0, 2 },
    };
    const size_t gib = (size_t)1 << 30;
    if (!sides_open(&ring, &plain))
        return;
    for (size_t k = 0; k < 2 * CORE_COUNT(cases); k++) {
        size_t c = k / 2;
        memset(&huge, 0, sizeof huge);
        huge.fails_at = cases[c].fails_at;
        huge.error = cases[c].error;
        struct io_op ops[3] = {
            { .kind = k % 2 == 0 ? IO_READ : IO_WRITE, .linked = true, .file = ring.files[0] },
            { .kind = IO_SYNC, .file = ring.files[1] },
            { .kind = IO_SYNC, .file = ring.files[1] },
        };
        ops[0].memory = ring.memory; /* nothing is moved */
        ops[0].bytes = gib + cases[c].bytes;
        io_submit(ring.queue, ops, 3);
        while (io_wait(ring.queue) != NULL)
            continue;
        bool is_whole = cases[c].result == (int64_t)cases[c].bytes;
        ck_assert_int_eq(ops[0].result, (int64_t)gib + cases[c].result);
        ck_assert_int_eq(ops[1].result, is_whole ? 0 : -ECANCELED);
        ck_assert_int_eq(ops[2].result, 0);
        ck_assert_uint_eq(huge.count, cases[c].calls);
        ck_assert_uint_eq(huge.bytes[0], gib);
        ck_assert_uint_eq(huge.bytes[1], cases[c].calls > 1 ? cases[c].bytes : 0);
    }
    memset(&huge, 0, sizeof huge);
    sides_close(&ring, &plain);
}
END_TEST

START_TEST(a_queue_without_a_ring_makes_plain_calls)
{
    if (!sides_open(&ring, &plain))
        return;
    kernel.init_error = -ENOMEM;
    assert_batches_agree(&ring, &plain, 3000);
    CHECK(kernel.taken == 0);
    sides_close(&ring, &plain);
}
END_TEST

START_TEST(why_there_is_no_ring_is_told)
{
    static const int errors[] = { -ENOSYS, -EPERM, -ENOMEM, -EMFILE };
    struct io *io = NULL;
    kernel.init_error = errors[_i];
    err = (holter_error){ 0 };
    CHECK(io_uring_new(&io, &err) == HOLTER_UNSUPPORTED);
    CHECK(io == NULL);
    char expected[128];
    snprintf(expected, sizeof expected, "io_uring: %s", strerror(-errors[_i]));
    ck_assert_str_eq(err.message, expected);
}
END_TEST

/* Also the ring that was asked is closed again. */
START_TEST(a_ring_that_lacks_what_is_needed_is_none)
{
    struct io *io = NULL;
    memset(&kernel, 0, sizeof kernel);
    if (io_uring_new(&io, &err) == HOLTER_UNSUPPORTED)
        return;
    io_free(io);
    kernel.may_drop = _i == 0;
    kernel.knows_no_writes = _i == 1;
    int free_before = dup(0);
    close(free_before);
    CHECK(io_uring_new(&io, &err) == HOLTER_UNSUPPORTED);
    CHECK(io == NULL);
    ck_assert_str_eq(err.message, "io_uring: Function not implemented");
    int free_after = dup(0);
    close(free_after);
    ck_assert_int_eq(free_after, free_before);
}
END_TEST

/* A short write cancels what is linked behind it: here the file may not grow. */
START_TEST(a_short_write_cancels_its_chain)
{
    if (!sides_open(&ring, &plain))
        return;
    struct rlimit limit = { .rlim_cur = DEPTH * SPAN + 100, .rlim_max = RLIM_INFINITY };
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct io_op ops[4] = {
        { .kind = IO_WRITE, .linked = true, .file = ring.files[0], .offset = DEPTH * SPAN },
        { .kind = IO_SYNC, .linked = true, .file = ring.files[0] },
        { .kind = IO_WRITE, .file = ring.files[0] },
        { .kind = IO_SYNC, .file = ring.files[1] },
    };
    ops[0].memory = ops[2].memory = ring.memory[0];
    ops[0].bytes = ops[2].bytes = SPAN;
    io_submit(ring.queue, ops, 4);
    while (io_wait(ring.queue) != NULL)
        continue;
    ck_assert_int_eq(ops[0].result, 100);
    ck_assert_int_eq(ops[1].result, -ECANCELED);
    ck_assert_int_eq(ops[2].result, -ECANCELED);
    ck_assert_int_eq(ops[3].result, 0);
    limit.rlim_cur = RLIM_INFINITY;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    sides_close(&ring, &plain);
}
END_TEST

/* A child that closes its copy of a queue leaves the parent's ring alone. */
START_TEST(a_child_may_close_its_queue)
{
    if (!sides_open(&ring, &plain))
        return;
    assert_batches_agree(&ring, &plain, 4000);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        io_queue_close(ring.queue);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    assert_batches_agree(&ring, &plain, 5000);
    sides_close(&ring, &plain);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("io_uring");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, batches_end_as_plain_calls_do);
    tcase_add_loop_test(tcase, what_the_kernel_does_not_take_is_done_all_the_same, 1, 9);
    tcase_add_loop_test(tcase, what_is_interrupted_is_done_again, 1, 9);
    tcase_add_loop_test(tcase, what_is_taken_in_parts_is_done_whole, 1, 9);
    tcase_add_loop_test(tcase, a_ring_that_answers_no_wait_is_looked_at, 0, 7);
    tcase_add_test(tcase, completions_that_do_not_fit_the_ring_are_not_lost);
    tcase_add_test(tcase, refused_entries_do_not_pile_up);
    tcase_add_test(tcase, more_than_a_gib_is_moved_in_pieces);
    tcase_add_test(tcase, a_queue_without_a_ring_makes_plain_calls);
    tcase_add_loop_test(tcase, why_there_is_no_ring_is_told, 0, 4);
    tcase_add_loop_test(tcase, a_ring_that_lacks_what_is_needed_is_none, 0, 2);
    tcase_add_test(tcase, a_short_write_cancels_its_chain);
    tcase_add_test(tcase, a_child_may_close_its_queue);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
