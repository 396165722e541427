/*
 * test_codec_model.c -- the models of coded arrays are those of format-spec/models.txt.
 *
 * Claim: codec_tables.c has every number of that file and no other, and what model_find unfolds says
 * the same by slot, symbol and meaning. Method: the file read line by line in the order that
 * models.md tells, each number compared; then each state walked slot by slot.
 */
#include "codec/codec_model.h"
#include "run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the file -------------------------------------------------------------------------------- */

struct lines {
    FILE *file;
    char line[8192];
    char *rest; /* of the line: its words from the second on, not yet read */
};

static struct lines lines_open(void)
{
    struct lines in = { .file = fopen("format-spec/models.txt", "r") };
    ck_assert_msg(in.file != NULL, "run from the top of the tree");
    return in;
}

/* The first word of the next line that means something; NULL: there is none. */
static const char *next_line(struct lines *in)
{
    do {
        if (fgets(in->line, sizeof in->line, in->file) == NULL)
            return NULL;
        ck_assert_msg(strchr(in->line, '\n') != NULL, "a line too long");
    } while (in->line[0] == '\n' || in->line[0] == '#');
    in->rest = NULL;
    return strtok_r(in->line, " \n", &in->rest);
}

static void expect_line(struct lines *in, const char *name)
{
    const char *found = next_line(in);
    ck_assert_msg(found != NULL, "no line '%s'", name);
    ck_assert_str_eq(found, name);
}

/* False: the line has no more. */
static bool next_number(struct lines *in, long *number)
{
    const char *word = strtok_r(NULL, " \n", &in->rest);
    char *end = NULL;
    if (word == NULL)
        return false;
    *number = strtol(word, &end, 10);
    ck_assert_msg(*end == '\0', "'%s' is no number", word);
    return true;
}

static void expect_number(struct lines *in, long expected)
{
    long number = 0;
    ck_assert_msg(next_number(in, &number), "a line ends before %ld", expected);
    ck_assert_int_eq(number, expected);
}

static void expect_end(struct lines *in)
{
    long number;
    ck_assert(!next_number(in, &number));
}

/* What symbol 1 and each further one means. */
static void expect_meanings(struct lines *in, const char *name, const int16_t *of_symbol,
                            size_t symbols)
{
    expect_line(in, name);
    for (size_t symbol = 1; symbol < symbols; symbol++)
        expect_number(in, of_symbol[symbol]);
    expect_end(in);
    ck_assert_int_eq(of_symbol[0], 0); /* of the escape: adds nothing to what takes its place */
}

/* Of runs of zeros: the symbols behind those of values, which have no length. */
static void expect_values_and_runs(struct lines *in, const struct codec_model *model)
{
    size_t values = model->symbols;
    while (model->lengths != NULL && model->lengths[values - 1] != 0)
        values--;
    expect_meanings(in, "values", model->values, values);
    if (model->lengths == NULL)
        return;
    expect_line(in, "lengths");
    for (size_t symbol = values; symbol < model->symbols; symbol++)
        expect_number(in, model->lengths[symbol]);
    expect_end(in);
    expect_line(in, "bits");
    for (size_t symbol = values; symbol < model->symbols; symbol++)
        expect_number(in, model->bits[symbol]);
    expect_end(in);
    for (size_t symbol = 0; symbol < values; symbol++)
        ck_assert_uint_eq(model->lengths[symbol] | model->bits[symbol], 0);
}

static void expect_model(struct lines *in, const struct codec_model *model)
{
    expect_line(in, "name");
    expect_line(in, "start");
    expect_number(in, model->start);
    expect_end(in);
    if (model->gaps != NULL) {
        expect_meanings(in, "gaps", model->gaps, model->symbols);
        expect_meanings(in, "changes", model->values, model->symbols);
    } else {
        expect_values_and_runs(in, model);
    }
    expect_line(in, "classes");
    for (size_t symbol = 0; symbol < model->symbols; symbol++)
        expect_number(in, model->class_of[symbol]);
    expect_end(in);
    for (size_t state = 0; state < model->states; state++) {
        expect_line(in, "next");
        expect_number(in, (long)state);
        for (size_t class = 0; class < model->classes; class ++)
            expect_number(in, model->next[state * model->classes + class]);
        expect_end(in);
    }
    for (size_t state = 0; state < model->states; state++) {
        const uint16_t *frequencies = model->frequencies + state * model->symbols;
        expect_line(in, "frequencies");
        expect_number(in, (long)state);
        for (size_t symbol = 0; symbol < model->symbols; symbol++) {
            long number = 0; /* where it is left out at the end */
            (void)next_number(in, &number);
            ck_assert_int_eq(number, frequencies[symbol]);
        }
        expect_end(in);
    }
}

