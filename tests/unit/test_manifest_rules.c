/*
 * test_manifest_rules.c -- a commit that breaks C1 or C2 is refused and writes nothing; others
 * become versions.
 */
#include "manifest/manifest_impl.h"
#include "manifest_world.h"
#include "random.h"

static struct sim *sim;
static struct opened writer;
static holter_error err;

#define MUST(call) ck_assert_msg((call) == HOLTER_OK, "%s", err.message)

/*
 * Live before each test: hot 1 and 2, warm 3 of week 10, warm 4 of week 11, hot 5 of class 1;
 * flushed to 40.
 */
static void setup(void)
{
    sim = world_new(1);
    struct io *io = sim_process_new(sim);
    struct manifest_spec spec = world_spec(io);
    MUST(manifest_create(&spec, &err));
    ck_assert_int_eq(manifest_create(&spec, &err), HOLTER_EXISTS);
    io_free(io);
    MUST(world_open(&writer, sim, true, true, &err));

    struct manifest_file flushed[] = { world_file(8, 0, -1, 1, 10), world_file(9, 1, -1, 1, 10) };
    struct manifest_file split[] = { world_file(3, 0, 10, 1, 10), world_file(4, 0, 11, 1, 10) };
    struct manifest_edit edits[] = {
        { .add = flushed, .add_count = 2, .flushed = world_place(1, 4096, 11) },
        { .add = split,
          .add_count = 2,
          .remove = (const uint8_t(*)[MANIFEST_ID_BYTES])flushed[0].id,
          .remove_count = 1 },
    };
    struct manifest_file more[] = { world_file(1, 0, -1, 11, 20), world_file(2, 0, -1, 21, 39) };
    struct manifest_edit later[] = {
        { .add = &more[0], .add_count = 1, .flushed = world_place(1, 8192, 21) },
        { .add = &more[1], .add_count = 1, .flushed = world_place(2, 4096, 40) },
    };
    MUST(manifest_commit(writer.manifest, &edits[0], &err));
    MUST(manifest_commit(writer.manifest, &edits[1], &err));
    MUST(manifest_commit(writer.manifest, &later[0], &err));
    MUST(manifest_commit(writer.manifest, &later[1], &err));
}

static void teardown(void)
{
    world_close(&writer);
    sim_free(sim);
}

START_TEST(versions_are_what_was_committed)
{
    struct manifest_version *now = manifest_current(writer.manifest);
    ck_assert_uint_eq(now->version, 5);
    ck_assert_uint_eq(now->file_count, 5);
    ck_assert_uint_eq(now->flushed.sequence, 40);
    ck_assert_uint_eq(now->flushed.file, 2);
    ck_assert_uint_eq(now->closed.file, 0);
    MUST(manifest_check(now, &err));

    struct opened reader;
    MUST(world_open(&reader, sim, false, true, &err));
    struct manifest_version *read = manifest_current(reader.manifest);
    ck_assert_uint_eq(read->version, now->version);
    ck_assert_uint_eq(read->file_count, now->file_count);
    for (size_t i = 0; i < now->file_count; i++) {
        ck_assert_mem_eq(read->files[i].id, now->files[i].id, MANIFEST_ID_BYTES);
        ck_assert_int_eq(read->files[i].partition, now->files[i].partition);
        ck_assert_int_eq(read->files[i].begin_min, -5);
        ck_assert_uint_eq(read->files[i].sequence_max, now->files[i].sequence_max);
        ck_assert_uint_eq(read->files[i].footer_hash, now->files[i].footer_hash);
    }
    manifest_version_unref(read);
    manifest_version_unref(now);
    world_close(&reader);
}
END_TEST

/* ---- edits, and whether they stand ----------------------------------------------------------- */

enum { COLD = 1000 };

struct attempt {
    const char *what;
    bool stands;
    uint8_t removed[3]; /* names; 0: none */
    struct {
        uint8_t name, class;
        int64_t partition; /* COLD + that of a cold file */
        uint64_t min, max;
    } added[2];
    struct manifest_log_place flushed;
};

