/*
 * cohort.c -- a made-up cohort: what wearables of so many people deliver in so many days.
 *
 * A person's life is walked minute by minute (live_minute), from a stream of random numbers of its
 * own. Deliveries come from a second stream, so that they change nothing of what is true. People
 * wait in a heap for their next sync; a sync walks the person up to that moment, in parcels of six
 * hours, and hands them out.
 *
 * Constants were fitted to the files and figures that tests/simulate/figures.py names.
 */
#include "cohort.h"

#include <stdlib.h>
#include <string.h>

enum {
    MINUTE = 60,
    HOUR = 3600,
    DAY = 86400,
    PARCEL_S = 6 * HOUR,
    PARCELS_MAX = 64,
    KEPT_ROWS_MAX = 24,
    NIGHT_SEGMENTS_MAX = 400
};

#define NS INT64_C(1000000000)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct rows {
    struct cohort_row *items;
    size_t count, room;
};

struct parcel {
    size_t begin, count;
};

struct person {
    uint64_t life, delivery; /* states of the two streams */
    int64_t at_s;            /* lived up to here, UTC */
    int64_t sync_s;          /* the next sync */
    uint32_t index;
    /* traits */
    int32_t rest_rate, hrv_ms, skin_base;
    uint32_t off_day_percent, walk_percent;
    bool has_phone, sleeps_with_it, is_synced_often;
    /* where */
    int32_t home_s, offset_s;
    int64_t trip_end_s; /* 0: at home */
    bool offset_told;
    /* the day, in local seconds */
    bool asleep, off_day;
    int64_t sleep_at_s, wake_at_s, measure_at_s;
    int64_t exercise_s, exercise_end_s, charge_s, charge_end_s;
    int64_t asleep_since_s; /* UTC */
    /* heart rate */
    int64_t tick_s, stored_s; /* UTC; stored_s 0: nothing since it was put on */
    int64_t lost_until_s;     /* no contact with the skin */
    int32_t rate, drift, liveliness;
    /* steps */
    int32_t gait, pace; /* 0 still, 1 about the house, 2 walking */
    bool phone_is_carried;
    int64_t phone_since_s; /* 0: no interval is open */
    int32_t phone_steps;
    int32_t skin;
    /* of the last sync, to be sent again or corrected */
    struct cohort_row kept[KEPT_ROWS_MAX];
    size_t kept_count;
};

struct cohort {
    struct cohort_options options;
    bool wanted[COHORT_METRICS];
    int64_t end_s;
    struct person *people;
    uint32_t *heap; /* of people by sync_s, then index */
    size_t heap_count;
    struct rows gathered[COHORT_METRICS]; /* of the parcel at hand */
    struct rows rows;                     /* of the sync at hand */
    struct parcel parcels[PARCELS_MAX];
    size_t parcel_count, parcel_next;
    size_t row_next; /* within the parcel */
    bool newest_first;
    bool has_failed; /* memory ran out */
};

/* ---- random numbers ------------------------------------------------------------------------- */

/* SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 .. count - 1; the bias of a 32-bit product does not matter here. */
static int32_t below(uint64_t *state, uint32_t count)
{
    return (int32_t)((draw(state) >> 32) * count >> 32);
}

static int32_t between(uint64_t *state, int32_t least, int32_t greatest)
{
    return least + below(state, (uint32_t)(greatest - least + 1));
}

static bool chance(uint64_t *state, uint32_t of_10000)
{
    return below(state, 10000) < (int32_t)of_10000;
}

/* About normal, by a sum of four: mean 0, deviation about `spread`. */
static int32_t around(uint64_t *state, int32_t spread)
{
    uint64_t bits = draw(state);
    int32_t sum = (int32_t)(bits & 0xffff) + (int32_t)(bits >> 16 & 0xffff) +
                  (int32_t)(bits >> 32 & 0xffff) + (int32_t)(bits >> 48);
    return (int32_t)((int64_t)(sum - 131070) * spread / 37837); /* 65536 * sqrt(4 / 12) */
}

/* An index into rising sums that end at 10,000. */
static size_t pick(uint64_t *state, const uint16_t *sums)
{
    int32_t at = below(state, 10000);
    size_t index = 0;
    while (at >= sums[index])
        index++;
    return index;
}

