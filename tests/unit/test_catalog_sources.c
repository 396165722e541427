/*
 * test_catalog_sources.c -- sources are what was put, under their user's key only; sealed and not.
 */
#include "catalog_world.h"

static void setup_sealed(void)
{
    world_setup(true);
}

static void setup_plain(void)
{
    world_setup(false);
}

START_TEST(a_source_comes_back_whole)
{
    struct catalog_source source = world_source(0, "watch-\xc3\xa9"), back;
    strcpy(source.type, "watch");
    strcpy(source.model, "Model 7 (44 mm)");
    strcpy(source.firmware, "1.2.3");
    source.registered_ns = -5;
    source.status = 1;
    source.setting_count = 2;
    source.settings[0] = (struct catalog_setting){ .metric = 10, .priority = -3, .period_ns = 60 };
    source.settings[1] =
        (struct catalog_setting){ .metric = 2, .priority = INT32_MAX, .period_ns = INT64_MAX };
    MUST(world_put(&source));
    ck_assert_uint_eq(source.number, 1);
    for (int round = 0; round < 2; round++) {
        MUST(world_find(&back, 0, source.name));
        ck_assert_uint_eq(back.user, 100);
        ck_assert_uint_eq(back.number, 1);
        ck_assert_str_eq(back.name, source.name);
        ck_assert_str_eq(back.type, source.type);
        ck_assert_str_eq(back.model, source.model);
        ck_assert_str_eq(back.firmware, source.firmware);
        ck_assert_int_eq(back.registered_ns, -5);
        ck_assert_uint_eq(back.status, 1);
        ck_assert_uint_eq(back.setting_count, 2);
        ck_assert_uint_eq(back.settings[0].metric, 2); /* in order of metrics */
        ck_assert_int_eq(back.settings[0].priority, INT32_MAX);
        ck_assert_int_eq(back.settings[0].period_ns, INT64_MAX);
        ck_assert_uint_eq(back.settings[1].metric, 10);
        ck_assert_int_eq(back.settings[1].priority, -3);
        MUST(catalog_source_by_number(&back, world.catalog, 100, 1, world.arena, world.keys[0],
                                      &world.err));
        ck_assert_str_eq(back.name, source.name);
        world_reopen();
    }
}
END_TEST

START_TEST(the_largest_source_fits)
{
    struct catalog_source source = world_source(0, ""), back;
    memset(source.name, 'n', CATALOG_SOURCE_NAME_BYTES_MAX);
    memset(source.type, 't', CATALOG_NAME_BYTES_MAX);
    memset(source.model, 'm', CATALOG_NAME_BYTES_MAX);
    memset(source.firmware, 'f', CATALOG_NAME_BYTES_MAX);
    source.setting_count = CATALOG_SETTINGS_MAX;
    for (uint32_t i = 0; i < CATALOG_SETTINGS_MAX; i++)
        source.settings[i].metric = i + 1;
    MUST(world_put(&source));
    world_reopen();
    MUST(world_find(&back, 0, source.name));
    ck_assert_mem_eq(back.settings, source.settings, sizeof source.settings);
}
END_TEST

START_TEST(sources_are_numbered_within_their_user)
{
    static const char *const names[] = { "watch", "phone", "ring" };
    struct catalog_source back;
    for (size_t i = 0; i < CORE_COUNT(names); i++)
        for (size_t user = 0; user < 3; user++) {
            struct catalog_source source = world_source(user, names[i]);
            MUST(world_put(&source));
            ck_assert_uint_eq(source.number, i + 1);
        }
    for (int round = 0; round < 2; round++) {
        for (size_t user = 0; user < 3; user++) {
            ck_assert_uint_eq(catalog_source_count(world.catalog, 100 + user), CORE_COUNT(names));
            for (size_t i = 0; i < CORE_COUNT(names); i++) {
                MUST(world_find(&back, user, names[i]));
                ck_assert_uint_eq(back.number, i + 1);
            }
            ck_assert_int_eq(world_find(&back, user, "other"), HOLTER_NOT_FOUND);
            ck_assert_int_eq(catalog_source_by_number(&back, world.catalog, 100 + user, 4,
                                                      world.arena, world.keys[user], &world.err),
                             HOLTER_NOT_FOUND);
        }
        ck_assert_uint_eq(catalog_source_count(world.catalog, 103), 0);
        ck_assert_int_eq(world_find(&back, 3, "watch"), HOLTER_NOT_FOUND);
        world_reopen();
    }
}
END_TEST

