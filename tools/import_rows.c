/*
 * import_rows.c -- rows that were read and are not yet committed, and what became of all rows.
 */
#include "import_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xxhash.h>

enum { SOURCE_KEY_BYTES_MAX = sizeof(uint32_t) + HOLTER_SOURCE_NAME_BYTES_MAX };

int import_rows_init(struct import_rows *rows, holter_store *store, const char *region, bool exact,
                     import_refused_fn *refused, void *context)
{
    memset(rows, 0, sizeof *rows);
    rows->store = store;
    rows->region = region;
    rows->refused = refused;
    rows->context = context;
    import_rows_forget_person(rows);
    /* Not secret, only not the same each time. */
    uint64_t seed = (uint64_t)time(NULL) ^ (uint64_t)(uintptr_t)rows << 20;
    names_init(&rows->users, seed);
    names_init(&rows->sources, seed);
    rows->texts = malloc(IMPORT_TEXT_BYTES_MAX);
    rows->run = malloc(sizeof *rows->run);
    if (rows->texts == NULL || rows->run == NULL ||
        !import_rows_need_room(rows, IMPORT_ROWS_MAX, IMPORT_VALUES_MAX))
        return say_no_memory();
    holter_error err = { 0 };
    holter_batch_options options = { .exact = exact };
    holter_status status = holter_batch_new(&rows->batch, store, &options, &err);
    return status == HOLTER_OK ? TOOL_OK : say_error(&err);
}