static int32_t limited(int32_t value, int32_t least, int32_t greatest)
{
    return value < least ? least : value > greatest ? greatest : value;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static struct cohort_row *rows_room(struct cohort *cohort, struct rows *rows, size_t count)
{
    if (rows->room - rows->count < count) {
        size_t room = rows->room == 0 ? 1024 : rows->room;
        while (room - rows->count < count)
            room *= 2;
        struct cohort_row *items = realloc(rows->items, room * sizeof *items);
        if (items == NULL) {
            cohort->has_failed = true;
            return NULL;
        }
        rows->items = items;
        rows->room = room;
    }
    return rows->items + rows->count;
}

static void put(struct cohort *cohort, const struct person *person, enum cohort_metric metric,
                enum cohort_source source, int64_t time_ns, int64_t duration_ns, int32_t value)
{
    if (!cohort->wanted[metric])
        return;
    struct rows *rows = &cohort->gathered[metric];
    struct cohort_row *row = rows_room(cohort, rows, 1);
    if (row == NULL)
        return;
    *row = (struct cohort_row){
        .time_ns = time_ns,
        .duration_ns = duration_ns,
        .value = value,
        .user = person->index,
        .metric = (uint8_t)metric,
        .source = (uint8_t)source,
    };
    rows->count++;
}

/* ---- heart rate ----------------------------------------------------------------------------- */

/* Where the rate is drawn to in this minute. */
static int32_t rate_aim(struct person *person, bool exercise)
{
    person->drift += around(&person->life, 3) - person->drift / 12;
    if (exercise)
        return person->rest_rate + 72 + person->drift;
    if (person->asleep)
        return person->rest_rate - 4 + person->drift / 2;
    static const int32_t of_gait[] = { 10, 22, 36 };
    return person->rest_rate + of_gait[person->gait] + person->drift;
}

/* A change, never 0; small ones are common: 59 % of them by 1. */
static int32_t rate_change(struct person *person, int32_t aim, bool exercise)
{
    static const uint16_t sums[] = { 5900, 8250, 9150, 9540, 9740, 9850, 9910, 9950, 9980, 10000 };
    static const uint16_t sums_exercise[] = { 8600, 9600, 9850, 10000 };
    int32_t size = 1 + (int32_t)pick(&person->life, exercise ? sums_exercise : sums);
    int32_t away = aim - person->rate;
    int32_t up = limited(5000 + away * 350, 800, 9200);
    return chance(&person->life, (uint32_t)up) ? size : -size;
}

/*
 * The watch looks each 5 s (1 s in exercise) and stores when the rate has changed, at the latest at
 * the third look; one value in ten is stored although it has not.
 */
static void live_rate(struct cohort *cohort, struct person *person, int64_t minute_s, bool exercise)
{
    int32_t aim = rate_aim(person, exercise);
    if (chance(&person->life, 600))
        person->liveliness = between(&person->life, 1500, 7600);
    int32_t step_s = exercise ? 1 : 5;
    if (person->tick_s < minute_s)
        person->tick_s = minute_s + below(&person->life, (uint32_t)step_s);
    for (; person->tick_s < minute_s + MINUTE; person->tick_s += step_s) {
        if (!exercise && chance(&person->life, 120)) /* its clock slips */
            person->tick_s += chance(&person->life, 5000) ? 1 : -1;
        bool is_last =
            person->stored_s == 0 || person->tick_s - person->stored_s >= (exercise ? 3 : 14);
        int32_t change_chance = exercise ? 1700 : is_last ? 2800 : person->liveliness;
        bool has_changed = chance(&person->life, (uint32_t)change_chance);
        if (has_changed)
            person->rate = limited(person->rate + rate_change(person, aim, exercise), 38, 205);
        if (!has_changed && !is_last && !chance(&person->life, exercise ? 200 : 1000))
            continue;
        if (person->tick_s <= person->stored_s)
            continue;
        person->stored_s = person->tick_s;
        put(cohort, person, COHORT_HEART_RATE, COHORT_WATCH, person->tick_s * NS, 0, person->rate);
    }
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void phone_close(struct cohort *cohort, struct person *person, int64_t now_s)
{
    if (person->phone_since_s == 0)
        return;
    if (person->phone_steps > 0)
        put(cohort, person, COHORT_STEPS, COHORT_PHONE, person->phone_since_s * NS,
            (now_s - person->phone_since_s) * NS, person->phone_steps);
    person->phone_since_s = 0;
    person->phone_steps = 0;
}

/* The phone counts too while it is carried: intervals of up to ten minutes, and a count of its own. */
static void live_phone(struct cohort *cohort, struct person *person, int64_t minute_s,
                       int32_t steps)
{
    if (steps == 0 || !person->phone_is_carried) {
        phone_close(cohort, person, minute_s);
        return;
    }
    if (person->phone_since_s != 0 && minute_s - person->phone_since_s >= 9 * MINUTE)
        phone_close(cohort, person, minute_s);
    if (person->phone_since_s == 0)
        person->phone_since_s = minute_s + below(&person->life, 30);
    person->phone_steps += steps * between(&person->life, 88, 108) / 100;
}

static int32_t gait_next(struct person *person, bool exercise)
{
    if (exercise)
        return 2;
    if (person->asleep || person->off_day)
        return chance(&person->life, person->off_day ? 0 : 15) ? 1 : 0;
    int32_t at = below(&person->life, 10000);
    int32_t start = (int32_t)(11 * person->walk_percent);
    switch (person->gait) {
    case 0:
        return at < start ? 1 : at < start + start / 8 ? 2 : 0;
    case 1:
        return at < 4300 ? 0 : at < 4800 ? 2 : 1;
    default:
        return at < 900 ? 0 : at < 1500 ? 1 : 2;
    }
}

static void live_steps(struct cohort *cohort, struct person *person, int64_t minute_s,
                       bool exercise)
{
    int32_t before = person->gait;
    person->gait = gait_next(person, exercise);
    int32_t steps = 0;
    if (person->gait == 1) {
        int32_t least = between(&person->life, 4, 60); /* the lesser of two: few are more common */
        int32_t other = between(&person->life, 4, 60);
        steps = least < other ? least : other;
    } else if (person->gait == 2) {
        if (before != 2)
            person->pace =
                exercise ? between(&person->life, 140, 168) : between(&person->life, 84, 116);
        steps = person->pace + around(&person->life, 3);
    }
    if (before == 0 && person->gait != 0)
        person->phone_is_carried = chance(&person->life, 6500);
    put(cohort, person, COHORT_STEPS, COHORT_WATCH, minute_s * NS, MINUTE * NS, steps);
    if (person->has_phone)
        live_phone(cohort, person, minute_s, steps);
}

/* ---- nights --------------------------------------------------------------------------------- */

/* Stages of the night that ends now: cycles of about 90 minutes, cut into pieces by short wakes. */
static void live_stages(struct cohort *cohort, struct person *person, int64_t wake_s)
{
    static const uint16_t after[COHORT_STAGES][COHORT_STAGES] = {
        [COHORT_LIGHT] = { 0, 900, 2300, 10000 },
        [COHORT_DEEP] = { 1500, 1500, 1700, 10000 },
        [COHORT_REM] = { 1400, 1450, 1450, 10000 },
        [COHORT_WAKE] = { 6700, 7700, 9200, 10000 },
    };
    /* in units of 30 s: the least, and the spread of an exponential tail by halves */
    static const int32_t half[COHORT_STAGES] = { 10, 22, 14, 2 };
    static const int32_t least[COHORT_STAGES] = { 1, 10, 4, 1 };
    int64_t at_s = person->asleep_since_s;
    enum cohort_stage stage = COHORT_WAKE;
    for (int segment = 0; at_s < wake_s && segment < NIGHT_SEGMENTS_MAX; segment++) {
        int32_t units = least[stage];
        while (chance(&person->life, 5000))
            units += half[stage];
        units += below(&person->life, (uint32_t)half[stage]);
        int64_t end_s = at_s + (int64_t)units * 30;
        if (end_s > wake_s)
            end_s = wake_s;
        if (end_s > at_s)
            put(cohort, person, COHORT_SLEEP_STAGE, COHORT_WATCH, at_s * NS, (end_s - at_s) * NS,
                (int32_t)stage);
        at_s = end_s;
        if (chance(&person->life, 2700)) /* the lists of long and short segments leave holes */
            at_s += 30 * (int64_t)between(&person->life, 1, 6);
        stage = (enum cohort_stage)pick(&person->life, after[stage]);
    }
}

/* One minute of beats, each stamped with its end: the sum of the intervals. */
static void live_beats(struct cohort *cohort, struct person *person, int64_t minute_s)
{
    int64_t at_ms = minute_s * 1000 + below(&person->life, 1000);
    int32_t wave = 0;
    for (;;) {
        wave = wave * 7 / 10 + around(&person->life, person->hrv_ms);
        int32_t interval =
            limited(60000 / person->rate + wave / 2 + around(&person->life, 8), 416, 1768);
        at_ms += interval;
        if (at_ms >= (minute_s + MINUTE) * 1000)
            return;
        put(cohort, person, COHORT_RR_INTERVAL, COHORT_WATCH, at_ms * (NS / 1000), 0, interval);
    }
}

/* ---- days ----------------------------------------------------------------------------------- */

static void plan_day(struct person *person, int64_t local_s)
{
    int64_t midnight_s = local_s - local_s % DAY;
    uint64_t *life = &person->life;
    person->sleep_at_s = midnight_s + (int64_t)(23 * HOUR) + around(life, 50) * (int64_t)MINUTE;
    if (person->sleep_at_s < local_s + 10 * HOUR)
        person->sleep_at_s = local_s + 10 * HOUR;
    person->measure_at_s = local_s + 10 * MINUTE;
    person->off_day = chance(life, person->off_day_percent * 100);
    bool exercises = chance(life, 1600);
    person->exercise_s = midnight_s + between(life, 10 * 60, 19 * 60) * (int64_t)MINUTE;
    person->exercise_end_s =
        person->exercise_s + (exercises ? between(life, 20, 60) : 0) * (int64_t)MINUTE;
    bool charges = chance(life, 6500);
    person->charge_s = local_s + between(life, 20, 12 * 60) * (int64_t)MINUTE;
    person->charge_end_s =
        person->charge_s + (charges ? between(life, 30, 150) : 0) * (int64_t)MINUTE;
}

static void travel(struct cohort *cohort, struct person *person, int64_t minute_s)
{
    int32_t before = person->offset_s;
    if (person->trip_end_s != 0 && minute_s >= person->trip_end_s) {
        person->trip_end_s = 0;
        person->offset_s = person->home_s;
    } else if (person->trip_end_s == 0 && chance(&person->life, 120)) { /* asked once a day */
        person->trip_end_s = minute_s + between(&person->life, 3, 12) * (int64_t)DAY;
        person->offset_s =
            limited(person->home_s + between(&person->life, -9, 9) * HOUR, -12 * HOUR, 14 * HOUR);
    }
    if (person->offset_told && before == person->offset_s)
        return;
    person->offset_told = true;
    put(cohort, person, COHORT_UTC_OFFSET, COHORT_WATCH, minute_s * NS, 0, person->offset_s);
}

static void live_minute(struct cohort *cohort, struct person *person)
{
    int64_t minute_s = person->at_s;
    if (!person->offset_told)
        travel(cohort, person, minute_s);
    int64_t local_s = minute_s + person->offset_s;
    if (!person->asleep && local_s % DAY / MINUTE == 12 * 60)
        travel(cohort, person, minute_s);
    uint64_t *life = &person->life;

    if (person->asleep && local_s >= person->wake_at_s) {
        if (person->sleeps_with_it && !person->off_day)
            live_stages(cohort, person, minute_s);
        person->asleep = false;
        plan_day(person, local_s);
    } else if (!person->asleep && local_s >= person->sleep_at_s) {
        person->asleep = true;
        person->asleep_since_s = minute_s;
        person->wake_at_s = local_s + between(life, 340, 540) * (int64_t)MINUTE;
    }

    bool exercise = !person->asleep && !person->off_day && local_s >= person->exercise_s &&
                    local_s < person->exercise_end_s;
    live_steps(cohort, person, minute_s, exercise);

    bool charging = local_s >= person->charge_s && local_s < person->charge_end_s;
    bool is_worn = !person->off_day && !charging && (!person->asleep || person->sleeps_with_it);
    if (is_worn && minute_s >= person->lost_until_s && chance(life, 50))
        person->lost_until_s = minute_s + between(life, 2, 14) * (int64_t)MINUTE;
    if (!is_worn || minute_s < person->lost_until_s) {
        person->stored_s = 0;
        person->skin += (2350 - person->skin) / 12;
        return;
    }
    live_rate(cohort, person, minute_s, exercise);

    int32_t skin_aim = person->skin_base + (person->asleep ? 140 : 0) - (exercise ? 90 : 0);
    person->skin += (skin_aim - person->skin) / 10 + around(life, 6);
    put(cohort, person, COHORT_SKIN_TEMPERATURE, COHORT_WATCH, minute_s * NS, 0, person->skin);
    if (person->asleep && minute_s / MINUTE % 5 == 0)
        put(cohort, person, COHORT_SPO2, COHORT_WATCH, minute_s * NS, 0,
            limited(962 + around(life, 12), 860, 1000) / 10 * 10);
    if (local_s == person->measure_at_s || (person->asleep && minute_s % HOUR == 0))
        live_beats(cohort, person, minute_s);
}

/* ---- people --------------------------------------------------------------------------------- */

static void person_init(struct person *person, const struct cohort_options *options, uint32_t index)
{
    /* whole hours, and two that are not: +05:30, +09:30 */
    static const int16_t offsets_minutes[] = { -480, -420, -360, -300, -300, -180, 0,   0,
                                               60,   60,   120,  330,  480,  540,  570, 600 };
    memset(person, 0, sizeof *person);
    uint64_t state = options->seed ^ (uint64_t)index * UINT64_C(0xd1342543de82ef95);
    person->life = draw(&state);
    person->delivery = draw(&state);
    person->index = index;
    uint64_t *life = &person->life;
    person->rest_rate = limited(58 + around(life, 7), 42, 82);
    person->hrv_ms = between(life, 25, 75);
    person->skin_base = 3300 + around(life, 60);
    person->off_day_percent = (uint32_t)between(life, 0, 16);
    person->walk_percent = (uint32_t)between(life, 45, 105);
    person->has_phone = chance(life, 3000);
    person->sleeps_with_it = chance(life, 6500);
    person->is_synced_often = chance(life, 7500);
    int32_t home_s = offsets_minutes[below(life, COUNT(offsets_minutes))] * MINUTE;
    person->home_s = options->mixed_offsets ? home_s : options->offset_s;
    person->offset_s = person->home_s;
    person->liveliness = between(life, 2000, 6500);
    person->rate = person->rest_rate + 8;
    person->skin = person->skin_base;
    person->at_s = options->from_s;
    person->sync_s = person->at_s + between(&person->delivery, 5, 240) * (int64_t)MINUTE;
    /* It begins at home in bed or on a day at its noon. */
    int64_t local_s = person->at_s + person->offset_s;
    int64_t midnight_s = local_s - local_s % DAY;
    plan_day(person, midnight_s + 7 * HOUR);
    if (local_s < midnight_s + 7 * HOUR) {
        person->asleep = true;
        person->asleep_since_s = person->at_s;
        person->wake_at_s = midnight_s + 7 * HOUR;
    }
}

static bool is_sooner(const struct cohort *cohort, uint32_t a, uint32_t b)
{
    const struct person *one = &cohort->people[a];
    const struct person *other = &cohort->people[b];
    return one->sync_s != other->sync_s ? one->sync_s < other->sync_s : a < b;
}

static void heap_sink(struct cohort *cohort, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < cohort->heap_count &&
                is_sooner(cohort, cohort->heap[child], cohort->heap[least]))
                least = child;
        if (least == at)
            return;
        uint32_t moved = cohort->heap[at];
        cohort->heap[at] = cohort->heap[least];
        cohort->heap[least] = moved;
        at = least;
    }
}

