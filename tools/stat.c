/*
 * stat.c -- holter stat: what a store holds, and where.
 */
#include "tool.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(int count, char **arguments);

const struct verb verb_stat = {
    .name = "stat",
    .summary = "show what a store holds, and where",
    .help = "usage: holter stat STORE [--keyring FILE] [--json | --prometheus]\n"
            "\n"
            "Shows the store, its regions, for each shard its log, what is not flushed, and each "
            "tier, and\nwhat all processes together did since the machine started: commits, syncs, "
            "flushes, compaction.\n"
            "\n"
            "examples:\n"
            "  holter stat /srv/wear\n"
            "  holter stat /srv/wear --json | jq .statistics.sync_seconds\n"
            "  holter stat /srv/wear --prometheus > /var/lib/node_exporter/holter.prom\n",
    .run = run,
};

static const char *const tier_names[] = { "", "hot", "warm", "cold" };

static void id_format(char out[static 33], const uint8_t id[static 16])
{
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", id[i]);
}

static void print_store(const holter_stat *stat, const char *path, const char *id)
{
    out_format("store     %s\n", path);
    out_format("id        %s, format %u.%u, %s%s, backend %s%s%s%s, logs %s\n", id,
               stat->format_major, stat->format_minor, stat->sealed ? "sealed" : "not sealed",
               stat->sealed && !stat->keys_locked
                   ? " (keys may be swapped out: raise the memlock limit)"
                   : "",
               stat->backend, stat->backend_reason != NULL ? " (" : "",
               stat->backend_reason != NULL ? stat->backend_reason : "",
               stat->backend_reason != NULL ? ")" : "",
               stat->direct ? "direct" : "through the page cache");
    out_format("users     %llu, %llu erased (vault version %llu)\n",
               (unsigned long long)stat->users, (unsigned long long)stat->erased_users,
               (unsigned long long)stat->vault_version);
    out_format("metrics   %llu (catalog version %llu)\n", (unsigned long long)stat->metrics,
               (unsigned long long)stat->catalog_version);
    if (stat->feed_bytes != 0)
        out_text("feed      flushed logs are kept: see 'holter feed'\n");
    out_format("\n%-12s %5s %8s %6s %12s %12s %8s %6s %12s %12s %6s\n", "region", "shard",
               "version", "logs", "log bytes", "unflushed", "tier", "files", "bytes", "rows",
               "gone");
}

static void print_shard(const holter_shard_stat *shard)
{
    bool is_first = true;
    for (size_t tier = HOLTER_HOT; tier <= HOLTER_COLD; tier++) {
        if (shard->tiers[tier].files == 0 && !(tier == HOLTER_COLD && is_first))
            continue;
        if (is_first)
            out_format("%-12s %5u %8llu %6llu %12llu %12llu", shard->region, shard->shard,
                       (unsigned long long)shard->manifest_version,
                       (unsigned long long)shard->log_files, (unsigned long long)shard->log_bytes,
                       (unsigned long long)shard->memtable_bytes);
        else
            out_format("%-12s %5s %8s %6s %12s %12s", "", "", "", "", "", "");
        if (shard->tiers[tier].files == 0)
            out_format(" %8s %6d %12d %12d", "-", 0, 0, 0);
        else
            out_format(" %8s %6llu %12llu %12llu", tier_names[tier],
                       (unsigned long long)shard->tiers[tier].files,
                       (unsigned long long)shard->tiers[tier].bytes,
                       (unsigned long long)shard->tiers[tier].rows);
        if (is_first)
            out_format(" %6llu", (unsigned long long)shard->tombstones);
        out_text("\n");
        is_first = false;
    }
}

/* Integers of JSON are int64 here; none of these figures comes near its end. */
static json_t *figure(uint64_t number)
{
    return json_integer((json_int_t)(number > INT64_MAX ? INT64_MAX : number));
}

static json_t *json_of_shard(const holter_shard_stat *shard)
{
    json_t *tiers = json_object();
    for (size_t tier = HOLTER_HOT; tier <= HOLTER_COLD; tier++)
        json_object_set_new(tiers, tier_names[tier],
                            json_pack("{s:o, s:o, s:o}", "files", figure(shard->tiers[tier].files),
                                      "bytes", figure(shard->tiers[tier].bytes), "rows",
                                      figure(shard->tiers[tier].rows)));
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "region",
                     shard->region, "shard", (int)shard->shard, "manifest_version",
                     figure(shard->manifest_version), "next_sequence", figure(shard->next_sequence),
                     "flushed_sequence", figure(shard->flushed_sequence), "log_files",
                     figure(shard->log_files), "log_bytes", figure(shard->log_bytes), "kept_files",
                     figure(shard->kept_files), "kept_bytes", figure(shard->kept_bytes),
                     "memtable_frames", figure(shard->memtable_frames), "memtable_bytes",
                     figure(shard->memtable_bytes), "tombstones", figure(shard->tombstones),
                     "tiers", tiers);
}

