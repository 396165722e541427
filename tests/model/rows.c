/*
 * rows.c -- the rows of the model tests.
 *
 * An answer's row: metric u32, source u32, time i64, revision i64, payload bytes u32, payload. A
 * payload: duration i64, flags u16, then each value: eight bytes, or a text's length u32 and its
 * bytes.
 */
#include "rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rows_metric metrics[] = {
    { .name = "heart_rate",
      .kind = HOLTER_INSTANT,
      .field_count = 1,
      .types = { HOLTER_INT },
      .key_field = -1,
      .has_range = { true },
      .min = { 20 },
      .max = { 300 } },
    { .name = "blood_pressure",
      .kind = HOLTER_INSTANT,
      .field_count = 2,
      .types = { HOLTER_INT, HOLTER_INT },
      .key_field = -1,
      .has_range = { true, true },
      .min = { 40, 20 },
      .max = { 300, 200 } },
    { .name = "acceleration",
      .kind = HOLTER_INSTANT,
      .field_count = 3,
      .types = { HOLTER_FLOAT, HOLTER_FLOAT, HOLTER_FLOAT },
      .key_field = -1,
      .has_range = { true, true, true },
      .min = { -400, -400, -400 },
      .max = { 400, 400, 400 } },
    { .name = "steps",
      .kind = HOLTER_INTERVAL,
      .field_count = 1,
      .types = { HOLTER_INT },
      .key_field = -1,
      .has_range = { true },
      .min = { 0 },
      .max = { 200000 } },
    { .name = "sleep_stage",
      .kind = HOLTER_INTERVAL,
      .field_count = 1,
      .types = { HOLTER_ENUM },
      .key_field = -1 },
    { .name = "distance",
      .kind = HOLTER_INTERVAL,
      .field_count = 1,
      .types = { HOLTER_FLOAT },
      .key_field = -1,
      .has_range = { true },
      .min = { 0 },
      .max = { 1e6 } },
    { .name = "medication_dose",
      .kind = HOLTER_INSTANT,
      .field_count = 2,
      .types = { HOLTER_TEXT, HOLTER_FLOAT },
      .key_field = 0,
      .has_range = { false, true },
      .min = { 0, 0 },
      .max = { 0, 1e6 } },
    { .name = "workout",
      .kind = HOLTER_INTERVAL,
      .field_count = 2,
      .types = { HOLTER_ENUM, HOLTER_TEXT },
      .key_field = 1 },
    { .name = "model_slot",
      .kind = HOLTER_INSTANT,
      .field_count = 3,
      .types = { HOLTER_FLOAT, HOLTER_INT, HOLTER_TEXT },
      .key_field = 1,
      .is_own = true },
    { .name = "note",
      .kind = HOLTER_INSTANT,
      .field_count = 1,
      .types = { HOLTER_TEXT },
      .key_field = -1 },
    { .name = "model_event",
      .kind = HOLTER_INTERVAL,
      .field_count = 3,
      .types = { HOLTER_TEXT, HOLTER_INT, HOLTER_TEXT },
      .key_field = -1,
      .is_own = true },
};

size_t rows_metric_count(void)
{
    return CORE_COUNT(metrics);
}

const struct rows_metric *rows_metric_at(size_t index)
{
    return &metrics[index];
}

/* ---- preparing a store ----------------------------------------------------------------------- */

static holter_status find_metric(uint32_t *number, holter_store *store,
                                 const struct rows_metric *metric, holter_error *err)
{
    static const char *const names[ROWS_FIELDS_MAX] = { "one", "two", "three" };
    holter_metric of;
    if (!metric->is_own) {
        holter_status status = holter_metric_find(store, metric->name, &of, err);
        if (status == HOLTER_OK)
            *number = of.number;
        return status;
    }
    of = (holter_metric){ .name = metric->name,
                          .unit = "1",
                          .kind = metric->kind,
                          .field_count = metric->field_count,
                          .key_field = metric->key_field,
                          .aggregation = HOLTER_LAST,
                          .tier_class = HOLTER_RECORDS };
    for (size_t f = 0; f < metric->field_count; f++)
        of.fields[f] = (holter_field){ .name = names[f], .type = metric->types[f] };
    return holter_metric_define(store, &of, number, err);
}

