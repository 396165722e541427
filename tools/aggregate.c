/*
 * aggregate.c -- holter aggregate: windows of a metric, as CSV or JSON.
 */
#include "rows.h"

#include <stdio.h>
#include <string.h>

#include "times.h"

enum { VALUE_BYTES = 1024, FUNCTIONS = 8 };

static int run(int count, char **arguments);

const struct verb verb_aggregate = {
    .name = "aggregate",
    .summary = "count, sum, mean, min, max, first, last, time by hour, day, month ..",
    .help =
        "usage: holter aggregate STORE --user U|--all --metric M --every W --fn F,..\n"
        "                        [--tz ZONE] [--source S] [--field NAME] [--from T] [--to T]\n"
        "                        [--where COND] [--format csv|json] [--numbers] [--keyring FILE]\n"
        "\n"
        "Prints a line for each window in which there is something, user by user, rising by time.\n"
        "Writes nothing to the store.\n"
        "\n"
        "  --user U      an id; '#' and a number; @FILE with one of these a line; - for such lines "
        "on stdin\n"
        "                (other users of this machine see arguments: prefer @FILE or -)\n"
        "  --all         every user\n"
        "  --metric M    by name, such as steps\n"
        "  --every W     1d 1w 1mo 1q 1y: days, ISO weeks, months, quarters, years of the zone;\n"
        "                or a length such as 90s 15m 6h, which with --tz divides a day\n"
        "  --tz ZONE     a zone of the system, such as Europe/Berlin, or an offset such as +05:30; "
        "else UTC\n"
        "  --fn F,..     of count sum mean min max first last time, in the order of the columns\n"
        "  --source S    this source only; else all together\n"
        "  --field NAME  this field only (again for more); else each one but the key\n"
        "  --from T      RFC 3339, or a date (its first moment); the windows at the ends "
        "are\n"
        "  --to T        cut to [from, to)\n"
        "  --where COND  samples whose value meets it, such as 'value>=120' or =deep (again "
        "for "
        "more, which all "
        "hold)\n"
        "  --format F    csv (with a header) or json (an object a line)\n"
        "  --numbers     print the numbers that stand for users, not their ids\n"
        "\n"
        "count, mean, min, max, first and last are of the samples that begin in a window; a sum "
        "takes the\n"
        "share of each interval that lies in it. Samples flagged out_of_range or non_finite are in "
        "none.\n"
        "\n"
        "examples:\n"
        "  holter aggregate /srv/wear --user @ids.txt --metric steps --every 1d --tz "
        "America/New_York --fn sum\n"
        "  holter aggregate /srv/wear --all --metric heart_rate --every 1h --fn "
        "count,mean,min,max\n"
        "  holter aggregate /srv/wear --all --metric sleep_stage --where =deep --every 1d "
        "--fn time\n"
        "  holter aggregate /srv/wear --user - --metric blood_pressure --every 1mo --fn mean "
        "--format json < ids.txt\n",
    .run = run,
};

static const struct {
    const char *name;
    uint32_t bit;
} functions[FUNCTIONS] = {
    { "count", HOLTER_FN_COUNT }, { "sum", HOLTER_FN_SUM },   { "mean", HOLTER_FN_MEAN },
    { "min", HOLTER_FN_MIN },     { "max", HOLTER_FN_MAX },   { "first", HOLTER_FN_FIRST },
    { "last", HOLTER_FN_LAST },   { "time", HOLTER_FN_TIME },
};

struct aggregate {
    struct output output;
    holter_every every;
    uint32_t fields;
    uint32_t function_bits;
    size_t order[FUNCTIONS]; /* of columns: places in `functions` */
    size_t order_count;
};

/* ---- what is asked for ----------------------------------------------------------------------- */