static const struct attempt attempts[] = {
    { "nothing at all", true, { 0 }, { { 0 } }, { 0 } },
    { "a flush", true, { 0 }, { { 20, 0, -1, 40, 49 } }, { 2, 8192, 50 } },
    { "a flush of two classes",
      true,
      { 0 },
      { { 20, 0, -1, 40, 49 }, { 21, 1, -1, 40, 49 } },
      { 2, 8192, 50 } },
    { "a flush of nothing worth a file", true, { 0 }, { { 0 } }, { 2, 8192, 50 } },
    { "C1: a flush with a gap before", false, { 0 }, { { 20, 0, -1, 41, 49 } }, { 2, 8192, 50 } },
    { "C1: a flush with a gap behind", false, { 0 }, { { 20, 0, -1, 40, 48 } }, { 2, 8192, 50 } },
    { "C1: a flush with a gap within",
      false,
      { 0 },
      { { 20, 0, -1, 40, 43 }, { 21, 0, -1, 45, 49 } },
      { 2, 8192, 50 } },
    { "C1: a flush beyond its end", false, { 0 }, { { 20, 0, -1, 40, 50 } }, { 2, 8192, 50 } },
    { "C1: a flush that begins in what was flushed",
      false,
      { 0 },
      { { 20, 2, -1, 39, 49 } },
      { 2, 8192, 50 } },
    { "C1: a file that is not flushed yet", false, { 0 }, { { 20, 2, -1, 40, 41 } }, { 0 } },
    { "C1: flushed goes back in sequence", false, { 0 }, { { 0 } }, { 2, 8192, 39 } },
    { "C1: flushed goes back in the file", false, { 0 }, { { 0 } }, { 2, 4095, 41 } },
    { "C1: flushed goes back to an earlier file", false, { 0 }, { { 0 } }, { 1, 8192, 41 } },
    { "the place moves on, the sequence not", true, { 0 }, { { 0 } }, { 3, 4096, 40 } },
    { "a merge of neighbours", true, { 1, 2 }, { { 20, 0, 12, 11, 39 } }, { 0 } },
    { "a split", true, { 1 }, { { 20, 0, 12, 11, 20 }, { 21, 0, 13, 11, 20 } }, { 0 } },
    { "a merge of hot and warm",
      true,
      { 1, 3 },
      { { 20, 0, 10, 1, 20 }, { 21, 0, 11, 11, 20 } },
      { 0 } },
    { "a merge of neighbours to one hot file", true, { 1, 2 }, { { 20, 0, -1, 11, 39 } }, { 0 } },
    { "what left leaves nothing", true, { 3 }, { { 0 } }, { 0 } },
    { "C2: a merge over a neighbour that stays", false, { 2, 3 }, { { 20, 0, 10, 1, 39 } }, { 0 } },
    { "C2: a merge beyond what it replaces", false, { 1 }, { { 20, 0, 12, 10, 20 } }, { 0 } },
    { "C2: a merge out of another class", false, { 1 }, { { 20, 1, 12, 11, 20 } }, { 0 } },
    { "C2: over a warm file of the partition", false, { 1, 3 }, { { 20, 0, 11, 1, 20 } }, { 0 } },
    { "C2: a file for nothing", false, { 0 }, { { 20, 3, 10, 5, 6 } }, { 0 } },
    { "C2: two of one partition",
      false,
      { 1 },
      { { 20, 0, 12, 11, 15 }, { 21, 0, 12, 15, 20 } },
      { 0 } },
    { "C2: a hot file over warm ones", false, { 1, 3 }, { { 20, 0, -1, 1, 20 } }, { 0 } },
    { "weeks 10 and 11 go cold", true, { 3, 4 }, { { 20, 0, COLD + 2, 1, 10 } }, { 0 } },
    { "cold beside warm files of other weeks", true, { 3 }, { { 20, 0, COLD + 3, 1, 10 } }, { 0 } },
    { "cold after warm files of its weeks", true, { 1 }, { { 20, 0, COLD + 2, 11, 20 } }, { 0 } },
    { "a warm file after a cold one of its time",
      true,
      { 1 },
      { { 20, 0, COLD + 3, 11, 15 }, { 21, 0, 13, 16, 20 } },
      { 0 } },
    { "C2: cold over a warm file of its weeks",
      false,
      { 3 },
      { { 20, 0, COLD + 2, 1, 10 } },
      { 0 } },
    { "C2: a warm file over a cold one of its time",
      false,
      { 1 },
      { { 20, 0, COLD + 3, 11, 15 }, { 21, 0, 15, 15, 20 } },
      { 0 } },
    { "C2: cold over a hot file", false, { 2, 3 }, { { 20, 0, COLD + 9, 10, 11 } }, { 0 } },
    { "C2: two cold ones of one time",
      false,
      { 1 },
      { { 20, 0, COLD + 3, 11, 15 }, { 21, 0, COLD + 3, 15, 20 } },
      { 0 } },
    { "a file that is not live leaves", false, { 99 }, { { 0 } }, { 0 } },
    { "a file leaves twice", false, { 1, 1 }, { { 0 } }, { 0 } },
    { "a live file comes again", false, { 1 }, { { 2, 0, 12, 11, 20 } }, { 0 } },
    { "a file leaves and comes", false, { 1 }, { { 1, 0, 12, 11, 20 } }, { 0 } },
};