static json_t *json_of_store(const holter_stat *stat, const char *id)
{
    return json_pack(
        "{s:s, s:i, s:i, s:b, s:b, s:s, s:s?, s:b, s:o, s:o, s:o, s:o, s:o, s:[], s:{}}", "id", id,
        "format_major", (int)stat->format_major, "format_minor", (int)stat->format_minor, "sealed",
        stat->sealed, "keys_locked", stat->keys_locked, "backend", stat->backend, "backend_reason",
        stat->backend_reason, "direct", stat->direct, "users", figure(stat->users), "erased_users",
        figure(stat->erased_users), "metrics", figure(stat->metrics), "vault_version",
        figure(stat->vault_version), "catalog_version", figure(stat->catalog_version), "shards",
        "statistics");
}

/* ---- statistics ------------------------------------------------------------------------------ */

/* In units. */
static double bucket_end(size_t bucket)
{
    return (double)(UINT64_C(1) << bucket);
}

/* The upper end of the bucket in which this share of what was measured lies; of the last bucket its lower end. */
static double quantile(const holter_statistic *of, double share)
{
    uint64_t below = of->buckets[0];
    size_t i = 0;
    while ((double)below < share * (double)of->count && i + 1 < HOLTER_BUCKETS)
        below += of->buckets[++i];
    return bucket_end(i) * of->unit;
}

static int each_statistic(holter_store *store,
                          int (*show)(void *context, const holter_statistic *one), void *context)
{
    for (size_t i = 0; i < holter_statistic_count(); i++) {
        holter_error err = { 0 };
        holter_statistic one;
        if (holter_statistic_at(store, i, &one, &err) != HOLTER_OK)
            return say_error(&err);
        int code = show(context, &one);
        if (code != TOOL_OK)
            return code;
    }
    return TOOL_OK;
}

/* *context: one was printed before. */
static int print_statistic(void *context, const holter_statistic *one)
{
    bool *has_begun = context;
    if (one->count == 0)
        return TOOL_OK;
    if (!*has_begun)
        out_text("\nsince the machine started, all processes together:\n");
    *has_begun = true;
    if (!one->is_histogram)
        out_format("%-20s %14llu\n", one->name, (unsigned long long)one->count);
    else
        out_format("%-20s %14llu   mean %.6g, half below %.3g, 99 %% below %.3g\n", one->name,
                   (unsigned long long)one->count, one->sum / (double)one->count,
                   quantile(one, 0.5), quantile(one, 0.99));
    return TOOL_OK;
}

static int gather_statistic(void *context, const holter_statistic *one)
{
    json_t *of = figure(one->count);
    if (one->is_histogram) {
        json_t *below = json_array();
        for (size_t i = 0; i < HOLTER_BUCKETS; i++) {
            if (one->buckets[i] == 0)
                continue;
            json_t *end = i + 1 < HOLTER_BUCKETS ? json_real(bucket_end(i) * one->unit)
                                                 : json_null(); /* the last one has none */
            json_array_append_new(below, json_pack("{s:o, s:o}", "below", end, "count",
                                                   figure(one->buckets[i])));
        }
        of = json_pack("{s:o, s:f, s:o}", "count", of, "sum", one->sum, "buckets", below);
    }
    return json_object_set_new(context, one->name, of) == 0 ? TOOL_OK : say_no_memory();
}

/* The text exposition format of Prometheus, version 0.0.4. */
static int expose_statistic(void *context, const holter_statistic *one)
{
    (void)context;
    if (!one->is_histogram) {
        out_format(
            "# HELP holter_%s_total %s\n# TYPE holter_%s_total counter\nholter_%s_total %llu\n",
            one->name, one->help, one->name, one->name, (unsigned long long)one->count);
        return TOOL_OK;
    }
    uint64_t below = 0;
    out_format("# HELP holter_%s %s\n# TYPE holter_%s histogram\n", one->name, one->help,
               one->name);
    for (size_t i = 0; i + 1 < HOLTER_BUCKETS; i++) {
        /* Whole numbers of units: less than 2^i is not more than 2^i - 1. */
        below += one->buckets[i];
        out_format("holter_%s_bucket{le=\"%.9g\"} %llu\n", one->name,
                   (bucket_end(i) - 1) * one->unit, (unsigned long long)below);
    }
    out_format("holter_%s_bucket{le=\"+Inf\"} %llu\nholter_%s_sum %.9g\nholter_%s_count %llu\n",
               one->name, (unsigned long long)one->count, one->name, one->sum, one->name,
               (unsigned long long)one->count);
    return TOOL_OK;
}

struct gauge {
    const char *name, *help;
    size_t offset; /* in holter_shard_stat */
};

static const struct gauge shard_gauges[] = {
    { "log_files", "files of the log", offsetof(holter_shard_stat, log_files) },
    { "unflushed_log_bytes", "log since the last flush", offsetof(holter_shard_stat, log_bytes) },
    { "deletions", "deletions that still hide rows", offsetof(holter_shard_stat, tombstones) },
};

