/*
 * test_catalog_metrics.c -- metrics, labels and regions are what they were defined as, after any
 * reopening.
 *
 * What cannot be defined is refused with a reason, and leaves the catalog as it was.
 */
#include "catalog_world.h"

#include <math.h>

static void setup(void)
{
    world_setup(true);
}

static const char *const named_in_the_design[] = {
    "heart_rate",
    "resting_heart_rate",
    "hrv_rmssd",
    "rr_interval",
    "spo2",
    "respiratory_rate",
    "skin_temperature",
    "body_temperature",
    "steps",
    "distance",
    "floors",
    "active_energy",
    "basal_energy",
    "mets",
    "intensity",
    "activity",
    "workout",
    "sleep_stage",
    "sleep_score",
    "blood_pressure",
    "glucose",
    "weight",
    "body_fat",
    "vo2_max",
    "stress",
    "eda",
    "acceleration",
    "ppg",
    "ecg",
    "mood",
    "energy_level",
    "stress_level",
    "medication_dose",
    "habit",
    "mindfulness",
    "note",
    "utc_offset",
};

START_TEST(every_store_knows_the_wearable_field)
{
    for (size_t i = 0; i < CORE_COUNT(named_in_the_design); i++) {
        const struct catalog_metric *metric =
            catalog_metric_find(world.catalog, named_in_the_design[i]);
        ck_assert_msg(metric != NULL, "%s", named_in_the_design[i]);
        ck_assert_uint_lt(metric->number, CATALOG_USER_METRIC_MIN);
        ck_assert_ptr_eq(catalog_metric_by_number(world.catalog, metric->number), metric);
    }
    ck_assert_ptr_null(catalog_metric_find(world.catalog, "nothing"));
    ck_assert_ptr_null(catalog_metric_by_number(world.catalog, 1023));
    for (size_t i = 0; i < catalog_metric_count(world.catalog); i++) {
        const struct catalog_metric *metric = catalog_metric_at(world.catalog, i);
        ck_assert(schema_is_valid(&metric->schema));
        if (i > 0)
            ck_assert_uint_gt(metric->number, catalog_metric_at(world.catalog, i - 1)->number);
    }
    ck_assert_ptr_null(catalog_metric_at(world.catalog, catalog_metric_count(world.catalog)));
}
END_TEST

/*
 * K1: numbers that stores on disk hold. One that changes here is a mistake in the table, not in
 * this test.
 */
static const struct {
    const char *name;
    uint32_t number;
    uint8_t kind, type;
    int8_t exponent;
    const char *unit;
} fixed[] = {
    { "heart_rate", 1, SAMPLE_INSTANT, FIELD_INT, 0, "/min" },
    { "rr_interval", 5, SAMPLE_INSTANT, FIELD_INT, 0, "ms" },
    { "spo2", 6, SAMPLE_INSTANT, FIELD_INT, -1, "%" },
    { "skin_temperature", 8, SAMPLE_INSTANT, FIELD_INT, -2, "Cel" },
    { "steps", 10, SAMPLE_INTERVAL, FIELD_INT, 0, "{steps}" },
    { "distance", 11, SAMPLE_INTERVAL, FIELD_FLOAT, 0, "m" },
    { "sleep_stage", 20, SAMPLE_INTERVAL, FIELD_ENUM, 0, "1" },
    { "blood_pressure", 22, SAMPLE_INSTANT, FIELD_INT, 0, "mm[Hg]" },
    { "glucose", 23, SAMPLE_INSTANT, FIELD_INT, -1, "mg/dL" },
    { "acceleration", 29, SAMPLE_INSTANT, FIELD_FLOAT, 0, "m/s2" },
    { "medication_dose", 36, SAMPLE_INSTANT, FIELD_TEXT, 0, "mg" },
    { "note", 39, SAMPLE_INSTANT, FIELD_TEXT, 0, "1" },
    { "utc_offset", 40, SAMPLE_INSTANT, FIELD_INT, 0, "s" },
    { "posture", 51, SAMPLE_INTERVAL, FIELD_ENUM, 0, "1" },
};

START_TEST(built_in_numbers_are_fixed)
{
    const struct catalog_metric *metric = catalog_metric_by_number(world.catalog, fixed[_i].number);
    ck_assert_ptr_nonnull(metric);
    ck_assert_str_eq(metric->name, fixed[_i].name);
    ck_assert_str_eq(metric->unit, fixed[_i].unit);
    ck_assert_uint_eq(metric->schema.kind, fixed[_i].kind);
    ck_assert_uint_eq(metric->schema.types[0], fixed[_i].type);
    ck_assert_int_eq(metric->fields[0].exponent, fixed[_i].exponent);
}
END_TEST