/* ---- deliveries ----------------------------------------------------------------------------- */

/* Minutes, hours, and now and then days until the next one. */
static int64_t sync_wait_s(struct person *person)
{
    uint64_t *delivery = &person->delivery;
    int32_t at = below(delivery, 10000);
    if (at < 20)
        return between(delivery, 4 * 24, 13 * 24) * (int64_t)HOUR;
    if (at < 300)
        return between(delivery, 20, 72) * (int64_t)HOUR;
    return between(delivery, 15, person->is_synced_often ? 180 : 900) * (int64_t)MINUTE;
}

/* Close what was gathered to a parcel, metric by metric. */
static void parcel_close(struct cohort *cohort)
{
    struct parcel *parcel = &cohort->parcels[cohort->parcel_count];
    parcel->begin = cohort->rows.count;
    for (size_t metric = 0; metric < COHORT_METRICS; metric++) {
        struct rows *from = &cohort->gathered[metric];
        struct cohort_row *to = rows_room(cohort, &cohort->rows, from->count);
        if (to != NULL && from->count > 0) {
            memcpy(to, from->items, from->count * sizeof *to);
            cohort->rows.count += from->count;
        }
        from->count = 0;
    }
    parcel->count = cohort->rows.count - parcel->begin;
    if (parcel->count > 0)
        cohort->parcel_count++;
}