static int functions_read(struct aggregate *aggregate, const char *text)
{
    for (const char *at = text;; at++) {
        size_t bytes = strcspn(at, ",");
        size_t found = 0;
        while (found < FUNCTIONS && (strlen(functions[found].name) != bytes ||
                                     memcmp(functions[found].name, at, bytes) != 0))
            found++;
        if (found == FUNCTIONS)
            return say_usage(&verb_aggregate, "--fn takes some of count, sum, mean, min, max, "
                                              "first, last, time, apart by commas");
        if ((aggregate->function_bits & functions[found].bit) != 0)
            return say_usage(&verb_aggregate, "--fn: found %s twice", functions[found].name);
        aggregate->function_bits |= functions[found].bit;
        aggregate->order[aggregate->order_count++] = found;
        at += bytes;
        if (*at == '\0')
            return TOOL_OK;
    }
}

static int every_read(holter_every *out, const char *text)
{
    static const struct {
        const char *unit;
        holter_calendar calendar;
    } calendars[] = {
        { "d", HOLTER_DAYS },     { "w", HOLTER_WEEKS }, { "mo", HOLTER_MONTHS },
        { "q", HOLTER_QUARTERS }, { "y", HOLTER_YEARS },
    };
    size_t digits = strspn(text, "0123456789");
    *out = (holter_every){ 0 };
    for (size_t i = 0; digits > 0 && i < TOOL_COUNT(calendars); i++) {
        if (strcmp(text + digits, calendars[i].unit) != 0)
            continue;
        if (digits != 1 || text[0] != '1')
            return say_usage(
                &verb_aggregate,
                "--every: days, weeks, months, quarters and years come one at a time: 1%s",
                calendars[i].unit);
        out->calendar = calendars[i].calendar;
        return TOOL_OK;
    }
    if (digits > 0) {
        switch (duration_read(&out->width_ns, text, strlen(text))) {
        case TIME_OK:
            if (out->width_ns > 0)
                return TOOL_OK;
            return say_usage(&verb_aggregate, "--every: found a window of no length");
        case TIME_OUT_OF_RANGE:
            return say_usage(&verb_aggregate, "--every: found a window longer than 292 years");
        case TIME_TOO_FINE:
            return say_usage(&verb_aggregate, "--every: found a window finer than a nanosecond");
        case TIME_MALFORMED:
            break;
        }
    }
    return say_usage(&verb_aggregate,
                     "--every takes 1d, 1w, 1mo, 1q, 1y, or a length such as 90s, 15m or 6h");
}

/* The width fits the zone: asked of any instant. */
static int windows_check(const struct aggregate *aggregate)
{
    holter_error err = { 0 };
    int64_t begin_ns, end_ns;
    if (holter_zone_window(&begin_ns, &end_ns, aggregate->output.zone.zone, &aggregate->every, 0,
                           &err) != HOLTER_OK)
        return say_usage(&verb_aggregate, "--every: %s", err.message);
    return TOOL_OK;
}

static int fields_find(struct aggregate *aggregate, const struct option_list *names)
{
    const holter_metric *metric = &aggregate->output.metric;
    for (size_t i = 0; i < names->count; i++) {
        size_t f = 0;
        while (f < metric->field_count && strcmp(metric->fields[f].name, names->items[i]) != 0)
            f++;
        if (f == metric->field_count) {
            say("--field: metric '%s' has no field of that name", metric->name);
            return TOOL_NOT_FOUND;
        }
        if ((int)f == metric->key_field)
            return say_usage(&verb_aggregate, "--field: '%s' is the key of '%s', and no value",
                             metric->fields[f].name, metric->name);
        aggregate->fields |= (uint32_t)1 << f;
    }
    for (size_t f = 0; names->count == 0 && f < metric->field_count; f++) {
        if ((int)f != metric->key_field)
            aggregate->fields |= (uint32_t)1 << f;
    }
    if (aggregate->fields == 0)
        aggregate->function_bits |= HOLTER_FN_COUNT;
    return TOOL_OK;
}

static bool has_field(const struct aggregate *aggregate, size_t field)
{
    return (aggregate->fields >> field & 1) != 0;
}

