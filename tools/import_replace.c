/*
 * import_replace.c -- files that are the whole set again.
 */
#include "import_replace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEP_USERS_MAX = 1024 };

static const int64_t millisecond_ns = 1000000;

/* ---- revisions ------------------------------------------------------------------------------ */

bool replace_revision_read(int64_t *out, const char *text)
{
    int64_t time_ns;
    if (time_read_bound(&time_ns, text, NULL) != TIME_OK || time_ns <= 0 ||
        time_ns % (1000 * millisecond_ns) != 0)
        return false;
    *out = time_ns / millisecond_ns;
    return true;
}

bool replace_revision_of_path(int64_t *out, const char *path)
{
    static const char form[] = "export-9999-99-99T9999";
    bool is_found = false;
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        size_t i = 0;
        while (form[i] != '\0' &&
               (form[i] == '9' ? part[i] >= '0' && part[i] <= '9' : part[i] == form[i]))
            i++;
        if (form[i] != '\0' || (part[i] != '/' && part[i] != '\0'))
            continue;
        char text[24];
        snprintf(text, sizeof text, "%.10sT%.2s:%.2s:00Z", part + 7, part + 18, part + 20);
        is_found = replace_revision_read(out, text) || is_found;
    }
    return is_found;
}

/* ---- the note of publications (U2) ---------------------------------------------------------- */

static int note_define(struct replace *replace)
{
    const holter_metric definition = {
        .name = "holter_publication",
        .unit = "1",
        .kind = HOLTER_INSTANT,
        .field_count = 1,
        .fields = { { .name = "file", .type = HOLTER_TEXT } },
        .key_field = 0,
        .aggregation = HOLTER_LAST,
        .tier_class = HOLTER_RECORDS,
    };
    uint32_t number;
    holter_error err = { 0 };
    holter_status status = holter_metric_define(replace->rows->store, &definition, &number, &err);
    if (status == HOLTER_OK)
        status = holter_metric_by_number(replace->rows->store, number, &replace->note, &err);
    return status == HOLTER_OK ? TOOL_OK : say_error(&err);
}

