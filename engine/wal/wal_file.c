/*
 * wal_file.c -- the files of a log: their names, how one is made and opened, and reading stretches
 * of one.
 *
 * Handles for reading are kept (WAL_SOURCES_MAX of them): a log that is tailed, or whose frames
 * are opened one by one, is read in many small looks. Files never change but at their end, so a
 * handle and a header stay true.
 *
 * Tests: tests/unit/test_wal_header.c, test_wal_append.c.
 */
#include "wal_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ZEROS_BYTES = 256 << 10 }; /* of a file being made, in one write */

/* ---- the handle of a log --------------------------------------------------------------------- */

static bool spec_is_valid(const struct wal_spec *spec)
{
    if (spec->io == NULL || spec->directory == NULL)
        return false;
    if (spec->file_bytes == 0)
        return true;
    return spec->file_bytes % WAL_PAGE_BYTES == 0 && spec->file_bytes >= WAL_FILE_BYTES_MIN &&
           spec->file_bytes <= WAL_FILE_BYTES_MAX;
}

holter_status wal_open(struct wal **out, const struct wal_spec *spec, holter_error *err)
{
    *out = NULL;
    if (!spec_is_valid(spec))
        return error_set(err, HOLTER_INVALID,
                         "log: a file of %" PRIu64
                         " bytes, expected a multiple of 4096 from %d to %d",
                         spec->file_bytes, WAL_FILE_BYTES_MIN, WAL_FILE_BYTES_MAX);
    struct wal *wal = core_calloc(1, sizeof *wal);
    if (wal == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "log '%s': no memory for a handle",
                         spec->directory);

    holter_status status = HOLTER_OK;
    wal->io = spec->io;
    memcpy(wal->store_id, spec->store_id, sizeof wal->store_id);
    wal->place = spec->place;
    wal->is_sealed = spec->is_sealed;
    wal->reads_kept = spec->reads_kept;
    wal->take_spare = spec->take_spare;
    wal->spare_context = spec->spare_context;
    wal->file_bytes = spec->file_bytes != 0 ? spec->file_bytes : WAL_FILE_BYTES_DEFAULT;
    wal->group_bytes_max = wal->file_bytes / 4 / WAL_PAGE_BYTES * WAL_PAGE_BYTES;
    if (wal->group_bytes_max > WAL_GROUP_BYTES_MAX)
        wal->group_bytes_max = WAL_GROUP_BYTES_MAX;
    size_t directory_bytes = strlen(spec->directory) + 1;
    wal->directory = malloc(directory_bytes);
    wal->page = core_alloc_pages(WAL_PAGE_BYTES);
    if (wal->directory == NULL || wal->page == NULL) {
        status =
            error_set(err, HOLTER_NO_MEMORY, "log '%s': no memory for a handle", spec->directory);
        goto done;
    }
    memcpy(wal->directory, spec->directory, directory_bytes);
    status = io_queue_open(&wal->queue, wal->io, 1, err);
    if (status != HOLTER_OK)
        goto done;
    *out = wal;
    wal = NULL;
done:
    wal_close(wal);
    return status;
}

void wal_close(struct wal *wal)
{
    if (wal == NULL)
        return;
    wal_sources_close(wal);
    io_close(wal->file);
    io_queue_close(wal->queue);
    free(wal->group);
    free(wal->page);
    free(wal->directory);
    free(wal);
}

size_t wal_frame_body_bytes_max(const struct wal *wal)
{
    size_t bytes = (size_t)wal->group_bytes_max - WAL_GROUP_HEADER_BYTES - WAL_FRAME_HEADER_BYTES -
                   CRYPTO_TAG_BYTES;
    return bytes < WAL_FRAME_BODY_BYTES_MAX ? bytes : WAL_FRAME_BODY_BYTES_MAX;
}

/* ---- names ----------------------------------------------------------------------------------- */

static holter_status path_of(char out[static IO_PATH_BYTES_MAX], const struct wal *wal,
                             const char *prefix, uint64_t number, const char *suffix,
                             holter_error *err)
{
    char name[WAL_NAME_BYTES];
    snprintf(name, sizeof name, "%s%016" PRIx64 "%s", prefix, number, suffix);
    if (!io_path_join(out, wal->directory, name, NULL, NULL))
        return error_set(err, HOLTER_INVALID,
                         "log file '%s': the path of its directory is too long", name);
    return HOLTER_OK;
}