static int functions_check(const struct aggregate *aggregate)
{
    const uint32_t of_all = HOLTER_FN_COUNT | HOLTER_FN_TIME | HOLTER_FN_FIRST | HOLTER_FN_LAST;
    const holter_metric *metric = &aggregate->output.metric;
    if ((aggregate->function_bits & HOLTER_FN_TIME) != 0 && metric->kind != HOLTER_INTERVAL)
        return say_usage(&verb_aggregate, "--fn: %s is of instants, which last no time",
                         metric->name);
    for (size_t f = 0; f < metric->field_count; f++) {
        holter_type type = metric->fields[f].type;
        if (!has_field(aggregate, f) || type == HOLTER_INT || type == HOLTER_FLOAT)
            continue;
        for (size_t i = 0; i < aggregate->order_count; i++) {
            if ((functions[aggregate->order[i]].bit & of_all) == 0)
                return say_usage(&verb_aggregate,
                                 "--fn: %s does not fit field '%s' of %s, which is %s: count, "
                                 "time, first and last do",
                                 functions[aggregate->order[i]].name, metric->fields[f].name,
                                 metric->name, type == HOLTER_ENUM ? "an enum" : "a text");
        }
    }
    return TOOL_OK;
}

/* ---- printing -------------------------------------------------------------------------------- */

/* Columns of a metric with several fields are told apart by the field's name. */
static bool is_many(const struct aggregate *aggregate)
{
    const holter_metric *metric = &aggregate->output.metric;
    size_t values = metric->field_count - (metric->key_field >= 0);
    return values > 1;
}

/* Functions that need no field. */
static bool is_of_samples(size_t function)
{
    return (functions[function].bit & (HOLTER_FN_COUNT | HOLTER_FN_TIME)) != 0;
}

static void print_header(const struct aggregate *aggregate)
{
    out_text("user,metric,start,end");
    for (size_t i = 0; i < aggregate->order_count; i++) {
        const char *name = functions[aggregate->order[i]].name;
        if (is_of_samples(aggregate->order[i]) || !is_many(aggregate)) {
            out_format(",%s", name);
            continue;
        }
        for (size_t f = 0; f < aggregate->output.metric.field_count; f++) {
            if (has_field(aggregate, f))
                out_format(",%s.%s", name, aggregate->output.metric.fields[f].name);
        }
    }
    out_text("\n");
}

static void print_time(const struct aggregate *aggregate, int64_t time_ns)
{
    char text[TIME_TEXT_BYTES_MAX];
    out_bytes(text, time_write(text, time_ns, aggregate->output.told));
}

static void print_nothing(const struct aggregate *aggregate)
{
    if (aggregate->output.json)
        out_text("null");
}

static void print_mean(const struct aggregate *aggregate, double mean)
{
    static const holter_metric plain = { .field_count = 1, .fields = { { .type = HOLTER_FLOAT } } };
    char text[VALUE_BYTES];
    size_t bytes =
        holter_value_format(text, sizeof text, &plain, 0, (holter_value){ .real = mean });
    number_print(&aggregate->output, text, bytes);
}

static void print_sum(const struct aggregate *aggregate, size_t field, const holter_sum *sum)
{
    char text[VALUE_BYTES];
    size_t bytes = holter_sum_format(text, sizeof text, &aggregate->output.metric, field, sum);
    if (sum->is_there)
        number_print(&aggregate->output, text, bytes);
    else
        print_nothing(aggregate);
}

/* A function's result for one field of a window. */
static void print_result(const struct aggregate *aggregate, const holter_windows *windows,
                         const holter_window_field *of, uint32_t function, size_t at)
{
    const holter_value *values = function == HOLTER_FN_MIN     ? of->min
                                 : function == HOLTER_FN_MAX   ? of->max
                                 : function == HOLTER_FN_FIRST ? of->first
                                                               : of->last;
    if (function == HOLTER_FN_SUM)
        print_sum(aggregate, of->field, &of->sum[at]);
    else if (windows->samples[at] == 0)
        print_nothing(aggregate);
    else if (function == HOLTER_FN_MEAN)
        print_mean(aggregate, of->mean[at]);
    else
        value_print(&aggregate->output, of->field, values[at]);
}

