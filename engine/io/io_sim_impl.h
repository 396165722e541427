/*
 * io_sim_impl.h -- what the files of the simulated machine share.
 *
 *     io_pages_sim.c    the bytes of one file, as the cache has them and as the disk does
 *     io_tree_sim.c     directories, paths, and the changes of them that are not durable yet
 *     io_crash_sim.c    what a power cut leaves; image hashes; damage at rest
 *     io_machine_sim.c  machines, processes, clock, the counting of calls, faults
 *     io_lock_sim.c     locks of byte ranges
 *     io_fiber_sim.c    fibers, mutexes and signals
 *     io_backend_sim.c  the calls of io.h upon all this
 *
 * S1  Nodes and chunks are shared by machines and versions: who writes one that has other owners
 *     takes a copy first (node_writable, chunk_writable), so a copy of a machine costs a pointer a
 *     file.
 * S2  A page without dirty and lost sectors has the same content now and on disk.
 * S3  Bytes of a page past its file's size are zero, now and on disk.
 * S4  Memory of the machine itself comes from sim_alloc, which does not fail; memory that a real
 *     backend would take as well (handles, queues, names) may fail, and is answered with -ENOMEM.
 */
#ifndef IO_IO_SIM_IMPL_H
#define IO_IO_SIM_IMPL_H

#include "io_impl.h"
#include "io_sim.h"

enum {
    SIM_SECTORS = CORE_PAGE_BYTES / CORE_SECTOR_BYTES, /* of a page */
    SIM_NAME_BYTES_MAX = 255,
    SIM_FILE_BYTES_MAX = 1 << 30,
    SIM_ROOT = 0,
    SIM_CALL_NS = 1000, /* that each counted call takes */
};

_Static_assert(SIM_SECTORS == 8, "a page's sectors are the bits of a byte");

/* ---- memory that does not fail --------------------------------------------------------------- */

void *sim_alloc(size_t bytes); /* zeroed */
void *sim_resize(void *memory, size_t bytes);

/* Room for one more in an array of the machine. */
#define SIM_GROW(array, count, capacity)                                                           \
    do {                                                                                           \
        if ((count) == (capacity)) {                                                               \
            (capacity) = (capacity) < 8 ? 8 : 2 * (capacity);                                      \
            (array) = sim_resize((array), (capacity) * sizeof *(array));                           \
        }                                                                                          \
    } while (0)

/* ---- a repeatable stream of choices (splitmix64) --------------------------------------------- */

struct sim_random {
    uint64_t state;
};

