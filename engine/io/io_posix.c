/*
 * io_posix.c -- the real system: Linux, by plain calls.
 *
 * Operations run when they are submitted, in order; completed ones wait in the queue for io_wait.
 * So a sync that is submitted covers every write submitted before it.
 *
 * P1  Every descriptor is close-on-exec, and none is opened on what is not a regular file: a FIFO
 *     does not hang (O_NONBLOCK), and is refused.
 * P2  Locks are those of open file descriptions (fcntl OFD), which exclude files of one process as
 *     well. The kernel's waiting form knows no deadline, so we poll, from 50 us up to 2 ms apart.
 * P3  io_monotonic_ns is CLOCK_BOOTTIME.
 * P4  Mutexes, signals and threads: io_posix_threads.c.
 * P5  The registry of fork watchers is whole in a child: pthread_atfork takes its mutex before the
 *     fork.
 */
#define _GNU_SOURCE
#include "io_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

static const int64_t LOCK_POLL_FIRST_NS = 50 * 1000;
static const int64_t LOCK_POLL_LAST_NS = 2 * 1000 * 1000;
static const size_t TRANSFER_BYTES_MAX = (size_t)1
                                         << 30; /* the kernel moves less than 2 GiB at once */

struct posix_file {
    struct io_file base;
    int descriptor; /* -1 once abandoned */
};

struct posix_queue {
    struct io_queue base;
    struct io_done done;
};

struct posix_shared {
    struct io_shared base;
    _Atomic uint64_t *memory;
};

_Static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "a word of a shared page is plain");

/* ---- clocks, randomness, processes ----------------------------------------------------------- */

int64_t io_posix_clock_ns(clockid_t clock)
{
    struct timespec at;
    int error = clock_gettime(clock, &at);
    core_assert(error == 0);
    return (int64_t)at.tv_sec * NS_PER_S + at.tv_nsec;
}