static int expose_shards(holter_store *store, size_t shard_count)
{
    static const char *const of_tier[] = { "files", "bytes", "rows" };
    holter_shard_stat *shards = calloc(shard_count > 0 ? shard_count : 1, sizeof *shards);
    if (shards == NULL)
        return say_no_memory();
    int code = TOOL_OK;
    for (size_t i = 0; code == TOOL_OK && i < shard_count; i++) {
        holter_error err = { 0 };
        if (holter_stat_shard(store, i, &shards[i], &err) != HOLTER_OK)
            code = say_error(&err);
    }
    for (size_t g = 0; code == TOOL_OK && g < TOOL_COUNT(shard_gauges); g++) {
        const struct gauge *gauge = &shard_gauges[g];
        out_format("# HELP holter_%s %s\n# TYPE holter_%s gauge\n", gauge->name, gauge->help,
                   gauge->name);
        for (size_t i = 0; i < shard_count; i++) {
            uint64_t value;
            memcpy(&value, (const char *)&shards[i] + gauge->offset, sizeof value);
            out_format("holter_%s{region=\"%s\",shard=\"%u\"} %llu\n", gauge->name,
                       shards[i].region, shards[i].shard, (unsigned long long)value);
        }
    }
    for (size_t k = 0; code == TOOL_OK && k < TOOL_COUNT(of_tier); k++) {
        out_format("# HELP holter_tier_%s %s of a tier\n# TYPE holter_tier_%s gauge\n", of_tier[k],
                   of_tier[k], of_tier[k]);
        for (size_t i = 0; i < shard_count; i++) {
            for (size_t tier = HOLTER_HOT; tier <= HOLTER_COLD; tier++) {
                const uint64_t values[] = { shards[i].tiers[tier].files,
                                            shards[i].tiers[tier].bytes,
                                            shards[i].tiers[tier].rows };
                out_format("holter_tier_%s{region=\"%s\",shard=\"%u\",tier=\"%s\"} %llu\n",
                           of_tier[k], shards[i].region, shards[i].shard, tier_names[tier],
                           (unsigned long long)values[k]);
            }
        }
    }
    free(shards);
    return code;
}

static int expose(holter_store *store, const holter_stat *stat)
{
    out_format("# HELP holter_users users of the store\n# TYPE holter_users gauge\n"
               "holter_users %llu\n",
               (unsigned long long)stat->users);
    int code = expose_shards(store, stat->shard_count);
    return code == TOOL_OK ? each_statistic(store, expose_statistic, NULL) : code;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* `root` gathers the shards where it is not NULL; else they are printed. */
static int show_shards(holter_store *store, size_t shard_count, json_t *root)
{
    for (size_t i = 0; i < shard_count; i++) {
        holter_error err = { 0 };
        holter_shard_stat shard;
        if (holter_stat_shard(store, i, &shard, &err) != HOLTER_OK)
            return say_error(&err);
        if (root == NULL)
            print_shard(&shard);
        else if (json_array_append_new(json_object_get(root, "shards"), json_of_shard(&shard)) != 0)
            return say_no_memory();
    }
    return TOOL_OK;
}

static int show(holter_store *store, const char *path, bool json, bool prometheus)
{
    holter_error err = { 0 };
    holter_stat stat;
    if (holter_stat_read(store, &stat, &err) != HOLTER_OK)
        return say_error(&err);
    char id[33];
    id_format(id, stat.store_id);
    if (prometheus)
        return expose(store, &stat);
    if (!json) {
        print_store(&stat, path, id);
        int code = show_shards(store, stat.shard_count, NULL);
        if (code != TOOL_OK)
            return code;
        bool has_begun = false;
        return each_statistic(store, print_statistic, &has_begun);
    }

    json_t *root = json_of_store(&stat, id);
    char *text = NULL;
    int code = root == NULL ? say_no_memory() : show_shards(store, stat.shard_count, root);
    if (code == TOOL_OK)
        code = each_statistic(store, gather_statistic, json_object_get(root, "statistics"));
    if (code != TOOL_OK)
        goto done;
    text = json_dumps(root, JSON_INDENT(2));
    if (text == NULL) {
        code = say_no_memory();
        goto done;
    }
    out_text(text);
    out_text("\n");
done:
    free(text);
    json_decref(root);
    return code;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL;
    bool json = false;
    bool prometheus = false;
    const struct option options[] = {
        { "--keyring", OPTION_TEXT, &keyring },
        { "--json", OPTION_FLAG, &json },
        { "--prometheus", OPTION_FLAG, &prometheus },
    };
    int plain;
    int code = args_parse(&verb_stat, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_stat, "stat takes one STORE, found %d", plain);
    if (json && prometheus)
        return say_usage(&verb_stat, "--json and --prometheus exclude each other");
    holter_store *store;
    code = store_open(&store, arguments[0], keyring, true);
    if (code != TOOL_OK)
        return code;
    code = show(store, arguments[0], json, prometheus);
    holter_close(store);
    return code;
}