START_TEST(details_of_the_table_are_as_told)
{
    const struct catalog_metric *rate = catalog_metric_find(world.catalog, "heart_rate");
    ck_assert_int_eq(rate->fields[0].min, 20);
    ck_assert_int_eq(rate->fields[0].max, 300);
    ck_assert_int_eq(rate->carry_ns, INT64_C(300000000000));
    ck_assert_str_eq(rate->loinc, "8867-4");
    ck_assert_str_eq(rate->healthkit, "HKQuantityTypeIdentifierHeartRate");
    const struct catalog_metric *drug = catalog_metric_find(world.catalog, "medication_dose");
    ck_assert_uint_eq(drug->schema.key_field, 0);
    ck_assert_str_eq(drug->fields[0].name, "drug");
    const struct catalog_metric *axes = catalog_metric_find(world.catalog, "acceleration");
    ck_assert_uint_eq(axes->schema.field_count, 3);
    double least;
    memcpy(&least, &axes->fields[2].min, sizeof least);
    ck_assert(least == -400);

    static const char *const stages[] = { "wake",   "light",    "rem",  "deep",
                                          "asleep", "restless", "awake" };
    const struct catalog_metric *sleep = catalog_metric_find(world.catalog, "sleep_stage");
    for (size_t i = 0; i < CORE_COUNT(stages); i++) {
        int64_t value = -1;
        ck_assert_int_eq(catalog_label_find(&value, sleep, 0, stages[i], strlen(stages[i])),
                         HOLTER_OK);
        ck_assert_str_eq(sleep->fields[0].labels[value], stages[i]);
    }
    int64_t value = 77;
    ck_assert_int_eq(catalog_label_find(&value, sleep, 0, "wak", 3), HOLTER_NOT_FOUND);
    ck_assert_int_eq(catalog_label_find(&value, sleep, 1, "wake", 4), HOLTER_NOT_FOUND);
    ck_assert_int_eq(value, 77);
}
END_TEST

START_TEST(a_metric_of_ones_own_comes_back)
{
    struct catalog_metric metric = world_metric("switch");
    uint32_t number = 0, again = 0, next = 0;
    strcpy(metric.loinc, "1-8");
    metric.schema = (struct schema){ SAMPLE_INTERVAL, 3, 1, { FIELD_ENUM, FIELD_TEXT, FIELD_INT } };
    metric.carry_ns = 0;
    metric.fields[1] = (struct catalog_field){ .name = "room", .type = FIELD_TEXT };
    metric.fields[2] = (struct catalog_field){ .name = "count",
                                               .type = FIELD_INT,
                                               .exponent = -18,
                                               .has_range = true,
                                               .min = INT64_MIN,
                                               .max = INT64_MAX };
    MUST(catalog_add_metric(world.catalog, &metric, &number, &world.err));
    ck_assert_uint_eq(number, CATALOG_USER_METRIC_MIN);
    uint64_t version = catalog_version(world.catalog);
    MUST(catalog_add_metric(world.catalog, &metric, &again, &world.err)); /* an equal one */
    ck_assert_uint_eq(again, number);
    ck_assert_uint_eq(catalog_version(world.catalog), version);
    struct catalog_metric other = world_metric("switch2");
    MUST(catalog_add_metric(world.catalog, &other, &next, &world.err));
    ck_assert_uint_eq(next, number + 1);

    for (int round = 0; round < 2; round++) {
        const struct catalog_metric *back = catalog_metric_find(world.catalog, "switch");
        ck_assert_uint_eq(back->number, number);
        ck_assert_str_eq(back->unit, "1");
        ck_assert_str_eq(back->loinc, "1-8");
        ck_assert_str_eq(back->healthkit, "");
        ck_assert(schema_is_equal(&back->schema, &metric.schema));
        ck_assert_uint_eq(back->fields[0].label_count, 2);
        ck_assert_str_eq(back->fields[0].labels[1], "on");
        ck_assert_str_eq(back->fields[1].name, "room");
        ck_assert_int_eq(back->fields[2].exponent, -18);
        ck_assert(back->fields[2].has_range);
        ck_assert_int_eq(back->fields[2].min, INT64_MIN);
        ck_assert_int_eq(back->fields[2].max, INT64_MAX);
        world_reopen();
    }
    metric.fields[2].max--;
    ck_assert_int_eq(catalog_add_metric(world.catalog, &metric, &number, &world.err),
                     HOLTER_EXISTS);
}
END_TEST

