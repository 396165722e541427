/*
 * io.c -- the front of io: hands calls to the backend, and puts its errors into words.
 *
 * The two mappings from errno are here and nowhere else: error_of_path for calls that name a path,
 * and io_op_status for bytes that moved or did not. What every backend must refuse alike (a path
 * that is too long, an exclusive lock on a file that is only read) is refused here.
 */
#include "io_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 4, READ_RETRIES_MAX = 16 };

/* ---- errors ---------------------------------------------------------------------------------- */

const char *io_error_text(char out[static IO_ERROR_TEXT_BYTES], int error)
{
    if (strerror_r(error, out, IO_ERROR_TEXT_BYTES) != 0)
        snprintf(out, IO_ERROR_TEXT_BYTES, "error %d", error);
    return out;
}

static holter_status status_of_path(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR: /* a file stands where the path wants a directory */
        return HOLTER_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return HOLTER_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return HOLTER_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return HOLTER_NO_SPACE;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return HOLTER_NO_MEMORY;
    case EISDIR:
    case ENXIO:
    case EINVAL:
    case ELOOP:
    case ENAMETOOLONG:
        return HOLTER_INVALID;
    case EOPNOTSUPP:
        return HOLTER_UNSUPPORTED;
    default:
        return HOLTER_IO;
    }
}

/* error: 0 or a negative errno of a backend; verb: what could not be done */
static holter_status error_of_path(int error, const char *verb, const char *path, holter_error *err)
{
    if (error == 0)
        return HOLTER_OK;
    char text[IO_ERROR_TEXT_BYTES];
    return error_set(err, status_of_path(-error), "'%s': cannot %s: %s", path, verb,
                     io_error_text(text, -error));
}

static holter_status error_of_machine(int error, const char *what, holter_error *err)
{
    if (error == 0)
        return HOLTER_OK;
    char text[IO_ERROR_TEXT_BYTES];
    holter_status status = error == -ENOMEM ? HOLTER_NO_MEMORY : HOLTER_IO;
    return error_set(err, status, "%s: %s", what, io_error_text(text, -error));
}

static holter_status check_path(const char *path, holter_error *err)
{
    if (strnlen(path, IO_PATH_BYTES_MAX) < IO_PATH_BYTES_MAX)
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID, "'%.64s..': the path is longer than %d bytes", path,
                     IO_PATH_BYTES_MAX - 1);
}

/* ---- a process's view of a machine ----------------------------------------------------------- */

const char *io_backend_name(const struct io *io)
{
    return io->backend->name;
}

void io_free(struct io *io)
{
    if (io != NULL)
        io->backend->free(io);
}

int64_t io_now_ns(struct io *io)
{
    return io->backend->now_ns(io);
}

int64_t io_monotonic_ns(struct io *io)
{
    return io->backend->monotonic_ns(io);
}

void io_sleep_ns(struct io *io, int64_t ns)
{
    io->backend->sleep_ns(io, ns > 0 ? ns : 0);
}

holter_status io_random(struct io *io, void *out, size_t count, holter_error *err)
{
    int error = io->backend->random(io, out, count);
    if (error == 0)
        return HOLTER_OK;
    char text[IO_ERROR_TEXT_BYTES];
    return error_set(err, HOLTER_IO, "the system gives no random bytes: %s",
                     io_error_text(text, -error));
}

holter_status io_boot_id(struct io *io, uint8_t out[static IO_BOOT_ID_BYTES], holter_error *err)
{
    int error = io->backend->boot_id(io, out);
    if (error == 0)
        return HOLTER_OK;
    char text[IO_ERROR_TEXT_BYTES];
    return error_set(err, HOLTER_IO,
                     "the id of this boot cannot be read (/proc/sys/kernel/random/boot_id): %s",
                     io_error_text(text, -error));
}

uint32_t io_processors(struct io *io)
{
    return io->backend->processors(io);
}

struct io_process io_process_self(struct io *io)
{
    return io->backend->process_self(io);
}

bool io_process_is_alive(struct io *io, struct io_process process)
{
    return io->backend->process_is_alive(io, process);
}

