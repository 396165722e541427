/*
 * init.c -- holter init: make a store and its keyring, or add a region to one.
 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(int count, char **arguments);

const struct verb verb_init = {
    .name = "init",
    .summary = "make a store and its keyring, or add a region",
    .help = "usage: holter init STORE [--shards N] [--region R] [--keyring FILE] [--no-sealing]\n"
            "       holter init STORE --add-region R [--shards N] [--keyring FILE]\n"
            "\n"
            "Makes a store, a directory, and its keyring beside it, which alone can open what is "
            "stored.\n"
            "\n"
            "  --shards N      slices of the region that are written side by side, 1 to 256 (one "
            "for each\n"
            "                  processor, but 2 to 4); fixed for ever\n"
            "  --region R      the name of the first region (main): a placement label, [a-z0-9-]\n"
            "  --add-region R  add a region to a store that there is\n"
            "  --keyring FILE  where the keyring is made (STORE.keyring)\n"
            "  --no-sealing    store everything in the clear, without a keyring; fixed for ever\n"
            "\n"
            "examples:\n"
            "  holter init /srv/wear --keyring /etc/holter/wear.keyring\n"
            "  holter init /srv/wear --region eu --shards 8\n"
            "  holter init /srv/wear --add-region us --keyring /etc/holter/wear.keyring\n",
    .run = run,
};

static int add_region(const char *path, const char *region, uint32_t shards, const char *keyring)
{
    holter_store *store;
    int code = store_open(&store, path, keyring, false);
    if (code != TOOL_OK)
        return code;
    holter_error err = { 0 };
    if (holter_add_region(store, region, shards, &err) != HOLTER_OK) {
        code = say_error(&err);
    } else {
        shards = region_shards(store, region);
        out_format("added region %s with %u shard%s to %s\n", region, shards,
                   shards == 1 ? "" : "s", path);
    }
    holter_close(store);
    return code;
}

/* Of a store that was just made: as many as it got by default; 0: it cannot be opened now. */
static uint32_t shards_of_new(const char *path, const holter_create_options *options)
{
    holter_store *store;
    holter_error err = { 0 };
    const holter_options look = { .keyring_path = options->keyring_path, .read_only = 1 };
    if (holter_open(&store, path, &look, &err) != HOLTER_OK)
        return 0;
    uint32_t shards = region_shards(store, options->region);
    holter_close(store);
    return shards;
}

static int make_store(const char *path, const holter_create_options *options)
{
    holter_error err = { 0 };
    if (holter_create(path, options, &err) != HOLTER_OK)
        return say_error(&err);

    const char *sealing = options->no_sealing ? "not sealed" : "sealed";
    uint32_t shards = options->shards > 0 ? options->shards : shards_of_new(path, options);
    if (shards > 0)
        out_format("made store %s: region %s, %u shard%s, %s\n", path, options->region, shards,
                   shards == 1 ? "" : "s", sealing);
    else
        out_format("made store %s: region %s, %s\n", path, options->region, sealing);
    if (options->no_sealing) {
        say("warning: this store is not sealed; who reads its files reads everything in it");
        return TOOL_OK;
    }
    out_format("keyring %s%s\n", options->keyring_path != NULL ? options->keyring_path : path,
               options->keyring_path != NULL ? "" : ".keyring");
    say("warning: keep a copy of the keyring elsewhere; without it nothing in the store can ever "
        "be read");
    return TOOL_OK;
}

static int run(int count, char **arguments)
{
    uint32_t shards = 0; /* those of the default */
    const char *region = NULL;
    const char *added_region = NULL;
    const char *keyring = NULL;
    bool no_sealing = false;
    const struct option options[] = {
        { "--shards", OPTION_COUNT, &shards },          { "--region", OPTION_TEXT, &region },
        { "--add-region", OPTION_TEXT, &added_region }, { "--keyring", OPTION_TEXT, &keyring },
        { "--no-sealing", OPTION_FLAG, &no_sealing },
    };
    int plain;
    int code = args_parse(&verb_init, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_init, "init takes one STORE, found %d", plain);
    if (shards > 256)
        return say_usage(&verb_init, "--shards takes a whole number from 1 to 256");
    if (added_region != NULL) {
        if (region != NULL || no_sealing)
            return say_usage(&verb_init, "--add-region goes with --shards and --keyring only");
        return add_region(arguments[0], added_region, shards, keyring);
    }
    if (no_sealing && keyring != NULL)
        return say_usage(&verb_init, "--no-sealing makes no keyring, so --keyring cannot be given");
    holter_create_options create = {
        .shards = shards,
        .region = region != NULL ? region : "main",
        .keyring_path = keyring,
        .no_sealing = no_sealing,
    };
    return make_store(arguments[0], &create);
}