START_TEST(labels_grow_at_the_end)
{
    struct catalog_metric metric = world_metric("switch");
    uint32_t number = 0, again = 0;
    int64_t value = 0;
    MUST(catalog_add_metric(world.catalog, &metric, &number, &world.err));
    MUST(catalog_add_label(world.catalog, number, 0, "broken", &value, &world.err));
    ck_assert_int_eq(value, 2);
    MUST(
        catalog_add_label(world.catalog, number, 0, "off", &value, &world.err)); /* there already */
    ck_assert_int_eq(value, 0);
    MUST(catalog_add_metric(world.catalog, &metric, &again,
                            &world.err)); /* K2: grown, still equal */
    ck_assert_uint_eq(again, number);
    world_reopen();
    const struct catalog_metric *back = catalog_metric_find(world.catalog, "switch");
    ck_assert_uint_eq(back->fields[0].label_count, 3);
    ck_assert_str_eq(back->fields[0].labels[2], "broken");

    /* To the last one; the log is rewritten on the way. */
    for (int i = 3; i < CATALOG_LABELS_MAX; i++) {
        char label[24];
        snprintf(label, sizeof label, "label %d", i);
        MUST(catalog_add_label(world.catalog, number, 0, label, &value, &world.err));
        ck_assert_int_eq(value, i);
    }
    ck_assert_int_eq(catalog_add_label(world.catalog, number, 0, "one more", &value, &world.err),
                     HOLTER_INVALID);
    ck_assert_int_eq(catalog_add_label(world.catalog, number, 1, "x", &value, &world.err),
                     HOLTER_INVALID);
    ck_assert_int_eq(catalog_add_label(world.catalog, number, 0, "", &value, &world.err),
                     HOLTER_INVALID);
    ck_assert_int_eq(catalog_add_label(world.catalog, number, 0, "a\n", &value, &world.err),
                     HOLTER_INVALID);
    ck_assert_int_eq(catalog_add_label(world.catalog, 1, 0, "x", &value, &world.err),
                     HOLTER_INVALID);
    ck_assert_int_eq(catalog_add_label(world.catalog, 900, 0, "x", &value, &world.err),
                     HOLTER_NOT_FOUND);
    world_reopen();
    back = catalog_metric_find(world.catalog, "switch");
    ck_assert_uint_eq(back->fields[0].label_count, CATALOG_LABELS_MAX);
    ck_assert_str_eq(back->fields[0].labels[255], "label 255");
}
END_TEST

START_TEST(a_long_log_is_rewritten)
{
    struct io_stat stat;
    struct catalog_metric metric = world_metric("switch");
    uint32_t number = 0;
    int64_t value = 0;
    uint64_t most = 0;
    size_t shrinks = 0;
    for (int m = 0; m < 4; m++) {
        snprintf(metric.name, sizeof metric.name, "switch_%d", m);
        MUST(catalog_add_metric(world.catalog, &metric, &number, &world.err));
        for (int i = 2; i < CATALOG_LABELS_MAX; i++) {
            char label[24];
            snprintf(label, sizeof label, "label %d", i);
            MUST(catalog_add_label(world.catalog, number, 0, label, &value, &world.err));
            MUST(io_stat(&stat, world.io, "d/catalog.a", &world.err));
            shrinks += stat.bytes < most;
            most = stat.bytes > most || stat.bytes < most ? stat.bytes : most;
        }
    }
    ck_assert_uint_gt(shrinks, 2);
    ck_assert_uint_lt(most, 200000);
    world_reopen();
    ck_assert_str_eq(catalog_metric_find(world.catalog, "switch_3")->fields[0].labels[255],
                     "label 255");
    ck_assert_str_eq(catalog_metric_find(world.catalog, "switch_0")->fields[0].labels[17],
                     "label 17");
}
END_TEST

/* ---- what cannot be defined ---- */

static const char *const no_labels_at_all[] = { "" };
static const char *const equal_labels[] = { "a", "b", "a" };
static const char *const control_labels[] = { "a\tb" };
static const char *const broken_labels[] = { "\xff" };

