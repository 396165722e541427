/*
 * test_codec_own.c -- a series' own models, learned, stored and used.
 *
 * Claim: rows whose device no built-in model knows take clearly fewer bytes by models learned from
 * them, and come back bit by bit with these models, without them never; whatever the bytes of models
 * are, they are refused or are models; nothing is learned where nothing is gained. Method: a seeded device
 * for each kind of rows that are coded, blocks coded before and after learning; every cut, flip and
 * broken rule in what is stored; every allocation failing.
 */
#include "alloc_fail.h"
#include "codec/codec_cold.h"
#include "random.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>

enum { SECOND = 1000000000, BLOCKS = 3, ROWS = CODEC_BLOCK_ROWS_MAX };

/* ---- devices --------------------------------------------------------------------------------- */

enum device {
    DEVICE_HEART_RATE, /* gaps of 11 and 13 seconds, even changes: pairs */
    DEVICE_WAVE,       /* residuals that are multiples of nothing, but never 1 or -1 */
    DEVICE_FLOAT,      /* the same as decimals */
    DEVICE_STEPS,      /* mostly 0, else 40 to 47 */
    DEVICES
};

static void fill(struct columns *c, struct random *random, enum device device)
{
    static const int64_t residuals[] = { -7, -5, -4, -2, 0, 0, 0, 2, 4, 5, 7 };
    struct schema schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    if (device == DEVICE_FLOAT)
        schema.types[0] = FIELD_FLOAT;
    struct row row = { .time = 1700000000 * (int64_t)SECOND };
    int64_t value = 70;
    columns_init(c, &schema);
    for (size_t i = 0; i < (size_t)BLOCKS * ROWS; i++) {
        bool is_rare = random_below(random, 300) == 0;
        int64_t gap = device == DEVICE_HEART_RATE ? 11 + 2 * (int64_t)random_below(random, 2) : 60;
        row.time += (is_rare && device == DEVICE_HEART_RATE ? 5000 : gap) * SECOND;
        if (device == DEVICE_HEART_RATE)
            value += 2 * ((int64_t)random_below(random, 5) - 2);
        else if (device == DEVICE_STEPS)
            value = random_below(random, 4) > 0 ? 0 : 40 + (int64_t)random_below(random, 8);
        else
            value += residuals[random_below(random, CORE_COUNT(residuals))];
        row.field[0] = value + (is_rare ? 1000 : 0);
        if (device == DEVICE_FLOAT) {
            double decimal = (double)row.field[0] / 10;
            memcpy(&row.field[0], &decimal, sizeof decimal);
        }
        CHECK(columns_append(c, &row));
    }
}

/* A device's rows in blocks, by built-in models and by those that were learned meanwhile. */
struct learned {
    struct columns c;
    struct codec_scratch *scratch;
    struct codec_models *models, *reading; /* to encode and to decode with */
    struct buffer stored;
    struct buffer before[BLOCKS], after[BLOCKS];
    size_t bytes_before, bytes_after;
};

static void learn(struct learned *l, enum device device)
{
    struct random random = { (uint64_t)device };
    *l = (struct learned){ 0 };
    l->scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(l->scratch);
    fill(&l->c, &random, device);
    buffer_init(&l->stored);
    codec_scratch_learn(l->scratch);
    for (size_t b = 0; b < BLOCKS; b++) {
        buffer_init(&l->before[b]);
        codec_block_encode(&l->before[b], &l->c, b * ROWS, ROWS, false, l->scratch);
        l->bytes_before += l->before[b].bytes;
    }
    ck_assert_int_eq(codec_models_learn(&l->models, l->scratch, 0), HOLTER_OK);
    ck_assert_uint_gt(codec_models_bytes(l->models), 0);
    codec_models_encode(&l->stored, l->models);
    ck_assert_int_eq(codec_models_decode(&l->reading, l->stored.data, l->stored.bytes), HOLTER_OK);
    codec_scratch_use(l->scratch, l->models);
    for (size_t b = 0; b < BLOCKS; b++) {
        buffer_init(&l->after[b]);
        codec_block_encode(&l->after[b], &l->c, b * ROWS, ROWS, false, l->scratch);
        CHECK(!l->after[b].failed);
        l->bytes_after += l->after[b].bytes;
    }
}