static inline uint64_t random_next(struct sim_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/** From [0, end); the bias of the remainder does not matter here. */
static inline uint64_t random_below(struct sim_random *random, uint64_t end)
{
    return random_next(random) % end;
}

static inline bool random_coin(struct sim_random *random)
{
    return random_next(random) >> 63;
}

/* ---- files and directories ------------------------------------------------------------------- */

struct sim_chunk {
    uint32_t refs;
    bool hashed;
    uint64_t hash;
    uint8_t bytes[CORE_PAGE_BYTES];
};

/* A chunk that is NULL is zeros. */
struct sim_page {
    struct sim_chunk *now;
    struct sim_chunk *disk;
    uint8_t dirty; /* sectors of `now` that a crash may keep, and a sync makes durable */
    uint8_t lost;  /* sectors of `now` that never reach the disk */
};

struct sim_name {
    uint32_t refs;
    char text[];
};

struct sim_entry {
    struct sim_name *name;
    uint32_t node;
};

/* Sorted by the bytes of the names. */
struct sim_entries {
    struct sim_entry *entry;
    size_t count;
    size_t capacity;
};

struct sim_node {
    uint32_t refs;
    enum io_kind kind;
    uint32_t mode;

    /* a file */
    uint64_t bytes;        /* now */
    int64_t written_ns;    /* when it was last written to, by the wall clock */
    uint64_t bytes_disk;   /* durable, at most `bytes` */
    bool bytes_dirty;      /* a crash may keep the size, and a sync makes it durable */
    bool unsettled;        /* now and disk may differ */
    uint64_t shared_bytes; /* the file's beginning that maps stored to since it was settled */
    struct sim_page *page;
    size_t page_count;
    size_t page_capacity;
    bool hashed;
    uint64_t hash;

    /* a directory */
    struct sim_entries now;
    struct sim_entries disk;
};

struct sim_node *node_new(enum io_kind kind, uint32_t mode);
struct sim_node *node_ref(struct sim_node *node);
void node_unref(struct sim_node *node);
struct sim_node *node_clone(const struct sim_node *node);

/* io_pages_sim.c: `node` is writable in all that change it. */
size_t pages_read(const struct sim_node *node, uint64_t offset, void *out, size_t bytes);
/* As a direct read: lost sectors are as the disk has them. */
size_t pages_read_past_cache(const struct sim_node *node, uint64_t offset, void *out, size_t bytes);
void pages_write(struct sim_node *node, uint64_t offset, const void *bytes, size_t count);
/* And they become durable, by whole sectors, and the size with them. */
void pages_write_through(struct sim_node *node, uint64_t offset, const void *bytes, size_t count);
/* What `covered`, an earlier version of `node` or itself, had unsynced becomes durable. */
void pages_sync(struct sim_node *node, const struct sim_node *covered);
/* Make a coin's choice of the unsynced sectors durable; all stay pending. */
void pages_sync_some(struct sim_node *node, struct sim_random *random);
/* What is unsynced of a range is lost to the disk, and stays in the cache. */
void pages_drop(struct sim_node *node, uint64_t offset, uint64_t count);
/* Exactly these bytes, durable. */
void pages_replace(struct sim_node *node, const void *bytes, size_t count);
void pages_flip(struct sim_node *node, uint64_t bit);
uint64_t pages_load_word(const struct sim_node *node, size_t word);
void pages_store_word(struct sim_node *node, size_t word, uint64_t value);
size_t pages_pending_count(const struct sim_node *node);
uint64_t pages_hash(struct sim_node *node);

/* Who decides what a crash keeps. */
struct sim_choice {
    enum sim_crash_mode mode;
    const uint8_t *keep; /* one bit an item; with it the mode does not matter */
    size_t keep_bits;
    size_t item; /* the next one */
    bool is_by_file;
    uint64_t files; /* then one bit a file */
    size_t file;    /* the next one */
    struct sim_random random;
    uint32_t bias; /* of 256: the chance that an item is kept */
};

void choice_begin_group(struct sim_choice *choice, bool is_file); /* draws the bias */
bool choice_next(struct sim_choice *choice);
/* Something of it is pending that is no shared page. */
bool pages_is_file(const struct sim_node *node);
void pages_crash(struct sim_node *node, struct sim_choice *choice);

/* ---- the machine ----------------------------------------------------------------------------- */

enum sim_change_kind { SIM_CHANGE_LINK = 1, SIM_CHANGE_UNLINK = 2, SIM_CHANGE_RENAME = 3 };

/* A change of directories that is not durable. */
struct sim_change {
    enum sim_change_kind kind;
    uint32_t node;
    uint32_t dir; /* the entry made, unlinked, or renamed from */
    struct sim_name *name;
    uint32_t dir_to; /* SIM_CHANGE_RENAME; else as dir */
    struct sim_name *name_to;
};

struct sim_bad_sector {
    uint32_t node;
    uint64_t sector;
};

struct sim_lock {
    struct sim_lock *next;
    struct sim_file *file;
    uint32_t node;
    uint64_t begin;
    uint64_t end;
    enum io_lock_mode mode;
};

struct sim_armed_fault {
    struct sim_fault fault;
    uint64_t seen;
    bool hit;
};

struct sim {
    struct sim_options options;
    struct sim_random random;

    struct sim_node **node; /* by number; NULL is free */
    size_t node_count;
    size_t node_capacity;
    size_t nodes_made; /* since the last sweep */
    struct sim_change *change;
    size_t change_count;
    size_t change_capacity;
    struct sim_bad_sector *bad;
    size_t bad_count;
    size_t bad_capacity;
    bool read_only;

    int64_t monotonic_ns;
    int64_t wall_ahead_ns; /* wall clock less monotonic clock */
    uint8_t boot_id[IO_BOOT_ID_BYTES];
    uint64_t pid_last;

    struct sim_process *processes;
    struct sim_lock *locks;

    uint64_t calls, written_bytes;
    uint64_t stop_at;
    enum sim_event stop_event; /* SIM_NOTHING once it came to pass */
    bool stopped;
    void (*watch)(void *context, const struct sim *sim, uint64_t call);
    void *watch_context;
    struct sim_armed_fault fault[SIM_FAULTS_MAX];
    size_t fault_count;

    struct sim_fibers *fibers; /* NULL until one is spawned */
};

struct sim_process {
    struct io base;
    struct sim *sim;
    struct sim_process *next;
    struct io_process self;
    bool dead;
    int64_t dead_ns; /* how far a dead process's clock ran ahead, so that its waits end */
    struct sim_file *files;
    struct sim_shared *maps;
    struct sim_queue *queues;
};

struct sim_file {
    struct io_file base;
    struct sim_file *next;
    uint32_t node;
    bool abandoned;
};

struct sim_shared {
    struct io_shared base;
    struct sim_shared *next;
    uint32_t node;
};

/* An operation in flight. */
struct sim_flight {
    struct io_op *op;
    bool begun; /* not behind a linked one that is not done */
    bool cancelled;
    struct sim_node *covered; /* IO_SYNC, begun: the file as it was then */
};

struct sim_queue {
    struct io_queue base;
    struct sim_queue *next;
    size_t count;
    struct sim_flight *flight; /* in the order of submission */
};

static inline struct sim_process *process_of(struct io *io)
{
    return (struct sim_process *)io;
}

/* A node to read, and one to write (S1). */
static inline struct sim_node *sim_node(const struct sim *sim, uint32_t node)
{
    return sim->node[node];
}
struct sim_node *sim_node_writable(struct sim *sim, uint32_t node);
uint32_t sim_node_add(struct sim *sim, struct sim_node *node); /* moved */

/* ---- io_tree_sim.c: 0 or a negative errno ---------------------------------------------------- */

struct sim_name *name_new(const char *text);
struct sim_name *name_ref(struct sim_name *name);
void name_unref(struct sim_name *name);
void entries_release(struct sim_entries *entries);
void entries_copy(struct sim_entries *out, const struct sim_entries *from); /* over what it had */
const struct sim_entry *entries_find(const struct sim_entries *entries, const char *name);
void entries_set(struct sim_entries *entries, struct sim_name *name, uint32_t node);
void entries_remove(struct sim_entries *entries, const char *name);

int tree_find(const struct sim *sim, const char *path, uint32_t *node);
/* The directory of a path's last name, and that name. */
int tree_find_parent(const struct sim *sim, const char *path, uint32_t *dir,
                     char name[static SIM_NAME_BYTES_MAX + 1]);
int tree_make(struct sim *sim, const char *path, enum io_kind kind, uint32_t mode, uint32_t *node);
int tree_rename(struct sim *sim, const char *from, const char *to);
/* A file without a name in a directory, which lasts while it is open; and its name. */
int tree_make_unnamed(struct sim *sim, const char *path, uint32_t mode, uint32_t *node);
int tree_link(struct sim *sim, uint32_t node, const char *path);
int tree_unlink(struct sim *sim, const char *path);
bool tree_is_linked(const struct sim *sim, uint32_t node);
/* random: NULL, or which of the directory's changes become durable by a coin. */
int tree_sync(struct sim *sim, const char *path, struct sim_random *random);
void tree_apply(struct sim *sim, const struct sim_change *change); /* to the disk's entries */
void change_release(struct sim_change *change);
/* Which nodes a path, a pending change or (with_open) a live process can reach; owned: free. */
bool *tree_mark(const struct sim *sim, bool with_open);
void tree_sweep(struct sim *sim, bool with_open); /* frees the others */
void tree_sweep_at_times(struct sim *sim);
void tree_space(const struct sim *sim, uint64_t *bytes, uint64_t *inodes); /* in use */

/* ---- io_machine_sim.c ------------------------------------------------------------------------ */

/* How a call goes on, by fault or event. */
struct sim_bend {
    int error; /* fail so, but a write or sync may do harm before */
    bool short_transfer;
    bool drops;
    bool lies;
    bool torn; /* do a part of the effect */
    bool cut;  /* then the power goes: sim_leave */
};

/*
 * The beginning of each counted call: hand over, count, stop, fault. Returns 0: go on as *bend
 * says, then answer what sim_leave returns; else a negative errno to answer at once.
 */
int sim_enter(struct sim_process *process, enum sim_call_kind kind, struct sim_bend *bend);
int sim_leave(struct sim_process *process, const struct sim_bend *bend, int error);
/* For a call that is not counted and cannot fail: hand over; false: the process is dead. */
bool sim_pass(struct sim_process *process);

void sim_power_cut(struct sim *sim, bool torn);
void process_die(struct sim_process *process);

/* io_backend_sim.c */
extern const struct io_backend sim_backend;
/* What of a dying process's operations in flight still happens. */
void flights_end(struct sim_process *process, bool torn);
void flights_forget(struct sim_process *process);

/* ---- io_lock_sim.c --------------------------------------------------------------------------- */

int sim_lock(struct io_file *file, uint64_t offset, uint64_t bytes, enum io_lock_mode mode,
             int64_t deadline_ns);
void sim_unlock(struct io_file *file, uint64_t offset, uint64_t bytes);
int sim_lock_probe(bool *held, struct io_file *file, uint64_t offset, uint64_t bytes);
void locks_release(struct sim *sim, const struct sim_file *file);

/* ---- io_fiber_sim.c -------------------------------------------------------------------------- */

bool fiber_is_inside(const struct sim *sim);
/* Wait for fibers_wake or the deadline, to which the clock jumps outside of fibers. False: none. */
bool fiber_wait(struct sim *sim, int64_t deadline_ns);
void fiber_sleep(struct sim *sim, int64_t until_ns);
void fibers_wake(struct sim *sim);      /* who wait for a lock or mutex look again */
void fibers_hand_over(struct sim *sim); /* by a coin, where switch_always asks for it */
void fibers_free(struct sim *sim);

int sim_mutex_new(struct io_mutex **out, struct io *io);
void sim_mutex_free(struct io_mutex *mutex);
void sim_mutex_lock(struct io_mutex *mutex);
bool sim_mutex_lock_until(struct io_mutex *mutex, int64_t deadline_ns);
void sim_mutex_unlock(struct io_mutex *mutex);
int sim_signal_new(struct io_signal **out, struct io *io);
void sim_signal_free(struct io_signal *signal);
void sim_signal_set(struct io_signal *signal);
bool sim_signal_wait_until(struct io_signal *signal, int64_t deadline_ns);

#endif