struct timespec io_posix_timespec(int64_t ns)
{
    return (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
}

static int64_t posix_now_ns(struct io *io)
{
    (void)io;
    return io_posix_clock_ns(CLOCK_REALTIME);
}

static int64_t posix_monotonic_ns(struct io *io)
{
    (void)io;
    return io_posix_clock_ns(CLOCK_BOOTTIME);
}

static void posix_sleep_ns(struct io *io, int64_t ns)
{
    (void)io;
    struct timespec left = io_posix_timespec(ns);
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static int posix_random(struct io *io, void *out, size_t count)
{
    (void)io;
    for (size_t have = 0; have < count;) {
        ssize_t got = getrandom((uint8_t *)out + have, count - have, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        have += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* Read the beginning of a small file of /proc; the bytes, zero-terminated, or a negative errno. */
static ssize_t read_proc(const char *path, char *out, size_t bytes)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    size_t have = 0;
    ssize_t got = 0;
    while (have < bytes - 1) {
        got = read(descriptor, out + have, bytes - 1 - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    int error = got < 0 ? errno : 0;
    close(descriptor);
    out[have] = '\0';
    return error != 0 ? -error : (ssize_t)have;
}

static uint32_t posix_processors(struct io *io)
{
    (void)io;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        return (uint32_t)CPU_COUNT(&allowed);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than a set has room for */
    return online > 0 ? (uint32_t)online : 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int posix_boot_id(struct io *io, uint8_t out[static IO_BOOT_ID_BYTES])
{
    (void)io;
    char text[64];
    ssize_t got = read_proc("/proc/sys/kernel/random/boot_id", text, sizeof text);
    if (got < 0)
        return (int)got;

    uint8_t id[IO_BOOT_ID_BYTES] = { 0 };
    size_t digits = 0;
    for (const char *at = text; *at != '\0' && *at != '\n'; at++) {
        int digit = hex_digit(*at);
        if (*at == '-')
            continue;
        if (digit < 0 || digits == 2 * IO_BOOT_ID_BYTES)
            return -EBADMSG;
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit);
        digits++;
    }
    if (digits != 2 * IO_BOOT_ID_BYTES)
        return -EBADMSG;
    memcpy(out, id, sizeof id);
    return 0;
}

/* State and start of a process by /proc/PID/stat (proc(5): fields 3 and 22); a negative errno. */
static int process_look(uint64_t pid, char *state, uint64_t *start_ns)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)pid);
    ssize_t got = read_proc(path, text, sizeof text);
    if (got < 0)
        return (int)got;

    /* Field 2, the command's name in parentheses, may hold anything; the last ')' ends it. */
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ' || at[2] == '\0')
        return -EBADMSG;
    at += 2;
    *state = *at;
    for (unsigned field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (at == NULL)
            return -EBADMSG;
        at++;
    }
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    if (ticks_per_s <= 0)
        return -EBADMSG;
    *start_ns = strtoull(at, NULL, 10) * (uint64_t)(NS_PER_S / ticks_per_s);
    return 0;
}

static struct io_process posix_process_self(struct io *io)
{
    (void)io;
    struct io_process self = { .pid = (uint64_t)getpid(), .start_ns = 0 };
    char state;
    if (process_look(self.pid, &state, &self.start_ns) != 0)
        self.start_ns = 0; /* no /proc: known by its pid alone */
    return self;
}

static bool posix_process_is_alive(struct io *io, struct io_process process)
{
    (void)io;
    if (process.pid == 0 || process.pid > INT32_MAX)
        return false;
    if (kill((pid_t)process.pid, 0) != 0 && errno == ESRCH)
        return false;
    char state;
    uint64_t start_ns;
    int error = process_look(process.pid, &state, &start_ns);
    if (error == -ENOENT || error == -ESRCH)
        return kill((pid_t)process.pid, 0) == 0 ||
               errno != ESRCH; /* it ended just now, or no /proc */
    if (error != 0)
        return true;
    if (state == 'Z' || state == 'X')
        return false;
    return process.start_ns == 0 || process.start_ns == start_ns;
}

static uint32_t posix_user_id(struct io *io)
{
    (void)io;
    return geteuid();
}

/* ---- files and directories ------------------------------------------------------------------- */

static enum io_kind kind_of(mode_t mode)
{
    return S_ISREG(mode) ? IO_KIND_FILE : S_ISDIR(mode) ? IO_KIND_DIRECTORY : IO_KIND_OTHER;
}

/* O_DIRECT is asked for once the file is open: a file system that refuses it at open() answers
 * EINVAL after it has made the file. O_NONBLOCK was for opening alone. */
static int set_status_flags(int descriptor, uint32_t flags, bool *direct)
{
    int now = fcntl(descriptor, F_GETFL);
    if (now < 0)
        return -errno;
    now &= ~O_NONBLOCK;
    *direct = false;
    if (flags & IO_DIRECT) {
        if (fcntl(descriptor, F_SETFL, now | O_DIRECT) == 0) {
            *direct = true;
            return 0;
        }
        if (errno != EINVAL)
            return -errno;
    }
    return fcntl(descriptor, F_SETFL, now) == 0 ? 0 : -errno;
}

static int open_descriptor(const char *path, uint32_t flags)
{
    int how = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    how |= flags & IO_WRITABLE ? O_RDWR : O_RDONLY;
    how |= flags & IO_CREATE ? O_CREAT | O_EXCL : 0;
    how |= flags & IO_UNNAMED ? O_TMPFILE : 0;
    how |= flags & IO_DSYNC ? O_DSYNC : 0;
    int descriptor;
    do
        descriptor = open(path, how, flags & IO_PRIVATE ? 0600 : 0660);
    while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0 && errno == EISDIR && (flags & IO_UNNAMED)) /* so say file systems that know of none */
        return -EOPNOTSUPP;
    return descriptor < 0 ? -errno : descriptor;
}

static int posix_open(struct io_file **out, struct io *io, const char *path, uint32_t flags)
{
    (void)io;
    struct posix_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return -ENOMEM;
    file->descriptor = -1;

    int descriptor = open_descriptor(path, flags);
    int error = descriptor < 0 ? descriptor : 0;
    if (error != 0)
        goto done;
    struct stat found;
    if (fstat(descriptor, &found) != 0)
        error = -errno;
    else if (!S_ISREG(found.st_mode))
        error = S_ISDIR(found.st_mode) ? -EISDIR : -ENXIO;
    else if ((flags & IO_CREATE) && (flags & IO_PRIVATE) && fchmod(descriptor, 0600) != 0)
        error = -errno;
    else
        error = set_status_flags(descriptor, flags, &file->base.direct);
    if (error != 0 && (flags & IO_CREATE))
        unlink(path); /* we made it */
    if (error != 0)
        goto done;

    file->descriptor = descriptor;
    descriptor = -1;
    *out = &file->base;
    file = NULL;
done:
    if (descriptor >= 0)
        close(descriptor);
    free(file);
    return error;
}

int io_posix_descriptor(const struct io_file *base)
{
    return ((const struct posix_file *)base)->descriptor;
}

static void posix_abandon(struct io_file *base)
{
    struct posix_file *file = (struct posix_file *)base;
    if (file->descriptor >= 0)
        close(file->descriptor);
    file->descriptor = -1;
}

static void posix_close(struct io_file *base)
{
    posix_abandon(base);
    free(base);
}

static int posix_size(uint64_t *bytes, struct io_file *base)
{
    struct posix_file *file = (struct posix_file *)base;
    struct stat found;
    if (fstat(file->descriptor, &found) != 0)
        return -errno;
    *bytes = (uint64_t)found.st_size;
    return 0;
}

/* What fstat cannot tell is not taken for removed. */
static bool posix_is_linked(struct io_file *base)
{
    struct posix_file *file = (struct posix_file *)base;
    struct stat found;
    return fstat(file->descriptor, &found) != 0 || found.st_nlink > 0;
}

static int posix_stat(struct io_stat *out, struct io *io, const char *path)
{
    (void)io;
    struct stat found;
    if (stat(path, &found) != 0)
        return -errno;
    *out = (struct io_stat){
        .kind = kind_of(found.st_mode),
        .mode = found.st_mode & 07777,
        .owner = found.st_uid,
        .bytes = (uint64_t)found.st_size,
        .written_ns = (int64_t)found.st_mtim.tv_sec * 1000000000 + found.st_mtim.tv_nsec,
    };
    return 0;
}

static int posix_make_dir(struct io *io, const char *path)
{
    (void)io;
    return mkdir(path, 0770) == 0 ? 0 : -errno;
}

/* Without a privilege a file without a name is reached by its descriptor's alone. */
static int posix_link(struct io_file *base, const char *path)
{
    char by_descriptor[64];
    struct stat found;
    snprintf(by_descriptor, sizeof by_descriptor, "/proc/self/fd/%d", io_posix_descriptor(base));
    if (linkat(AT_FDCWD, by_descriptor, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    switch (errno) {
    case ENOENT: /* where there is no /proc */
        return lstat(by_descriptor, &found) != 0 ? -EOPNOTSUPP : -ENOENT;
    case EPERM: /* by a policy, or a file system, that lets renames pass */
    case EACCES:
    case EXDEV:
    case ENOSYS:
        return -EOPNOTSUPP;
    default:
        return -errno;
    }
}

static int posix_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    return rename(from, to) == 0 ? 0 : -errno;
}

static int posix_unlink(struct io *io, const char *path)
{
    (void)io;
    return unlink(path) == 0 ? 0 : -errno;
}

static int posix_sync_dir(struct io *io, const char *path)
{
    (void)io;
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    int error = fsync(descriptor) == 0 ? 0 : -errno;
    close(descriptor);
    return error;
}

static int posix_list(struct io_names *out, struct io *io, const char *path)
{
    (void)io;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -errno;
    int error = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            error = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!io_names_add(out, entry->d_name)) {
            error = -ENOMEM;
            break;
        }
    }
    closedir(directory);
    return error;
}

static void posix_expect(struct io_file *base, uint64_t offset, uint64_t bytes)
{
    struct posix_file *file = (struct posix_file *)base;
    if (offset <= INT64_MAX && bytes <= INT64_MAX - offset)
        (void)posix_fadvise(file->descriptor, (off_t)offset, (off_t)bytes, POSIX_FADV_WILLNEED);
}

static int posix_space(struct io_space *out, struct io *io, const char *path)
{
    (void)io;
    struct statvfs found;
    if (statvfs(path, &found) != 0)
        return -errno;
    uint64_t bytes;
    if (!checked_mul_u64(&bytes, found.f_bavail, found.f_frsize))
        bytes = UINT64_MAX;
    out->bytes_free = bytes;
    out->inodes_free = found.f_files > 0 ? found.f_favail : UINT64_MAX; /* some count none */
    return 0;
}

/* ---- operations ------------------------------------------------------------------------------ */

static int posix_queue_open(struct io_queue **out, struct io *io, size_t depth)
{
    (void)io;
    (void)depth;
    struct posix_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return -ENOMEM;
    io_done_init(&queue->done);
    *out = &queue->base;
    return 0;
}

static void posix_queue_close(struct io_queue *queue)
{
    free(queue);
}

static ssize_t transfer(const struct io_op *op, int descriptor, size_t done, size_t bytes)
{
    uint8_t *memory = (uint8_t *)op->memory + done;
    off_t offset = (off_t)(op->offset + done);
    ssize_t moved;
    do
        moved = op->kind == IO_READ ? pread(descriptor, memory, bytes, offset)
                                    : pwrite(descriptor, memory, bytes, offset);
    while (moved < 0 && errno == EINTR);
    return moved;
}

int64_t io_posix_run(const struct io_op *op)
{
    int descriptor = io_posix_descriptor(op->file);
    if (op->kind == IO_SYNC)
        return fdatasync(descriptor) == 0 ? 0 : -errno; /* never tried again, whatever it answers */

    size_t done = 0;
    while (done < op->bytes) {
        size_t bytes =
            op->bytes - done < TRANSFER_BYTES_MAX ? op->bytes - done : TRANSFER_BYTES_MAX;
        ssize_t moved = transfer(op, descriptor, done, bytes);
        if (moved < 0)
            return done > 0 ? (int64_t)done : -errno;
        done += (size_t)moved;
        if ((size_t)moved < bytes)
            break;
    }
    return (int64_t)done;
}

void io_done_init(struct io_done *done)
{
    done->first = NULL;
    done->end = &done->first;
}

void io_done_add(struct io_done *done, struct io_op *op)
{
    op->next = NULL;
    *done->end = op;
    done->end = &op->next;
}

struct io_op *io_done_take(struct io_done *done)
{
    struct io_op *op = done->first;
    if (op == NULL)
        return NULL;
    done->first = op->next;
    if (done->first == NULL)
        done->end = &done->first;
    op->next = NULL;
    return op;
}

void io_done_run(struct io_done *done, struct io_op *ops, size_t count)
{
    bool cancel = false;
    for (size_t i = 0; i < count; i++) {
        struct io_op *op = &ops[i];
        op->result = cancel ? -ECANCELED : io_posix_run(op);
        cancel = op->linked && !io_op_is_whole(op);
        io_done_add(done, op);
    }
}

static void posix_submit(struct io_queue *base, struct io_op *ops, size_t count)
{
    io_done_run(&((struct posix_queue *)base)->done, ops, count);
}

static struct io_op *posix_wait(struct io_queue *base)
{
    return io_done_take(&((struct posix_queue *)base)->done);
}

/* ---- locks ----------------------------------------------------------------------------------- */

static int set_lock(int descriptor, short type, uint64_t offset, uint64_t bytes)
{
    struct flock range = {
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = (off_t)offset,
        .l_len = (off_t)bytes,
        .l_pid = 0,
    };
    int answer;
    do
        answer = fcntl(descriptor, F_OFD_SETLK, &range);
    while (answer != 0 && errno == EINTR);
    if (answer == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno; /* POSIX lets either mean a conflict */
}

static int posix_lock(struct io_file *base, uint64_t offset, uint64_t bytes, enum io_lock_mode mode,
                      int64_t deadline_ns)
{
    struct posix_file *file = (struct posix_file *)base;
    short type = mode == IO_LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK;
    int64_t pause_ns = LOCK_POLL_FIRST_NS;
    for (;;) {
        int error = set_lock(file->descriptor, type, offset, bytes);
        if (error != -EAGAIN || deadline_ns <= 0)
            return error;
        int64_t now_ns = io_posix_clock_ns(CLOCK_BOOTTIME);
        if (now_ns >= deadline_ns)
            return error;
        int64_t left_ns = deadline_ns - now_ns;
        posix_sleep_ns(base->io, pause_ns < left_ns ? pause_ns : left_ns);
        if (pause_ns < LOCK_POLL_LAST_NS)
            pause_ns *= 2;
    }
}

static void posix_unlock(struct io_file *base, uint64_t offset, uint64_t bytes)
{
    struct posix_file *file = (struct posix_file *)base;
    if (file->descriptor < 0)
        return;
    int error = set_lock(file->descriptor, F_UNLCK, offset, bytes);
    /* The kernel may need memory to split a range; it tries hard, and a range kept would block
     * others until the file closes, so there is nothing better to do than to ask again. */
    for (unsigned again = 0; error == -ENOLCK && again < 100; again++) {
        posix_sleep_ns(base->io, LOCK_POLL_LAST_NS);
        error = set_lock(file->descriptor, F_UNLCK, offset, bytes);
    }
    core_assert(error == 0);
}

static int posix_lock_probe(bool *held, struct io_file *base, uint64_t offset, uint64_t bytes)
{
    struct posix_file *file = (struct posix_file *)base;
    struct flock range = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = (off_t)offset,
        .l_len = (off_t)bytes,
        .l_pid = 0,
    };
    if (fcntl(file->descriptor, F_OFD_GETLK, &range) != 0)
        return -errno;
    *held = range.l_type != F_UNLCK;
    return 0;
}

/* ---- shared memory --------------------------------------------------------------------------- */

static int posix_map(struct io_shared **out, struct io_file *base, size_t bytes, bool writable)
{
    struct posix_file *file = (struct posix_file *)base;
    struct posix_shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL)
        return -ENOMEM;
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *memory = mmap(NULL, bytes, protection, MAP_SHARED, file->descriptor, 0);
    if (memory == MAP_FAILED) {
        int error = -errno;
        free(shared);
        return error;
    }
    shared->memory = memory;
    *out = &shared->base;
    return 0;
}