holter_status wal_path(char out[static IO_PATH_BYTES_MAX], const struct wal *wal, uint64_t number,
                       const char *suffix, holter_error *err)
{
    return path_of(out, wal, "log-", number, suffix, err);
}

/* 0: the name is not that of a log file, or of one that is kept. */
static uint64_t number_of(const struct wal *wal, const char *name)
{
    bool is_log = strncmp(name, "log-", 4) == 0;
    bool is_kept = wal->reads_kept && strncmp(name, "kept-", 5) == 0;
    const char *digits = name + (is_kept ? 5 : 4);
    if ((!is_log && !is_kept) || strlen(digits) != 16)
        return 0;
    uint64_t number = 0;
    for (const char *at = digits; *at != '\0'; at++) {
        if (*at >= '0' && *at <= '9')
            number = number << 4 | (uint64_t)(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            number = number << 4 | (uint64_t)(*at - 'a' + 10);
        else
            return 0;
    }
    return number;
}

holter_status wal_list(uint64_t **numbers, size_t *count, struct wal *wal, holter_error *err)
{
    struct io_names names = { 0 };
    holter_status status = io_list(&names, wal->io, wal->directory, err);
    if (status != HOLTER_OK)
        return status;

    uint64_t *found = core_calloc(names.count + 1, sizeof *found);
    if (found == NULL) {
        status = error_set(err, HOLTER_NO_MEMORY, "log '%s': no memory for its list of files",
                           wal->directory);
        goto done;
    }
    /* Names come sorted, digits of equal length as their numbers, and what is kept lies before the log. */
    size_t kept = 0;
    for (size_t i = 0; i < names.count; i++) {
        uint64_t number = number_of(wal, names.name[i]);
        if (number != 0)
            found[kept++] = number;
    }
    *numbers = found;
    *count = kept;
done:
    io_names_release(&names);
    return status;
}

/* ---- files to read --------------------------------------------------------------------------- */

/* A bad sector in the header's page: each copy by itself, past the rule that direct reads take pages. */
static holter_status read_header_copies(struct wal *wal, const char *path, holter_error *err)
{
    struct io_file *file;
    holter_status status = io_open(&file, wal->io, path, 0, err);
    if (status != HOLTER_OK)
        return status;
    unsigned unread = 0;
    for (unsigned i = 0; i < WAL_HEADER_COPIES; i++) {
        uint64_t offset = (uint64_t)i * WAL_HEADER_COPY_BYTES;
        uint8_t *copy = wal->page + offset;
        holter_status one =
            io_read_exactly(wal->queue, file, offset, copy, WAL_HEADER_COPY_BYTES, err);
        if (one == HOLTER_OK)
            continue;
        memset(copy, 0, WAL_HEADER_COPY_BYTES);
        status = one;
        unread++;
    }
    io_close(file);
    return unread < WAL_HEADER_COPIES ? HOLTER_OK : status;
}

static holter_status read_header(struct wal_source *source, struct wal *wal, uint64_t number,
                                 holter_error *err)
{
    const char *path = io_path(source->file);
    uint64_t bytes;
    holter_status status = io_size(&bytes, source->file, err);
    if (status != HOLTER_OK)
        return status;
    if (bytes < WAL_FILE_BYTES_REST)
        return error_set(err, HOLTER_CORRUPT,
                         "log file '%s': found %" PRIu64 " bytes, expected %d or more", path, bytes,
                         WAL_FILE_BYTES_REST);
    status = io_read_exactly(wal->queue, source->file, 0, wal->page, WAL_PAGE_BYTES, err);
    if (status == HOLTER_IO)
        status = read_header_copies(wal, path, err);
    if (status != HOLTER_OK)
        return status;

    const char *found = "";
    status = wal_header_decode(&source->header, wal->page, &source->bad_copies, &found);
    if (status != HOLTER_OK)
        return error_set(err, status,
                         "log file '%s': at offset 0 found %s, expected a header of format 0", path,
                         found);
    const struct wal_header *header = &source->header;
    if (memcmp(header->store_id, wal->store_id, sizeof wal->store_id) != 0 ||
        header->place != wal->place)
        return error_set(err, HOLTER_CORRUPT,
                         "log file '%s': at offset 20 found another store or place (%" PRIu32
                         "), expected %" PRIu32,
                         path, header->place, wal->place);
    if (header->number != number)
        return error_set(err, HOLTER_CORRUPT,
                         "log file '%s': at offset 56 found the number %" PRIu64
                         ", expected %" PRIu64,
                         path, header->number, number);
    if (header->file_bytes != bytes)
        return error_set(err, HOLTER_CORRUPT,
                         "log file '%s': found %" PRIu64 " bytes, expected %" PRIu64, path, bytes,
                         header->file_bytes);
    return HOLTER_OK;
}

/* In the log, or kept: it changes its name at most once, from the one to the other. */
static holter_status open_file(struct io_file **out, struct wal *wal, uint64_t number,
                               holter_error *err)
{
    char path[IO_PATH_BYTES_MAX];
    holter_status status = wal_path(path, wal, number, "", err);
    if (status == HOLTER_OK)
        status = io_open(out, wal->io, path, IO_DIRECT, err);
    if (status == HOLTER_NOT_FOUND && wal->reads_kept) {
        status = path_of(path, wal, "kept-", number, "", err);
        if (status == HOLTER_OK)
            status = io_open(out, wal->io, path, IO_DIRECT, err);
    }
    if (status == HOLTER_NOT_FOUND)
        return error_set(err, HOLTER_NOT_FOUND,
                         "log file '%s': found no such file, expected it in the log", path);
    return status;
}

holter_status wal_source_find(const struct wal_source **out, struct wal *wal, uint64_t number,
                              holter_error *err)
{
    for (size_t i = 0; i < WAL_SOURCES_MAX; i++) {
        if (wal->sources[i].file != NULL && wal->sources[i].header.number == number) {
            *out = &wal->sources[i];
            return HOLTER_OK;
        }
    }
    struct wal_source source = { 0 };
    holter_status status = open_file(&source.file, wal, number, err);
    if (status != HOLTER_OK)
        return status;
    status = read_header(&source, wal, number, err);
    if (status != HOLTER_OK) {
        io_close(source.file);
        return status;
    }
    struct wal_source *slot = &wal->sources[wal->source_next];
    wal->source_next = (wal->source_next + 1) % WAL_SOURCES_MAX;
    io_close(slot->file);
    *slot = source;
    *out = slot;
    return HOLTER_OK;
}

holter_status wal_source_get(const struct wal_source **out, struct wal *wal, uint64_t number,
                             holter_error *err)
{
    holter_error why = { 0 };
    holter_status status = wal_source_find(out, wal, number, &why);
    if (status == HOLTER_NOT_FOUND)
        status = HOLTER_CORRUPT;
    return status == HOLTER_OK ? HOLTER_OK : error_set(err, status, "%s", why.message);
}

holter_status wal_files_bytes(uint64_t *bytes, struct wal *wal, uint64_t first, uint64_t last,
                              holter_error *err)
{
    uint64_t *numbers = NULL;
    size_t count;
    holter_status status = wal_list(&numbers, &count, wal, err);
    if (status != HOLTER_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        const struct wal_source *source;
        if (numbers[i] < first || numbers[i] >= last)
            continue;
        bool is_read = wal_source_get(&source, wal, numbers[i], NULL) == HOLTER_OK;
        *bytes += is_read ? source->header.file_bytes : wal->file_bytes;
    }
    free(numbers);
    return HOLTER_OK;
}

void wal_sources_close(struct wal *wal)
{
    for (size_t i = 0; i < WAL_SOURCES_MAX; i++) {
        io_close(wal->sources[i].file);
        wal->sources[i].file = NULL;
    }
}

void wal_window_release(struct wal_window *window)
{
    free(window->memory);
    *window = (struct wal_window){ 0 };
}

static holter_status window_load(struct wal_window *window, struct wal *wal, uint64_t number,
                                 uint64_t offset, size_t bytes, holter_error *err)
{
    const struct wal_source *source;
    window->bytes = 0;
    holter_status status = wal_source_get(&source, wal, number, err);
    if (status != HOLTER_OK)
        return status;
    status = io_read_exactly(wal->queue, source->file, offset, window->memory, bytes, err);
    if (status != HOLTER_OK)
        return status;
    window->file = number;
    window->offset = offset;
    window->bytes = bytes;
    return HOLTER_OK;
}

holter_status wal_window_get(const uint8_t **out, struct wal_window *window, struct wal *wal,
                             const struct wal_header *file, uint64_t offset, uint64_t bytes,
                             uint64_t until, holter_error *err)
{
    core_assert(until <= file->file_bytes);
    core_assert(offset <= until);
    core_assert(bytes <= until - offset);
    if (window->file == file->number && offset >= window->offset &&
        offset - window->offset <= window->bytes &&
        bytes <= window->bytes - (offset - window->offset)) {
        *out = window->memory + (offset - window->offset);
        return HOLTER_OK;
    }
    uint64_t ahead = bytes > WAL_WINDOW_BYTES ? bytes : WAL_WINDOW_BYTES;
    if (ahead > until - offset)
        ahead = until - offset;
    if (window->capacity < ahead) {
        wal_window_release(window);
        window->memory = core_alloc_pages((size_t)ahead);
        if (window->memory == NULL)
            return error_set(err, HOLTER_NO_MEMORY,
                             "log file %" PRIu64 ": no memory to read %" PRIu64 " bytes",
                             file->number, ahead);
        window->capacity = (size_t)ahead;
    }
    /* A bad sector may lie in what nobody asked for. */
    holter_status status = window_load(window, wal, file->number, offset, (size_t)ahead, NULL);
    if (status != HOLTER_OK)
        status = window_load(window, wal, file->number, offset, (size_t)bytes, err);
    if (status == HOLTER_OK)
        *out = window->memory;
    return status;
}

/* ---- files to write -------------------------------------------------------------------------- */

holter_status wal_file_open_to_append(struct io_file **out, struct wal *wal, uint64_t number,
                                      holter_error *err)
{
    char path[IO_PATH_BYTES_MAX];
    holter_status status = wal_path(path, wal, number, "", err);
    if (status == HOLTER_OK)
        status = io_open(out, wal->io, path, IO_WRITABLE | IO_DIRECT | IO_DSYNC, err);
    return status;
}

holter_status wal_file_sync(struct wal *wal, uint64_t number, holter_error *err)
{
    struct io_file *file = NULL;
    holter_status status = wal_file_open_to_append(&file, wal, number, err);
    if (status == HOLTER_OK)
        status = io_sync(wal->queue, file, err);
    io_close(file);
    return status;
}

/* The header page, where there is one yet, and zeros, synced. */
static holter_status fill(struct io_queue *queue, struct io_file *file, uint64_t bytes,
                          const struct wal_header *header, const atomic_bool *stops,
                          holter_error *err)
{
    size_t chunk = bytes < ZEROS_BYTES ? (size_t)bytes : ZEROS_BYTES;
    uint8_t *memory = core_alloc_pages(chunk);
    holter_status status = HOLTER_OK;
    if (memory == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "log file '%s': no memory to make it",
                         io_path(file));
    if (header != NULL)
        wal_header_encode(memory, header);
    for (uint64_t offset = 0; status == HOLTER_OK && offset < bytes; offset += chunk) {
        if (chunk > bytes - offset)
            chunk = (size_t)(bytes - offset);
        status = io_write_exactly(queue, file, offset, memory, chunk, err);
        memset(memory, 0, WAL_PAGE_BYTES);
        if (stops != NULL && atomic_load(stops))
            status = error_set(err, HOLTER_BUSY, "log file '%s': it is not needed any more",
                               io_path(file));
    }
    free(memory);
    return status == HOLTER_OK ? io_sync(queue, file, err) : status;
}

static holter_status write_aside(struct wal *wal, const char *path, const struct wal_header *header,
                                 holter_error *err)
{
    struct io_file *file = NULL;
    holter_status status = io_open(&file, wal->io, path, IO_CREATE | IO_DIRECT, err);
    if (status == HOLTER_OK)
        status = fill(wal->queue, file, header->file_bytes, header, NULL, err);
    io_close(file);
    return status;
}

holter_status wal_spare_make(struct io_file **out, struct io *io, const char *directory,
                             uint64_t bytes, const atomic_bool *stops, holter_error *err)
{
    struct io_queue *queue = NULL;
    struct io_file *file = NULL;
    *out = NULL;
    holter_status status = io_queue_open(&queue, io, 1, err);
    if (status == HOLTER_OK)
        status = io_open(&file, io, directory, IO_UNNAMED | IO_DIRECT, err);
    if (status == HOLTER_OK)
        status = fill(queue, file, bytes, NULL, stops, err);
    if (status == HOLTER_OK) {
        *out = file;
        file = NULL;
    }
    io_close(file);
    io_queue_close(queue);
    return status;
}

/* The spare gets its header, synced, and then its name. *named also on failure, as in wal_file_make. */
static holter_status name_spare(bool *named, struct wal *wal, struct io_file *spare,
                                const char *path, const struct wal_header *header,
                                holter_error *err)
{
    wal_header_encode(wal->page, header);
    holter_status status = io_write_exactly(wal->queue, spare, 0, wal->page, WAL_PAGE_BYTES, err);
    if (status == HOLTER_OK)
        status = io_sync(wal->queue, spare, err);
    if (status != HOLTER_OK)
        return status;
    status = io_link(spare, path, err);
    wal->has_no_spares = status == HOLTER_UNSUPPORTED;
    *named = !wal->has_no_spares;
    return status;
}

/* Greater than all that there are, so that what a dead or failed writer began stays void. */
static holter_status next_number(uint64_t *out, struct wal *wal, uint64_t previous,
                                 holter_error *err)
{
    uint64_t *numbers = NULL;
    size_t count;
    holter_status status = wal_list(&numbers, &count, wal, err);
    if (status != HOLTER_OK)
        return status;
    uint64_t greatest = count > 0 && numbers[count - 1] > previous ? numbers[count - 1] : previous;
    free(numbers);
    if (greatest == UINT64_MAX)
        return error_set(
            err, HOLTER_CORRUPT,
            "log '%s': found a file of the greatest number, expected one that another can follow",
            wal->directory);
    *out = greatest + 1;
    return HOLTER_OK;
}

static holter_status make_aside(bool *named, struct wal *wal, const char *aside, const char *path,
                                const struct wal_header *header, holter_error *err)
{
    (void)io_unlink(wal->io, aside, NULL); /* left by a writer that died */
    holter_status status = write_aside(wal, aside, header, err);
    if (status == HOLTER_OK) {
        wal->written.ahead_bytes += header->file_bytes;
        *named = true;
        status = io_rename(wal->io, aside, path, err);
    }
    if (status != HOLTER_OK)
        (void)io_unlink(wal->io, aside, NULL); /* on a full disk its bytes are needed */
    return status;
}

holter_status wal_file_make(struct io_file **out, struct wal_header *header, bool *named,
                            struct wal *wal, const struct wal_place *previous, holter_error *err)
{
    char path[IO_PATH_BYTES_MAX], aside[IO_PATH_BYTES_MAX];
    struct wal_header made = { .place = wal->place,
                               .file_bytes = header->file_bytes,
                               .previous_number = previous->file,
                               .first_sequence = previous->sequence };
    memcpy(made.store_id, wal->store_id, sizeof made.store_id);
    if (previous->file != 0) {
        made.previous_end = previous->offset;
        memcpy(made.previous_log_id, header->previous_log_id, WAL_ID_BYTES);
    }
    *named = false;
    holter_status status = next_number(&made.number, wal, previous->file, err);
    if (status == HOLTER_OK)
        status = wal_path(path, wal, made.number, "", err);
    if (status == HOLTER_OK)
        status = wal_path(aside, wal, made.number, ".tmp", err);
    if (status == HOLTER_OK)
        status = io_random(wal->io, made.log_id, WAL_ID_BYTES, err);
    if (status == HOLTER_OK)
        status = io_boot_id(wal->io, made.boot_id, err);
    if (status != HOLTER_OK)
        return status;

    bool is_made = false;
    bool takes_spare = made.file_bytes != WAL_FILE_BYTES_REST && wal->take_spare != NULL;
    struct io_file *spare = takes_spare ? wal->take_spare(wal->spare_context) : NULL;
    if (spare != NULL) {
        made.file_bytes = wal->file_bytes;
        status = name_spare(named, wal, spare, path, &made, err);
        io_close(spare);
        wal->written.ahead_bytes += WAL_PAGE_BYTES; /* the rest was counted by its maker */
        is_made = status == HOLTER_OK;
    }
    if (spare != NULL && !is_made && *named)
        return status;
    if (!is_made) {
        made.file_bytes = header->file_bytes;
        status = make_aside(named, wal, aside, path, &made, err);
    }
    if (status != HOLTER_OK)
        return status;
    status = io_sync_dir(wal->io, wal->directory, err);
    if (status == HOLTER_OK)
        status = wal_file_open_to_append(out, wal, made.number, err);
    if (status == HOLTER_OK)
        *header = made;
    return status;
}
