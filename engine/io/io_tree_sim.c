/*
 * io_tree_sim.c -- the simulated directories, and the changes of them that are not durable yet.
 *
 * A directory has its entries twice: now, as calls see them, and on disk. A change is made to the
 * former at once and put on the machine's list of changes; io_sync_dir makes those of one directory
 * durable, a crash any subset of all, in their order. Files have numbers, so a rename that survives
 * without the creation before it still names the right file.
 *
 * A rename between directories is durable with the sync of either; what came before it under its
 * two names becomes durable with it, so that the disk never shows an order that was not.
 */
#include "io_sim_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

/* ---- names and entries ----------------------------------------------------------------------- */

struct sim_name *name_new(const char *text)
{
    size_t bytes = strlen(text) + 1;
    struct sim_name *name = sim_alloc(sizeof *name + bytes);
    name->refs = 1;
    memcpy(name->text, text, bytes);
    return name;
}

struct sim_name *name_ref(struct sim_name *name)
{
    if (name != NULL)
        name->refs++;
    return name;
}

void name_unref(struct sim_name *name)
{
    if (name != NULL && --name->refs == 0)
        free(name);
}

void entries_release(struct sim_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        name_unref(entries->entry[i].name);
    free(entries->entry);
    *entries = (struct sim_entries){ 0 };
}

void entries_copy(struct sim_entries *out, const struct sim_entries *from)
{
    entries_release(out);
    if (from->count == 0)
        return;
    out->entry = sim_resize(NULL, from->count * sizeof *out->entry);
    memcpy(out->entry, from->entry, from->count * sizeof *out->entry);
    out->count = from->count;
    out->capacity = from->count;
    for (size_t i = 0; i < out->count; i++)
        name_ref(out->entry[i].name);
}