static void posix_unmap(struct io_shared *base)
{
    struct posix_shared *shared = (struct posix_shared *)base;
    munmap((void *)(uintptr_t)shared->memory, base->words * sizeof(uint64_t));
    free(shared);
}

static uint64_t posix_shared_load(struct io_shared *base, size_t word)
{
    struct posix_shared *shared = (struct posix_shared *)base;
    return atomic_load_explicit(&shared->memory[word], memory_order_acquire);
}

static void posix_shared_store(struct io_shared *base, size_t word, uint64_t value)
{
    struct posix_shared *shared = (struct posix_shared *)base;
    atomic_store_explicit(&shared->memory[word], value, memory_order_release);
}

static void posix_shared_add(struct io_shared *base, size_t word, uint64_t value)
{
    struct posix_shared *shared = (struct posix_shared *)base;
    atomic_fetch_add_explicit(&shared->memory[word], value, memory_order_relaxed);
}

/* The half of a word that changes with it. */
static uint32_t *half_of(struct io_shared *base, size_t word)
{
    struct posix_shared *shared = (struct posix_shared *)base;
    return (uint32_t *)(uintptr_t)&shared->memory[word];
}

static void posix_shared_wait(struct io_shared *base, size_t word, uint64_t seen,
                              int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns - io_posix_clock_ns(CLOCK_BOOTTIME);
    if (left_ns <= 0)
        return;
    struct timespec left = io_posix_timespec(left_ns);
    syscall(SYS_futex, half_of(base, word), FUTEX_WAIT, (uint32_t)seen, &left, NULL, 0);
}