static int64_t bits(double value)
{
    int64_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

static void spoil(struct catalog_metric *m, int how)
{
    struct catalog_field *f = &m->fields[0];
    bool is_float = how >= 40;
    if (is_float || how >= 30) { /* a number, to be spoilt below */
        m->schema.types[0] = f->type = is_float ? FIELD_FLOAT : FIELD_INT;
        m->aggregation = AGGREGATION_MEAN;
        f->label_count = 0;
    }
    switch (how) {
    case 0:
        m->name[0] = '\0';
        break;
    case 1:
        strcpy(m->name, "Upper");
        break;
    case 2:
        strcpy(m->name, "1st");
        break;
    case 3:
        strcpy(m->name, "a-b");
        break;
    case 4:
        memset(m->name, 'a', sizeof m->name);
        break; /* without an end */
    case 5:
        m->unit[0] = '\0';
        break;
    case 6:
        strcpy(m->unit, "a b");
        break;
    case 7:
        memset(m->unit, 'a', sizeof m->unit);
        break;
    case 8:
        strcpy(m->healthkit, "a b");
        break;
    case 9:
        strcpy(m->loinc, "\xc3\xa4");
        break;
    case 10:
        m->schema.kind = 0;
        break;
    case 11:
        m->schema.field_count = 0;
        break;
    case 12:
        m->schema.field_count = 9;
        break;
    case 13:
        m->schema.key_field = 1;
        break;
    case 14:
        m->aggregation = 0;
        break;
    case 15:
        m->aggregation = 5;
        break;
    case 16:
        m->aggregation = AGGREGATION_SUM;
        break; /* of labels */
    case 17:
        m->class = CATALOG_CLASSES;
        break;
    case 18:
        m->carry_ns = -1;
        break;
    case 19:
        m->schema.kind = SAMPLE_INTERVAL;
        break; /* with a carry */
    case 20:
        strcpy(f->name, "Value");
        break;
    case 21:
        f->type = FIELD_INT;
        break; /* unlike the schema */
    case 22:
        f->exponent = 1;
        break;
    case 23:
        f->has_range = true;
        break;
    case 24:
        f->label_count = 0;
        break;
    case 25:
        f->label_count = 257;
        break;
    case 26:
        f->labels = no_labels_at_all;
        f->label_count = 1;
        break;
    case 27:
        f->labels = equal_labels;
        f->label_count = 3;
        break;
    case 28:
        f->labels = control_labels;
        f->label_count = 1;
        break;
    case 29:
        f->labels = broken_labels;
        f->label_count = 1;
        break;
    case 30:
        f->exponent = 19;
        break;
    case 31:
        f->exponent = -19;
        break;
    case 32:
        f->has_range = true;
        f->min = 2;
        f->max = 1;
        break;
    case 33:
        f->min = 1;
        break; /* without a range */
    case 34:
        f->label_count = 1;
        break;
    case 35:
        m->aggregation = AGGREGATION_STATES;
        break;
    case 36:
        m->schema.field_count = 2;
        m->schema.types[1] = FIELD_INT;
        m->fields[1] = *f;
        break; /* one name */
    case 40:
        f->has_range = true;
        f->min = bits(NAN);
        f->max = bits(1);
        break;
    case 41:
        f->has_range = true;
        f->min = bits(0);
        f->max = bits(INFINITY);
        break;
    case 42:
        f->has_range = true;
        f->min = bits(1);
        f->max = bits(-1);
        break;
    case 43:
        f->exponent = 1;
        break;
    case 44:
        m->schema.key_field = 0;
        break;
    default:
        m->name[0] = '\0';
        break; /* between the groups */
    }
}

START_TEST(what_cannot_be_defined_is_refused_with_a_reason)
{
    struct catalog_metric metric = world_metric("switch");
    uint32_t number = 77;
    uint64_t version = catalog_version(world.catalog);
    spoil(&metric, _i);
    memset(&world.err, 0, sizeof world.err);
    ck_assert_int_eq(catalog_add_metric(world.catalog, &metric, &number, &world.err),
                     HOLTER_INVALID);
    ck_assert_ptr_nonnull(strstr(world.err.message, ": its "));
    ck_assert_uint_eq(number, 77);
    ck_assert_uint_eq(catalog_version(world.catalog), version);
}
END_TEST

START_TEST(regions_are_numbered_in_order)
{
    uint16_t number = 0;
    MUST(catalog_add_region(world.catalog, "us-1", 256, &number, &world.err));
    ck_assert_uint_eq(number, 1);
    static const struct {
        const char *name;
        uint16_t shards;
        holter_status status;
    } bad[] = {
        { "eu-west", 4, HOLTER_EXISTS },
        { "", 4, HOLTER_INVALID },
        { "-a", 4, HOLTER_INVALID },
        { "A", 4, HOLTER_INVALID },
        { "a/b", 4, HOLTER_INVALID },
        { "..", 4, HOLTER_INVALID },
        { "ok", 0, HOLTER_INVALID },
        { "ok", 257, HOLTER_INVALID },
        { "0123456789012345678901234567890123456789012345678901234567890123", 1, HOLTER_INVALID },
    };
    for (size_t i = 0; i < CORE_COUNT(bad); i++)
        ck_assert_int_eq(catalog_add_region(world.catalog, bad[i].name, bad[i].shards, &number,
                                            &world.err),
                         bad[i].status);
    world_reopen();
    ck_assert_uint_eq(catalog_region_count(world.catalog), 2);
    ck_assert_str_eq(catalog_region_at(world.catalog, 0)->name, "eu-west");
    ck_assert_uint_eq(catalog_region_at(world.catalog, 0)->shards, 4);
    ck_assert_uint_eq(catalog_region_find(world.catalog, "us-1")->number, 1);
    ck_assert_uint_eq(catalog_region_find(world.catalog, "us-1")->shards, 256);
    ck_assert_ptr_null(catalog_region_find(world.catalog, "us-2"));
    ck_assert_ptr_null(catalog_region_at(world.catalog, 2));
}
END_TEST

START_TEST(a_catalog_is_made_once_and_needs_a_region)
{
    struct catalog_spec spec = world_spec();
    ck_assert_int_eq(catalog_create(&spec, "eu", 4, &world.err), HOLTER_EXISTS);
    spec.directory = "e";
    ck_assert_int_eq(catalog_create(&spec, "E", 4, &world.err), HOLTER_INVALID);
    ck_assert_int_eq(catalog_create(&spec, "e", 0, &world.err), HOLTER_INVALID);
}
END_TEST

START_TEST(another_process_follows)
{
    struct catalog_spec spec = world_spec();
    struct catalog *other;
    struct catalog_metric metric = world_metric("switch");
    uint32_t number;
    spec.io = sim_process_new(world.sim);
    MUST(catalog_open(&other, &spec, false, catalog_version(world.catalog), &world.err));
    MUST(catalog_add_metric(world.catalog, &metric, &number, &world.err));
    ck_assert_ptr_null(catalog_metric_find(other, "switch"));
    MUST(catalog_refresh(other, false, catalog_version(world.catalog), &world.err));
    ck_assert_ptr_nonnull(catalog_metric_find(other, "switch"));
    catalog_close(other);
    io_free(spec.io);
}
END_TEST

static void report(void *context, const char *sentence)
{
    *(size_t *)context += strlen(sentence) > 0;
}

START_TEST(damage_in_one_copy_is_reported_and_loses_nothing)
{
    size_t reported = 0, damaged = 0;
    MUST(catalog_verify(world.catalog, report, &reported, &damaged, &world.err));
    ck_assert_uint_eq(damaged, 0);
    MUST(sim_file_flip(world.sim, "d/catalog.b", 8 * 2000));
    MUST(catalog_verify(world.catalog, report, &reported, &damaged, &world.err));
    ck_assert_uint_gt(damaged, 0);
    ck_assert_uint_gt(reported, 0);
    world_close();
    MUST(world_open(false));
    ck_assert_ptr_nonnull(catalog_metric_find(world.catalog, "posture"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("catalog_metrics");
    TCase *tcase = tcase_create("metrics");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, world_teardown);
    tcase_add_test(tcase, every_store_knows_the_wearable_field);
    tcase_add_loop_test(tcase, built_in_numbers_are_fixed, 0, CORE_COUNT(fixed));
    tcase_add_test(tcase, details_of_the_table_are_as_told);
    tcase_add_test(tcase, a_metric_of_ones_own_comes_back);
    tcase_add_test(tcase, labels_grow_at_the_end);
    tcase_add_test(tcase, a_long_log_is_rewritten);
    tcase_add_loop_test(tcase, what_cannot_be_defined_is_refused_with_a_reason, 0, 45);
    tcase_add_test(tcase, regions_are_numbered_in_order);
    tcase_add_test(tcase, a_catalog_is_made_once_and_needs_a_region);
    tcase_add_test(tcase, another_process_follows);
    tcase_add_test(tcase, damage_in_one_copy_is_reported_and_loses_nothing);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