START_TEST(many_sources_come_in_one_edit)
{
    enum { COUNT = 600 };
    static struct catalog_source sources[COUNT];
    static const struct crypto_key *keys[COUNT];
    static uint32_t generations[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%zu", i / WORLD_USERS);
        sources[i] = world_source(i % WORLD_USERS, name);
        keys[i] = world.keys[i % WORLD_USERS];
        generations[i] = 1;
    }
    uint64_t version = catalog_version(world.catalog);
    MUST(catalog_put_sources(world.catalog, sources, COUNT, world.arena, keys, generations,
                             &world.err));
    ck_assert_uint_eq(catalog_version(world.catalog), version + 1);
    world_reopen();
    for (size_t i = 0; i < COUNT; i++) {
        struct catalog_source back;
        ck_assert_uint_eq(sources[i].number, i / WORLD_USERS + 1);
        MUST(world_find(&back, i % WORLD_USERS, sources[i].name));
        ck_assert_uint_eq(back.number, sources[i].number);
    }
}
END_TEST

START_TEST(a_source_is_replaced_by_its_number)
{
    struct catalog_source a = world_source(0, "a"), b = world_source(0, "b"), back;
    MUST(world_put(&a));
    MUST(world_put(&b));
    strcpy(a.name, "renamed");
    a.status = 1;
    MUST(world_put(&a));
    ck_assert_uint_eq(a.number, 1);
    world_reopen();
    ck_assert_uint_eq(catalog_source_count(world.catalog, 100), 2);
    MUST(world_find(&back, 0, "renamed"));
    ck_assert_uint_eq(back.number, 1);
    ck_assert_uint_eq(back.status, 1);
    ck_assert_int_eq(world_find(&back, 0, "a"), HOLTER_NOT_FOUND);
}
END_TEST

/* Often enough that the log is rewritten; it must not lose its other content. */
START_TEST(replacing_often_keeps_the_log_short)
{
    struct catalog_source source = world_source(0, "a"), other = world_source(1, "b"), back;
    struct io_stat stat;
    MUST(world_put(&other));
    for (int i = 0; i < 600; i++) {
        source.registered_ns = i;
        MUST(world_put(&source));
    }
    MUST(io_stat(&stat, world.io, "d/catalog.a", &world.err));
    ck_assert_uint_lt(stat.bytes, 100000);
    world_reopen();
    MUST(world_find(&back, 0, "a"));
    ck_assert_int_eq(back.registered_ns, 599);
    MUST(world_find(&back, 1, "b"));
}
END_TEST

START_TEST(names_are_unlike_within_a_user)
{
    struct catalog_source two[2] = { world_source(0, "same"), world_source(0, "same") };
    const struct crypto_key *keys[2] = { world.keys[0], world.keys[0] };
    uint32_t generations[2] = { 1, 1 };
    ck_assert_int_eq(catalog_put_sources(world.catalog, two, 2, world.arena, keys, generations,
                                         &world.err),
                     HOLTER_EXISTS);
    ck_assert_uint_eq(two[0].number, 0);
    ck_assert_uint_eq(catalog_source_count(world.catalog, 100), 0);

    struct catalog_source a = world_source(0, "a"), b = world_source(0, "b"),
                          again = world_source(0, "a");
    MUST(world_put(&a));
    MUST(world_put(&b));
    ck_assert_int_eq(world_put(&again), HOLTER_EXISTS);
    strcpy(b.name, "a");
    ck_assert_int_eq(world_put(&b), HOLTER_EXISTS);
    MUST(world_put(&a)); /* its own name */
}
END_TEST

static void spoil(struct catalog_source *s, int how)
{
    switch (how) {
    case 0:
        s->name[0] = '\0';
        break;
    case 1:
        memset(s->name, 'a', sizeof s->name);
        break;
    case 2:
        strcpy(s->name, "a\nb");
        break;
    case 3:
        strcpy(s->name, "\xff");
        break;
    case 4:
        memset(s->type, 'a', sizeof s->type);
        break;
    case 5:
        strcpy(s->model, "\x7f");
        break;
    case 6:
        strcpy(s->firmware, "\xc0\x80");
        break;
    case 7:
        s->status = 2;
        break;
    case 8:
        s->setting_count = CATALOG_SETTINGS_MAX + 1;
        break;
    case 9:
        s->setting_count = 1;
        break; /* of metric 0 */
    case 10:
        s->setting_count = 1;
        s->settings[0].metric = 1;
        s->settings[0].period_ns = -1;
        break;
    case 11:
        s->setting_count = 2;
        s->settings[0].metric = s->settings[1].metric = 4;
        break;
    }
}