static void release(struct learned *l)
{
    for (size_t b = 0; b < BLOCKS; b++) {
        buffer_release(&l->before[b]);
        buffer_release(&l->after[b]);
    }
    codec_models_free(l->models);
    codec_models_free(l->reading);
    buffer_release(&l->stored);
    codec_scratch_free(l->scratch);
    columns_release(&l->c);
}

static bool rows_are(const struct columns *back, const struct columns *c, size_t first)
{
    return back->count == ROWS &&
           memcmp(back->time, c->time + first, ROWS * sizeof *c->time) == 0 &&
           memcmp(back->field[0], c->field[0] + first, ROWS * sizeof *c->time) == 0;
}

/* The block as rows, with these models. */
static holter_status block_decode(const struct learned *l, const struct buffer *bytes, size_t b,
                                  const struct codec_models *models)
{
    struct columns back;
    columns_init(&back, &l->c.schema);
    struct reader r = reader_over(bytes->data, bytes->bytes);
    holter_status status =
        codec_block_decode(&back, &r, ROWS, l->c.time[b * ROWS], false, 0, 0, models);
    CHECK(status != HOLTER_OK || (reader_is_done(&r) && rows_are(&back, &l->c, b * ROWS)));
    columns_release(&back);
    return status;
}

/* ---- tests ----------------------------------------------------------------------------------- */

START_TEST(rows_of_a_strange_device_are_smaller_by_its_own_models)
{
    struct learned l;
    learn(&l, (enum device)_i);
    CHECK(l.bytes_after + l.stored.bytes < l.bytes_before - l.bytes_before / 20);
    CHECK(codec_models_pay(l.models, l.bytes_before, l.bytes_after));
    CHECK(!codec_models_pay(l.models, l.bytes_after + l.stored.bytes, l.bytes_after));
    for (size_t b = 0; b < BLOCKS; b++) {
        ck_assert_int_eq(block_decode(&l, &l.before[b], b, NULL), HOLTER_OK);
        ck_assert_int_eq(block_decode(&l, &l.before[b], b, l.reading), HOLTER_OK);
        ck_assert_int_eq(block_decode(&l, &l.after[b], b, l.reading), HOLTER_OK);
        ck_assert_int_eq(block_decode(&l, &l.after[b], b, NULL), HOLTER_CORRUPT);
    }
    release(&l);
}
END_TEST

START_TEST(the_loops_agree_on_blocks_by_own_models)
{
    struct learned l;
    struct codec_rows rows = { 0 };
    learn(&l, (enum device)_i);
    columns_init(&rows.columns, &l.c.schema);
    codec_rows_use(&rows, l.reading);
    for (int loops = CODEC_LOOPS_PLAIN; loops <= CODEC_LOOPS_AVX512; loops++) {
        if (!codec_loops_use((enum codec_loops)loops))
            continue;
        for (size_t b = 0; b < BLOCKS; b++) {
            struct buffer again;
            buffer_init(&again);
            codec_block_encode(&again, &l.c, b * ROWS, ROWS, false, l.scratch);
            ck_assert_uint_eq(again.bytes, l.after[b].bytes);
            ck_assert_mem_eq(again.data, l.after[b].data, again.bytes);
            buffer_release(&again);

            struct reader r = reader_over(l.after[b].data, l.after[b].bytes);
            struct codec_next next[CODEC_AHEAD];
            for (size_t i = 0; i < CODEC_AHEAD; i++) {
                const struct buffer *behind = &l.after[(b + 1 + i) % BLOCKS];
                next[i] = (struct codec_next){ reader_over(behind->data, behind->bytes), ROWS };
            }
            ck_assert_int_eq(codec_block_decode_next(&rows, &r, ROWS, l.c.time[b * ROWS], false, 0,
                                                     next, CODEC_AHEAD),
                             HOLTER_OK);
            CHECK(rows_are(&rows.columns, &l.c, b * ROWS));
        }
    }
    CHECK(codec_loops_use(CODEC_LOOPS_BEST));
    codec_rows_release(&rows);
    release(&l);
}
END_TEST