/* What was kept of the last sync: sent again as it was, or corrected under a greater revision. */
static void send_again(struct cohort *cohort, struct person *person, bool corrected)
{
    struct parcel *parcel = &cohort->parcels[cohort->parcel_count];
    struct cohort_row *to = rows_room(cohort, &cohort->rows, person->kept_count);
    if (to == NULL || person->kept_count == 0)
        return;
    size_t count = 0;
    for (size_t i = 0; i < person->kept_count; i++) {
        struct cohort_row row = person->kept[i];
        if (corrected) {
            if (row.metric == COHORT_STEPS)
                row.value += 1 + row.value / 20;
            else if (row.metric == COHORT_SLEEP_STAGE && row.value == COHORT_REM)
                row.value = COHORT_LIGHT;
            else
                continue;
            row.revision++;
        }
        to[count++] = row;
    }
    *parcel = (struct parcel){ .begin = cohort->rows.count, .count = count };
    cohort->rows.count += count;
    if (count > 0)
        cohort->parcel_count++;
}

/* The last rows of each metric of the newest parcel. */
static void keep(struct cohort *cohort, struct person *person)
{
    size_t room_of_metric = KEPT_ROWS_MAX / 3;
    size_t taken[COHORT_METRICS] = { 0 };
    person->kept_count = 0;
    for (size_t i = cohort->rows.count; i-- > 0 && person->kept_count < KEPT_ROWS_MAX;) {
        const struct cohort_row *row = &cohort->rows.items[i];
        if (row->revision != 0 || taken[row->metric] == room_of_metric)
            continue;
        taken[row->metric]++;
        person->kept[person->kept_count++] = *row;
    }
}