START_TEST(what_cannot_be_told_is_refused)
{
    struct catalog_source source = world_source(0, "fine");
    spoil(&source, _i);
    ck_assert_int_eq(world_put(&source), HOLTER_INVALID);
    ck_assert_uint_eq(catalog_source_count(world.catalog, 100), 0);
}
END_TEST

START_TEST(a_number_that_is_not_there_is_not_found)
{
    struct catalog_source source = world_source(0, "fine");
    source.number = 1;
    ck_assert_int_eq(world_put(&source), HOLTER_NOT_FOUND);
}
END_TEST

/* ---- sealing (K3) ---- */

START_TEST(another_users_key_does_not_open_a_source)
{
    struct catalog_source source = world_source(0, "watch"), back = { .number = 77 };
    MUST(world_put(&source));
    ck_assert_int_eq(catalog_source_find(&back, world.catalog, 100, "watch", world.arena,
                                         world.keys[1], &world.err),
                     HOLTER_CORRUPT);
    ck_assert_int_eq(catalog_source_find(&back, world.catalog, 100, "watch", world.arena, NULL,
                                         &world.err),
                     HOLTER_DENIED);
    ck_assert_uint_eq(back.number, 77);
    struct crypto_key *fill[2] = { NULL }; /* no slot is left */
    static const uint8_t zeros[CRYPTO_KEY_BYTES];
    for (size_t i = 0; i < 2; i++)
        ck_assert_ptr_nonnull(fill[i] = crypto_key_new(world.arena, zeros));
    ck_assert_int_eq(world_find(&back, 0, "watch"), HOLTER_NO_MEMORY);
    for (size_t i = 0; i < 2; i++)
        crypto_key_free(fill[i]);
    MUST(world_find(&back, 0, "watch")); /* none was kept */
}
END_TEST

static bool file_holds(const char *path, const char *text)
{
    struct buffer file;
    bool holds = false;
    buffer_init(&file);
    MUST(sim_file_read(&file, world.sim, path));
    for (size_t i = 0; !holds && i + strlen(text) <= file.bytes; i++)
        holds = memcmp(file.data + i, text, strlen(text)) == 0;
    buffer_release(&file);
    return holds;
}

START_TEST(only_without_sealing_a_name_is_on_the_disk)
{
    struct catalog_source source = world_source(0, "serial-4711-of-ada");
    strcpy(source.model, "a-rare-model");
    MUST(world_put(&source));
    ck_assert(file_holds("d/catalog.a", "serial-4711") == !world.is_sealed);
    ck_assert(file_holds("d/catalog.b", "rare-model") == !world.is_sealed);
}
END_TEST

START_TEST(equal_names_look_unlike_and_of_one_length)
{
    struct catalog_source a = world_source(0, "a"), b = world_source(0, "a-longer-name");
    struct io_stat stat[3];
    MUST(io_stat(&stat[0], world.io, "d/catalog.a", &world.err));
    MUST(world_put(&a));
    MUST(io_stat(&stat[1], world.io, "d/catalog.a", &world.err));
    MUST(world_put(&b));
    MUST(io_stat(&stat[2], world.io, "d/catalog.a", &world.err));
    ck_assert_uint_eq(stat[1].bytes - stat[0].bytes, stat[2].bytes - stat[1].bytes);
}
END_TEST

int main(void)
{
    static const struct {
        const char *name;
        void (*setup)(void);
    } kinds[] = { { "sealed", setup_sealed }, { "plain", setup_plain } };
    Suite *suite = suite_create("catalog_sources");
    for (size_t i = 0; i < CORE_COUNT(kinds); i++) {
        TCase *tcase = tcase_create(kinds[i].name);
        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, kinds[i].setup, world_teardown);
        tcase_add_test(tcase, a_source_comes_back_whole);
        tcase_add_test(tcase, the_largest_source_fits);
        tcase_add_test(tcase, sources_are_numbered_within_their_user);
        tcase_add_test(tcase, many_sources_come_in_one_edit);
        tcase_add_test(tcase, a_source_is_replaced_by_its_number);
        tcase_add_test(tcase, replacing_often_keeps_the_log_short);
        tcase_add_test(tcase, names_are_unlike_within_a_user);
        tcase_add_loop_test(tcase, what_cannot_be_told_is_refused, 0, 12);
        tcase_add_test(tcase, a_number_that_is_not_there_is_not_found);
        tcase_add_test(tcase, only_without_sealing_a_name_is_on_the_disk);
        if (i == 0) {
            tcase_add_test(tcase, another_users_key_does_not_open_a_source);
            tcase_add_test(tcase, equal_names_look_unlike_and_of_one_length);
        }
        suite_add_tcase(suite, tcase);
    }
    return run_suite(suite);
}