static void print_name(const struct aggregate *aggregate, const char *function, const char *field)
{
    if (!aggregate->output.json)
        out_text(",");
    else if (field == NULL)
        out_format(", \"%s\": ", function);
    else
        out_format(", \"%s.%s\": ", function, field);
}

static void print_results(const struct aggregate *aggregate, const holter_windows *windows,
                          size_t at)
{
    const holter_metric *metric = &aggregate->output.metric;
    for (size_t i = 0; i < aggregate->order_count; i++) {
        size_t function = aggregate->order[i];
        if (functions[function].bit == HOLTER_FN_COUNT) {
            print_name(aggregate, "count", NULL);
            out_format("%llu", (unsigned long long)windows->samples[at]);
            continue;
        }
        if (functions[function].bit == HOLTER_FN_TIME) {
            char text[DURATION_TEXT_BYTES_MAX];
            print_name(aggregate, "time", NULL);
            out_bytes(text, duration_write(text, windows->time_ns[at]));
            continue;
        }
        for (size_t f = 0; f < windows->field_count; f++) {
            const holter_window_field *of = &windows->fields[f];
            print_name(aggregate, functions[function].name,
                       is_many(aggregate) ? metric->fields[of->field].name : NULL);
            print_result(aggregate, windows, of, functions[function].bit, at);
        }
    }
}

static void print_window(const struct aggregate *aggregate, const struct person *person,
                         const holter_windows *windows, size_t at)
{
    bool json = aggregate->output.json;
    if (json) {
        out_text("{\"user\": ");
        out_json(person->text, person->text_bytes);
        out_format(", \"metric\": \"%s\", \"start\": \"", aggregate->output.metric.name);
    } else {
        out_csv(person->text, person->text_bytes);
        out_format(",%s,", aggregate->output.metric.name);
    }
    print_time(aggregate, windows->begin_ns[at]);
    out_text(json ? "\", \"end\": \"" : ",");
    print_time(aggregate, windows->end_ns[at]);
    out_text(json ? "\"" : "");
    print_results(aggregate, windows, at);
    out_text(json ? "}\n" : "\n");
}

static int print_user(const struct aggregate *aggregate, uint64_t user)
{
    const struct output *output = &aggregate->output;
    struct person person;
    int code = person_read(output, &person, user);
    if (code != TOOL_OK)
        return code;
    holter_aggregate_spec spec = { .user = user,
                                   .metric = output->metric.number,
                                   .from_ns = output->from_ns,
                                   .to_ns = output->to_ns,
                                   .every = aggregate->every,
                                   .zone = output->zone.zone,
                                   .fields = aggregate->fields,
                                   .functions = aggregate->function_bits,
                                   .filters = output->where.filters,
                                   .filter_count = output->where.count };
    if (output->source_name != NULL) {
        code = source_find(output, user, &spec.source);
        if (code != TOOL_OK || spec.source == 0)
            return code;
    }
    if (output->from_ns == output->to_ns || output->where.is_nothing)
        return TOOL_OK; /* to the library, both ends 0 would be all time */

    holter_error err = { 0 };
    holter_aggregator *aggregator;
    holter_windows windows;
    if (holter_aggregate(&aggregator, output->snapshot, &spec, &err) != HOLTER_OK)
        return say_error(&err);
    holter_status status = HOLTER_OK;
    while (!out_failed() &&
           (status = holter_aggregate_next(aggregator, &windows, &err)) == HOLTER_OK) {
        for (size_t at = 0; at < windows.count; at++)
            print_window(aggregate, &person, &windows, at);
    }
    if (status != HOLTER_OK && status != HOLTER_DONE)
        code = say_error(&err);
    holter_aggregate_close(aggregator);
    return code;
}