START_TEST(a_commit_stands_or_changes_nothing)
{
    const struct attempt *attempt = &attempts[_i];
    struct manifest_file added[2];
    uint8_t removed[3][MANIFEST_ID_BYTES];
    struct manifest_edit edit = { .add = added,
                                  .remove = (const uint8_t(*)[MANIFEST_ID_BYTES])removed,
                                  .flushed = attempt->flushed };
    for (size_t i = 0; i < 2 && attempt->added[i].name != 0; i++) {
        struct manifest_file *file = &added[edit.add_count++];
        *file =
            world_file(attempt->added[i].name, attempt->added[i].class, attempt->added[i].partition,
                       attempt->added[i].min, attempt->added[i].max);
        if (file->partition >= COLD) {
            file->tier = TIER_COLD;
            file->partition -= COLD;
        }
    }
    for (size_t i = 0; i < 3 && attempt->removed[i] != 0; i++) {
        struct manifest_file file = world_file(attempt->removed[i], 0, 0, 1, 1);
        memcpy(removed[edit.remove_count++], file.id, MANIFEST_ID_BYTES);
    }
    uint64_t calls = sim_call_count(sim);
    struct manifest_version *before = manifest_current(writer.manifest);
    holter_status status = manifest_commit(writer.manifest, &edit, &err);
    struct manifest_version *after = manifest_current(writer.manifest);
    ck_assert_msg(status == (attempt->stands ? HOLTER_OK : HOLTER_INVALID), "%s: %d %s",
                  attempt->what, (int)status, err.message);
    ck_assert_uint_eq(after->version, before->version + attempt->stands);
    if (!attempt->stands)
        ck_assert_uint_eq(sim_call_count(sim), calls);
    MUST(manifest_check(after, &err));
    ck_assert_uint_eq(before->file_count, 5); /* a version never changes */

    struct opened reader; /* and who reads the bytes comes to the same */
    MUST(world_open(&reader, sim, false, false, &err));
    struct manifest_version *read = manifest_current(reader.manifest);
    ck_assert_uint_eq(read->version, after->version);
    ck_assert_uint_eq(read->file_count, after->file_count);
    for (size_t i = 0; i < after->file_count; i++)
        ck_assert_mem_eq(read->files[i].id, after->files[i].id, MANIFEST_ID_BYTES);
    manifest_version_unref(read);
    manifest_version_unref(before);
    manifest_version_unref(after);
    world_close(&reader);
}
END_TEST

