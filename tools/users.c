/*
 * users.c -- holter users: who is in a store, by number.
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

static int run(int count, char **arguments);

const struct verb verb_users = {
    .name = "users",
    .summary = "list the users of a store, by number",
    .help =
        "usage: holter users STORE [--ids] [--keyring FILE] [--json]\n"
        "\n"
        "Lists users in the order in which they were added: the number that stands for each, "
        "which --user takes\n"
        "wherever an id may stand, and whether the user is erased. Writes nothing to the "
        "store.\n"
        "\n"
        "  --ids   the external ids, too. An id says who a person is; the store keeps it sealed "
        "and names it\n"
        "          nowhere else, so it is shown on demand only: mind where the output goes\n"
        "  --json  an array of objects, instead of CSV\n"
        "\n"
        "examples:\n"
        "  holter users /srv/wear\n"
        "  holter users /srv/wear | grep -c ',erased$'\n"
        "  holter users /srv/wear --ids --json\n"
        "  holter users /srv/wear | sed -n 's/,$//p' | \\\n"
        "      holter query /srv/wear --user - --metric steps --numbers\n",
    .run = run,
};

static void print_user(const char *number, bool erased, const char *id, size_t id_bytes, bool ids,
                       bool json)
{
    if (json) {
        out_format("{\"user\": \"%s\", \"erased\": %s", number, erased ? "true" : "false");
        if (ids && !erased) {
            out_text(", \"id\": ");
            out_json(id, id_bytes);
        }
        out_text("}");
        return;
    }
    out_text(number);
    if (ids) {
        out_text(",");
        out_csv(id, id_bytes);
    }
    out_text(erased ? ",erased\n" : ",\n");
}

/* Users who are added meanwhile come at the end, and may be left out. */
static int show(holter_store *store, bool ids, bool json)
{
    holter_error err = { 0 };
    size_t count = holter_user_count(store);
    out_text(json ? "[" : ids ? "user,id,state\n" : "user,state\n");
    for (size_t i = 0; i < count && !out_failed(); i++) {
        uint64_t user;
        int erased;
        char id[HOLTER_USER_ID_BYTES_MAX + 1] = "";
        size_t id_bytes = 0;
        if (holter_user_at(store, i, &user, &erased, &err) != HOLTER_OK)
            return say_error(&err);
        if (ids && !erased) {
            holter_status status = holter_user_id(store, user, id, &id_bytes, &err);
            if (status != HOLTER_OK && status != HOLTER_EXPIRED)
                return say_error(&err);
            erased = status == HOLTER_EXPIRED; /* since holter_user_at */
        }
        char number[USER_NUMBER_BYTES_MAX];
        user_number_format(number, user);
        if (json)
            out_text(i == 0 ? "\n  " : ",\n  ");
        print_user(number, erased != 0, id, id_bytes, ids, json);
    }
    if (json)
        out_text(count == 0 ? "]\n" : "\n]\n");
    return TOOL_OK;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL;
    bool ids = false, json = false;
    const struct option options[] = {
        { "--ids", OPTION_FLAG, &ids },
        { "--keyring", OPTION_TEXT, &keyring },
        { "--json", OPTION_FLAG, &json },
    };
    int plain;
    int code = args_parse(&verb_users, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_users, "users takes one STORE, found %d", plain);
    holter_store *store;
    code = store_open(&store, arguments[0], keyring, true);
    if (code != TOOL_OK)
        return code;
    code = show(store, ids, json);
    holter_close(store);
    return code;
}