START_TEST(the_tables_are_those_of_the_file)
{
    struct lines in = lines_open();
    for (size_t index = 0; index < CODEC_MODELS; index++) {
        expect_line(&in, "model");
        expect_number(&in, (long)index + 1);
        const char *kind = strtok_r(NULL, " \n", &in.rest);
        ck_assert_ptr_nonnull(kind);
        const struct codec_model *model = &codec_models[index];
        ck_assert_str_eq(kind, model->gaps != NULL      ? "pairs"
                               : model->lengths != NULL ? "rests"
                                                        : "values");
        expect_model(&in, model);
    }
    ck_assert_ptr_null(next_line(&in));
    fclose(in.file);
}
END_TEST

/* ---- unfolded -------------------------------------------------------------------------------- */

START_TEST(unfolded_models_say_the_same)
{
    ck_assert_ptr_null(model_find(0));
    ck_assert_ptr_null(model_find(CODEC_MODELS + 1));
    ck_assert_ptr_null(model_find(255));
    for (unsigned number = 1; number <= CODEC_MODELS; number++) {
        const struct model_tables *tables = model_find(number);
        const struct codec_model *model = &codec_models[number - 1];
        ck_assert_ptr_eq(tables->model, model);
        for (size_t state = 0; state < model->states; state++) {
            const uint16_t *frequencies = model->frequencies + state * model->symbols;
            const uint32_t *slots = tables->slots + state * MODEL_SUM;
            size_t first = 0;
            for (size_t symbol = 0; symbol < model->symbols; symbol++) {
                uint32_t frequency = frequencies[symbol];
                size_t at = state << 8 | symbol;
                ck_assert_uint_eq(tables->ranges[at], first | frequency << 16);
                ck_assert_uint_eq(tables->next[at],
                                  model->next[state * model->classes + model->class_of[symbol]]);
                for (uint32_t i = 0; i < frequency; i++) {
                    if (slots[first + i] != (symbol | frequency << 8 | i << 20))
                        ck_abort_msg("model %u, state %zu, slot %zu", number, state, first + i);
                }
                first += frequency;
                if (frequency == 0) {
                    ck_assert_uint_eq(tables->cost[at], UINT16_MAX);
                    continue;
                }
                double bits = MODEL_SUM_BITS - log2(frequency);
                ck_assert_double_eq_tol(tables->cost[at], bits * (1 << MODEL_COST_BITS), 1.001);
                ck_assert_uint_le(frequency, frequencies[tables->likely[state]]);
            }
            ck_assert_uint_eq(first, MODEL_SUM);
        }
    }
}
END_TEST

START_TEST(a_symbol_is_found_by_what_it_means_and_by_nothing_else)
{
    for (unsigned number = 1; number <= CODEC_MODELS; number++) {
        const struct model_tables *tables = model_find(number);
        const struct codec_model *model = tables->model;
        size_t found = 0;
        for (int64_t value = -1100; value <= 1100; value++) {
            for (int64_t gap = -70; model->gaps != NULL && gap <= 140; gap++) {
                uint8_t symbol = model_symbol_of_pair(tables, gap, value);
                if (symbol == 0)
                    continue;
                ck_assert_int_eq(model->gaps[symbol], gap);
                ck_assert_int_eq(model->values[symbol], value);
                found++;
            }
            if (model->gaps != NULL)
                continue;
            uint8_t symbol = model_symbol_of_value(tables, value);
            if (symbol == 0)
                continue;
            ck_assert_int_eq(model->values[symbol], value);
            found++;
        }
        for (size_t symbol = 1; model->lengths != NULL && symbol < model->symbols; symbol++)
            found += model->lengths[symbol] != 0;
        ck_assert_uint_eq(found, model->symbols - 1);
        static const int64_t far[] = { INT64_MIN, INT64_MAX, INT64_C(1) << 32,
                                       -(INT64_C(1) << 32) };
        for (size_t i = 0; i < CORE_COUNT(far); i++) {
            if (model->gaps == NULL) {
                ck_assert_uint_eq(model_symbol_of_value(tables, far[i]), 0);
                continue;
            }
            ck_assert_uint_eq(model_symbol_of_pair(tables, far[i], 0), 0);
            ck_assert_uint_eq(model_symbol_of_pair(tables, 5, far[i]), 0);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec_model");
    TCase *tcase = tcase_create("models");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, the_tables_are_those_of_the_file);
    tcase_add_test(tcase, unfolded_models_say_the_same);
    tcase_add_test(tcase, a_symbol_is_found_by_what_it_means_and_by_nothing_else);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