START_TEST(fields_that_make_no_sense_are_refused)
{
    for (unsigned i = 0; i < 14; i++) {
        struct manifest_file file = world_file(20, 0, -1, 40, 49);
        switch (i) {
        case 0:
            file.tier = 0;
            break;
        case 1:
            file.tier = 4;
            break;
        case 2:
            file.class = MANIFEST_CLASSES;
            break;
        case 3:
            file.partition = 3;
            break;
        case 4:
            file.tier = TIER_WARM;
            break;
        case 5:
            file.user_min = 6;
            break;
        case 6:
            file.rows = 0;
            break;
        case 7:
            file.begin_min = 101;
            break;
        case 8:
            file.end_max = 99;
            break;
        case 9:
            file.tombstone_end = 1;
            break;
        case 10:
            file.bytes = 0;
            break;
        case 11:
            file.tier = TIER_WARM;
            file.partition = manifest_partition(TIER_WARM, INT64_MAX) + 1;
            break;
        case 12:
            file.tier = TIER_COLD;
            file.partition = manifest_partition(TIER_COLD, INT64_MIN) - 1;
            break;
        default:
            file.sequence_max = 39;
            break;
        }
        struct manifest_edit edit = { .add = &file,
                                      .add_count = 1,
                                      .flushed = world_place(2, 8192, 50) };
        ck_assert_int_eq(manifest_commit(writer.manifest, &edit, &err), HOLTER_INVALID);
    }
}
END_TEST

START_TEST(a_closed_end_is_kept)
{
    struct manifest_edit edit = { .closed = world_place(2, 12288, 44) };
    struct manifest_edit nothing = { .add = NULL };
    MUST(manifest_commit(writer.manifest, &edit, &err));
    MUST(manifest_commit(writer.manifest, &nothing, &err));
    struct opened reader;
    MUST(world_open(&reader, sim, false, true, &err));
    struct manifest_version *read = manifest_current(reader.manifest);
    ck_assert_uint_eq(read->closed.offset, 12288);
    ck_assert_uint_eq(read->closed.sequence, 44);
    manifest_version_unref(read);
    world_close(&reader);
}
END_TEST

START_TEST(a_long_log_is_rewritten_and_readers_follow)
{
    struct opened reader;
    MUST(world_open(&reader, sim, false, true, &err));
    uint64_t sequence = 40;
    for (unsigned i = 0; i < 700; i++) {
        struct manifest_file file = world_file(50, 2, -1, sequence, sequence + 9);
        memcpy(file.id + 4, &i, sizeof i);
        sequence += 10;
        struct manifest_edit edit = { .add = &file,
                                      .add_count = i % 7 == 0,
                                      .flushed = world_place(3, 4096 + i, sequence) };
        MUST(manifest_commit(writer.manifest, &edit, &err));
        if (i % 10 == 0) {
            MUST(manifest_refresh(reader.manifest, false, &err));
            struct manifest_version *read = manifest_current(reader.manifest);
            ck_assert_uint_eq(read->version, 6 + i);
            ck_assert_uint_eq(read->file_count, 5 + i / 7 + 1);
            manifest_version_unref(read);
        }
    }
    struct buffer bytes;
    buffer_init(&bytes);
    MUST(sim_file_read(&bytes, sim, "s/manifest.a"));
    ck_assert_uint_lt(bytes.bytes, 200 << 10);
    buffer_release(&bytes);
    size_t damaged = 0;
    MUST(manifest_verify(writer.manifest, NULL, NULL, &damaged, &err));
    ck_assert_uint_eq(damaged, 0);
    MUST(manifest_refresh(reader.manifest, false, &err));
    MUST(manifest_verify(reader.manifest, NULL, NULL, &damaged, &err));
    ck_assert_uint_eq(damaged, 0);
    uint64_t calls = sim_call_count(sim);
    MUST(manifest_refresh(reader.manifest, false, &err));
    ck_assert_uint_le(sim_call_count(sim), calls + 32); /* current: the page's words and no more */
    world_close(&reader);
}
END_TEST