static holter_status newest_scan(struct replace *replace, const holter_scan_spec *spec,
                                 holter_error *err)
{
    holter_snapshot *snapshot;
    holter_cursor *cursor = NULL;
    holter_status status = holter_snapshot_open(&snapshot, replace->rows->store, err);
    if (status == HOLTER_OK)
        status = holter_scan(&cursor, snapshot, spec, err);
    const char *file = replace->reader->file->name;
    holter_columns columns;
    while (status == HOLTER_OK && (status = holter_cursor_next(cursor, &columns, err)) == HOLTER_OK)
        for (size_t i = 0; i < columns.count; i++) {
            const struct holter_text *name = &columns.fields[0].text[i];
            int64_t revision = columns.time_ns[i] / millisecond_ns;
            if (name->count == strlen(file) && memcmp(name->bytes, file, name->count) == 0 &&
                revision > replace->newest)
                replace->newest = revision;
        }
    holter_cursor_close(cursor);
    holter_snapshot_close(snapshot);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

static int newest_find(struct replace *replace)
{
    replace->newest = INT64_MIN;
    holter_error err = { 0 };
    holter_scan_spec spec = { .metric = replace->note.number };
    holter_status status = holter_user_find(replace->rows->store, REPLACE_USER,
                                            strlen(REPLACE_USER), &spec.user, &err);
    if (status == HOLTER_OK)
        status = holter_source_find(replace->rows->store, spec.user, replace->source, &spec.source,
                                    &err);
    if (status == HOLTER_OK)
        status = newest_scan(replace, &spec, &err);
    return status == HOLTER_OK || status == HOLTER_NOT_FOUND ? TOOL_OK : say_error(&err);
}

static holter_status note_user_need(struct replace *replace, uint64_t *user, uint32_t *source,
                                    holter_error *err)
{
    const holter_id id = { REPLACE_USER, strlen(REPLACE_USER) };
    holter_store *store = replace->rows->store;
    holter_status status = holter_users_add(store, &id, 1, replace->rows->region, user, err);
    if (status == HOLTER_OK)
        status = holter_source_need(store, *user, replace->source, source, err);
    return status;
}

static int note_write(struct replace *replace)
{
    holter_error err = { 0 };
    const char *file = replace->reader->file->name;
    const holter_value value = { .text = { file, strlen(file) } };
    holter_row row = { .metric = replace->note.number,
                       .time_ns = replace->revision * millisecond_ns,
                       .values = &value,
                       .value_count = 1 };
    holter_status status = note_user_need(replace, &row.user, &row.source, &err);
    holter_batch_clear(replace->batch);
    if (status == HOLTER_OK)
        status = holter_batch_add(replace->batch, &row, NULL, &err);
    if (status == HOLTER_OK)
        status = holter_commit(replace->rows->store, replace->batch, &err);
    holter_batch_clear(replace->batch);
    return status == HOLTER_OK ? TOOL_OK : say_error(&err);
}

/* ---- parts of users ------------------------------------------------------------------------- */

static holter_status part_delete(const struct replace *replace, holter_batch *batch, uint64_t user,
                                 uint32_t source, int64_t revision, holter_error *err)
{
    holter_status status = HOLTER_OK;
    for (size_t m = 0; status == HOLTER_OK && m < replace->reader->file->metric_count; m++)
        status = holter_batch_delete(batch, user, replace->reader->metrics[m].number, source,
                                     HOLTER_TIME_MIN, HOLTER_TIME_MAX, revision, err);
    return status;
}

/* Each user of a file has one source, so its sources are its users in the order of their parts. */
static int parts_commit(struct replace *replace)
{
    struct import_rows *rows = replace->rows;
    int code = import_rows_say(rows, import_rows_resolve(rows));
    for (; code == TOOL_OK && replace->sources_deleted < rows->sources.count;
         replace->sources_deleted++) {
        const struct name *user = &rows->users.items[replace->sources_deleted];
        const struct name *source = &rows->sources.items[replace->sources_deleted];
        holter_error err = { 0 };
        if (part_delete(replace, rows->batch, user->number, (uint32_t)source->number,
                        replace->revision, &err) != HOLTER_OK)
            code = say_error(&err);
    }
    return code == TOOL_OK ? import_rows_commit(rows) : code;
}

/* *problem not NULL: the file cannot be taken. */
static int part_begin(struct replace *replace, const char **problem)
{
    struct import_rows *rows = replace->rows;
    struct csv_field id = replace->reader->id;
    int code = TOOL_OK;
    if (!import_rows_have_room(rows, 1, HOLTER_FIELDS_MAX) ||
        rows->text_bytes > IMPORT_TEXT_BYTES_MAX - REPLACE_TEXT_BYTES_MAX)
        code = parts_commit(replace);
    if (code != TOOL_OK)
        return code;
    size_t known = rows->users.count;
    if (!import_rows_person(rows, id,
                            (struct csv_field){ replace->source, strlen(replace->source) }))
        return say_no_memory();
    if ((size_t)rows->last_user < known) {
        *problem = "found another part of an earlier user, expected each user's rows together";
        return TOOL_FAILED;
    }
    if (rows->users.bytes + rows->sources.bytes > IMPORT_NAMES_BYTES_MAX) {
        *problem = "found more users than memory is meant for, expected a smaller file";
        return TOOL_FAILED;
    }
    replace->user = rows->last_user;
    replace->rows_before = rows->row_count;
    replace->text_bytes_before = rows->text_bytes;
    return TOOL_OK;
}

static bool user_is(const struct name *user, struct csv_field id)
{
    return user->count == id.count && memcmp(user->bytes, id.bytes, id.count) == 0;
}

bool replace_is_old(const struct replace *replace)
{
    return replace->revision < replace->newest; /* U2 */
}

int replace_row_begin(struct replace *replace, size_t value_count, const char **problem)
{
    struct import_rows *rows = replace->rows;
    const struct preset_reader *reader = replace->reader;
    *problem = NULL;
    if (replace->user == NAMES_MISSING || !user_is(&rows->users.items[replace->user], reader->id)) {
        int code = part_begin(replace, problem);
        if (code != TOOL_OK)
            return code;
    }
    if (rows->row_count - replace->rows_before + reader->sample_count > REPLACE_ROWS_MAX)
        *problem = "found more than 1,048,576 samples of a user, expected at most so many at once";
    else if (rows->text_bytes - replace->text_bytes_before >
             REPLACE_TEXT_BYTES_MAX - IMPORT_ROW_TEXT_BYTES_MAX)
        *problem = "found more than 7 MiB of texts of a user, expected at most so much at once";
    else if (!import_rows_need_room(rows, reader->sample_count, value_count))
        return say_no_memory();
    return *problem == NULL ? TOOL_OK : TOOL_FAILED;
}

/* ---- users whom the file no longer names ---------------------------------------------------- */

static int number_compare(const void *a, const void *b)
{
    const uint64_t *one = a;
    const uint64_t *other = b;
    return (*one > *other) - (*one < *other);
}

/* Whether anything of the file's metrics is there. */
static holter_status holds_any(struct replace *replace, holter_snapshot *snapshot, uint64_t user,
                               uint32_t source, bool *out, holter_error *err)
{
    *out = false;
    holter_status status = HOLTER_OK;
    for (size_t m = 0; status == HOLTER_OK && !*out && m < replace->reader->file->metric_count;
         m++) {
        holter_cursor *cursor = NULL;
        holter_columns columns;
        status =
            holter_latest(&cursor, snapshot, user, replace->reader->metrics[m].number, source, err);
        if (status == HOLTER_OK)
            status = holter_cursor_next(cursor, &columns, err);
        *out = status == HOLTER_OK;
        if (status == HOLTER_DONE)
            status = HOLTER_OK;
        holter_cursor_close(cursor);
    }
    return status;
}

static holter_status user_sweep(struct replace *replace, holter_snapshot *snapshot, uint64_t user,
                                int64_t revision, size_t *pending, holter_error *err)
{
    uint32_t source;
    bool holds = false;
    holter_status status =
        holter_source_find(replace->rows->store, user, replace->source, &source, err);
    if (status == HOLTER_OK)
        status = holds_any(replace, snapshot, user, source, &holds, err);
    if (status == HOLTER_NOT_FOUND || status == HOLTER_EXPIRED)
        return HOLTER_OK;
    if (status == HOLTER_OK && holds) {
        status = part_delete(replace, replace->batch, user, source, revision, err);
        *pending += 1;
    }
    if (status == HOLTER_OK && *pending == SWEEP_USERS_MAX) {
        status = holter_commit(replace->rows->store, replace->batch, err);
        holter_batch_clear(replace->batch);
        *pending = 0;
    }
    return status;
}

/* Delete at `revision` what users hold that are not among `kept`, which is sorted. */
static int users_sweep(struct replace *replace, const uint64_t *kept, size_t kept_count,
                       int64_t revision)
{
    holter_error err = { 0 };
    holter_snapshot *snapshot;
    size_t pending = 0;
    holter_batch_clear(replace->batch);
    holter_status status = holter_snapshot_open(&snapshot, replace->rows->store, &err);
    size_t count = holter_user_count(replace->rows->store);
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        uint64_t user;
        int is_erased;
        status = holter_user_at(replace->rows->store, i, &user, &is_erased, &err);
        if (status == HOLTER_OK && !is_erased &&
            (kept_count == 0 ||
             bsearch(&user, kept, kept_count, sizeof user, number_compare) == NULL))
            status = user_sweep(replace, snapshot, user, revision, &pending, &err);
    }
    if (status == HOLTER_OK && pending > 0)
        status = holter_commit(replace->rows->store, replace->batch, &err);
    holter_batch_clear(replace->batch);
    holter_snapshot_close(snapshot);
    return status == HOLTER_OK ? TOOL_OK : say_error(&err);
}