static void sync_person(struct cohort *cohort, struct person *person)
{
    cohort->rows.count = 0;
    cohort->parcel_count = 0;
    cohort->parcel_next = 0;
    cohort->row_next = 0;
    int64_t until_s = person->sync_s < cohort->end_s ? person->sync_s : cohort->end_s;
    while (person->at_s < until_s) {
        int64_t stop_s = person->at_s + PARCEL_S < until_s ? person->at_s + PARCEL_S : until_s;
        for (; person->at_s < stop_s; person->at_s += MINUTE)
            live_minute(cohort, person);
        if (stop_s == cohort->end_s)
            phone_close(cohort, person, stop_s);
        parcel_close(cohort);
    }
    cohort->newest_first = chance(&person->delivery, 5000);
    bool again = chance(&person->delivery, 700);
    bool corrected = chance(&person->delivery, 3500);
    size_t parcel_count = cohort->parcel_count;
    if (again)
        send_again(cohort, person, corrected);
    if (parcel_count > 0)
        keep(cohort, person);
    person->sync_s = until_s == cohort->end_s ? INT64_MAX : person->sync_s + sync_wait_s(person);
}

/* ---- the door ------------------------------------------------------------------------------- */

const char *cohort_metric_name(enum cohort_metric metric)
{
    static const char *const names[COHORT_METRICS] = {
        "heart_rate", "steps",       "sleep_stage", "skin_temperature",
        "spo2",       "rr_interval", "utc_offset",
    };
    return names[metric];
}