void import_rows_release(struct import_rows *rows)
{
    holter_batch_free(rows->batch);
    names_release(&rows->users);
    names_release(&rows->sources);
    free(rows->rows);
    free(rows->values);
    free(rows->texts);
    free(rows->run);
    memset(rows, 0, sizeof *rows);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static bool room_grow(void **items, size_t *room, size_t count, size_t item_bytes)
{
    if (count <= *room)
        return true;
    size_t grown_room = count > 2 * *room ? count : 2 * *room;
    void *grown = realloc(*items, grown_room * item_bytes);
    if (grown == NULL)
        return false;
    *items = grown;
    *room = grown_room;
    return true;
}

bool import_rows_grow(struct import_rows *rows, size_t row_count, size_t value_count)
{
    void *items = rows->rows;
    void *values = rows->values;
    bool ok = room_grow(&items, &rows->row_room, rows->row_count + row_count, sizeof *rows->rows) &&
              room_grow(&values, &rows->value_room, rows->value_count + value_count,
                        sizeof *rows->values);
    rows->rows = items;
    rows->values = values;
    return ok;
}

static bool name_is(const struct name *name, size_t begin, struct csv_field text)
{
    return csv_field_is(text, name->bytes + begin, name->count - begin);
}

/* Rows of one user and source mostly follow each other. */
bool import_rows_person(struct import_rows *rows, struct csv_field id, struct csv_field source)
{
    if (rows->last_user < 0 || !name_is(&rows->users.items[rows->last_user], 0, id)) {
        rows->last_source = NAMES_MISSING;
        rows->last_user = names_need(&rows->users, id.bytes, id.count);
        if (rows->last_user < 0)
            return false;
    }
    uint32_t user = (uint32_t)rows->last_user;
    if (rows->last_source >= 0 &&
        name_is(&rows->sources.items[rows->last_source], sizeof user, source))
        return true;
    char key[SOURCE_KEY_BYTES_MAX];
    memcpy(key, &user, sizeof user);
    memcpy(key + sizeof user, source.bytes, source.count);
    rows->last_source = names_need(&rows->sources, key, sizeof user + source.count);
    return rows->last_source >= 0;
}

void import_rows_add(struct import_rows *rows, uint32_t file, uint64_t line,
                     const struct import_sample *sample)
{
    const holter_metric *metric = sample->metric;
    struct import_row *row = &rows->rows[rows->row_count++];
    *row = (struct import_row){ .user = (uint32_t)rows->last_user,
                                .source = (uint32_t)rows->last_source,
                                .metric = metric->number,
                                .first_value = (uint32_t)rows->value_count,
                                .file = file,
                                .flags = sample->flags,
                                .key_field = (int8_t)metric->key_field,
                                .kind = (uint8_t)metric->kind,
                                .field_count = (uint8_t)metric->field_count,
                                .rows_read = (uint32_t)(rows->counts.rows - rows->rows_before),
                                .empty_read = (uint32_t)(rows->counts.empty - rows->empty_before),
                                .line = line,
                                .time_ns = sample->time_ns,
                                .duration_ns = sample->duration_ns,
                                .revision = sample->revision };
    for (size_t f = 0; f < metric->field_count; f++) {
        holter_value *value = &rows->values[rows->value_count++];
        *value = sample->values[f];
        row->types[f] = (uint8_t)metric->fields[f].type;
        if (metric->fields[f].type != HOLTER_TEXT)
            continue;
        char *kept = rows->texts + rows->text_bytes;
        if (value->text.count > 0)
            memcpy(kept, value->text.bytes, value->text.count);
        value->text.bytes = kept;
        rows->text_bytes += value->text.count;
    }
}

static bool is_same_series(const struct import_row *a, const struct import_row *b)
{
    return a->user == b->user && a->source == b->source && a->metric == b->metric;
}

/* ---- commit --------------------------------------------------------------------------------- */

static holter_status no_memory(struct import_rows *rows)
{
    rows->err = (holter_error){ .status = HOLTER_NO_MEMORY, .message = "no memory left" };
    return HOLTER_NO_MEMORY;
}

/* Those that the store has. */
static holter_status users_find(struct import_rows *rows)
{
    for (size_t i = rows->users_known; i < rows->users.count; i++) {
        struct name *item = &rows->users.items[i];
        holter_status status =
            holter_user_find(rows->store, item->bytes, item->count, &item->number, &rows->err);
        if (status != HOLTER_OK && status != HOLTER_NOT_FOUND)
            return status;
        item->is_known = status == HOLTER_OK;
    }
    rows->users_known = rows->users.count;
    return HOLTER_OK;
}

static holter_status users_resolve(struct import_rows *rows)
{
    size_t count = rows->users.count - rows->users_known;
    if (count == 0)
        return HOLTER_OK;
    if (rows->adds_none)
        return users_find(rows);
    holter_status status = HOLTER_OK;
    struct name *items = rows->users.items + rows->users_known;
    holter_id *ids = malloc(count * sizeof *ids);
    uint64_t *numbers = malloc(count * sizeof *numbers);
    if (ids == NULL || numbers == NULL) {
        status = no_memory(rows);
        goto done;
    }
    for (size_t i = 0; i < count; i++)
        ids[i] = (holter_id){ items[i].bytes, items[i].count };
    status = holter_users_add(rows->store, ids, count, rows->region, numbers, &rows->err);
    if (status != HOLTER_OK)
        goto done;
    for (size_t i = 0; i < count; i++) {
        items[i].number = numbers[i];
        items[i].is_known = true;
    }
    rows->users_known = rows->users.count;
done:
    free(ids);
    free(numbers);
    return status;
}

/*
 * Those of the next ones that have one name together: a name is mostly that of all of a file's
 * rows. `users` and `numbers` have room for all that are left.
 */
static holter_status sources_resolve_one_name(struct import_rows *rows, uint64_t *users,
                                              uint32_t *numbers)
{
    struct name *items = rows->sources.items + rows->sources_known;
    const char *name = items[0].bytes + sizeof(uint32_t);
    size_t count = 0;
    for (; rows->sources_known + count < rows->sources.count; count++) {
        uint32_t user;
        memcpy(&user, items[count].bytes, sizeof user);
        if (strcmp(items[count].bytes + sizeof user, name) != 0)
            break;
        users[count] = rows->users.items[user].number;
    }
    holter_status status =
        holter_sources_need(rows->store, users, count, name, numbers, &rows->err);
    if (status != HOLTER_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        items[i].number = numbers[i];
        items[i].is_known = true;
    }
    rows->sources_known += count;
    return HOLTER_OK;
}

/* Those that the store has. */
static holter_status sources_find(struct import_rows *rows)
{
    for (size_t i = rows->sources_known; i < rows->sources.count; i++) {
        struct name *item = &rows->sources.items[i];
        uint32_t user, number;
        memcpy(&user, item->bytes, sizeof user);
        if (!rows->users.items[user].is_known)
            continue;
        holter_status status = holter_source_find(rows->store, rows->users.items[user].number,
                                                  item->bytes + sizeof user, &number, &rows->err);
        if (status != HOLTER_OK && status != HOLTER_NOT_FOUND)
            return status;
        item->is_known = status == HOLTER_OK;
        item->number = number;
    }
    rows->sources_known = rows->sources.count;
    return HOLTER_OK;
}

static holter_status sources_resolve(struct import_rows *rows)
{
    size_t left = rows->sources.count - rows->sources_known;
    if (left == 0)
        return HOLTER_OK;
    if (rows->adds_none)
        return sources_find(rows);
    holter_status status = HOLTER_OK;
    uint64_t *users = malloc(left * sizeof *users);
    uint32_t *numbers = malloc(left * sizeof *numbers);
    if (users == NULL || numbers == NULL) {
        status = no_memory(rows);
        goto done;
    }
    while (status == HOLTER_OK && rows->sources_known < rows->sources.count)
        status = sources_resolve_one_name(rows, users, numbers);
done:
    free(users);
    free(numbers);
    return status;
}

/* Into the batch. */
static holter_status row_fill(struct import_rows *rows, struct import_row *row)
{
    const struct name *user = &rows->users.items[row->user];
    const struct name *source = &rows->sources.items[row->source];
    holter_row written = {
        .user = user->number,
        .metric = row->metric,
        .source = (uint32_t)source->number,
        .time_ns = row->time_ns,
        .duration_ns = row->duration_ns,
        .values = rows->values + row->first_value,
        .value_count = row->field_count,
        .flags = row->flags,
        .revision = row->revision,
    };
    row->batch_index = SIZE_MAX;
    if (user->is_known && source->is_known)
        return holter_batch_add(rows->batch, &written, &row->batch_index, &rows->err);
    rows->err.status = HOLTER_NOT_FOUND;
    snprintf(rows->err.message, sizeof rows->err.message,
             "found a %s that the store does not have, expected one that it has",
             user->is_known ? "source" : "user");
    return HOLTER_NOT_FOUND;
}

/* From row `first` on those of one series without texts, in columns. */
static size_t run_gather(holter_columns *out, const struct import_rows *rows, size_t first)
{
    const struct import_row *one = &rows->rows[first];
    struct import_run *run = rows->run;
    *out = (holter_columns){ .metric = one->metric,
                             .kind = (holter_kind)one->kind,
                             .time_ns = run->time_ns,
                             .field_count = one->field_count,
                             .flags = run->flags,
                             .revision = run->revision };
    if (one->kind == HOLTER_INTERVAL)
        out->duration_ns = run->duration_ns;
    for (size_t f = 0; f < one->field_count; f++) {
        out->types[f] = (holter_type)one->types[f];
        if (out->types[f] == HOLTER_TEXT)
            return 0;
        if (out->types[f] == HOLTER_FLOAT)
            out->fields[f].real = run->fields[f].real;
        else
            out->fields[f].integer = run->fields[f].integer;
    }
    size_t left = rows->row_count - first;
    size_t count_max = left < IMPORT_RUN_ROWS_MAX ? left : IMPORT_RUN_ROWS_MAX;
    size_t i = 0;
    for (const struct import_row *row = one; i < count_max; i++, row++) {
        if (!is_same_series(row, one))
            break;
        run->time_ns[i] = row->time_ns;
        run->duration_ns[i] = row->duration_ns;
        run->revision[i] = row->revision;
        run->flags[i] = row->flags;
        const holter_value *values = rows->values + row->first_value;
        for (size_t f = 0; f < one->field_count; f++)
            memcpy(&run->fields[f].integer[i], &values[f], sizeof run->fields[f].integer[i]);
    }
    return out->count = i;
}

/*
 * Rows behind one that the batch took, as far as they are of its series: columns take a fraction of the time.
 * Returns how many it took, none where one of them is not to be had: those before *each_before come one by one then.
 */
static size_t run_fill(struct import_rows *rows, size_t first, size_t *each_before)
{
    const struct import_row *before = &rows->rows[first - 1];
    holter_columns run;
    if (first < *each_before || first == rows->row_count ||
        !is_same_series(before, &rows->rows[first]) || run_gather(&run, rows, first) == 0)
        return 0;
    size_t index;
    run.user = rows->users.items[before->user].number;
    run.source = (uint32_t)rows->sources.items[before->source].number;
    if (holter_batch_add_columns(rows->batch, &run, &index, NULL) != HOLTER_OK) {
        *each_before = first + run.count;
        return 0;
    }
    for (size_t i = 0; i < run.count; i++)
        rows->rows[first + i].batch_index = index + i;
    return run.count;
}

/* As many rows as `refused` lets; *count is how many were looked at. */
static holter_status batch_fill(struct import_rows *rows, size_t *count)
{
    holter_status status = HOLTER_OK;
    size_t i = 0, each_before = 0;
    for (; i < rows->row_count; i++) {
        struct import_row *row = &rows->rows[i];
        status = row_fill(rows, row);
        if (status == HOLTER_OK) {
            i += run_fill(rows, i + 1, &each_before);
            continue;
        }
        row->batch_index = SIZE_MAX;
        if (status != HOLTER_INVALID && status != HOLTER_NOT_FOUND && status != HOLTER_EXPIRED)
            break;
        rows->counts.refused++;
        if (!rows->refused(rows->context, row, rows->err.message)) {
            /* Those after it were not looked at. */
            rows->counts.samples -= rows->row_count - i - 1;
            rows->counts.rows = rows->rows_before + row->rows_read;
            rows->counts.empty = rows->empty_before + row->empty_read;
            rows->err.message[0] = '\0';
            *count = i;
            return status;
        }
        status = HOLTER_OK;
    }
    rows->counts.not_stored += rows->row_count - i;
    *count = i;
    return status;
}

static size_t pending_count(const struct import_rows *rows, size_t count)
{
    size_t pending = 0;
    for (size_t i = 0; i < count; i++)
        pending +=
            rows->rows[i].batch_index != SIZE_MAX &&
            holter_batch_answer(rows->batch, rows->rows[i].batch_index).answer == HOLTER_PENDING;
    return pending;
}

/* Where memory ends with a part of the users stored, the rest fits the next time. */
static holter_status batch_commit(struct import_rows *rows, size_t count)
{
    size_t pending = SIZE_MAX;
    for (;;) {
        holter_status status = holter_commit(rows->store, rows->batch, &rows->err);
        if (status != HOLTER_NO_MEMORY)
            return status;
        size_t left = pending_count(rows, count);
        if (left == 0 || left >= pending)
            return status;
        pending = left;
    }
}

static bool is_same_identity(const struct import_rows *rows, const struct import_row *a,
                             const struct import_row *b)
{
    if (!is_same_series(a, b) || a->time_ns != b->time_ns)
        return false;
    if (a->key_field < 0)
        return true;
    const holter_value *key_a = &rows->values[a->first_value + (uint32_t)a->key_field];
    const holter_value *key_b = &rows->values[b->first_value + (uint32_t)b->key_field];
    if (a->types[a->key_field] != HOLTER_TEXT)
        return key_a->integer == key_b->integer;
    return key_a->text.count == key_b->text.count &&
           memcmp(key_a->text.bytes, key_b->text.bytes, key_a->text.count) == 0;
}

static uint64_t identity_hash(const struct import_rows *rows, const struct import_row *row)
{
    uint64_t parts[] = { (uint64_t)row->user << 32 | row->source, row->metric,
                         (uint64_t)row->time_ns, 0 };
    if (row->key_field >= 0) {
        const holter_value *key = &rows->values[row->first_value + (uint32_t)row->key_field];
        parts[3] = row->types[row->key_field] == HOLTER_TEXT
                       ? XXH3_64bits(key->text.bytes, key->text.count)
                       : (uint64_t)key->integer;
    }
    return XXH3_64bits(parts, sizeof parts);
}

/*
 * A superseded row yields to a later row of this import, which corrects it, or to a revision that
 * stands already. The batch does not tell which, so look for a later row of the same identity.
 * There are few of these, mostly none.
 */
static holter_status superseded_count(struct import_rows *rows, size_t count)
{
    size_t slot_count = 1;
    while (slot_count < count * 2)
        slot_count *= 2;
    uint32_t *slots =
        calloc(slot_count,
               sizeof *slots); /* index + 1 of the row with the greatest revision so far */
    if (slots == NULL)
        return no_memory(rows);
    for (size_t i = count; i-- > 0;) {
        struct import_row *row = &rows->rows[i];
        if (row->batch_index == SIZE_MAX)
            continue;
        size_t slot = (size_t)identity_hash(rows, row) & (slot_count - 1);
        while (slots[slot] != 0 && !is_same_identity(rows, &rows->rows[slots[slot] - 1], row))
            slot = (slot + 1) & (slot_count - 1);
        bool yields = slots[slot] != 0 && rows->rows[slots[slot] - 1].revision >= row->revision;
        if (holter_batch_answer(rows->batch, row->batch_index).answer == HOLTER_SUPERSEDED) {
            if (yields)
                rows->counts.corrected++;
            else
                rows->counts.superseded++;
        }
        if (!yields)
            slots[slot] = (uint32_t)i + 1;
    }
    free(slots);
    return HOLTER_OK;
}

static void answer_count(struct import_counts *counts, holter_row_answer answer,
                         uint64_t *superseded)
{
    if (answer.answer != HOLTER_PENDING &&
        (answer.flags & (HOLTER_OUT_OF_RANGE | HOLTER_NON_FINITE)) != 0)
        counts->flagged++;
    switch (answer.answer) {
    case HOLTER_PENDING:
        counts->not_stored++;
        break;
    case HOLTER_ACCEPTED:
    case HOLTER_NEW:
        counts->fresh++;
        break;
    case HOLTER_DUPLICATE:
        counts->duplicate++;
        break;
    case HOLTER_CORRECTED:
        counts->corrected++;
        break;
    case HOLTER_SUPERSEDED:
        ++*superseded;
        break;
    }
}

/* Of the first `count` rows what became of them, of those after these that they are not stored. */
static holter_status answers_count(struct import_rows *rows, size_t count)
{
    uint64_t superseded = 0;
    for (size_t i = 0; i < rows->row_count; i++) {
        const struct import_row *row = &rows->rows[i];
        if (i < count && row->batch_index == SIZE_MAX)
            continue; /* refused */
        holter_row_answer answer = { HOLTER_PENDING, 0 };
        if (i < count) {
            answer = holter_batch_answer(rows->batch, row->batch_index);
            answer_count(&rows->counts, answer, &superseded);
        }
        if (rows->answered != NULL)
            rows->answered(rows->context, row, answer);
    }
    return superseded > 0 ? superseded_count(rows, count) : HOLTER_OK;
}

static void names_forget(struct import_rows *rows)
{
    names_clear(&rows->users);
    names_clear(&rows->sources);
    rows->users_known = rows->sources_known = 0;
    rows->last_user = rows->last_source = NAMES_MISSING;
}

static void rows_forget(struct import_rows *rows)
{
    rows->rows_before = rows->counts.rows;
    rows->empty_before = rows->counts.empty;
    rows->row_count = 0;
    rows->value_count = 0;
    rows->text_bytes = 0;
    if (rows->users.bytes + rows->sources.bytes > IMPORT_NAMES_BYTES_MAX)
        names_forget(rows);
}

void import_rows_drop(struct import_rows *rows)
{
    rows->counts.not_stored += rows->row_count;
    rows_forget(rows);
    names_forget(rows);
    holter_batch_clear(rows->batch);
}

holter_status import_rows_resolve(struct import_rows *rows)
{
    holter_status status = users_resolve(rows);
    return status == HOLTER_OK ? sources_resolve(rows) : status;
}

holter_status import_rows_store(struct import_rows *rows)
{
    size_t count = 0;
    holter_status status = import_rows_resolve(rows);
    if (status == HOLTER_OK) {
        holter_status filled = batch_fill(rows, &count);
        if (filled == HOLTER_OK || !rows->is_all_or_none) {
            holter_error why = rows->err;
            status = batch_commit(rows, count);
            if (status == HOLTER_OK)
                rows->err = why;
        }
        holter_status counted = answers_count(rows, count);
        if (status == HOLTER_OK)
            status = filled != HOLTER_OK ? filled : counted;
    } else {
        rows->counts.not_stored += rows->row_count;
        answers_count(rows, 0);
    }
    holter_batch_clear(rows->batch);
    rows_forget(rows);
    if (rows->adds_none || status == HOLTER_EXPIRED)
        names_forget(rows); /* what is not there now may be there the next time, and the reverse */
    return status;
}

int import_rows_say(const struct import_rows *rows, holter_status status)
{
    if (status == HOLTER_OK)
        return TOOL_OK;
    return rows->err.message[0] != '\0' ? say_error(&rows->err) : TOOL_FAILED;
}

int import_rows_commit(struct import_rows *rows)
{
    return import_rows_say(rows, import_rows_store(rows));
}
