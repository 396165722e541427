/*
 * zone_answers.c -- answers about one zone, for zone.py to compare with those of Python.
 *
 *     zone_answers ZONE < questions > answers
 *
 * A question is a letter and numbers; an answer is a line of numbers. Times are in seconds here.
 *     o TIME                    offset
 *     w WALL                    instant, holter_wall
 *     c CALENDAR WIDTH TIME     begin and end of a window
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "holter/holter.h"

#define S INT64_C(1000000000)

static void fail(const holter_error *err)
{
    fprintf(stderr, "%s\n", err->message);
    exit(EXIT_FAILURE);
}

static void answer_wall(const holter_zone *zone, int64_t wall_s)
{
    holter_error err = { 0 };
    int64_t time_ns;
    holter_wall shown;
    if (holter_zone_time(&time_ns, &shown, zone, wall_s * S, &err) != HOLTER_OK)
        fail(&err);
    printf("%" PRId64 " %d\n", time_ns / S, (int)shown);
}

static void answer_window(const holter_zone *zone, int calendar, int64_t width_s, int64_t time_s)
{
    holter_error err = { 0 };
    holter_every every = { .calendar = (holter_calendar)calendar, .width_ns = width_s * S };
    int64_t begin_ns, end_ns;
    if (holter_zone_window(&begin_ns, &end_ns, zone, &every, time_s * S, &err) != HOLTER_OK)
        fail(&err);
    printf("%" PRId64 " %" PRId64 "\n", begin_ns / S, end_ns / S);
}

int main(int count, char **arguments)
{
    holter_error err = { 0 };
    holter_zone *zone = NULL;
    if (count != 2) {
        fprintf(stderr, "usage: zone_answers ZONE\n");
        return 2;
    }
    if (holter_zone_open(&zone, arguments[1], &err) != HOLTER_OK)
        fail(&err);
    char letter;
    while (scanf(" %c", &letter) == 1) {
        int64_t time_s = 0, width_s = 0;
        int calendar = 0;
        if (letter == 'o' && scanf("%" SCNd64, &time_s) == 1) {
            printf("%" PRId32 "\n", holter_zone_offset_s(zone, time_s * S));
        } else if (letter == 'w' && scanf("%" SCNd64, &time_s) == 1) {
            answer_wall(zone, time_s);
        } else if (letter == 'c' &&
                   scanf("%d %" SCNd64 " %" SCNd64, &calendar, &width_s, &time_s) == 3) {
            answer_window(zone, calendar, width_s, time_s);
        } else {
            fprintf(stderr, "found no question\n");
            return 2;
        }
    }
    holter_zone_close(zone);
    return EXIT_SUCCESS;
}