holter_status rows_prepare(struct rows_world *out, holter_store *store, size_t user_count,
                           uint32_t source_count, holter_error *err)
{
    char names[ROWS_USERS_MAX][32];
    holter_id ids[ROWS_USERS_MAX];
    holter_status status = HOLTER_OK;
    *out = (struct rows_world){ .user_count = user_count, .source_count = source_count };
    for (size_t i = 0; status == HOLTER_OK && i < CORE_COUNT(metrics); i++)
        status = find_metric(&out->metrics[i], store, &metrics[i], err);
    for (size_t i = 0; i < user_count; i++) {
        snprintf(names[i], sizeof names[i], "person-%zu", i);
        ids[i] = (holter_id){ .bytes = names[i], .count = strlen(names[i]) };
    }
    if (status == HOLTER_OK)
        status = holter_users_add(store, ids, user_count, NULL, out->users, err);
    for (size_t i = 0; i < user_count; i++) {
        for (uint32_t s = 1; status == HOLTER_OK && s <= source_count; s++) {
            char name[16];
            uint32_t number;
            snprintf(name, sizeof name, "source-%u", s);
            status = holter_source_need(store, out->users[i], name, &number, err);
            if (status == HOLTER_OK && number != s)
                status = error_set(err, HOLTER_INVALID, "found source %u, expected %u", number, s);
        }
    }
    return status;
}

/* ---- values of words ------------------------------------------------------------------------- */

/*
 * Texts of few lengths and letters; a word from 1,000,000 on makes one of that many bytes less a
 * million.
 */
static size_t text_of(char *out, int64_t word)
{
    uint64_t bytes = (uint64_t)word % 7 * 5;
    if (word >= 1000000)
        bytes = (uint64_t)word - 1000000;
    if (bytes > ROWS_TEXT_MAX)
        bytes = ROWS_TEXT_MAX;
    for (size_t i = 0; i < bytes; i++)
        out[i] = (char)('a' + ((uint64_t)word + i * i) % 26);
    return (size_t)bytes;
}

/* Halves, which are exact; a few words stand for what is hard. */
static double real_of(int64_t word)
{
    switch (word) {
    case 7001:
        return (double)NAN;
    case 7002:
        return (double)INFINITY;
    case 7003:
        return -(double)INFINITY;
    case 7004:
        return -0.0;
    case 7005:
        return 0.1;
    case 7006:
        return 5e-324;
    default:
        return (double)word / 2;
    }
}

static holter_value value_of(holter_type type, int64_t word, char *text)
{
    holter_value value = { .integer = word };
    if (type == HOLTER_FLOAT)
        value.real = real_of(word);
    if (type == HOLTER_ENUM)
        value.integer = (int64_t)((uint64_t)word % 10);
    if (type == HOLTER_TEXT) {
        value.text.bytes = text;
        value.text.count = text_of(text, word);
    }
    return value;
}

uint16_t rows_flags(const struct rows_row *row)
{
    const struct rows_metric *metric = &metrics[row->metric];
    uint16_t flags = row->flags;
    for (size_t f = 0; f < metric->field_count; f++) {
        double value = (double)row->words[f];
        if (metric->types[f] == HOLTER_FLOAT)
            value = real_of(row->words[f]);
        if (metric->types[f] == HOLTER_FLOAT && !isfinite(value))
            flags |= HOLTER_NON_FINITE;
        else if (metric->has_range[f] && (value < metric->min[f] || value > metric->max[f]))
            flags |= HOLTER_OUT_OF_RANGE;
    }
    return flags;
}

static char *texts(void)
{
    static char memory[ROWS_FIELDS_MAX][ROWS_TEXT_MAX];
    return memory[0];
}

holter_status rows_add(holter_batch *batch, const struct rows_world *world,
                       const struct rows_row *row, size_t *index, holter_error *err)
{
    const struct rows_metric *metric = &metrics[row->metric];
    holter_value values[ROWS_FIELDS_MAX];
    for (size_t f = 0; f < metric->field_count; f++)
        values[f] = value_of(metric->types[f], row->words[f], texts() + f * ROWS_TEXT_MAX);
    holter_row one = { .user = world->users[row->user],
                       .metric = world->metrics[row->metric],
                       .source = row->source,
                       .time_ns = row->time,
                       .duration_ns = row->duration,
                       .values = values,
                       .value_count = metric->field_count,
                       .flags = row->flags,
                       .revision = row->revision };
    return holter_batch_add(batch, &one, index, err);
}