static void posix_shared_wake_one(struct io_shared *base, size_t word)
{
    syscall(SYS_futex, half_of(base, word), FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* ---- forks ----------------------------------------------------------------------------------- */

struct fork_watch {
    struct fork_watch *next;
    void (*child)(void *context);
    void *context;
    bool forgotten; /* while the watchers run, they may forget each other */
};

/* Guards the three below it; the last one taken, as a watcher's own locks are not ours to order. */
static pthread_mutex_t fork_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct fork_watch *fork_watches;
static bool fork_running;
static bool fork_hooked;

static void fork_prepare(void)
{
    pthread_mutex_lock(&fork_mutex);
}

static void fork_parent(void)
{
    pthread_mutex_unlock(&fork_mutex);
}

static void fork_sweep(void)
{
    struct fork_watch **at = &fork_watches;
    while (*at != NULL) {
        struct fork_watch *watch = *at;
        if (!watch->forgotten) {
            at = &watch->next;
            continue;
        }
        *at = watch->next;
        free(watch);
    }
}

/* The child has one thread, which holds the mutex since fork_prepare; the watchers may take it. */
static void fork_child(void)
{
    fork_running = true;
    pthread_mutex_unlock(&fork_mutex);
    for (struct fork_watch *watch = fork_watches; watch != NULL; watch = watch->next) {
        if (!watch->forgotten)
            watch->child(watch->context);
    }
    pthread_mutex_lock(&fork_mutex);
    fork_running = false;
    fork_sweep();
    pthread_mutex_unlock(&fork_mutex);
}

static int posix_fork_watch(struct io *io, void (*child)(void *context), void *context)
{
    (void)io;
    struct fork_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return -ENOMEM;
    watch->child = child;
    watch->context = context;

    pthread_mutex_lock(&fork_mutex);
    int error = fork_hooked ? 0 : -pthread_atfork(fork_prepare, fork_parent, fork_child);
    if (error == 0) {
        fork_hooked = true;
        watch->next = fork_watches;
        fork_watches = watch;
    }
    pthread_mutex_unlock(&fork_mutex);
    if (error != 0)
        free(watch);
    return error;
}

static void posix_fork_forget(struct io *io, void (*child)(void *context), void *context)
{
    (void)io;
    pthread_mutex_lock(&fork_mutex);
    for (struct fork_watch *watch = fork_watches; watch != NULL; watch = watch->next) {
        if (watch->child == child && watch->context == context && !watch->forgotten) {
            watch->forgotten = true;
            break;
        }
    }
    if (!fork_running)
        fork_sweep();
    pthread_mutex_unlock(&fork_mutex);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void posix_free(struct io *io)
{
    free(io);
}

const struct io_backend io_posix_backend = {
    .name = "posix",
    .free = posix_free,
    .now_ns = posix_now_ns,
    .monotonic_ns = posix_monotonic_ns,
    .sleep_ns = posix_sleep_ns,
    .random = posix_random,
    .boot_id = posix_boot_id,
    .processors = posix_processors,
    .process_self = posix_process_self,
    .process_is_alive = posix_process_is_alive,
    .user_id = posix_user_id,
    .open = posix_open,
    .close = posix_close,
    .abandon = posix_abandon,
    .size = posix_size,
    .is_linked = posix_is_linked,
    .stat = posix_stat,
    .make_dir = posix_make_dir,
    .rename = posix_rename,
    .link = posix_link,
    .unlink = posix_unlink,
    .sync_dir = posix_sync_dir,
    .list = posix_list,
    .space = posix_space,
    .expect = posix_expect,
    .queue_open = posix_queue_open,
    .queue_close = posix_queue_close,
    .submit = posix_submit,
    .wait = posix_wait,
    .lock = posix_lock,
    .unlock = posix_unlock,
    .lock_probe = posix_lock_probe,
    .map = posix_map,
    .unmap = posix_unmap,
    .shared_load = posix_shared_load,
    .shared_store = posix_shared_store,
    .shared_add = posix_shared_add,
    .shared_wait = posix_shared_wait,
    .shared_wake_one = posix_shared_wake_one,
    .mutex_new = io_posix_mutex_new,
    .mutex_free = io_posix_mutex_free,
    .mutex_lock = io_posix_mutex_lock,
    .mutex_lock_until = io_posix_mutex_lock_until,
    .mutex_unlock = io_posix_mutex_unlock,
    .signal_new = io_posix_signal_new,
    .signal_free = io_posix_signal_free,
    .signal_set = io_posix_signal_set,
    .signal_wait_until = io_posix_signal_wait_until,
    .thread_start = io_posix_thread_start,
    .thread_join = io_posix_thread_join,
    .fork_watch = posix_fork_watch,
    .fork_forget = posix_fork_forget,
};

holter_status io_posix_new(struct io **out, holter_error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "no memory for the handle of the system");
    (*out)->backend = &io_posix_backend;
    return HOLTER_OK;
}
