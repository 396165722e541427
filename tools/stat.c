/*
 * stat.c -- holter stat: what a store holds, and where.
 */
#include "tool.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static int run(int count, char **arguments);

const struct verb verb_stat = {
    .name = "stat",
    .summary = "show what a store holds, and where",
    .help = "usage: holter stat STORE [--keyring FILE] [--json]\n"
            "\n"
            "Shows the store, its regions, and for each shard its log, what is not flushed, and "
            "each tier.\n"
            "\n"
            "examples:\n"
            "  holter stat /srv/wear\n"
            "  holter stat /srv/wear --json\n",
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
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "region",
                     shard->region, "shard", (int)shard->shard, "manifest_version",
                     figure(shard->manifest_version), "next_sequence", figure(shard->next_sequence),
                     "flushed_sequence", figure(shard->flushed_sequence), "log_files",
                     figure(shard->log_files), "log_bytes", figure(shard->log_bytes),
                     "memtable_frames", figure(shard->memtable_frames), "memtable_bytes",
                     figure(shard->memtable_bytes), "tombstones", figure(shard->tombstones),
                     "tiers", tiers);
}

static json_t *json_of_store(const holter_stat *stat, const char *id)
{
    return json_pack("{s:s, s:i, s:i, s:b, s:b, s:s, s:s?, s:b, s:o, s:o, s:o, s:o, s:o, s:[]}",
                     "id", id, "format_major", (int)stat->format_major, "format_minor",
                     (int)stat->format_minor, "sealed", stat->sealed, "keys_locked",
                     stat->keys_locked, "backend", stat->backend, "backend_reason",
                     stat->backend_reason, "direct", stat->direct, "users", figure(stat->users),
                     "erased_users", figure(stat->erased_users), "metrics", figure(stat->metrics),
                     "vault_version", figure(stat->vault_version), "catalog_version",
                     figure(stat->catalog_version), "shards");
}

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

static int show(holter_store *store, const char *path, bool json)
{
    holter_error err = { 0 };
    holter_stat stat;
    if (holter_stat_read(store, &stat, &err) != HOLTER_OK)
        return say_error(&err);
    char id[33];
    id_format(id, stat.store_id);
    if (!json) {
        print_store(&stat, path, id);
        return show_shards(store, stat.shard_count, NULL);
    }

    json_t *root = json_of_store(&stat, id);
    char *text = NULL;
    int code = root == NULL ? say_no_memory() : show_shards(store, stat.shard_count, root);
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
    const struct option options[] = {
        { "--keyring", OPTION_TEXT, &keyring },
        { "--json", OPTION_FLAG, &json },
    };
    int plain;
    int code = args_parse(&verb_stat, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_stat, "stat takes one STORE, found %d", plain);
    holter_store *store;
    code = store_open(&store, arguments[0], keyring, true);
    if (code != TOOL_OK)
        return code;
    code = show(store, arguments[0], json);
    holter_close(store);
    return code;
}