const char *cohort_source_name(enum cohort_source source)
{
    static const char *const names[COHORT_SOURCES] = { "watch", "phone" };
    return names[source];
}

const char *cohort_stage_name(enum cohort_stage stage)
{
    static const char *const names[COHORT_STAGES] = { "light", "deep", "rem", "wake" };
    return names[stage];
}

int cohort_exponent(enum cohort_metric metric)
{
    static const int8_t exponents[COHORT_METRICS] = {
        [COHORT_SKIN_TEMPERATURE] = -2,
        [COHORT_SPO2] = -1,
    };
    return exponents[metric];
}

size_t cohort_user_id(char out[static COHORT_ID_BYTES_MAX], uint32_t user)
{
    enum { DIGITS_AT = 4, DIGITS = 7 };
    memcpy(out, "sim-", DIGITS_AT);
    uint32_t number = user + 1;
    for (size_t i = DIGITS; i-- > 0; number /= 10)
        out[DIGITS_AT + i] = (char)('0' + number % 10);
    out[DIGITS_AT + DIGITS] = '\0';
    return DIGITS_AT + DIGITS;
}

void cohort_free(struct cohort *cohort)
{
    if (cohort == NULL)
        return;
    for (size_t metric = 0; metric < COHORT_METRICS; metric++)
        free(cohort->gathered[metric].items);
    free(cohort->rows.items);
    free(cohort->people);
    free(cohort->heap);
    free(cohort);
}

