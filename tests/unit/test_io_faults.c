/*
 * test_io_faults.c -- an operation that fails is told alike by every backend, and so is what was linked behind it.
 *
 * Claim: an error or a short transfer ends its own chain, the rest of it cancelled, and touches no other; statuses and
 * sentences are the same by plain calls, in a ring and on the simulated machine; a sync is never tried again. Method:
 * each kind of operation of one batch fails in turn, by each error that io.c tells apart; real calls are wrapped
 * by the linker (real_faults.h), the simulated machine has faults of its own.
 */
#include "io/io_sim.h"

#include "real_faults.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

enum { SIMULATED, POSIX, RING, BACKENDS };
enum { BYTES = 4096, OPS = 7 };

static holter_error err;
static char root[64];
static struct sim *sim;
static struct io *io;
static struct io_queue *queue;
static struct io_file *files[2];
static uint8_t memory[OPS][BYTES];

#define OK(call)                                                                                   \
    do {                                                                                           \
        holter_status ok_status = (call);                                                          \
        ck_assert_msg(ok_status == HOLTER_OK, "%s: %s", #call, err.message);                       \
    } while (0)

/* False: this backend is not to be had here. */
static bool start(int backend)
{
    memset(&real_fault, 0, sizeof real_fault);
    const char *under = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    snprintf(root, sizeof root, "%.40s/holter-faults-XXXXXX", under != NULL ? under : "/tmp");
    sim = NULL;
    if (backend == SIMULATED) {
        sim = sim_new(&(struct sim_options){ .seed = 1 });
        io = sim_process_new(sim);
        snprintf(root, sizeof root, "root");
        OK(io_make_dir(io, root, &err));
    } else if (backend == RING && io_uring_new(&io, &err) == HOLTER_UNSUPPORTED) {
        printf("skipped: %s\n", err.message);
        return false;
    } else {
        if (backend == POSIX)
            OK(io_posix_new(&io, &err));
        ck_assert_ptr_nonnull(mkdtemp(root));
    }
    OK(io_queue_open(&queue, io, OPS, &err));
    for (size_t f = 0; f < 2; f++) {
        char path[80];
        snprintf(path, sizeof path, "%s/%zu", root, f);
        OK(io_write_file(io, path, memory, sizeof memory, 0, &err));
        OK(io_open(&files[f], io, path, IO_WRITABLE, &err));
    }
    return true;
}

static void end(void)
{
    io_queue_close(queue);
    for (size_t f = 0; f < 2; f++) {
        if (sim == NULL)
            OK(io_unlink(io, io_path(files[f]), &err));
        io_close(files[f]);
    }
    if (sim == NULL)
        ck_assert_int_eq(rmdir(root), 0);
    io_free(io);
    sim_free(sim);
}

static void arm(enum io_op_kind kind, unsigned long left, int error)
{
    static const enum sim_call_kind kinds[] = {
        [IO_READ] = SIM_READ, [IO_WRITE] = SIM_WRITE, [IO_SYNC] = SIM_SYNC
    };
    real_fault_arm(kind, left, error, false);
    struct sim_fault fault = { .kind = kinds[kind], .nth = left, .error = error };
    fault.short_transfer = error == 0;
    if (sim != NULL)
        sim_fault_set(sim, &fault);
}

/* Whether it came to pass. */
static bool disarm(void)
{
    bool was_hit = real_fault_disarm();
    if (sim == NULL)
        return was_hit;
    was_hit = sim_fault_was_hit(sim);
    sim_fault_clear(sim);
    return was_hit;
}

static const struct {
    enum io_op_kind kind;
    int error; /* 0: short */
    holter_status status;
    const char *sentence;
} cases[] = {
    { IO_READ, EIO, HOLTER_IO, "cannot read 4096 bytes at offset " },
    { IO_READ, 0, HOLTER_CORRUPT, "' ends at offset " },
    { IO_WRITE, EIO, HOLTER_IO, "cannot write 4096 bytes at offset " },
    { IO_WRITE, ENOSPC, HOLTER_NO_SPACE, "cannot write 4096 bytes at offset " },
    { IO_WRITE, EDQUOT, HOLTER_NO_SPACE, "cannot write 4096 bytes at offset " },
    { IO_WRITE, EFBIG, HOLTER_NO_SPACE, "cannot write 4096 bytes at offset " },
    { IO_WRITE, EROFS, HOLTER_IO, "cannot write 4096 bytes at offset " },
    { IO_WRITE, 0, HOLTER_NO_SPACE, "of 4096 bytes at offset " },
    { IO_SYNC, EIO, HOLTER_IO, "cannot sync: " },
    { IO_SYNC, ENOSPC, HOLTER_NO_SPACE, "cannot sync: " },
    { IO_SYNC, EINTR, HOLTER_IO, "cannot sync: " },
    { IO_SYNC, EAGAIN, HOLTER_IO, "cannot sync: " },
};

/* Two chains of a log each, one of reads. */
static void make_batch(struct io_op ops[static OPS])
{
    static const struct {
        enum io_op_kind kind;
        bool linked;
        size_t file;
    } shape[OPS] = { { IO_WRITE, true, 0 }, { IO_WRITE, true, 0 }, { IO_SYNC, false, 0 },
                     { IO_WRITE, true, 1 }, { IO_SYNC, false, 1 }, { IO_READ, true, 0 },
                     { IO_READ, false, 1 } };
    for (size_t i = 0; i < OPS; i++) {
        ops[i] = (struct io_op){ .kind = shape[i].kind, .linked = shape[i].linked };
        ops[i].file = files[shape[i].file];
        if (shape[i].kind == IO_SYNC)
            continue;
        ops[i].memory = memory[i];
        ops[i].offset = i * BYTES;
        ops[i].bytes = BYTES;
    }
}

static bool is_whole(const struct io_op *op)
{
    return op->result == (op->kind == IO_SYNC ? 0 : BYTES);
}

static bool is_hit(const struct io_op *op, size_t c)
{
    if (cases[c].error != 0)
        return op->kind == cases[c].kind && op->result == -cases[c].error;
    return op->kind == cases[c].kind && op->result > 0 && op->result < BYTES;
}

START_TEST(a_failure_ends_its_chain_and_no_other)
{
    if (!start(_i))
        return;
    for (size_t c = 0; c < CORE_COUNT(cases); c++) {
        for (unsigned long nth = 0; nth < 4; nth++) {
            struct io_op ops[OPS];
            make_batch(ops);
            arm(cases[c].kind, nth, cases[c].error);
            io_submit(queue, ops, OPS);
            while (io_wait(queue) != NULL)
                continue;
            bool was_hit = disarm();
            ck_assert_int_eq(was_hit, nth < (cases[c].kind == IO_WRITE ? 3 : 2));
            size_t hits = 0;
            bool is_broken = false;
            for (size_t i = 0; i < OPS; i++) {
                if (is_broken)
                    ck_assert_int_eq(ops[i].result, -ECANCELED);
                else
                    ck_assert_msg(is_whole(&ops[i]) || is_hit(&ops[i], c), "case %zu: op %zu: %lld",
                                  c, i, (long long)ops[i].result);
                err = (holter_error){ 0 };
                if (is_hit(&ops[i], c)) {
                    ck_assert_int_eq(io_op_status(&ops[i], &err), cases[c].status);
                    ck_assert_msg(strstr(err.message, cases[c].sentence) != NULL, "%s",
                                  err.message);
                    hits++;
                } else if (is_broken) {
                    ck_assert_int_eq(io_op_status(&ops[i], &err), HOLTER_IO);
                    ck_assert_ptr_nonnull(strstr(err.message, "not begun"));
                } else {
                    OK(io_op_status(&ops[i], &err));
                }
                is_broken = ops[i].linked && !is_whole(&ops[i]);
            }
            ck_assert_uint_eq(hits, was_hit);
        }
    }
    ck_assert(_i != RING || real_fault.in_ring > 0);
    end();
}
END_TEST

START_TEST(alone_a_failure_is_told_and_a_short_read_gone_on_with)
{
    if (!start(_i))
        return;
    for (size_t c = 0; c < CORE_COUNT(cases); c++) {
        unsigned long calls = real_fault.calls;
        holter_status status;
        err = (holter_error){ 0 };
        arm(cases[c].kind, 0, cases[c].error);
        if (cases[c].kind == IO_READ)
            status = io_read_exactly(queue, files[0], BYTES, memory[0], BYTES, &err);
        else if (cases[c].kind == IO_WRITE)
            status = io_write_exactly(queue, files[0], BYTES, memory[0], BYTES, &err);
        else
            status = io_sync(queue, files[0], &err);
        ck_assert(disarm());
        bool goes_on = cases[c].kind == IO_READ && cases[c].error == 0;
        ck_assert_int_eq(status, goes_on ? HOLTER_OK : cases[c].status);
        ck_assert(goes_on || strstr(err.message, cases[c].sentence) != NULL);
        ck_assert(sim != NULL || real_fault.calls == calls + 1 + goes_on);
    }
    end();
}
END_TEST

START_TEST(an_interrupted_plain_call_is_made_again)
{
    if (!start(_i))
        return;
    arm(IO_READ, 0, EINTR);
    OK(io_read_exactly(queue, files[0], 0, memory[0], BYTES, &err));
    ck_assert(disarm());
    arm(IO_WRITE, 0, EINTR);
    OK(io_write_exactly(queue, files[0], 0, memory[0], BYTES, &err));
    ck_assert(disarm());
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("io_faults");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_failure_ends_its_chain_and_no_other, 0, BACKENDS);
    tcase_add_loop_test(tcase, alone_a_failure_is_told_and_a_short_read_gone_on_with, 0, BACKENDS);
    tcase_add_loop_test(tcase, an_interrupted_plain_call_is_made_again, POSIX, BACKENDS);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
