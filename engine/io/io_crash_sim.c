/*
 * io_crash_sim.c -- what a power cut leaves of the simulated disk; hashes of it; damage at rest.
 *
 * The things that a crash chooses among come in a fixed order: the changes of directories in the
 * order in which they were made, then by number of the file its size, then its sectors. Files that
 * no path and no pending change reaches are gone whatever is chosen, and have no part in it.
 */
#include "io_sim_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- power cuts ------------------------------------------------------------------------------ */

/* Both directories of a change now show what is on disk. */
static void settle_dir(struct sim *sim, uint32_t dir)
{
    struct sim_node *node = sim_node_writable(sim, dir);
    entries_copy(&node->now, &node->disk);
}

static void crash_dirs(struct sim *sim, struct sim_choice *choice)
{
    choice_begin_group(choice, sim->change_count > 0);
    for (size_t i = 0; i < sim->change_count; i++) {
        if (choice_next(choice))
            tree_apply(sim, &sim->change[i]);
    }
    for (size_t i = 0; i < sim->change_count; i++) {
        settle_dir(sim, sim->change[i].dir);
        if (sim->change[i].dir_to != sim->change[i].dir)
            settle_dir(sim, sim->change[i].dir_to);
        change_release(&sim->change[i]);
    }
    sim->change_count = 0;
}

static void new_boot(struct sim *sim)
{
    static const int64_t restart_ns = INT64_C(10000000000);
    int64_t wall_ns = sim->monotonic_ns + sim->wall_ahead_ns + restart_ns;
    sim->monotonic_ns = INT64_C(2000000000);
    sim->wall_ahead_ns = wall_ns - sim->monotonic_ns;
    for (size_t i = 0; i < sizeof sim->boot_id; i++)
        sim->boot_id[i] = (uint8_t)random_next(&sim->random);
}

static void crash(struct sim *sim, struct sim_choice *choice, uint64_t seed)
{
    sim_power_cut(sim, false);
    bool *live = tree_mark(sim, false);
    size_t node_count = sim->node_count;
    crash_dirs(sim, choice);
    for (uint32_t i = 0; i < node_count; i++) {
        if (live[i] && sim->node[i]->kind == IO_KIND_FILE && sim->node[i]->unsettled)
            pages_crash(sim_node_writable(sim, i), choice);
    }
    free(live);
    tree_sweep(sim, false);
    sim->random.state ^= seed * UINT64_C(0xd6e8feb86659fd93) + 1;
    new_boot(sim);
}

void sim_crash(struct sim *sim, enum sim_crash_mode mode, uint64_t seed)
{
    struct sim_choice choice = { .mode = mode, .random = { seed } };
    crash(sim, &choice, seed);
}

void sim_crash_keep(struct sim *sim, const uint8_t *keep, size_t keep_bytes)
{
    struct sim_choice choice = { .keep = keep, .keep_bits = 8 * keep_bytes };
    uint8_t nothing = 0;
    if (keep_bytes == 0)
        choice.keep = &nothing;
    crash(sim, &choice, 0);
}

void sim_crash_keep_files(struct sim *sim, uint64_t keep, uint64_t seed)
{
    struct sim_choice choice = { .mode = SIM_CRASH_RANDOM, .is_by_file = true, .random = { seed } };
    choice.files = keep;
    crash(sim, &choice, seed);
}

size_t sim_pending_files(const struct sim *sim)
{
    bool *live = tree_mark(sim, false);
    size_t count = sim->change_count > 0;
    for (size_t i = 0; i < sim->node_count; i++)
        count += live[i] && sim->node[i]->kind == IO_KIND_FILE && pages_is_file(sim->node[i]);
    free(live);
    return count;
}

size_t sim_pending_count(const struct sim *sim)
{
    bool *live = tree_mark(sim, false);
    size_t count = sim->change_count;
    for (size_t i = 0; i < sim->node_count; i++) {
        if (live[i] && sim->node[i]->kind == IO_KIND_FILE)
            count += pages_pending_count(sim->node[i]);
    }
    free(live);
    return count;
}

/* ---- image hashes ---------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t text_bytes = strlen(text);
    size_t end_bytes = strlen(end);
    return text_bytes >= end_bytes && strcmp(text + text_bytes - end_bytes, end) == 0;
}

static uint64_t hash_dir(const struct sim *sim, uint32_t dir, const char *name_excluded)
{
    const struct sim_entries *entries = &sim->node[dir]->now;
    uint64_t hash = entries->count == 0 ? 1 : 2;
    for (size_t i = 0; i < entries->count; i++) {
        const struct sim_entry *entry = &entries->entry[i];
        struct sim_node *node = sim->node[entry->node];
        if (name_excluded != NULL && ends_with(entry->name->text, name_excluded))
            continue;
        uint64_t parts[4] = { hash, hash64(entry->name->text, strlen(entry->name->text)) };
        parts[2] = (uint64_t)node->kind;
        parts[3] = node->kind == IO_KIND_DIRECTORY ? hash_dir(sim, entry->node, name_excluded)
                                                   : pages_hash(node);
        hash = hash64(parts, sizeof parts);
    }
    return hash;
}

uint64_t sim_image_hash(const struct sim *sim, const char *name_excluded)
{
    return hash_dir(sim, SIM_ROOT, name_excluded);
}

/* ---- looking and damage ---------------------------------------------------------------------- */