bool cohort_new(struct cohort **out, const struct cohort_options *options)
{
    *out = NULL;
    if (options->users == 0 || options->users > COHORT_USERS_MAX || options->days == 0 ||
        options->days > COHORT_DAYS_MAX || options->from_s < DAY || options->from_s > UINT32_MAX ||
        options->from_s % MINUTE != 0 || options->offset_s < -18 * HOUR ||
        options->offset_s > 18 * HOUR)
        return false;
    struct cohort *cohort = calloc(1, sizeof *cohort);
    if (cohort == NULL)
        return false;
    cohort->options = *options;
    cohort->options.metrics = NULL;
    for (size_t i = 0; i < COHORT_METRICS; i++)
        cohort->wanted[i] = options->metrics == NULL || options->metrics[i];
    cohort->end_s = options->from_s + (int64_t)options->days * DAY;
    cohort->people = malloc(options->users * sizeof *cohort->people);
    cohort->heap = malloc(options->users * sizeof *cohort->heap);
    if (cohort->people == NULL || cohort->heap == NULL) {
        cohort_free(cohort);
        return false;
    }
    cohort->heap_count = options->users;
    for (uint32_t i = 0; i < options->users; i++) {
        person_init(&cohort->people[i], options, i);
        cohort->heap[i] = i;
    }
    for (size_t i = cohort->heap_count / 2; i-- > 0;)
        heap_sink(cohort, i);
    *out = cohort;
    return true;
}

enum cohort_result cohort_next(struct cohort *cohort, const struct cohort_row **rows, size_t *count)
{
    while (cohort->parcel_next == cohort->parcel_count) {
        struct person *person = &cohort->people[cohort->heap[0]];
        if (person->sync_s == INT64_MAX)
            return COHORT_END;
        sync_person(cohort, person);
        if (cohort->has_failed)
            return COHORT_NO_MEMORY;
        heap_sink(cohort, 0);
    }
    size_t index =
        cohort->newest_first ? cohort->parcel_count - 1 - cohort->parcel_next : cohort->parcel_next;
    const struct parcel *parcel = &cohort->parcels[index];
    size_t left = parcel->count - cohort->row_next;
    *count = left < COHORT_BATCH_ROWS_MAX ? left : COHORT_BATCH_ROWS_MAX;
    *rows = cohort->rows.items + parcel->begin + cohort->row_next;
    cohort->row_next += *count;
    if (cohort->row_next == parcel->count) {
        cohort->parcel_next++;
        cohort->row_next = 0;
    }
    return COHORT_ROWS;
}