START_TEST(what_was_decoded_ahead_by_other_models_is_not_used)
{
    struct learned l;
    struct codec_rows rows = { 0 };
    learn(&l, DEVICE_HEART_RATE);
    columns_init(&rows.columns, &l.c.schema);
    const struct codec_next next = { reader_over(l.after[1].data, l.after[1].bytes), ROWS };
    struct reader r = reader_over(l.after[0].data, l.after[0].bytes);
    codec_rows_use(&rows, l.reading);
    ck_assert_int_eq(codec_block_decode_next(&rows, &r, ROWS, l.c.time[0], false, 0, &next, 1),
                     HOLTER_OK);
    codec_rows_use(&rows, NULL);
    r = next.bytes;
    ck_assert_int_eq(codec_block_decode_next(&rows, &r, ROWS, l.c.time[ROWS], false, 0, NULL, 0),
                     HOLTER_CORRUPT);
    codec_rows_use(&rows, l.reading);
    r = next.bytes;
    ck_assert_int_eq(codec_block_decode_next(&rows, &r, ROWS, l.c.time[ROWS], false, 0, NULL, 0),
                     HOLTER_OK);
    CHECK(rows_are(&rows.columns, &l.c, ROWS));
    codec_rows_release(&rows);
    release(&l);
}
END_TEST

START_TEST(nothing_is_learned_where_nothing_is_gained)
{
    struct learned l;
    struct codec_models *models = NULL;
    struct buffer bytes;
    learn(&l, (enum device)_i);
    buffer_init(&bytes);
    ck_assert_int_eq(codec_models_decode(&models, l.stored.data, l.stored.bytes), HOLTER_OK);
    codec_scratch_learn(l.scratch); /* of no rows */
    ck_assert_int_eq(codec_models_learn(&models, l.scratch, 0), HOLTER_OK);
    ck_assert_uint_eq(codec_models_bytes(models), 0);
    codec_scratch_learn(l.scratch); /* of few */
    codec_block_encode(&bytes, &l.c, 0, 60, false, l.scratch);
    ck_assert_int_eq(codec_models_learn(&models, l.scratch, 0), HOLTER_OK);
    ck_assert_uint_eq(codec_models_bytes(models), 0);
    codec_scratch_learn(l.scratch); /* of many, which it does not save as much */
    codec_block_encode(&bytes, &l.c, 0, ROWS, false, l.scratch);
    ck_assert_int_eq(codec_models_learn(&models, l.scratch, 128 * bytes.bytes), HOLTER_OK);
    ck_assert_uint_eq(codec_models_bytes(models), 0);
    codec_models_free(models);
    buffer_release(&bytes);
    release(&l);
}
END_TEST

/* Refused, or models by which blocks are refused or are some rows. */
static void try_models(const struct learned *l, struct codec_models **models, const uint8_t *bytes,
                       size_t count)
{
    uint8_t *exact = malloc(count + 1); /* so that a sanitizer sees each byte too many */
    CHECK(exact != NULL);
    memcpy(exact + 1, bytes, count);
    holter_status status = codec_models_decode(models, exact + 1, count);
    CHECK(status == HOLTER_OK || status == HOLTER_CORRUPT);
    free(exact);
    struct columns back;
    columns_init(&back, &l->c.schema);
    struct reader r = reader_over(l->after[0].data, l->after[0].bytes);
    holter_status rows = codec_block_decode(&back, &r, ROWS, l->c.time[0], false, 0, 0, *models);
    CHECK(rows == HOLTER_OK || rows == HOLTER_CORRUPT);
    CHECK(status == HOLTER_OK || rows == HOLTER_CORRUPT); /* none of the models before is left */
    columns_release(&back);
}