static int vanished_delete(struct replace *replace)
{
    size_t count = replace->rows->users.count;
    uint64_t *kept = malloc((count + 1) * sizeof *kept);
    if (kept == NULL)
        return say_no_memory();
    for (size_t i = 0; i < count; i++)
        kept[i] = replace->rows->users.items[i].number;
    qsort(kept, count, sizeof *kept, number_compare);
    int code = users_sweep(replace, kept, count, replace->revision);
    free(kept);
    return code;
}

/* ---- a file --------------------------------------------------------------------------------- */

int replace_init(struct replace *replace, struct import_rows *rows, const char *source)
{
    *replace = (struct replace){ .rows = rows, .source = source, .user = NAMES_MISSING };
    rows->is_all_or_none = true; /* U1 */
    holter_error err = { 0 };
    holter_batch_options options = { .exact = 1 };
    holter_status status = holter_batch_new(&replace->batch, rows->store, &options, &err);
    return status == HOLTER_OK ? note_define(replace) : say_error(&err);
}

void replace_release(struct replace *replace)
{
    holter_batch_free(replace->batch);
    replace->batch = NULL;
}

int replace_file_begin(struct replace *replace, const struct preset_reader *reader,
                       int64_t revision)
{
    replace->reader = reader;
    replace->revision = revision;
    replace->user = NAMES_MISSING;
    replace->sources_deleted = 0;
    import_rows_drop(replace->rows); /* names of the file before it */
    return newest_find(replace);
}

int replace_file_end(struct replace *replace, bool is_whole)
{
    if (replace_is_old(replace))
        return TOOL_OK;
    if (!is_whole) {
        import_rows_drop(replace->rows);
        return TOOL_OK;
    }
    int code = parts_commit(replace);
    if (code == TOOL_OK)
        code = note_write(replace);
    if (code == TOOL_OK)
        code = vanished_delete(replace);
    if (code == TOOL_OK)
        code = newest_find(replace);
    /* U3: one below the newest hides all that is older, and nothing of the newest, as revisions are
       whole seconds in milliseconds. */
    if (code == TOOL_OK && replace->newest > replace->revision)
        code = users_sweep(replace, NULL, 0, replace->newest - 1);
    return code;
}