START_TEST(a_version_of_many_files_is_checked)
{
    enum { FILES = 70000 };
    struct manifest_file *files = calloc(FILES, sizeof *files);
    for (uint32_t i = 0; i < FILES; i++) {
        files[i] = world_file(60, 3, -1, 40 + i, 40 + i);
        memcpy(files[i].id + 4, &i, sizeof i);
    }
    struct manifest_version version = { .version = 1,
                                        .flushed = world_place(2, 8192, 40 + FILES),
                                        .files = files,
                                        .file_count = FILES };
    MUST(manifest_check(&version, &err));
    files[FILES - 1].sequence_min--;
    ck_assert_int_eq(manifest_check(&version, &err), HOLTER_INVALID);
    files[FILES - 1].sequence_min++;
    memcpy(files[7].id, files[FILES - 1].id, MANIFEST_ID_BYTES);
    ck_assert_int_eq(manifest_check(&version, &err), HOLTER_INVALID);
    free(files);
}
END_TEST

/* C2 by every pair, in weeks. */
static bool has_overlap(const struct manifest_version *version)
{
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *a = &version->files[i];
        int64_t a_weeks = a->tier == TIER_COLD ? 4 : 1;
        for (size_t j = 0; j < i; j++) {
            const struct manifest_file *b = &version->files[j];
            int64_t b_weeks = b->tier == TIER_COLD ? 4 : 1;
            bool meet = a->tier == TIER_HOT || b->tier == TIER_HOT ||
                        (a->partition * a_weeks < (b->partition + 1) * b_weeks &&
                         b->partition * b_weeks < (a->partition + 1) * a_weeks);
            if (meet && a->class == b->class && a->sequence_min <= b->sequence_max &&
                b->sequence_min <= a->sequence_max)
                return true;
        }
    }
    return false;
}

START_TEST(files_of_all_tiers_are_disjoint_where_they_share_time)
{
    enum { FILES = 8, SEQUENCES = 60 };
    struct random random = { 5 };
    size_t refused = 0, stood = 0;
    for (int round = 0; round < 20000; round++) {
        struct manifest_file files[FILES];
        struct manifest_version version = { .version = 1,
                                            .flushed = world_place(1, 4096, SEQUENCES + 10),
                                            .files = files };
        uint64_t count = 2 + random_below(&random, FILES - 1);
        for (size_t i = 0; i < count; i++) {
            uint64_t min = 1 + random_below(&random, SEQUENCES);
            files[i] = world_file((uint8_t)(1 + i), (uint8_t)random_below(&random, 2), -1, min,
                                  min + random_below(&random, 4));
            files[i].tier = (uint8_t)(TIER_HOT + random_below(&random, 8) % 3);
            int64_t week = (int64_t)random_below(&random, 12) - 6;
            files[i].partition = manifest_partition((enum manifest_tier)files[i].tier,
                                                    manifest_partition_from(TIER_WARM, week));
        }
        version.file_count = count;
        qsort(files, count, sizeof *files, manifest_file_compare);
        holter_status status = manifest_check(&version, &err);
        bool is_refused = has_overlap(&version);
        ck_assert_int_eq(status, is_refused ? HOLTER_INVALID : HOLTER_OK);
        refused += is_refused;
        stood += !is_refused;
    }
    ck_assert_uint_gt(refused, 1000);
    ck_assert_uint_gt(stood, 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manifest_rules");
    TCase *tests = tcase_create("rules");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, versions_are_what_was_committed);
    tcase_add_loop_test(tests, a_commit_stands_or_changes_nothing, 0, (int)CORE_COUNT(attempts));
    tcase_add_test(tests, fields_that_make_no_sense_are_refused);
    tcase_add_test(tests, a_closed_end_is_kept);
    tcase_add_test(tests, a_long_log_is_rewritten_and_readers_follow);
    tcase_add_test(tests, a_version_of_many_files_is_checked);
    tcase_add_test(tests, files_of_all_tiers_are_disjoint_where_they_share_time);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