START_TEST(damaged_models_are_refused_or_are_models)
{
    struct learned l;
    struct codec_models *models = NULL;
    learn(&l, (enum device)_i);
    for (size_t cut = 0; cut < l.stored.bytes; cut++) {
        ck_assert_int_eq(codec_models_decode(&models, l.stored.data, cut), HOLTER_CORRUPT);
        ck_assert_int_eq(block_decode(&l, &l.after[0], 0, models), HOLTER_CORRUPT);
    }
    buffer_append_u8(&l.stored, 0); /* one too many */
    ck_assert_int_eq(codec_models_decode(&models, l.stored.data, l.stored.bytes), HOLTER_CORRUPT);
    l.stored.bytes--;
    for (size_t bit = 0; bit < l.stored.bytes * 8; bit++) {
        l.stored.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        try_models(&l, &models, l.stored.data, l.stored.bytes);
        l.stored.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_int_eq(codec_models_decode(&models, l.stored.data, l.stored.bytes), HOLTER_OK);
    ck_assert_int_eq(block_decode(&l, &l.after[0], 0, models), HOLTER_OK);
    ck_assert_int_eq(codec_models_decode(&models, l.stored.data, l.stored.bytes), HOLTER_OK);
    ck_assert_int_eq(block_decode(&l, &l.after[0], 0, models), HOLTER_OK);
    codec_models_free(models);
    codec_models_free(NULL);
    release(&l);
}
END_TEST

/* Stored models of these numbers, whose first weights are given. */
static void store(struct buffer *out, const uint8_t *numbers, size_t count, size_t weights,
                  const uint8_t *first, size_t first_count)
{
    static uint8_t all[MODEL_STATES * MODEL_SYMBOLS_MAX];
    struct buffer frame;
    buffer_init(&frame);
    memset(all, 0, sizeof all);
    memcpy(all, first, first_count);
    CHECK(frame_encode(&frame, all, weights, 1));
    buffer_clear(out);
    buffer_append_u8(out, (uint8_t)count);
    buffer_append(out, numbers, count);
    buffer_append_varint(out, frame.bytes);
    buffer_append(out, frame.data, frame.bytes);
    buffer_release(&frame);
}

static size_t weights_in(unsigned number)
{
    return (size_t)model_find(number)->model->states * model_find(number)->model->symbols;
}

START_TEST(models_that_break_a_rule_are_refused)
{
    static const struct {
        uint8_t count, numbers[2], weights[3];
        int more; /* weights than the machines have */
        bool is_right;
    } cases[] = {
        { 1, { 3 }, { 1, 1, 0 }, 0, true },
        { 1, { 3 }, { 31, 31, 31 }, 0, true },
        { 1, { 3 }, { 0, 0, 0 }, 0, true }, /* in all states as it is */
        { 2, { 1, 3 }, { 1, 0, 1 }, 0, true },
        { 1, { 3 }, { 1, 1, 0 }, 1, false },
        { 1, { 3 }, { 1, 1, 0 }, -1, false },
        { 1, { 3 }, { 1, 0, 0 }, 0, false },  /* the escape alone */
        { 1, { 3 }, { 0, 1, 0 }, 0, false },  /* no escape */
        { 1, { 3 }, { 32, 1, 0 }, 0, false }, /* no weight */
        { 1, { 3 }, { 1, 32, 0 }, 0, false },
        { 1, { 3 }, { 1, 1, 255 }, 0, false },
        { 0, { 3 }, { 1, 1, 0 }, 0, false },
        { 2, { 3, 3 }, { 1, 1, 0 }, 0, false },
        { 2, { 3, 1 }, { 1, 1, 0 }, 0, false },
        { 1, { 0 }, { 1, 1, 0 }, 0, false },
        { 1, { CODEC_MODELS + 1 }, { 1, 1, 0 }, 0, false },
        { 1, { MODEL_OWN + 3 }, { 1, 1, 0 }, 0, false },
    };
    struct buffer stored;
    struct codec_models *models = NULL;
    buffer_init(&stored);
    for (size_t i = 0; i < CORE_COUNT(cases); i++) {
        size_t weights = 0;
        for (size_t k = 0; k < cases[i].count; k++)
            weights += weights_in(model_find(cases[i].numbers[k]) ? cases[i].numbers[k] : 3);
        weights = weights == 0 ? weights_in(3) : weights;
        store(&stored, cases[i].numbers, cases[i].count, weights + (size_t)cases[i].more,
              cases[i].weights, sizeof cases[i].weights);
        holter_status status = codec_models_decode(&models, stored.data, stored.bytes);
        ck_assert_msg(status == (cases[i].is_right ? HOLTER_OK : HOLTER_CORRUPT), "case %zu", i);
        for (unsigned number = 1; number <= CODEC_MODELS; number++) {
            bool is_named = number == cases[i].numbers[0] || number == cases[i].numbers[1];
            const struct model_tables *own = models_find(models, MODEL_OWN + number);
            CHECK((own != NULL) == (cases[i].is_right && is_named));
            CHECK(models_find(models, number) == model_find(number));
        }
        ck_assert_ptr_null(models_find(models, MODEL_OWN));
        ck_assert_ptr_null(models_find(models, MODEL_OWN + CODEC_MODELS + 1));
        ck_assert_ptr_null(models_find(models, 255));
    }
    ck_assert_ptr_null(models_find(NULL, MODEL_OWN + 3));
    codec_models_free(models);
    buffer_release(&stored);
}
END_TEST

START_TEST(weights_share_slots_as_the_page_says)
{
    uint8_t weights[MODEL_SYMBOLS_MAX] = { 1, 0, 2, 31, 31, 15 };
    uint16_t first[MODEL_SYMBOLS_MAX + 1];
    const size_t sum = 2 + 3 + 2 * 65536 + 256;
    const size_t large = 1 + 65536 * (MODEL_SUM - 5) / sum;
    const size_t slots[] = { 1, 0, 1, MODEL_SUM - large - 3 - 7, large, 1 + 256 * 4091 / sum };
    model_share_slots(first, weights, CORE_COUNT(slots));
    for (size_t s = 0; s < CORE_COUNT(slots); s++)
        ck_assert_uint_eq((size_t)first[s + 1] - first[s],
                          s == 3 ? MODEL_SUM - large - 2 - slots[5] : slots[s]);
    for (size_t s = 0; s < MODEL_SYMBOLS_MAX; s++)
        weights[s] = 31;
    model_share_slots(first, weights, MODEL_SYMBOLS_MAX);
    for (size_t s = 0; s < MODEL_SYMBOLS_MAX; s++)
        ck_assert_uint_eq((size_t)first[s + 1] - first[s], MODEL_SUM / MODEL_SYMBOLS_MAX);
}
END_TEST

/* Each state has weights, or none, by chance. */
static void draw_weights(uint8_t *weights, const struct codec_model *model, struct random *random)
{
    memset(weights, 0, (size_t)model->states * model->symbols);
    for (size_t state = 0; state < model->states; state++, weights += model->symbols) {
        if (random_below(random, 2) == 0)
            continue;
        for (size_t s = 1; s < model->symbols; s++)
            weights[s] = random_below(random, 4) == 0 ? (uint8_t)random_below(random, 32) : 0;
        weights[0] = 1 + (uint8_t)random_below(random, 31);
        weights[1] = 1;
    }
}

START_TEST(tables_in_memory_used_again_are_those_in_new_memory)
{
    enum { TIMES = 40 };
    static uint8_t weights[MODEL_STATES * MODEL_SYMBOLS_MAX];
    const struct model_tables *base = model_find((unsigned)_i + 1);
    struct random random = { (uint64_t)_i };
    void *kept = NULL;
    size_t kept_bytes = 0;
    for (int i = 0; i < TIMES; i++) {
        struct model_tables again, anew;
        void *memory = NULL;
        size_t bytes = 0;
        draw_weights(weights, base->model, &random);
        CHECK(model_unfold_slots(&again, &kept, &kept_bytes, base, weights));
        CHECK(model_unfold_slots(&anew, &memory, &bytes, base, weights));
        ck_assert_mem_eq(again.slots, anew.slots,
                         sizeof *anew.slots * MODEL_SUM * base->model->states);
        free(memory);
    }
    free(kept);
}
END_TEST

START_TEST(models_that_learned_can_be_read_into_and_learn_again)
{
    struct learned l;
    learn(&l, DEVICE_HEART_RATE);
    ck_assert_int_eq(codec_models_decode(&l.models, l.stored.data, l.stored.bytes), HOLTER_OK);
    ck_assert_int_eq(block_decode(&l, &l.after[1], 1, l.models), HOLTER_OK);
    codec_scratch_learn(l.scratch);
    codec_block_encode(&l.before[0], &l.c, 0, ROWS, false, l.scratch);
    ck_assert_int_eq(codec_models_learn(&l.models, l.scratch, 0), HOLTER_OK);
    ck_assert_uint_gt(codec_models_bytes(l.models), 0);
    codec_scratch_use(l.scratch, l.models);
    buffer_clear(&l.after[0]);
    codec_block_encode(&l.after[0], &l.c, 0, ROWS, false, l.scratch);
    l.stored.bytes = 0;
    codec_models_encode(&l.stored, l.models);
    ck_assert_int_eq(codec_models_decode(&l.reading, l.stored.data, l.stored.bytes), HOLTER_OK);
    ck_assert_int_eq(block_decode(&l, &l.after[0], 0, l.reading), HOLTER_OK);
    release(&l);
}
END_TEST

START_TEST(any_allocation_may_fail)
{
    struct learned l;
    bool is_for_ever = _i == 1;
    bool has_failed = true;
    learn(&l, DEVICE_HEART_RATE);
    codec_scratch_learn(l.scratch);
    codec_block_encode(&l.before[0], &l.c, 0, ROWS, false, l.scratch);
    unsigned long nth = 0;
    for (; has_failed; nth++) {
        struct codec_models *models = NULL;
        alloc_fail_arm(nth, is_for_ever);
        holter_status status = codec_models_learn(&models, l.scratch, 0);
        has_failed = alloc_fail_disarm();
        CHECK(status == (has_failed ? HOLTER_NO_MEMORY : HOLTER_OK));
        CHECK((codec_models_bytes(models) > 0) == !has_failed);
        codec_models_free(models);
    }
    ck_assert_uint_gt(nth, 3);
    has_failed = true;
    for (nth = 0; has_failed; nth++) {
        struct codec_models *models = NULL;
        alloc_fail_arm(nth, is_for_ever);
        holter_status status = codec_models_decode(&models, l.stored.data, l.stored.bytes);
        has_failed = alloc_fail_disarm();
        CHECK(status == (has_failed ? HOLTER_NO_MEMORY : HOLTER_OK));
        CHECK(block_decode(&l, &l.after[0], 0, models) ==
              (has_failed ? HOLTER_CORRUPT : HOLTER_OK));
        ck_assert_int_eq(codec_models_decode(&models, l.stored.data, l.stored.bytes), HOLTER_OK);
        ck_assert_int_eq(block_decode(&l, &l.after[0], 0, models), HOLTER_OK); /* now with memory */
        codec_models_free(models);
    }
    ck_assert_uint_gt(nth, 3);
    release(&l);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec_own");
    TCase *tcase = tcase_create("models");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, rows_of_a_strange_device_are_smaller_by_its_own_models, 0, DEVICES);
    tcase_add_loop_test(tcase, the_loops_agree_on_blocks_by_own_models, 0, DEVICES);
    tcase_add_test(tcase, what_was_decoded_ahead_by_other_models_is_not_used);
    tcase_add_loop_test(tcase, nothing_is_learned_where_nothing_is_gained, 0, DEVICES);
    tcase_add_loop_test(tcase, damaged_models_are_refused_or_are_models, 0, DEVICES);
    tcase_add_test(tcase, models_that_break_a_rule_are_refused);
    tcase_add_test(tcase, weights_share_slots_as_the_page_says);
    tcase_add_loop_test(tcase, tables_in_memory_used_again_are_those_in_new_memory, 0,
                        CODEC_MODELS);
    tcase_add_test(tcase, models_that_learned_can_be_read_into_and_learn_again);
    tcase_add_loop_test(tcase, any_allocation_may_fail, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