uint32_t io_user_id(struct io *io)
{
    return io->backend->user_id(io);
}

/* ---- files and directories ------------------------------------------------------------------- */

holter_status io_open(struct io_file **out, struct io *io, const char *path, uint32_t flags,
                      holter_error *err)
{
    *out = NULL;
    holter_status status = check_path(path, err);
    if (status != HOLTER_OK)
        return status;
    if (flags & (IO_CREATE | IO_UNNAMED))
        flags |= IO_WRITABLE;

    size_t path_bytes = strlen(path) + 1;
    char *copy = malloc(path_bytes);
    if (copy == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for its handle", path);
    memcpy(copy, path, path_bytes);

    struct io_file *file = NULL;
    int error = io->backend->open(&file, io, path, flags);
    if (error != 0) {
        free(copy);
        if (error == -EISDIR)
            return error_set(err, HOLTER_INVALID, "'%s' is a directory, not a file", path);
        if (error == -ENXIO)
            return error_set(err, HOLTER_INVALID, "'%s' is not a regular file", path);
        const char *verb = flags & IO_UNNAMED    ? "create a file without a name in it"
                           : flags & IO_CREATE   ? "create"
                           : flags & IO_WRITABLE ? "open for writing"
                                                 : "open";
        return error_of_path(error, verb, path, err);
    }
    file->io = io;
    file->path = copy;
    file->flags = flags;
    *out = file;
    return HOLTER_OK;
}

void io_close(struct io_file *file)
{
    if (file == NULL)
        return;
    free(file->path);
    file->io->backend->close(file);
}

void io_abandon(struct io_file *file)
{
    file->io->backend->abandon(file);
}

const char *io_path(const struct io_file *file)
{
    return file->path;
}

bool io_is_direct(const struct io_file *file)
{
    return file->direct;
}

holter_status io_size(uint64_t *bytes, struct io_file *file, holter_error *err)
{
    int error = file->io->backend->size(bytes, file);
    if (error == 0)
        return HOLTER_OK;
    char text[IO_ERROR_TEXT_BYTES];
    return error_set(err, HOLTER_IO, "'%s': cannot tell its size: %s", file->path,
                     io_error_text(text, -error));
}

void io_expect(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    if (file->io->backend->expect != NULL && bytes > 0 && (file->flags & IO_DIRECT) == 0)
        file->io->backend->expect(file, offset, bytes);
}

holter_status io_check_linked(struct io_file *file, holter_error *err)
{
    if (file->io->backend->is_linked(file))
        return HOLTER_OK;
    return error_set(err, HOLTER_IO,
                     "'%s' was removed while it was in use: close the store and open it anew",
                     file->path);
}

holter_status io_stat(struct io_stat *out, struct io *io, const char *path, holter_error *err)
{
    holter_status status = check_path(path, err);
    if (status != HOLTER_OK)
        return status;
    return error_of_path(io->backend->stat(out, io, path), "look at it", path, err);
}

holter_status io_make_dir(struct io *io, const char *path, holter_error *err)
{
    holter_status status = check_path(path, err);
    if (status != HOLTER_OK)
        return status;
    return error_of_path(io->backend->make_dir(io, path), "make the directory", path, err);
}

holter_status io_rename(struct io *io, const char *from, const char *to, holter_error *err)
{
    holter_status status = check_path(from, err);
    if (status == HOLTER_OK)
        status = check_path(to, err);
    if (status != HOLTER_OK)
        return status;

    int error = io->backend->rename(io, from, to);
    if (error == 0)
        return HOLTER_OK;
    char text[IO_ERROR_TEXT_BYTES];
    return error_set(err, status_of_path(-error), "'%s': cannot rename to '%s': %s", from, to,
                     io_error_text(text, -error));
}

holter_status io_link(struct io_file *file, const char *path, holter_error *err)
{
    core_assert((file->flags & IO_UNNAMED) != 0);
    holter_status status = check_path(path, err);
    if (status != HOLTER_OK)
        return status;
    return error_of_path(file->io->backend->link(file, path), "name a file so", path, err);
}

holter_status io_unlink(struct io *io, const char *path, holter_error *err)
{
    holter_status status = check_path(path, err);
    if (status != HOLTER_OK)
        return status;
    return error_of_path(io->backend->unlink(io, path), "remove", path, err);
}

holter_status io_sync_dir(struct io *io, const char *path, holter_error *err)
{
    holter_status status = check_path(path, err);
    if (status != HOLTER_OK)
        return status;
    return error_of_path(io->backend->sync_dir(io, path), "sync the directory", path, err);
}

bool io_names_add(struct io_names *names, const char *name)
{
    /* The count tells the capacity, which doubles at powers of two from 8 on. */
    size_t count = names->count;
    if (count == 0 || (count >= 8 && (count & (count - 1)) == 0)) {
        size_t capacity = count == 0 ? 8 : 2 * count;
        char **grown = realloc(names->name, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        names->name = grown;
    }
    size_t bytes = strlen(name) + 1;
    char *copy = malloc(bytes);
    if (copy == NULL) {
        if (count == 0) { /* so that no names means no memory */
            free(names->name);
            names->name = NULL;
        }
        return false;
    }
    memcpy(copy, name, bytes);
    names->name[names->count++] = copy;
    return true;
}

void io_names_release(struct io_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->name[i]);
    free(names->name);
    *names = (struct io_names){ 0 };
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

holter_status io_list(struct io_names *out, struct io *io, const char *path, holter_error *err)
{
    *out = (struct io_names){ 0 };
    holter_status status = check_path(path, err);
    if (status != HOLTER_OK)
        return status;

    struct io_names names = { 0 };
    status = error_of_path(io->backend->list(&names, io, path), "list", path, err);
    if (status != HOLTER_OK) {
        io_names_release(&names);
        return status;
    }
    if (names.count > 1)
        qsort(names.name, names.count, sizeof *names.name, compare_names);
    *out = names;
    return HOLTER_OK;
}

holter_status io_space(struct io_space *out, struct io *io, const char *path, holter_error *err)
{
    holter_status status = check_path(path, err);
    if (status != HOLTER_OK)
        return status;
    return error_of_path(io->backend->space(out, io, path), "tell the free space", path, err);
}

/* ---- batches of reads, writes, syncs --------------------------------------------------------- */

holter_status io_queue_open(struct io_queue **out, struct io *io, size_t depth, holter_error *err)
{
    core_assert(depth > 0);
    core_assert(depth <= IO_QUEUE_DEPTH_MAX);

    *out = NULL;
    struct io_queue *queue = NULL;
    int error = io->backend->queue_open(&queue, io, depth);
    if (error != 0)
        return error_of_machine(error, "cannot make a queue of operations", err);
    queue->io = io;
    queue->depth = depth;
    queue->in_flight = 0;
    *out = queue;
    return HOLTER_OK;
}

void io_queue_close(struct io_queue *queue)
{
    if (queue == NULL)
        return;
    while (io_wait(queue) != NULL)
        continue;
    queue->io->backend->queue_close(queue);
}

static void check_op(const struct io_queue *queue, const struct io_op *op)
{
    core_assert(op->kind >= IO_READ && op->kind <= IO_SYNC);
    core_assert(op->file != NULL);
    core_assert(op->file->io == queue->io);
    if (op->kind == IO_SYNC)
        return;
    core_assert(op->offset <= INT64_MAX && op->bytes <= INT64_MAX - op->offset);
    if (op->file->flags & IO_DIRECT) {
        core_assert(op->offset % CORE_PAGE_BYTES == 0);
        core_assert(op->bytes % CORE_PAGE_BYTES == 0);
        core_assert((uintptr_t)op->memory % CORE_PAGE_BYTES == 0);
    }
}

void io_submit(struct io_queue *queue, struct io_op *ops, size_t count)
{
    core_assert(count <= queue->depth - queue->in_flight);
    for (size_t i = 0; i < count; i++) {
        check_op(queue, &ops[i]);
        ops[i].result = 0;
        ops[i].next = NULL;
    }
    if (count == 0)
        return;
    queue->in_flight += count;
    queue->io->backend->submit(queue, ops, count);
}

void io_start(struct io_queue *queue)
{
    if (queue->io->backend->start != NULL)
        queue->io->backend->start(queue);
}

struct io_op *io_wait(struct io_queue *queue)
{
    if (queue->in_flight == 0)
        return NULL;
    struct io_op *op = queue->io->backend->wait(queue);
    queue->in_flight--;
    return op;
}

holter_status io_op_status(const struct io_op *op, holter_error *err)
{
    if (io_op_is_whole(op))
        return HOLTER_OK;

    static const char *const verbs[] = { [IO_READ] = "read", [IO_WRITE] = "write" };
    const char *path = op->file->path;
    unsigned long long offset = op->offset;
    char text[IO_ERROR_TEXT_BYTES];
    if (op->result >= 0) {
        unsigned long long moved = (unsigned long long)op->result;
        if (op->kind == IO_READ)
            return error_set(
                err, HOLTER_CORRUPT,
                "'%s' ends at offset %llu, found %llu of the %zu bytes expected at %llu", path,
                offset + moved, moved, op->bytes, offset);
        return error_set(err, HOLTER_NO_SPACE,
                         "'%s': only %llu of %zu bytes at offset %llu were taken: "
                         "no space left, or a limit of file sizes",
                         path, moved, op->bytes, offset);
    }

    int error = (int)-op->result;
    if (error == ECANCELED)
        return error_set(err, HOLTER_IO, "'%s': not begun, as the operation before it failed",
                         path);
    bool no_space = error == ENOSPC || error == EDQUOT || error == EFBIG;
    holter_status status = no_space && op->kind != IO_READ ? HOLTER_NO_SPACE : HOLTER_IO;
    if (op->kind == IO_SYNC)
        return error_set(err, status, "'%s': cannot sync: %s", path, io_error_text(text, error));
    return error_set(err, status, "'%s': cannot %s %zu bytes at offset %llu: %s", path,
                     verbs[op->kind], op->bytes, offset, io_error_text(text, error));
}

static void run_op(struct io_queue *queue, struct io_op *op)
{
    core_assert(queue->in_flight == 0);
    io_submit(queue, op, 1);
    struct io_op *done = io_wait(queue);
    core_assert(done == op);
}

holter_status io_read_exactly(struct io_queue *queue, struct io_file *file, uint64_t offset,
                              void *memory, size_t bytes, holter_error *err)
{
    size_t have = 0;
    for (unsigned idle = 0; have < bytes;) {
        struct io_op op = { .kind = IO_READ, .file = file, .offset = offset + have };
        op.memory = (uint8_t *)memory + have;
        op.bytes = bytes - have;
        run_op(queue, &op);
        if (io_op_is_whole(&op))
            return HOLTER_OK;
        if (op.result <= 0)
            return io_op_status(&op, err);

        /* Short, but perhaps not at the end. Direct reads go on at a page only. */
        uint64_t end;
        holter_status status = io_size(&end, file, err);
        if (status != HOLTER_OK)
            return status;
        if (op.offset + (uint64_t)op.result >= end)
            return io_op_status(&op, err);
        size_t moved = (size_t)op.result;
        if (file->flags & IO_DIRECT)
            moved -= moved % CORE_PAGE_BYTES;
        idle = moved > 0 ? 0 : idle + 1;
        if (idle > READ_RETRIES_MAX)
            return error_set(err, HOLTER_IO, "'%s': reads at offset %llu stay short of a page",
                             file->path, (unsigned long long)op.offset);
        have += moved;
    }
    return HOLTER_OK;
}

holter_status io_write_exactly(struct io_queue *queue, struct io_file *file, uint64_t offset,
                               const void *memory, size_t bytes, holter_error *err)
{
    struct io_op op = { .kind = IO_WRITE, .file = file, .offset = offset, .bytes = bytes };
    /* An operation has one pointer for both directions; a write only reads from it. */
    memcpy(&op.memory, &memory, sizeof op.memory);
    run_op(queue, &op);
    return io_op_status(&op, err);
}

holter_status io_sync(struct io_queue *queue, struct io_file *file, holter_error *err)
{
    struct io_op op = { .kind = IO_SYNC, .file = file };
    run_op(queue, &op);
    return io_op_status(&op, err);
}

/* ---- locks ----------------------------------------------------------------------------------- */

static holter_status lock_status(int error, const struct io_file *file, uint64_t offset,
                                 uint64_t bytes, holter_error *err)
{
    char text[IO_ERROR_TEXT_BYTES];
    switch (-error) {
    case 0:
        return HOLTER_OK;
    case EAGAIN:
        return error_set(err, HOLTER_BUSY, "'%s': another holds the lock of bytes [%llu, %llu)",
                         file->path, (unsigned long long)offset,
                         (unsigned long long)(offset + bytes));
    case EACCES:
    case EPERM:
    case EROFS:
        return error_set(err, HOLTER_DENIED, "'%s': cannot lock: %s", file->path,
                         io_error_text(text, -error));
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
    case ENOLCK:
        return error_set(err, HOLTER_UNSUPPORTED,
                         "'%s': its file system has no locks of open files: %s", file->path,
                         io_error_text(text, -error));
    default:
        return error_set(err, HOLTER_IO, "'%s': cannot lock: %s", file->path,
                         io_error_text(text, -error));
    }
}

static void check_range(uint64_t offset, uint64_t bytes)
{
    core_assert(bytes > 0);
    core_assert(offset <= INT64_MAX && bytes <= INT64_MAX - offset);
}

holter_status io_lock(struct io_file *file, uint64_t offset, uint64_t bytes, enum io_lock_mode mode,
                      int64_t deadline_ns, holter_error *err)
{
    check_range(offset, bytes);
    if (mode == IO_LOCK_EXCLUSIVE && !(file->flags & IO_WRITABLE))
        return error_set(err, HOLTER_DENIED,
                         "'%s' is open for reading only, which gives no exclusive lock",
                         file->path);
    int error = file->io->backend->lock(file, offset, bytes, mode, deadline_ns);
    return lock_status(error, file, offset, bytes, err);
}

void io_unlock(struct io_file *file, uint64_t offset, uint64_t bytes)
{
    check_range(offset, bytes);
    file->io->backend->unlock(file, offset, bytes);
}

holter_status io_lock_probe(bool *held, struct io_file *file, uint64_t offset, uint64_t bytes,
                            holter_error *err)
{
    check_range(offset, bytes);
    int error = file->io->backend->lock_probe(held, file, offset, bytes);
    return lock_status(error, file, offset, bytes, err);
}

/* ---- shared memory --------------------------------------------------------------------------- */

holter_status io_map(struct io_shared **out, struct io_file *file, size_t bytes, bool writable,
                     holter_error *err)
{
    core_assert(bytes > 0);
    core_assert(bytes % CORE_PAGE_BYTES == 0);

    *out = NULL;
    if (writable && !(file->flags & IO_WRITABLE))
        return error_set(err, HOLTER_DENIED, "'%s' is open for reading only, not to be mapped so",
                         file->path);
    uint64_t has;
    holter_status status = io_size(&has, file, err);
    if (status != HOLTER_OK)
        return status;
    if (has < bytes)
        return error_set(err, HOLTER_INVALID, "'%s' has %llu bytes, to be mapped are %zu",
                         file->path, (unsigned long long)has, bytes);

    struct io_shared *shared = NULL;
    int error = file->io->backend->map(&shared, file, bytes, writable);
    if (error == -ENODEV)
        return error_set(err, HOLTER_UNSUPPORTED, "'%s': its file system maps no files",
                         file->path);
    if (error != 0)
        return error_of_path(error, "map", file->path, err);
    shared->io = file->io;
    shared->words = bytes / sizeof(uint64_t);
    shared->writable = writable;
    *out = shared;
    return HOLTER_OK;
}

void io_unmap(struct io_shared *shared)
{
    if (shared != NULL)
        shared->io->backend->unmap(shared);
}

uint64_t io_shared_load(struct io_shared *shared, size_t word)
{
    core_assert(word < shared->words);
    return shared->io->backend->shared_load(shared, word);
}

void io_shared_store(struct io_shared *shared, size_t word, uint64_t value)
{
    core_assert(word < shared->words);
    core_assert(shared->writable);
    shared->io->backend->shared_store(shared, word, value);
}

void io_shared_add(struct io_shared *shared, size_t word, uint64_t value)
{
    core_assert(word < shared->words);
    core_assert(shared->writable);
    shared->io->backend->shared_add(shared, word, value);
}

void io_shared_wait(struct io_shared *shared, size_t word, uint64_t seen, int64_t deadline_ns)
{
    core_assert(word < shared->words);
    shared->io->backend->shared_wait(shared, word, seen, deadline_ns);
}

void io_shared_wake_one(struct io_shared *shared, size_t word)
{
    core_assert(word < shared->words);
    shared->io->backend->shared_wake_one(shared, word);
}

/* ---- mutexes, signals, threads, forks -------------------------------------------------------------------------- */

holter_status io_mutex_new(struct io_mutex **out, struct io *io, holter_error *err)
{
    *out = NULL;
    struct io_mutex *mutex = NULL;
    int error = io->backend->mutex_new(&mutex, io);
    if (error != 0)
        return error_of_machine(error, "cannot make a mutex", err);
    mutex->io = io;
    *out = mutex;
    return HOLTER_OK;
}

void io_mutex_free(struct io_mutex *mutex)
{
    if (mutex != NULL)
        mutex->io->backend->mutex_free(mutex);
}

void io_mutex_lock(struct io_mutex *mutex)
{
    mutex->io->backend->mutex_lock(mutex);
}

bool io_mutex_lock_until(struct io_mutex *mutex, int64_t deadline_ns)
{
    return mutex->io->backend->mutex_lock_until(mutex, deadline_ns);
}

void io_mutex_unlock(struct io_mutex *mutex)
{
    mutex->io->backend->mutex_unlock(mutex);
}

holter_status io_signal_new(struct io_signal **out, struct io *io, holter_error *err)
{
    *out = NULL;
    struct io_signal *signal = NULL;
    int error = io->backend->signal_new(&signal, io);
    if (error != 0)
        return error_of_machine(error, "cannot make a signal", err);
    signal->io = io;
    *out = signal;
    return HOLTER_OK;
}

void io_signal_free(struct io_signal *signal)
{
    if (signal != NULL)
        signal->io->backend->signal_free(signal);
}

void io_signal_set(struct io_signal *signal)
{
    signal->io->backend->signal_set(signal);
}

bool io_signal_wait_until(struct io_signal *signal, int64_t deadline_ns)
{
    return signal->io->backend->signal_wait_until(signal, deadline_ns);
}

holter_status io_thread_start(struct io_thread **out, struct io *io, void (*run)(void *context),
                              void *context, holter_error *err)
{
    *out = NULL;
    struct io_thread *thread = NULL;
    if (io->backend->thread_start == NULL)
        return error_set(err, HOLTER_UNSUPPORTED, "there are no threads of the engine's own here");
    int error = io->backend->thread_start(&thread, io, run, context);
    if (error != 0)
        return error_of_machine(error, "cannot start a thread", err);
    thread->io = io;
    *out = thread;
    return HOLTER_OK;
}

void io_thread_join(struct io_thread *thread)
{
    if (thread != NULL)
        thread->io->backend->thread_join(thread);
}

holter_status io_fork_watch(struct io *io, void (*child)(void *context), void *context,
                            holter_error *err)
{
    int error = io->backend->fork_watch(io, child, context);
    return error_of_machine(error, "cannot watch for forks", err);
}

void io_fork_forget(struct io *io, void (*child)(void *context), void *context)
{
    io->backend->fork_forget(io, child, context);
}

/* ---- conveniences ---------------------------------------------------------------------------- */

bool io_path_join(char out[static IO_PATH_BYTES_MAX], const char *a, const char *b, const char *c,
                  const char *d)
{
    const char *parts[PARTS_MAX] = { a, b, c, d };
    size_t used = 0;
    for (size_t i = 0; i < PARTS_MAX && parts[i] != NULL; i++) {
        size_t bytes = strlen(parts[i]);
        bool slash = i > 0 && used > 0 && out[used - 1] != '/';
        if (bytes + slash >= IO_PATH_BYTES_MAX - used)
            return false;
        if (slash)
            out[used++] = '/';
        memcpy(out + used, parts[i], bytes);
        used += bytes;
    }
    out[used] = '\0';
    return true;
}

/* The directory that holds a path's last name. */
static void directory_of(char out[static IO_PATH_BYTES_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t bytes = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    memcpy(out, path, bytes);
    out[bytes] = '\0';
    if (bytes == 0)
        memcpy(out, ".", 2);
}

holter_status io_write_file(struct io *io, const char *path, const void *bytes, size_t count,
                            uint32_t flags, holter_error *err)
{
    core_assert((flags & ~(uint32_t)IO_PRIVATE) == 0);

    char aside[IO_PATH_BYTES_MAX];
    int wanted = snprintf(aside, sizeof aside, "%s.tmp", path);
    if (wanted < 0 || (size_t)wanted >= sizeof aside)
        return error_set(err, HOLTER_INVALID, "'%.64s..': the path is longer than %d bytes", path,
                         IO_PATH_BYTES_MAX - 1 - (int)strlen(".tmp"));

    struct io_file *file = NULL;
    struct io_queue *queue = NULL;
    bool made = false;
    holter_status status = io_open(&file, io, aside, IO_CREATE | flags, err);
    if (status == HOLTER_EXISTS) { /* of a process that died; perhaps with another mode */
        status = io_unlink(io, aside, err);
        if (status == HOLTER_OK || status == HOLTER_NOT_FOUND)
            status = io_open(&file, io, aside, IO_CREATE | flags, err);
    }
    if (status != HOLTER_OK)
        goto done;
    made = true;

    status = io_queue_open(&queue, io, 1, err);
    if (status == HOLTER_OK && count > 0)
        status = io_write_exactly(queue, file, 0, bytes, count, err);
    if (status == HOLTER_OK)
        status = io_sync(queue, file, err);
    if (status == HOLTER_OK)
        status = io_rename(io, aside, path, err);
    if (status != HOLTER_OK)
        goto done;
    made = false;

    char directory[IO_PATH_BYTES_MAX];
    directory_of(directory, path);
    status = io_sync_dir(io, directory, err);
done:
    io_queue_close(queue);
    io_close(file);
    if (made) /* where it stays, the next write of this path replaces it */
        (void)io_unlink(io, aside, NULL);
    return status;
}

holter_status io_read_file(struct buffer *out, struct io *io, const char *path, size_t bytes_max,
                           holter_error *err)
{
    buffer_init(out);
    struct buffer read;
    buffer_init(&read);
    struct io_file *file = NULL;
    struct io_queue *queue = NULL;
    uint64_t bytes = 0;

    holter_status status = io_open(&file, io, path, 0, err);
    if (status == HOLTER_OK)
        status = io_size(&bytes, file, err);
    if (status != HOLTER_OK)
        goto done;
    if (bytes > bytes_max) {
        status = error_set(err, HOLTER_CORRUPT, "'%s' has %llu bytes, expected at most %zu", path,
                           (unsigned long long)bytes, bytes_max);
        goto done;
    }
    if (!buffer_reserve(&read, (size_t)bytes)) {
        status = error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for its %llu bytes", path,
                           (unsigned long long)bytes);
        goto done;
    }
    status = io_queue_open(&queue, io, 1, err);
    if (status == HOLTER_OK)
        status = io_read_exactly(queue, file, 0, read.data, (size_t)bytes, err);
    if (status != HOLTER_OK)
        goto done;
    read.bytes = (size_t)bytes;
    *out = read;
    buffer_init(&read);
done:
    io_queue_close(queue);
    io_close(file);
    buffer_release(&read);
    return status;
}