static int find_file(const struct sim *sim, const char *path, uint32_t *node)
{
    int error = tree_find(sim, path, node);
    if (error != 0)
        return error;
    return sim->node[*node]->kind == IO_KIND_FILE ? 0 : -EISDIR;
}

holter_status sim_file_read(struct buffer *out, const struct sim *sim, const char *path)
{
    uint32_t number;
    buffer_clear(out);
    if (find_file(sim, path, &number) != 0)
        return HOLTER_NOT_FOUND;
    const struct sim_node *node = sim->node[number];
    buffer_append_zeros(out, (size_t)node->bytes);
    if (out->failed)
        return HOLTER_NO_MEMORY;
    pages_read(node, 0, out->data, (size_t)node->bytes);
    return HOLTER_OK;
}

/* Make an entry that is there now durable, whatever is pending under its name. */
static void settle_name(struct sim *sim, uint32_t dir, const char *text)
{
    size_t kept = 0;
    for (size_t i = 0; i < sim->change_count; i++) {
        struct sim_change change = sim->change[i];
        bool ours = change.dir == dir && change.dir_to == dir &&
                    strcmp(change.name->text, text) == 0 && change.name_to == NULL;
        if (ours)
            change_release(&change);
        else
            sim->change[kept++] = change;
    }
    sim->change_count = kept;
    struct sim_node *node = sim_node_writable(sim, dir);
    const struct sim_entry *entry = entries_find(&node->now, text);
    entries_set(&node->disk, entry->name, entry->node);
}

holter_status sim_file_write(struct sim *sim, const char *path, const void *bytes, size_t count)
{
    uint32_t dir, number;
    char text[SIM_NAME_BYTES_MAX + 1];
    if (count > SIM_FILE_BYTES_MAX)
        return HOLTER_NO_SPACE;
    if (tree_find_parent(sim, path, &dir, text) != 0)
        return HOLTER_NOT_FOUND;
    if (sim->node[dir]->kind != IO_KIND_DIRECTORY)
        return HOLTER_NOT_FOUND;

    const struct sim_entry *entry = entries_find(&sim->node[dir]->now, text);
    if (entry == NULL) {
        number = sim_node_add(sim, node_new(IO_KIND_FILE, 0640));
        struct sim_name *name = name_new(text);
        entries_set(&sim_node_writable(sim, dir)->now, name, number);
        name_unref(name);
    } else {
        number = entry->node;
        if (sim->node[number]->kind != IO_KIND_FILE)
            return HOLTER_INVALID;
    }
    pages_replace(sim_node_writable(sim, number), bytes, count);
    settle_name(sim, dir, text);
    return HOLTER_OK;
}

holter_status sim_file_flip(struct sim *sim, const char *path, uint64_t bit)
{
    uint32_t number;
    if (find_file(sim, path, &number) != 0)
        return HOLTER_NOT_FOUND;
    if (bit / 8 >= sim->node[number]->bytes)
        return HOLTER_INVALID;
    pages_flip(sim_node_writable(sim, number), bit);
    return HOLTER_OK;
}

static bool add_files(struct io_names *out, const struct sim *sim, uint32_t dir, char *path,
                      size_t used)
{
    const struct sim_entries *entries = &sim->node[dir]->now;
    for (size_t i = 0; i < entries->count; i++) {
        const char *name = entries->entry[i].name->text;
        size_t bytes = strlen(name);
        core_assert(used + bytes + 2 <= IO_PATH_BYTES_MAX);
        memcpy(path + used, name, bytes + 1);
        uint32_t node = entries->entry[i].node;
        bool added = true;
        if (sim->node[node]->kind == IO_KIND_DIRECTORY) {
            path[used + bytes] = '/';
            added = add_files(out, sim, node, path, used + bytes + 1);
        } else {
            added = io_names_add(out, path);
        }
        if (!added)
            return false;
    }
    return true;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

holter_status sim_files(struct io_names *out, const struct sim *sim)
{
    char path[IO_PATH_BYTES_MAX];
    *out = (struct io_names){ 0 };
    if (!add_files(out, sim, SIM_ROOT, path, 0)) {
        io_names_release(out);
        return HOLTER_NO_MEMORY;
    }
    if (out->count > 1)
        qsort(out->name, out->count, sizeof *out->name, compare_paths);
    return HOLTER_OK;
}

void sim_sector_bad(struct sim *sim, const char *path, uint64_t sector)
{
    uint32_t number;
    int error = find_file(sim, path, &number);
    core_assert(error == 0);
    SIM_GROW(sim->bad, sim->bad_count, sim->bad_capacity);
    sim->bad[sim->bad_count++] = (struct sim_bad_sector){ .node = number, .sector = sector };
}

void sim_read_only(struct sim *sim, bool read_only)
{
    sim->read_only = read_only;
}