void rows_payload(struct buffer *out, const struct rows_row *row)
{
    const struct rows_metric *metric = &metrics[row->metric];
    buffer_append_i64(out, row->duration);
    buffer_append_u16(out, rows_flags(row));
    for (size_t f = 0; f < metric->field_count; f++) {
        holter_value value = value_of(metric->types[f], row->words[f], texts());
        if (metric->types[f] == HOLTER_TEXT) {
            buffer_append_u32(out, (uint32_t)value.text.count);
            buffer_append(out, value.text.bytes, value.text.count);
        } else {
            buffer_append_i64(out, value.integer);
        }
    }
}

/* ---- the oracle ------------------------------------------------------------------------------ */

static void identity_of(struct oracle_row *out, const struct rows_world *world,
                        const struct rows_row *row)
{
    const struct rows_metric *metric = &metrics[row->metric];
    *out = (struct oracle_row){ .user = world->users[row->user],
                                .metric = world->metrics[row->metric],
                                .source = row->source,
                                .time = row->time,
                                .duration = row->duration,
                                .revision = row->revision,
                                .flags = rows_flags(row) };
    if (metric->key_field < 0)
        return;
    size_t key = (size_t)metric->key_field;
    holter_value value = value_of(metric->types[key], row->words[key], texts());
    if (metric->types[key] == HOLTER_TEXT) {
        out->text_key = value.text.bytes;
        out->text_key_bytes = value.text.count;
    } else {
        out->key = value.integer;
    }
}

void rows_tell(struct oracle *oracle, const struct rows_world *world, const struct rows_row *row,
               uint64_t sequence)
{
    struct buffer payload;
    struct oracle_row told;
    buffer_init(&payload);
    rows_payload(&payload, row);
    identity_of(&told, world, row);
    told.sequence = sequence;
    told.payload = payload.data;
    told.payload_bytes = payload.bytes;
    oracle_add_row(oracle, &told);
    buffer_release(&payload);
}

const struct oracle_row *rows_standing(struct oracle *oracle, const struct rows_world *world,
                                       const struct rows_row *row)
{
    struct oracle_row identity;
    size_t count;
    identity_of(&identity, world, row);
    const struct oracle_row *const *found =
        oracle_ask(oracle, identity.user, identity.metric, identity.source, identity.time,
                   identity.time + 1, INT64_MAX, &count);
    for (size_t i = 0; i < count; i++) {
        bool is_equal =
            found[i]->key == identity.key && found[i]->text_key_bytes == identity.text_key_bytes &&
            (identity.text_key_bytes == 0 ||
             memcmp(found[i]->text_key, identity.text_key, identity.text_key_bytes) == 0);
        if (is_equal)
            return found[i];
    }
    return NULL;
}