static int aggregate_run(struct aggregate *aggregate, const char *metric, const char *user,
                         const struct option_list *fields, const struct option_list *where)
{
    holter_error err = { 0 };
    struct output *output = &aggregate->output;
    struct user_list users = { 0 };
    int code = metric_find(output->store, metric, &output->metric);
    if (code == TOOL_OK)
        code = fields_find(aggregate, fields);
    if (code == TOOL_OK)
        code = functions_check(aggregate);
    if (code == TOOL_OK)
        code = where_read(&output->where, &verb_aggregate, where, &output->metric);
    if (code == TOOL_OK)
        code = user == NULL ? user_list_all(&users, output->store)
                            : user_list_find(&users, &verb_aggregate, output->store, user);
    if (code == TOOL_OK &&
        holter_snapshot_open(&output->snapshot, output->store, &err) != HOLTER_OK)
        code = say_error(&err);
    if (code == TOOL_OK)
        code = source_check(output, &users);
    if (code == TOOL_OK && !output->json)
        print_header(aggregate);
    for (size_t i = 0; code == TOOL_OK && i < users.count && !out_failed(); i++)
        code = print_user(aggregate, users.numbers[i]);
    holter_snapshot_close(output->snapshot);
    user_list_release(&users);
    return code;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL, *user = NULL, *metric = NULL, *from = NULL, *to = NULL,
               *format = NULL, *every = NULL, *zone = NULL, *fn = NULL;
    bool all = false;
    struct option_list fields = { 0 }, where = { 0 };
    struct aggregate aggregate = { .output = { .from_ns = HOLTER_TIME_MIN,
                                               .to_ns = HOLTER_TIME_MAX } };
    struct output *output = &aggregate.output;
    const struct option options[] = {
        { "--user", OPTION_TEXT, &user },
        { "--all", OPTION_FLAG, &all },
        { "--metric", OPTION_TEXT, &metric },
        { "--every", OPTION_TEXT, &every },
        { "--tz", OPTION_TEXT, &zone },
        { "--fn", OPTION_TEXT, &fn },
        { "--source", OPTION_TEXT, &output->source_name },
        { "--field", OPTION_LIST, &fields },
        { "--from", OPTION_TEXT, &from },
        { "--to", OPTION_TEXT, &to },
        { "--where", OPTION_LIST, &where },
        { "--format", OPTION_TEXT, &format },
        { "--numbers", OPTION_FLAG, &output->numbers },
        { "--keyring", OPTION_TEXT, &keyring },
    };
    int plain;
    int code = args_parse(&verb_aggregate, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_aggregate, "aggregate takes one STORE, found %d", plain);
    if (metric == NULL || every == NULL || fn == NULL)
        return say_usage(&verb_aggregate, "aggregate needs --metric, --every and --fn");
    if ((user != NULL) == all)
        return say_usage(&verb_aggregate, "aggregate takes either --user or --all");
    if (format != NULL && strcmp(format, "csv") != 0 && strcmp(format, "json") != 0)
        return say_usage(&verb_aggregate, "--format takes csv or json");
    output->json = format != NULL && strcmp(format, "json") == 0;
    code = output_zone_find(output, &verb_aggregate, zone);
    if (code == TOOL_OK)
        code = bound_read(&output->from_ns, &verb_aggregate, "--from", from, output->told);
    if (code == TOOL_OK)
        code = bound_read(&output->to_ns, &verb_aggregate, "--to", to, output->told);
    if (code == TOOL_OK && output->from_ns > output->to_ns)
        code = say_usage(&verb_aggregate, "--from is later than --to");
    if (code == TOOL_OK)
        code = functions_read(&aggregate, fn);
    if (code == TOOL_OK)
        code = every_read(&aggregate.every, every);
    if (code == TOOL_OK)
        code = windows_check(&aggregate);
    if (code == TOOL_OK)
        code = store_open(&output->store, arguments[0], keyring, true);
    if (code == TOOL_OK) {
        code = aggregate_run(&aggregate, metric, user, &fields, &where);
        holter_close(output->store);
    }
    time_zone_close(&output->zone);
    return code;
}
