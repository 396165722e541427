/*
 * feed.c -- holter feed: how long a store keeps its logs for who follows its changes.
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "times.h"

static int run(int count, char **arguments);

const struct verb verb_feed = {
    .name = "feed",
    .summary = "show or set how long changes are kept",
    .help =
        "usage: holter feed STORE [--keep AGE] [--keep-bytes SIZE] [--off] [--keyring FILE] "
        "[--json]\n"
        "\n"
        "Logs that were flushed are removed, unless the store's change feed keeps them, sealed as "
        "they\n"
        "are, so that who follows with 'holter tail' may be away for so long. Without an option it "
        "shows\n"
        "what is set, and what is kept now. What is set holds for every process, from its next "
        "flush on.\n"
        "\n"
        "  --keep AGE         keep each for so long: 7d, 12h, 30min\n"
        "  --keep-bytes SIZE  keep so many bytes at most, all shards together: 4G, 500M\n"
        "  --off              keep none\n"
        "\n"
        "Of two limits the one that is reached first counts; one that is not given does not "
        "limit.\n"
        "\n"
        "examples:\n"
        "  holter feed /srv/wear --keep 7d --keep-bytes 4G\n"
        "  holter feed /srv/wear\n",
    .run = run,
};

/* A whole number and one of K M G T, of 1,024 each. False: it is none, 0, or too large. */
static bool size_read(uint64_t *out, const char *text)
{
    static const char units[] = "KMGT";
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    if (*end != '\0' && (unit == NULL || end[1] != '\0'))
        return false;
    unsigned bits = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
    if (number == 0 || number > (UINT64_MAX >> 1) >> bits)
        return false;
    *out = (uint64_t)number << bits;
    return true;
}

static int set(holter_store *store, const char *age, const char *size, bool off)
{
    holter_error err = { 0 };
    int64_t age_ns = off ? 0 : INT64_MAX;
    uint64_t bytes = off ? 0 : UINT64_MAX;
    if (age != NULL && (duration_read(&age_ns, age, strlen(age)) != TIME_OK || age_ns == 0))
        return say_usage(&verb_feed, "--keep takes an age, such as 7d, 12h or 30min");
    if (size != NULL && !size_read(&bytes, size))
        return say_usage(&verb_feed, "--keep-bytes takes a size, such as 4G or 500M");
    if (holter_feed_keep(store, age_ns, bytes, &err) != HOLTER_OK)
        return say_error(&err);
    return TOOL_OK;
}

static void print_text(const holter_stat *stat, uint64_t files, uint64_t bytes)
{
    char age[DURATION_TEXT_BYTES_MAX];
    if (stat->feed_bytes == 0) {
        out_text("flushed logs are not kept");
    } else {
        out_text("flushed logs are kept");
        if (stat->feed_age_ns != INT64_MAX) {
            duration_write(age, stat->feed_age_ns);
            out_format(" for %s s", age);
        }
        if (stat->feed_bytes != UINT64_MAX)
            out_format("%s up to %llu bytes", stat->feed_age_ns != INT64_MAX ? "," : "",
                       (unsigned long long)stat->feed_bytes);
    }
    out_format("; there are %llu bytes in %llu files\n", (unsigned long long)bytes,
               (unsigned long long)files);
}

static void print_json(const holter_stat *stat, uint64_t files, uint64_t bytes)
{
    char age[DURATION_TEXT_BYTES_MAX];
    duration_write(age, stat->feed_age_ns);
    out_format("{\"on\": %s, \"keep_s\": %s", stat->feed_bytes != 0 ? "true" : "false",
               stat->feed_bytes == 0 || stat->feed_age_ns == INT64_MAX ? "null" : age);
    if (stat->feed_bytes == 0 || stat->feed_bytes == UINT64_MAX)
        out_text(", \"keep_bytes\": null");
    else
        out_format(", \"keep_bytes\": %llu", (unsigned long long)stat->feed_bytes);
    out_format(", \"kept_files\": %llu, \"kept_bytes\": %llu}\n", (unsigned long long)files,
               (unsigned long long)bytes);
}

static int show(holter_store *store, bool json)
{
    holter_error err = { 0 };
    holter_stat stat;
    uint64_t files = 0, bytes = 0;
    if (holter_stat_read(store, &stat, &err) != HOLTER_OK)
        return say_error(&err);
    for (size_t i = 0; i < stat.shard_count; i++) {
        holter_shard_stat shard;
        if (holter_stat_shard(store, i, &shard, &err) != HOLTER_OK)
            return say_error(&err);
        files += shard.kept_files;
        bytes += shard.kept_bytes;
    }
    if (json)
        print_json(&stat, files, bytes);
    else
        print_text(&stat, files, bytes);
    return TOOL_OK;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL, *age = NULL, *size = NULL;
    bool off = false, json = false;
    const struct option options[] = {
        { "--keep", OPTION_TEXT, &age },        { "--keep-bytes", OPTION_TEXT, &size },
        { "--off", OPTION_FLAG, &off },         { "--json", OPTION_FLAG, &json },
        { "--keyring", OPTION_TEXT, &keyring },
    };
    int plain;
    int code = args_parse(&verb_feed, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_feed, "feed takes one STORE, found %d", plain);
    bool is_setting = age != NULL || size != NULL;
    if (off && is_setting)
        return say_usage(&verb_feed, "--off keeps none: give no limits with it");
    holter_store *store;
    code = store_open(&store, arguments[0], keyring, !off && !is_setting);
    if (code != TOOL_OK)
        return code;
    if (off || is_setting)
        code = set(store, age, size, off);
    if (code == TOOL_OK)
        code = show(store, json);
    holter_close(store);
    return code;
}