/* The place of a name, or where it would be. */
static size_t entries_place(const struct sim_entries *entries, const char *name, bool *found)
{
    size_t begin = 0;
    size_t end = entries->count;
    *found = false;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = strcmp(entries->entry[middle].name->text, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

const struct sim_entry *entries_find(const struct sim_entries *entries, const char *name)
{
    bool found;
    size_t place = entries_place(entries, name, &found);
    return found ? &entries->entry[place] : NULL;
}

void entries_set(struct sim_entries *entries, struct sim_name *name, uint32_t node)
{
    bool found;
    size_t place = entries_place(entries, name->text, &found);
    if (!found) {
        SIM_GROW(entries->entry, entries->count, entries->capacity);
        memmove(entries->entry + place + 1, entries->entry + place,
                (entries->count - place) * sizeof *entries->entry);
        entries->entry[place].name = name_ref(name);
        entries->count++;
    }
    entries->entry[place].node = node;
}

void entries_remove(struct sim_entries *entries, const char *name)
{
    bool found;
    size_t place = entries_place(entries, name, &found);
    if (!found)
        return;
    name_unref(entries->entry[place].name);
    entries->count--;
    memmove(entries->entry + place, entries->entry + place + 1,
            (entries->count - place) * sizeof *entries->entry);
}

/* ---- nodes by number ------------------------------------------------------------------------- */

struct sim_node *sim_node_writable(struct sim *sim, uint32_t number)
{
    struct sim_node *node = sim->node[number];
    if (node->refs > 1) {
        sim->node[number] = node_clone(node);
        node_unref(node);
        node = sim->node[number];
    }
    return node;
}

uint32_t sim_node_add(struct sim *sim, struct sim_node *node)
{
    sim->nodes_made++;
    for (size_t i = sim->node_count; i > 0 && sim->node_count > 256; i--) {
        if (sim->node[i - 1] == NULL) {
            sim->node[i - 1] = node;
            return (uint32_t)(i - 1);
        }
    }
    SIM_GROW(sim->node, sim->node_count, sim->node_capacity);
    sim->node[sim->node_count] = node;
    return (uint32_t)sim->node_count++;
}

static void mark(const struct sim *sim, bool *live, uint32_t number)
{
    if (live[number])
        return;
    live[number] = true;
    const struct sim_node *node = sim->node[number];
    for (size_t i = 0; i < node->now.count; i++)
        mark(sim, live, node->now.entry[i].node);
    for (size_t i = 0; i < node->disk.count; i++)
        mark(sim, live, node->disk.entry[i].node);
}

static void mark_open(const struct sim *sim, bool *live)
{
    for (const struct sim_process *p = sim->processes; p != NULL; p = p->next) {
        if (p->dead)
            continue;
        for (const struct sim_file *file = p->files; file != NULL; file = file->next)
            mark(sim, live, file->node);
        for (const struct sim_shared *map = p->maps; map != NULL; map = map->next)
            mark(sim, live, map->node);
    }
}

bool *tree_mark(const struct sim *sim, bool with_open)
{
    bool *live = sim_alloc(sim->node_count * sizeof *live);
    mark(sim, live, SIM_ROOT);
    for (size_t i = 0; i < sim->change_count; i++) {
        mark(sim, live, sim->change[i].node);
        mark(sim, live, sim->change[i].dir);
        mark(sim, live, sim->change[i].dir_to);
    }
    if (with_open)
        mark_open(sim, live);
    return live;
}

void tree_sweep(struct sim *sim, bool with_open)
{
    bool *live = tree_mark(sim, with_open);
    for (size_t i = 0; i < sim->node_count; i++) {
        if (live[i] || sim->node[i] == NULL)
            continue;
        node_unref(sim->node[i]);
        sim->node[i] = NULL;
    }
    size_t kept = 0;
    for (size_t i = 0; i < sim->bad_count; i++) {
        if (sim->node[sim->bad[i].node] != NULL)
            sim->bad[kept++] = sim->bad[i];
    }
    sim->bad_count = kept;
    while (sim->node[sim->node_count - 1] == NULL)
        sim->node_count--;
    sim->nodes_made = 0;
    free(live);
}

void tree_sweep_at_times(struct sim *sim)
{
    if (sim->nodes_made > 32 + sim->node_count / 2)
        tree_sweep(sim, true);
}

static void mark_now(const struct sim *sim, bool *live, uint32_t number)
{
    if (live[number])
        return;
    live[number] = true;
    const struct sim_entries *entries = &sim->node[number]->now;
    for (size_t i = 0; i < entries->count; i++)
        mark_now(sim, live, entries->entry[i].node);
}

void tree_space(const struct sim *sim, uint64_t *bytes, uint64_t *inodes)
{
    bool *live = sim_alloc(sim->node_count * sizeof *live);
    mark_now(sim, live, SIM_ROOT);
    mark_open(sim, live);
    *bytes = 0;
    *inodes = 0;
    for (size_t i = 1; i < sim->node_count; i++) {
        if (!live[i])
            continue;
        const struct sim_node *node = sim->node[i];
        *inodes += 1;
        *bytes += node->kind == IO_KIND_DIRECTORY ? CORE_PAGE_BYTES
                                                  : (uint64_t)node->page_count * CORE_PAGE_BYTES;
    }
    free(live);
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* The next name of a path; false at its end. */
static bool next_name(const char **path, char name[static SIM_NAME_BYTES_MAX + 1], int *error)
{
    while (**path == '/')
        (*path)++;
    size_t bytes = strcspn(*path, "/");
    if (bytes == 0)
        return false;
    if (bytes > SIM_NAME_BYTES_MAX) {
        *error = -ENAMETOOLONG;
        return false;
    }
    memcpy(name, *path, bytes);
    name[bytes] = '\0';
    *path += bytes;
    return true;
}

/* Walk to a node; with `last`, only to the directory of the last name, which goes there. */
static int walk(const struct sim *sim, const char *path, uint32_t *out, char *last)
{
    uint32_t above[DEPTH_MAX];
    size_t depth = 0;
    uint32_t at = SIM_ROOT;
    char name[SIM_NAME_BYTES_MAX + 1];
    int error = 0;

    if (*path == '\0')
        return -ENOENT;
    if (last != NULL)
        last[0] = '\0';
    while (next_name(&path, name, &error)) {
        if (sim->node[at]->kind != IO_KIND_DIRECTORY)
            return -ENOTDIR;
        if (last != NULL && path[strspn(path, "/")] == '\0') {
            memcpy(last, name, sizeof name);
            break;
        }
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            at = depth > 0 ? above[--depth] : SIM_ROOT;
            continue;
        }
        const struct sim_entry *entry = entries_find(&sim->node[at]->now, name);
        if (entry == NULL)
            return -ENOENT;
        if (depth == DEPTH_MAX)
            return -ENAMETOOLONG;
        above[depth++] = at;
        at = entry->node;
    }
    *out = at;
    return error;
}

int tree_find(const struct sim *sim, const char *path, uint32_t *node)
{
    return walk(sim, path, node, NULL);
}

int tree_find_parent(const struct sim *sim, const char *path, uint32_t *dir,
                     char name[static SIM_NAME_BYTES_MAX + 1])
{
    int error = walk(sim, path, dir, name);
    if (error != 0)
        return error;
    if (name[0] == '\0') /* the root itself */
        return -EEXIST;
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? -EINVAL : 0;
}

/* ---- changes --------------------------------------------------------------------------------- */

void change_release(struct sim_change *change)
{
    name_unref(change->name);
    name_unref(change->name_to);
}

static void change_add(struct sim *sim, struct sim_change change)
{
    SIM_GROW(sim->change, sim->change_count, sim->change_capacity);
    sim->change[sim->change_count++] = change;
}

/* May there be one more? */
static int check_space(const struct sim *sim, enum io_kind kind)
{
    uint64_t bytes, inodes;
    if (sim->read_only)
        return -EROFS;
    if (sim->options.bytes_max == 0 && sim->options.inodes_max == 0)
        return 0;
    tree_space(sim, &bytes, &inodes);
    bytes += kind == IO_KIND_DIRECTORY ? CORE_PAGE_BYTES : 0;
    bool is_full = (sim->options.inodes_max > 0 && inodes + 1 > sim->options.inodes_max) ||
                   (sim->options.bytes_max > 0 && bytes > sim->options.bytes_max);
    return is_full ? -ENOSPC : 0;
}

/* Where a new entry goes: nothing has its name. */
static int find_place(const struct sim *sim, const char *path, uint32_t *dir,
                      char name[static SIM_NAME_BYTES_MAX + 1])
{
    int error = tree_find_parent(sim, path, dir, name);
    if (error == 0 && entries_find(&sim->node[*dir]->now, name) != NULL)
        error = -EEXIST;
    return error;
}

static void add_entry(struct sim *sim, uint32_t dir, const char *text, uint32_t node)
{
    struct sim_name *name = name_new(text);
    entries_set(&sim_node_writable(sim, dir)->now, name, node);
    change_add(
        sim, (struct sim_change){
                 .kind = SIM_CHANGE_LINK, .node = node, .dir = dir, .name = name, .dir_to = dir });
}

int tree_make(struct sim *sim, const char *path, enum io_kind kind, uint32_t mode, uint32_t *node)
{
    uint32_t dir;
    char text[SIM_NAME_BYTES_MAX + 1];
    int error = find_place(sim, path, &dir, text);
    if (error == 0)
        error = check_space(sim, kind);
    if (error != 0)
        return error;
    *node = sim_node_add(sim, node_new(kind, mode));
    add_entry(sim, dir, text, *node);
    return 0;
}

int tree_make_unnamed(struct sim *sim, const char *path, uint32_t mode, uint32_t *node)
{
    uint32_t dir;
    int error = tree_find(sim, path, &dir);
    if (error == 0 && sim->node[dir]->kind != IO_KIND_DIRECTORY)
        error = -ENOTDIR;
    if (error == 0)
        error = check_space(sim, IO_KIND_FILE);
    if (error != 0)
        return error;
    *node = sim_node_add(sim, node_new(IO_KIND_FILE, mode));
    return 0;
}

int tree_link(struct sim *sim, uint32_t node, const char *path)
{
    uint32_t dir;
    char text[SIM_NAME_BYTES_MAX + 1];
    int error = find_place(sim, path, &dir, text);
    if (error == 0 && sim->read_only)
        error = -EROFS;
    if (error != 0)
        return error;
    add_entry(sim, dir, text, node);
    return 0;
}

int tree_unlink(struct sim *sim, const char *path)
{
    uint32_t dir;
    char text[SIM_NAME_BYTES_MAX + 1];
    int error = tree_find_parent(sim, path, &dir, text);
    if (error != 0)
        return error == -EEXIST ? -EISDIR : error;
    const struct sim_entry *entry = entries_find(&sim->node[dir]->now, text);
    if (entry == NULL)
        return -ENOENT;
    if (sim->read_only)
        return -EROFS;
    uint32_t node = entry->node;
    if (sim->node[node]->kind == IO_KIND_DIRECTORY)
        return -EISDIR;
    struct sim_name *name = name_ref(entry->name);
    entries_remove(&sim_node_writable(sim, dir)->now, text);
    change_add(sim, (struct sim_change){ .kind = SIM_CHANGE_UNLINK,
                                         .node = node,
                                         .dir = dir,
                                         .name = name,
                                         .dir_to = dir });
    tree_sweep_at_times(sim);
    return 0;
}

bool tree_is_linked(const struct sim *sim, uint32_t node)
{
    for (size_t i = 0; i < sim->node_count; i++) {
        const struct sim_node *dir = sim->node[i];
        if (dir == NULL || dir->kind != IO_KIND_DIRECTORY)
            continue;
        for (size_t e = 0; e < dir->now.count; e++) {
            if (dir->now.entry[e].node == node)
                return true;
        }
    }
    return false;
}

/* `dir` lies in the tree under `node`, or is it. */
static bool is_within(const struct sim *sim, uint32_t node, uint32_t dir)
{
    if (node == dir)
        return true;
    const struct sim_entries *entries = &sim->node[node]->now;
    for (size_t i = 0; i < entries->count; i++) {
        if (is_within(sim, entries->entry[i].node, dir))
            return true;
    }
    return false;
}

/* May a node take the place of what is there, if anything? */
static int check_replace(const struct sim *sim, uint32_t node, const struct sim_entry *there)
{
    if (there == NULL)
        return 0;
    bool is_dir = sim->node[node]->kind == IO_KIND_DIRECTORY;
    const struct sim_node *old = sim->node[there->node];
    if (old->kind != IO_KIND_DIRECTORY)
        return is_dir ? -ENOTDIR : 0;
    if (!is_dir)
        return -EISDIR;
    return old->now.count > 0 ? -ENOTEMPTY : 0;
}

int tree_rename(struct sim *sim, const char *from, const char *to)
{
    uint32_t dir, dir_to;
    char text[SIM_NAME_BYTES_MAX + 1];
    char text_to[SIM_NAME_BYTES_MAX + 1];
    int error = tree_find_parent(sim, from, &dir, text);
    if (error == 0)
        error = tree_find_parent(sim, to, &dir_to, text_to);
    if (error != 0)
        return error == -EEXIST ? -EBUSY : error;
    const struct sim_entry *entry = entries_find(&sim->node[dir]->now, text);
    if (entry == NULL)
        return -ENOENT;
    uint32_t node = entry->node;
    const struct sim_entry *there = entries_find(&sim->node[dir_to]->now, text_to);
    if (sim->read_only)
        return -EROFS;
    if (there != NULL && there->node == node)
        return 0;
    if (is_within(sim, node, dir_to))
        return -EINVAL;
    error = check_replace(sim, node, there);
    if (error != 0)
        return error;

    struct sim_name *name = name_ref(entry->name);
    struct sim_name *name_to = name_new(text_to);
    entries_remove(&sim_node_writable(sim, dir)->now, text);
    entries_set(&sim_node_writable(sim, dir_to)->now, name_to, node);
    change_add(sim, (struct sim_change){ .kind = SIM_CHANGE_RENAME,
                                         .node = node,
                                         .dir = dir,
                                         .name = name,
                                         .dir_to = dir_to,
                                         .name_to = name_to });
    tree_sweep_at_times(sim);
    return 0;
}

static void disk_remove(struct sim *sim, uint32_t dir, const struct sim_name *name, uint32_t node)
{
    const struct sim_entry *entry = entries_find(&sim->node[dir]->disk, name->text);
    if (entry != NULL && entry->node == node)
        entries_remove(&sim_node_writable(sim, dir)->disk, name->text);
}

void tree_apply(struct sim *sim, const struct sim_change *change)
{
    switch (change->kind) {
    case SIM_CHANGE_LINK:
        entries_set(&sim_node_writable(sim, change->dir)->disk, change->name, change->node);
        break;
    case SIM_CHANGE_UNLINK:
        disk_remove(sim, change->dir, change->name, change->node);
        break;
    case SIM_CHANGE_RENAME:
        disk_remove(sim, change->dir, change->name, change->node);
        entries_set(&sim_node_writable(sim, change->dir_to)->disk, change->name_to, change->node);
        break;
    }
}

static bool touches(const struct sim_change *change, uint32_t dir, const struct sim_name *name)
{
    if (change->dir == dir && strcmp(change->name->text, name->text) == 0)
        return true;
    return change->kind == SIM_CHANGE_RENAME && change->dir_to == dir &&
           strcmp(change->name_to->text, name->text) == 0;
}

/* A later change between directories that is chosen touches one of its names. */
static bool is_needed(const struct sim *sim, const bool *chosen, size_t index)
{
    for (size_t i = index + 1; i < sim->change_count; i++) {
        const struct sim_change *later = &sim->change[i];
        if (!chosen[i] || later->dir == later->dir_to)
            continue;
        if (touches(&sim->change[index], later->dir, later->name) ||
            touches(&sim->change[index], later->dir_to, later->name_to))
            return true;
    }
    return false;
}

int tree_sync(struct sim *sim, const char *path, struct sim_random *random)
{
    uint32_t dir;
    int error = tree_find(sim, path, &dir);
    if (error != 0)
        return error;
    if (sim->node[dir]->kind != IO_KIND_DIRECTORY)
        return -ENOTDIR;
    if (sim->change_count == 0)
        return 0;

    bool *chosen = sim_alloc(sim->change_count * sizeof *chosen);
    for (size_t i = sim->change_count; i > 0; i--) {
        const struct sim_change *change = &sim->change[i - 1];
        bool ours = change->dir == dir || change->dir_to == dir;
        chosen[i - 1] =
            (ours && (random == NULL || random_coin(random))) || is_needed(sim, chosen, i - 1);
    }
    size_t kept = 0;
    for (size_t i = 0; i < sim->change_count; i++) {
        struct sim_change change = sim->change[i];
        if (chosen[i]) {
            tree_apply(sim, &change);
            change_release(&change);
        } else {
            sim->change[kept++] = change;
        }
    }
    sim->change_count = kept;
    free(chosen);
    return 0;
}