bool rows_is_same_identity(const struct rows_row *a, const struct rows_row *b)
{
    if (a->user != b->user || a->metric != b->metric || a->source != b->source ||
        a->time != b->time)
        return false;
    const struct rows_metric *metric = &metrics[a->metric];
    if (metric->key_field < 0)
        return true;
    size_t key = (size_t)metric->key_field;
    if (metric->types[key] != HOLTER_TEXT)
        return a->words[key] == b->words[key];
    size_t bytes = text_of(texts(), a->words[key]);
    return bytes == text_of(texts() + ROWS_TEXT_MAX, b->words[key]) &&
           memcmp(texts(), texts() + ROWS_TEXT_MAX, bytes) == 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void append_expected(struct buffer *out, const struct oracle_row *row)
{
    buffer_append_u32(out, row->metric);
    buffer_append_u32(out, row->source);
    buffer_append_i64(out, row->time);
    buffer_append_i64(out, row->revision);
    buffer_append_u32(out, (uint32_t)row->payload_bytes);
    buffer_append(out, row->payload, row->payload_bytes);
}

/* Indexes of the metrics by rising number; which are those that a spec asks for. */
static size_t metrics_of(size_t out[ROWS_METRICS_MAX], const struct rows_world *world,
                         uint32_t metric)
{
    size_t count = 0;
    for (size_t i = 0; i < CORE_COUNT(metrics); i++) {
        if (metric != 0 && world->metrics[i] != metric)
            continue;
        size_t at = count++;
        for (; at > 0 && world->metrics[out[at - 1]] > world->metrics[i]; at--)
            out[at] = out[at - 1];
        out[at] = i;
    }
    return count;
}

void rows_expect(struct buffer *out, struct oracle *oracle, const struct rows_world *world,
                 const holter_scan_spec *spec)
{
    size_t asked[ROWS_METRICS_MAX];
    size_t metric_count = metrics_of(asked, world, spec->metric);
    bool is_all = spec->from_ns == 0 && spec->to_ns == 0;
    int64_t from = is_all ? INT64_MIN : spec->from_ns;
    int64_t to = is_all ? INT64_MAX : spec->to_ns;
    for (size_t m = 0; m < metric_count; m++) {
        for (uint32_t source = 1; source <= world->source_count; source++) {
            size_t count;
            if (spec->source != 0 && spec->source != source)
                continue;
            const struct oracle_row *const *rows =
                oracle_ask(oracle, spec->user, world->metrics[asked[m]], source, from, to,
                           spec->overlapping ? from : INT64_MAX, &count);
            for (size_t i = 0; i < count; i++)
                append_expected(out, rows[i]);
        }
    }
}

void rows_expect_latest(struct buffer *out, struct oracle *oracle, const struct rows_world *world,
                        uint64_t user, uint32_t metric, uint32_t source)
{
    struct buffer best;
    int64_t best_time = INT64_MIN;
    buffer_init(&best);
    for (uint32_t s = 1; s <= world->source_count; s++) {
        size_t count;
        if (source != 0 && source != s)
            continue;
        const struct oracle_row *const *rows =
            oracle_ask(oracle, user, metric, s, INT64_MIN, INT64_MAX, INT64_MAX, &count);
        if (count == 0 || rows[count - 1]->time < best_time)
            continue;
        best_time = rows[count - 1]->time;
        buffer_clear(&best);
        append_expected(&best, rows[count - 1]);
    }
    buffer_append(out, best.data, best.bytes);
    buffer_release(&best);
}

static void append_value(struct buffer *out, const holter_columns *columns, size_t field,
                         size_t row)
{
    int64_t bits;
    switch (columns->types[field]) {
    case HOLTER_TEXT:
        buffer_append_u32(out, (uint32_t)columns->fields[field].text[row].count);
        buffer_append(out, columns->fields[field].text[row].bytes,
                      columns->fields[field].text[row].count);
        break;
    case HOLTER_FLOAT:
        memcpy(&bits, &columns->fields[field].real[row], sizeof bits);
        buffer_append_i64(out, bits);
        break;
    default:
        buffer_append_i64(out, columns->fields[field].integer[row]);
        break;
    }
}

static void append_found(struct buffer *out, const holter_columns *columns, size_t row)
{
    buffer_append_u32(out, columns->metric);
    buffer_append_u32(out, columns->source);
    buffer_append_i64(out, columns->time_ns[row]);
    buffer_append_i64(out, columns->revision[row]);
    size_t at = out->bytes;
    buffer_append_u32(out, 0); /* how long the payload is, written when that is known */
    buffer_append_i64(out, columns->duration_ns == NULL ? 0 : columns->duration_ns[row]);
    buffer_append_u16(out, columns->flags[row]);
    for (size_t f = 0; f < columns->field_count; f++)
        append_value(out, columns, f, row);
    if (out->failed)
        return;
    struct writer w = writer_over(out->data + at, 4);
    put_u32(&w, (uint32_t)(out->bytes - at - 4));
}

holter_status rows_step(struct buffer *out, holter_cursor *cursor, holter_error *err)
{
    holter_columns columns;
    holter_status status = holter_cursor_next(cursor, &columns, err);
    if (status != HOLTER_OK)
        return status;
    bool is_interval = columns.kind == HOLTER_INTERVAL;
    if (columns.count == 0 || columns.count > 4096 || is_interval != (columns.duration_ns != NULL))
        return error_set(err, HOLTER_INVALID, "found %zu rows at once of kind %d", columns.count,
                         (int)columns.kind);
    for (size_t i = 0; i < columns.count; i++)
        append_found(out, &columns, i);
    return HOLTER_OK;
}

holter_status rows_drain(struct buffer *out, holter_cursor *cursor, holter_error *err)
{
    holter_status status = HOLTER_OK;
    while (status == HOLTER_OK)
        status = rows_step(out, cursor, err);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

holter_status rows_scan(struct buffer *out, holter_snapshot *snapshot, const holter_scan_spec *spec,
                        holter_error *err)
{
    holter_cursor *cursor;
    holter_status status = holter_scan(&cursor, snapshot, spec, err);
    if (status != HOLTER_OK)
        return status;
    status = rows_drain(out, cursor, err);
    holter_cursor_close(cursor);
    return status;
}

holter_status rows_scan_all(struct buffer *out, holter_snapshot *snapshot,
                            const struct rows_world *world, holter_error *err)
{
    holter_status status = HOLTER_OK;
    for (size_t i = 0; status == HOLTER_OK && i < world->user_count; i++) {
        holter_scan_spec spec = { .user = world->users[i] };
        status = rows_scan(out, snapshot, &spec, err);
    }
    return status;
}

void rows_expect_all(struct buffer *out, struct oracle *oracle, const struct rows_world *world)
{
    for (size_t i = 0; i < world->user_count; i++) {
        holter_scan_spec spec = { .user = world->users[i] };
        rows_expect(out, oracle, world, &spec);
    }
}

/* ---- telling answers apart ------------------------------------------------------------------- */

struct answer_row {
    uint32_t metric, source;
    int64_t time, revision;
    const uint8_t *payload;
    uint32_t payload_bytes;
};

static bool next_row(struct answer_row *out, struct reader *r)
{
    if (r->left == 0)
        return false;
    out->metric = get_u32(r);
    out->source = get_u32(r);
    out->time = get_i64(r);
    out->revision = get_i64(r);
    out->payload_bytes = get_u32(r);
    out->payload = get_bytes(r, out->payload_bytes);
    return !r->overrun;
}

size_t rows_count(const struct buffer *answer)
{
    struct reader r = reader_over(answer->data, answer->bytes);
    struct answer_row row;
    size_t count = 0;
    while (next_row(&row, &r))
        count++;
    return count;
}

static void print_row(const char *who, bool is_there, const struct answer_row *row)
{
    if (!is_there) {
        fprintf(stderr, "  %s: no further row\n", who);
        return;
    }
    fprintf(stderr, "  %s: metric %u source %u time %" PRId64 " revision %" PRId64 " payload ", who,
            row->metric, row->source, row->time, row->revision);
    for (size_t i = 0; i < row->payload_bytes && i < 64; i++)
        fprintf(stderr, "%02x", row->payload[i]);
    fprintf(stderr, "\n");
}

void rows_explain(const struct buffer *expected, const struct buffer *found)
{
    struct reader e = reader_over(expected->data, expected->bytes);
    struct reader f = reader_over(found->data, found->bytes);
    fprintf(stderr, "answers differ: expected %zu rows, found %zu\n", rows_count(expected),
            rows_count(found));
    for (size_t i = 0;; i++) {
        struct answer_row left = { 0 };
        struct answer_row right = { 0 };
        bool has_left = next_row(&left, &e);
        bool has_right = next_row(&right, &f);
        if (!has_left && !has_right)
            return;
        bool is_equal = has_left && has_right && left.metric == right.metric &&
                        left.source == right.source && left.time == right.time &&
                        left.revision == right.revision &&
                        left.payload_bytes == right.payload_bytes &&
                        memcmp(left.payload, right.payload, left.payload_bytes) == 0;
        if (is_equal)
            continue;
        fprintf(stderr, " row %zu:\n", i);
        print_row("expected", has_left, &left);
        print_row("found   ", has_right, &right);
        return;
    }
}
